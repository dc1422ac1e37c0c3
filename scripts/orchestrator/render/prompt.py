"""The whole prompt of one attempt: the assignment, what other tasks hand over, and how to answer.

Texts of the plan and results of other agents are data. They stand in frames whose names end in a nonce that occurs
in none of them, so that no text can end its own frame, and an ``@`` in them attaches no file.
The same arguments give the same prompt.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from hashlib import sha256
from secrets import token_hex
from types import MappingProxyType

from orchestrator.dataclasses import dataclass
from orchestrator.durations import duration_text
from orchestrator.errors import InvalidInputError
from orchestrator.model import DEFAULT_LEASE_S, DEFAULT_TIMEOUT_S, Plan, Task
from orchestrator.render.handed_over import HandedOver, fair_shares
from orchestrator.render.inputs import InputFiles, shown_inputs
from orchestrator.render.markdown import inline_code, one_line
from orchestrator.render.summary import counted
from orchestrator.render.templates import rendered
from orchestrator.texts.attachments import NOTE, without_attachments
from orchestrator.texts.tokens import estimated_tokens

# What the CLI takes on stdin; one byte more and it ends with "piped stdin input exceeds 10MB".
MAX_BYTES = 10 * 1024 * 1024

# Characters of results and gathered context in one prompt: about 50,000 tokens, a quarter of a usual context window.
DEFAULT_LIMIT = 200_000
# Even if each of them takes four bytes, the rest of the prompt has 2 MiB.
_LARGEST_LIMIT = 2_000_000

# A beginning shorter than this says less than the path of the whole.
_SHORTEST_PART = 200
_LONGEST_SUMMARY = 2_000
_NONCE_LENGTH = 12
_PLACE = f"nonce-{token_hex(16)}"
"""Where the nonce goes, until all of the text is known; nobody can write it into a text beforehand."""
_CLOSING = "\n## How to end\n"


class Audience(StrEnum):
    """Who reads the prompt: a process of its own, a subagent in a session, which records its end itself, or somebody
    who knows how that is done and wants what is needed for the task alone."""

    WORKER = "worker"
    SUBAGENT = "subagent"
    READER = "reader"


@dataclass(frozen=True, slots=True)
class Prompt:
    """The text for an agent, and what a person should know of it: what was cut, which ``@`` were made harmless."""

    text: str
    notes: tuple[str, ...] = ()

    @property
    def tokens(self) -> int:
        """About how many tokens it takes."""
        return estimated_tokens(self.text)


@dataclass(frozen=True, slots=True)
class Part:
    """As much of a text as fits: all of it, or its beginning after a summary."""

    text: str
    total: int
    summary: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether nothing was cut."""
        return len(self.text) == self.total


def prompt(
    plan: Plan,
    task: Task,
    *,
    agent: str,
    result_file: str,
    audience: Audience = Audience.SUBAGENT,
    attempt: int = 1,
    dependencies: Sequence[HandedOver] = (),
    inputs: Mapping[str, InputFiles] = MappingProxyType({}),
    context: str = "",
    context_file: str = "",
    role_prompt: str = "",
    focus: str = "",
    failed_before: str = "",
    is_fallback: bool = False,
    tools: Sequence[str] = (),
    limit: int = DEFAULT_LIMIT,
    exists: Callable[[str], bool] = lambda path: False,
    command: str = "orchestrate",
    folder: str = ".orchestrator",
) -> Prompt:
    """The prompt of attempt number ``attempt`` of ``task``.

    ``result_file``, ``context_file`` and ``folder`` (where the run keeps its files) are paths as the agent would open
    them. ``inputs`` are the files of those inputs that are paths, ``context`` is gathered material, ``role_prompt``
    what the task's role says first, ``focus`` one sentence of the loop, ``failed_before`` why the last attempt failed,
    ``command`` how a subagent calls this program.
    ``is_fallback`` puts the fallback's instruction in the place of the description, where it has one.
    ``tools`` are named to the agent; without them those of the task are.
    At most ``limit`` characters of results and context are handed over, small ones whole; what is cut is announced
    with the path of the whole. ``exists`` tells whether the project has a path, for text that would attach it.

    Never begins with ``/``, ``-`` or a BOM, and can always be written as UTF-8.
    Raises InvalidInputError where the assignment alone is more than the CLI takes.
    """
    parts = _parts(dependencies, context, limit)
    fallback = task.fallback.description if is_fallback and task.fallback else None
    values: dict[str, object] = {
        "plan": plan,
        "aim": plan.objectives.primary or plan.request,
        "task": task,
        "inputs": shown_inputs(task.inputs, inputs),
        "agent": agent,
        "role_prompt": role_prompt.strip(),
        "instruction": (fallback or task.description).strip("\n"),
        "focus": focus,
        "writes": ", ".join(map(inline_code, dict.fromkeys((*task.writes, *task.outputs)))),
        "tools": tools or task.allowed_tools,
        "folder": folder,
        "attempt": attempt,
        "failed_before": failed_before.strip(),
        "dependencies": dependencies,
        "parts": parts,
        "context": parts[""] if context.strip() else None,
        "context_file": context_file,
        "schema": "" if task.result_schema is None else json.dumps(dict(task.result_schema), ensure_ascii=False),
        "closing": _CLOSING,
        "audience": audience,
        "result_file": result_file,
        "command": command,
        "timeout": duration_text(DEFAULT_TIMEOUT_S if task.timeout_s is None else task.timeout_s),
        "lease": duration_text(DEFAULT_LEASE_S if task.timeout_s is None else task.timeout_s),
    }
    # The first rendering tells which words and which ``@`` the texts have; only then can the frames be named.
    draft = rendered("prompt.md.j2", nonce=_PLACE, note="", **values)
    attached = without_attachments(draft.rpartition(_CLOSING)[0], exists)[1]
    nonce = unused_nonce(draft.replace(_PLACE, ""))
    # Rendering costs more than all the rest of an attempt's start, so it is done twice only where a note is needed.
    text = rendered("prompt.md.j2", nonce=nonce, note=NOTE, **values) if attached else draft.replace(_PLACE, nonce)
    if attached:
        # The closing section holds nothing but our own words, and its commands are typed as they stand.
        body, heading, closing = text.rpartition(_CLOSING)
        text = without_attachments(body, exists)[0] + heading + closing
    if audience is Audience.READER:
        text = text.rpartition(_CLOSING)[0].rstrip("\n") + "\n"
    text = _encodable(text)
    if (size := len(text.encode())) > MAX_BYTES:
        raise InvalidInputError(
            f"the prompt of {task.id} has {size:,} bytes, and the CLI takes {MAX_BYTES:,}",
            "shorten the description, and name files instead of quoting them",
        )
    return Prompt(
        text,
        (
            *_cuts(dependencies, parts, context_file),
            *[f"{counted(attached, '@path')} made to attach nothing"] * bool(attached),
        ),
    )


def unused_nonce(text: str, length: int = _NONCE_LENGTH) -> str:
    """A hexadecimal word of ``length`` characters made from ``text`` that does not occur in it."""
    digest = sha256(text.encode("utf-8", "surrogatepass"))
    while (nonce := digest.hexdigest()[:length]) in text:
        digest.update(b"+")
    return nonce


def _parts(dependencies: Sequence[HandedOver], context: str, limit: int) -> dict[str, Part]:
    """What is handed over by each complete dependency, and the gathered context under the empty name."""
    given = [(each.task, each.text.strip("\n"), each.summary) for each in dependencies if each.is_handed_over]
    given.append(("", context.strip("\n"), ""))
    shares = fair_shares([len(text) for _, text, _ in given], min(limit, _LARGEST_LIMIT))
    return {name: _part(text, summary, share) for (name, text, summary), share in zip(given, shares, strict=True)}


def _part(text: str, summary: str, share: int) -> Part:
    if share >= len(text):
        return Part(text, len(text))
    summary = one_line(summary, min(share, _LONGEST_SUMMARY))
    beginning = _beginning(text, share - len(summary))
    # A result with front matter begins with its summary anyway.
    return Part(_beginning(text, share), len(text)) if summary in beginning else Part(beginning, len(text), summary)


def _beginning(text: str, share: int) -> str:
    """At most ``share`` characters from the start of ``text``, up to the end of a line if that costs little."""
    if share < _SHORTEST_PART:
        return ""
    end = text.rfind("\n", share - share // 5, share)
    return text[: end if end > 0 else share]


def _cuts(dependencies: Sequence[HandedOver], parts: Mapping[str, Part], context_file: str) -> list[str]:
    named = [(f"result of {each.task}", each.file, parts[each.task]) for each in dependencies if each.task in parts]
    named.append(("gathered context", context_file, parts[""]))
    return [
        f"{what} cut to {len(part.text):,} of {part.total:,} characters" + (f", whole in {file}" if file else "")
        for what, file, part in named
        if not part.is_whole
    ]


def _encodable(text: str) -> str:
    """``text`` without half surrogate pairs, which JSON may hold and UTF-8 cannot."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
