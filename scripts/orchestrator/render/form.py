"""The simulated execution form: what a session prints while Claude does the tasks itself.

A ruled banner opens a batch. A box then shows one agent's instruction, steps, output, duration and status, or several
agents of the batch together. Boxes are open on the right: terminals disagree about the width of emoji, and a frame
that is one column off looks worse than none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.dataclasses import dataclass
from orchestrator.durations import duration_text
from orchestrator.model import Status
from orchestrator.render.markdown import one_line
from orchestrator.render.wrapping import columns, wrapped
from orchestrator.texts.document import STATUS_CELLS

WIDTH = 78
NAME_LIMIT = 60
REASON_LIMIT = 400
_INDENT = "   "


@dataclass(frozen=True, slots=True)
class AgentForm:
    """What is known of one agent's task; a part that is empty or None is left out of the form."""

    agent: str
    task: str
    name: str
    instruction: str = ""
    steps: Sequence[str] = ()
    output: Sequence[str] = ()
    saved_to: str = ""
    duration_s: float | None = None
    status: Status | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Signs:
    """The characters of one style: lines, edges, and what stands before each part."""

    double_line: str
    line: str
    top: str
    side: str
    middle: str
    bottom: str
    beside: str
    step: str
    bullet: str
    batch: str = ""
    agent: str = ""
    instruction: str = ""
    execution: str = ""
    output: str = ""
    duration: str = ""
    statuses: Mapping[Status, str] | None = None

    def status(self, status: Status) -> str:
        return self.statuses[status] if self.statuses else ""


_DRAWN = _Signs(
    double_line="═",
    line="─",
    top="┌",
    side="│",
    middle="├",
    bottom="└",
    beside="║",
    step="→",
    bullet="•",
    batch="🚀 ",
    agent="🤖 ",
    instruction="📥 ",
    execution="⚙️ ",
    output="📤 ",
    duration="⏱️ ",
    statuses={status: cell.partition(" ")[0] for status, cell in STATUS_CELLS.items()},
)
_ASCII = _Signs(
    double_line="=", line="-", top="+", side="|", middle="+", bottom="+", beside="||", step="->", bullet="*"
)


def batch_banner(number: int, after: Sequence[str] = (), *, is_ascii: bool = False, width: int = WIDTH) -> str:
    """The ruled lines that open batch ``number``, which waited for the tasks ``after``; ends without a newline.

    ``is_ascii`` draws with ASCII alone, here and in ``agent_box``; the texts of tasks stay as they are.
    """
    signs = _ASCII if is_ascii else _DRAWN
    waited = f"after {', '.join(after)}" if after else "no dependencies"
    title = wrapped(f"{signs.batch}Parallel Execution Batch #{number} ({waited})", width)
    return "\n".join([signs.double_line * width, *title, signs.double_line * width])


def agent_box(forms: Sequence[AgentForm], *, is_ascii: bool = False, width: int = WIDTH) -> str:
    """The box of one agent, or of several agents of one batch, ``width`` columns wide; ends without a newline.

    Of several agents the title names all, every text says whose it is, and the box ends with one line for each that
    has a status: ``Agent-02 completed ✅ (2.1s)``.
    """
    signs = _ASCII if is_ascii else _DRAWN
    room = width - columns(signs.side) - 1
    title, body = _title(forms, signs, room), _body(forms, signs, room)
    if len(forms) == 1:
        blocks = [title, body + _end(forms[0], signs, room)]
    else:
        blocks = [title, body, [line for form in forms for line in _brief_end(form, signs, room)]]
    lines = [signs.top + signs.line * (width - 1)]
    for number, block in enumerate(filter(None, blocks)):
        lines += [signs.middle + signs.line * (width - 1)] * bool(number)
        lines += [f"{signs.side} {line}".rstrip() for line in block]
    return "\n".join([*lines, signs.bottom + signs.line * (width - 1)])


def _title(forms: Sequence[AgentForm], signs: _Signs, room: int) -> list[str]:
    """The agents beside each other, as many on a line as fit."""
    names = [f"{form.agent} [{form.task}: {one_line(form.name, NAME_LIMIT)}]" for form in forms]
    lines = [signs.agent + names[0]]
    for name in names[1:]:
        beside = f"{lines[-1]} {signs.beside} {name}"
        if columns(beside) <= room:
            lines[-1] = beside
        else:
            lines.append(f"{_INDENT}{signs.beside} {name}")
    rest = _INDENT + " " * (len(signs.beside) + 1)
    return [piece for line in lines for piece in ([line] if columns(line) <= room else wrapped(line, room, "", rest))]


def _body(forms: Sequence[AgentForm], signs: _Signs, room: int) -> list[str]:
    """Instructions, steps and output, each under its heading if any agent has it."""
    whose = {form.task: f"{form.agent}: " if len(forms) > 1 else "" for form in forms}
    parts = (
        (f"{signs.instruction}Instruction", [("", form, form.instruction) for form in forms]),
        (f"{signs.execution}Execution", [(f"{signs.step} ", form, step) for form in forms for step in form.steps]),
        (f"{signs.output}Output", [item for form in forms for item in _outputs(form, signs)]),
    )
    lines: list[str] = []
    for heading, items in parts:
        said = [(mark, whose[form.task] + text) for mark, form, text in items if text.strip()]
        lines += [heading] * bool(said)
        for mark, text in said:
            lines += wrapped(text, room, _INDENT + mark, _INDENT + " " * len(mark))
    return lines


def _outputs(form: AgentForm, signs: _Signs) -> list[tuple[str, AgentForm, str]]:
    bullets = [(f"{signs.bullet} ", form, text) for text in form.output]
    return [*bullets, ("", form, f"Saved to: {form.saved_to}")] if form.saved_to else bullets


def _end(form: AgentForm, signs: _Signs, room: int) -> list[str]:
    """How one agent alone ended: a line for its duration and one for its status."""
    lines: list[str] = []
    if form.duration_s is not None:
        lines.append(f"{signs.duration}Duration: {duration_text(form.duration_s)}")
    if form.status:
        status = f"{signs.status(form.status)} Status: {form.status.capitalize()}".lstrip()
        lines += wrapped(f"{status} ({reason})" if (reason := _reason(form)) else status, room, "", _INDENT)
    return lines


def _brief_end(form: AgentForm, signs: _Signs, room: int) -> list[str]:
    """How one agent of several ended, if its status is known."""
    if form.status is None:
        return []
    duration = "" if form.duration_s is None else f"({duration_text(form.duration_s)})"
    end = " ".join(filter(None, (form.agent, str(form.status), signs.status(form.status), duration)))
    return wrapped(f"{end}: {reason}" if (reason := _reason(form)) else end, room, "", _INDENT)


def _reason(form: AgentForm) -> str:
    return one_line(form.reason, REASON_LIMIT)
