"""Write the generated parts of the documents, and generated files; with ``--check`` say which are out of date.

A generated part stands between ``<!-- generated: NAME -->`` and ``<!-- /generated -->`` in a Markdown file of the
repository, and NAME is a key of ``PARTS``. Everything else in a document is written by people and is left as it is.
Run it with the Python that has the libraries: ``.venv/bin/python scripts/documents.py``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import typer

import plan_tables
import skeletons
from markdown_table import table
from orchestrator.cli.table import COMMANDS, GROUPS, HELP, SUBCOMMANDS
from orchestrator.desk import triagerules
from orchestrator.errors import MoveRefusedError
from orchestrator.events import EVENT_FIELDS, Event, EventType
from orchestrator.model import Dependency, Json, Plan, Status, Task
from orchestrator.store import moves
from orchestrator.store.reducer import apply
from orchestrator.store.state import State, TaskRecord
from orchestrator.texts.document import STATUS_CELLS

REPOSITORY = Path(__file__).resolve().parent.parent
MARKED = re.compile(
    r"^<!-- generated: (?P<name>[a-z-]+) -->\n(?P<body>.*?)^<!-- /generated -->$", re.MULTILINE | re.DOTALL
)
COMMON_OPTIONS = ("--dir", "--json", "--debug")
"""Options that nearly every command takes; the reference describes them once."""


# --- the command line


@dataclass(frozen=True)
class Parameter:
    """One argument or option of a command: how it is written, its other spellings, and its sentence."""

    written: str
    names: tuple[str, ...]
    help: str
    is_argument: bool


def declared() -> dict[str, list[Parameter]]:
    """Every command that can be called, with its parameters, in the order of the help.

    One that has commands of its own has the parameters of all of them.
    """
    made = {name: _made(name) for names in GROUPS.values() for name in names}
    found = {name: [_parameter(each) for each in command.params] for name, command in made.items() if command}
    return {name: _of_all(name, parameters) for name, parameters in found.items()}


def inner(name: str) -> dict[str, list[Parameter]]:
    """The commands of the command ``name``, with their parameters."""
    commands = getattr(_made(name), "commands", {})
    return {each: [_parameter(one) for one in command.params] for each, command in commands.items()}


def _of_all(name: str, parameters: list[Parameter]) -> list[Parameter]:
    if name not in SUBCOMMANDS:
        return parameters
    return list({each.written: each for own in inner(name).values() for each in own}.values())


def _made(name: str) -> Any:
    """The command ``name`` as typer makes it; None while its function is not there."""
    try:
        app = import_module(f"orchestrator.cli.{COMMANDS[name]}").app
    except ModuleNotFoundError:
        return None
    command = typer.main.get_command(app)
    return getattr(command, "commands", {name: command}).get(name)


def _parameter(parameter: Any) -> Parameter:
    is_argument = parameter.param_type_name == "argument"
    placeholder = parameter.metavar or parameter.name.upper()
    names = () if is_argument else (*parameter.opts, *parameter.secondary_opts)
    if is_argument:
        return Parameter(placeholder, names, parameter.help or "", True)
    long = next(name for name in names if name.startswith("--"))
    return Parameter(long if parameter.is_flag else f"{long} {placeholder}", names, parameter.help or "", False)


def command_table() -> str:
    """One row a command, by group, with the arguments that it takes."""
    rows = []
    for name, parameters in declared().items():
        if name in SUBCOMMANDS:
            rows += [(_written(f"{name} {each}", own), SUBCOMMANDS[name][each]) for each, own in inner(name).items()]
        else:
            rows.append((_written(name, parameters), HELP[name]))
    return table(("command", "what it does"), rows)


def _written(name: str, parameters: Sequence[Parameter]) -> str:
    return f"`{' '.join([name, *(each.written for each in parameters if each.is_argument)])}`"


def command_reference() -> str:
    """Every command with its sentence, its arguments and its options, under headings of the third and fourth level."""
    commands = declared()
    blocks: list[str] = []
    for group, names in GROUPS.items():
        there = [name for name in names if name in commands]
        blocks += [f"### {group.capitalize()}"] * bool(there)
        for name in there:
            blocks += [f"#### `{name}`", HELP[name]]
            if name not in SUBCOMMANDS:
                blocks += _parameter_table(commands[name])
                continue
            for each, parameters in inner(name).items():
                blocks += [f"##### `{name} {each}`", SUBCOMMANDS[name][each], *_parameter_table(parameters)]
    return "\n\n".join(blocks)


def _parameter_table(parameters: Sequence[Parameter]) -> list[str]:
    own = [each for each in parameters if not set(each.names) & set(COMMON_OPTIONS)]
    given = {name for each in parameters for name in each.names}
    absent = [f"`{name}`" for name in COMMON_OPTIONS if name not in given]
    rows = [(", ".join([f"`{each.written}`", *_others(each)]), each.help) for each in own]
    blocks = [table(("argument or option", "meaning"), rows)] if rows else []
    return blocks + [f"Takes no {' and no '.join(absent)}."] * bool(absent)


def _others(parameter: Parameter) -> list[str]:
    long = parameter.written.split(" ")[0]
    return [f"`{name}`" for name in parameter.names if name != long]


# --- states and events


def status_table() -> str:
    """Every status with the cell that shows it."""
    return table(("status", "cell in `master_plan.md`"), [(f"`{each}`", STATUS_CELLS[each]) for each in Status])


@dataclass
class Trial:
    """A run in memory with the task T-02, on which a move is tried."""

    state: State
    now: float = 0.0

    def record(self, type: EventType, task: str | None = None, **fields: Json) -> None:
        """Take the event over, as the store does."""
        event: Event = {"timestamp": "1970-01-01T00:00:00.000Z", "type": str(type), "task": task, **fields}
        apply(self.state, event, lambda event: None)


def _completed(trial: Trial) -> None:
    moves.require_running(trial.state, "T-02", None)
    moves.complete(trial, "T-02", result="", hash="", spent=moves.Spent())


def _failed(trial: Trial, failure: moves.Failure) -> None:
    if trial.state.status("T-02") is Status.RETRYING:  # no attempt that could fail: it is given up
        moves.give_up(trial, "T-02", failure.reason)
        return
    moves.require_running(trial.state, "T-02", None)
    moves.fail(trial, "T-02", failure, moves.Spent())


MOVES: dict[str, Callable[[Trial], object]] = {
    "`start`": lambda trial: moves.start(trial, ["T-02"], moves.Start("hand", "hand")),
    "`complete`": _completed,
    "`fail`": lambda trial: _failed(trial, moves.Failure("why")),
    "`fail --final`": lambda trial: _failed(trial, moves.Failure("why", may_pass=False, gives_up=True)),
    "`skip`": lambda trial: moves.skip(trial, "T-02", "why"),
    "`retry`": lambda trial: moves.reopen(trial, "T-02", "why"),
}
"""What a person can do to a task, as the functions that the commands call."""


def move_table() -> str:
    """Each status, and what each act makes of a task that has it; an act that is refused has a dash."""
    rows = [(f"`{before}`", *(_moved(before, act) for act in MOVES.values())) for before in Status]
    return table(("status", *MOVES), rows)


def _moved(before: Status, act: Callable[[Trial], object]) -> str:
    tasks = {name: Task(name, name, name) for name in ("T-01", "T-02")}
    tasks["T-02"] = Task("T-02", "T-02", "T-02", deps=(Dependency("T-01"),))
    recorded = {Status.WAITING: None, Status.BLOCKED: Status.FAILED}.get(before, Status.COMPLETED)
    own = None if before in (Status.WAITING, Status.PENDING, Status.BLOCKED) else before
    records = {"T-01": TaskRecord(recorded, 1), "T-02": TaskRecord(own, 1 if own else 0)}
    agents = {"T-01": "Agent-01", "T-02": "Agent-02"}
    trial = Trial(State(plan=Plan("Trial"), tasks=tasks, agents=agents, records=records))
    if trial.state.status("T-02") is not before:
        raise AssertionError(f"the trial of {before} begins with {trial.state.status('T-02')}")
    try:
        act(trial)
    except MoveRefusedError:
        return "–"
    return f"`{trial.state.status('T-02')}`"


def event_table() -> str:
    """Every type of event with its own fields."""
    rows = [
        (f"`{type}`", ", ".join(f"`{name}` ({meaning})" for name, meaning in fields.items()))
        for type, fields in EVENT_FIELDS.items()
    ]
    return table(("type", "fields"), rows)


# --- the parts


PARTS: dict[str, Callable[[], str]] = {
    "agent-file": skeletons.agent_page,
    "command-reference": command_reference,
    "command-table": command_table,
    "event-types": event_table,
    "front-matter": skeletons.front_matter,
    "master-plan": skeletons.master_plan_page,
    "merged-concat": skeletons.merged_concat,
    "merged-structured": skeletons.merged_structured,
    "moves": move_table,
    "plan-keys": plan_tables.plan_keys,
    "plan-templates": plan_tables.plan_templates,
    "session-form": skeletons.session_form,
    "statuses": status_table,
    "subagent-ending": skeletons.subagent_ending,
    "template-keys": plan_tables.template_keys,
    "worker-prompt": skeletons.worker_prompt,
}


# --- the documents


def regenerated(text: str, parts: dict[str, Callable[[], str]] = PARTS) -> str:
    """``text`` with each generated part as it now is. Raises ValueError for a part that is not known or not closed."""
    if text.count("<!-- generated:") != len(MARKED.findall(text)):
        raise ValueError("a generated part is not closed, or its marker does not stand alone on its line")

    def fresh(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in parts:
            raise ValueError(f"there is no generated part {name!r}: one of {', '.join(parts)}")
        return f"<!-- generated: {name} -->\n\n{parts[name]()}\n\n<!-- /generated -->"

    return MARKED.sub(fresh, text)


def documents(root: Path = REPOSITORY) -> list[Path]:
    """The documents of the repository in ``root``."""
    return sorted([*root.glob("*.md"), *(root / "docs").rglob("*.md")])


def main(arguments: Sequence[str], root: Path = REPOSITORY) -> int:
    """Write what is out of date, or with ``--check`` name it and end with 1; 3 when a document cannot be made."""
    if list(arguments) not in ([], ["--check"]):
        sys.stderr.write("usage: documents.py [--check]\n")
        return 2
    stale = []
    makers: dict[Path, Callable[[str], str]] = dict.fromkeys(documents(root), regenerated)
    if root == REPOSITORY:
        makers[Path(triagerules.QUICK_FILE)] = lambda _: triagerules.quick_text()
    for file, made in makers.items():
        text = file.read_text(encoding="utf-8")
        try:
            fresh = made(text)
        except ValueError as error:
            sys.stderr.write(f"{file.name}: {error}\n")
            return 3
        if fresh != text:
            stale.append(file)
            if not arguments:
                file.write_text(fresh, encoding="utf-8", newline="\n")
    for file in stale:
        print(f"{file.relative_to(root)}: {'is out of date' if arguments else 'written'}")
    return 1 if stale and arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
