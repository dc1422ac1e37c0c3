"""How a headless ``claude`` is called: its arguments, its permission rules and its environment.

The forms were measured on Claude Code 2.1.197. What is easily got wrong:

- A flag that takes several values swallows what follows it, so every value is tied to its flag with ``=``.
- A path rule holds for ``Edit(…)`` and ``Read(…)`` only. ``Edit`` covers Write, Edit, NotebookEdit and the shell
  commands that the CLI understands; ``Read`` covers Grep and Glob. ``Write(path)`` is accepted and does nothing.
- ``Edit(/path)`` is not a path from the root; that is ``Edit(//path)``, and ``Edit(./path)`` is one from the
  working directory. A symbolic link in a rule matches only writes through that link: give resolved paths.
- ``Grep`` and ``Glob`` exist in a session only when they are named among the allowed tools.
- Bare ``Read`` allows reading the whole machine; ``Read(./**)`` the project.
- ``--max-budget-usd 0`` crashes, ``--max-turns 0`` is no limit.
"""

from __future__ import annotations

import os
import re

from orchestrator.errors import InvalidInputError
from orchestrator.model import Json, Task
from orchestrator.system.process_table import MARK_VARIABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

DEFAULT_PERMISSION_MODE = "dontAsk"
READ_ONLY_TOOLS = ("Read(./**)", "Grep(./**)", "Glob(./**)")

TOOLS_BEYOND_AN_ATTEMPT = ("CronCreate", "ScheduleWakeup", "EnterWorktree")
"""Allowed by the CLI without being asked for; they would act after the attempt's end or leave its directory."""

SMALLEST_BUDGET_USD = 0.0001
ARGUMENT_LIMIT = 131_071
"""Bytes of one argument on Linux; one more fails with E2BIG."""

_SESSION_MARKERS = frozenset(
    {
        "AI_AGENT",
        "CLAUDECODE",
        "CLAUDE_AGENT_SDK_CLIENT_APP",
        "CLAUDE_AGENT_SDK_VERSION",
        "CLAUDE_EFFORT",
        "CLAUDE_ENV_FILE",
        "CLAUDE_JOB_DIR",
        "CLAUDE_PLUGIN_DATA",
        "CLAUDE_PLUGIN_ROOT",
        "CLAUDE_PROJECT_DIR",
        "CLAUDE_SESSION_ID",
        "CLAUDE_SKILL_DIR",
        "CLAUDE_CODE_ACTION",
        "CLAUDE_CODE_AGENT",
        "CLAUDE_CODE_CHILD_SESSION",
        "CLAUDE_CODE_CONTAINER_ID",
        "CLAUDE_CODE_COORDINATOR_MODE",
        "CLAUDE_CODE_ENTRYPOINT",
        "CLAUDE_CODE_ENVIRONMENT_KIND",
        "CLAUDE_CODE_EXECPATH",
        "CLAUDE_CODE_INVOKED_SKILLS",
        "CLAUDE_CODE_LOOP_KEEPALIVE",
        "CLAUDE_CODE_LOOP_PERSISTENT",
        "CLAUDE_CODE_PLAN_MODE_REQUIRED",
        "CLAUDE_CODE_SKILL_NAME",
        "CLAUDE_CODE_SPAWN_TIMESTAMP_MS",
        "CLAUDE_CODE_SSE_PORT",
        "CLAUDE_CODE_SUPERVISED",
        "CLAUDE_CODE_TASK_LIST_ID",
        "CLAUDE_CODE_TEAMMATE_COMMAND",
        "CLAUDE_CODE_VERSION",
        "CLAUDE_CODE_WORKER_EPOCH",
    }
)
_SESSION_MARKER = re.compile(
    r"CLAUDE_(BG|BRIDGE|PTY|RUNNER)_.*"
    r"|CLAUDE_CODE_(SESSION_(?!ACCESS_TOKEN).*|REMOTE_SESSION_ID|RESUME_(FROM_SESSION|INTERRUPTED_TURN|PROMPT))"
    r"|CLAUDE_CODE_TMUX_(SESSION|PREFIX.*)"
    r"|CLAUDE_CODE_.*_FILE_DESCRIPTOR"
)
_SPECIAL = re.compile(r"[\\*?\[\]{}()!#]")
_DRIVE = re.compile(r"([A-Za-z]):[\\/]")


def claude_program(given: str | None) -> str:
    """The program to start: the one ``given`` on the command line, else ``ORCHESTRATE_CLAUDE``, else ``claude``."""
    return given or os.environ.get("ORCHESTRATE_CLAUDE") or "claude"


def claude_arguments(
    task: Task,
    *,
    session_id: str | None,
    resume: bool = False,
    budget_usd: float | None = None,
    tools: Sequence[str] | None = None,
    model: str | None = None,
    permission_mode: str | None = None,
    max_turns: int | None = None,
    result_schema: Mapping[str, Json] | None = None,
    deny: Iterable[str] = (),
    deny_more: Iterable[str] = (),
    readable: Iterable[str] = (),
) -> list[str]:
    """The arguments of ``claude`` for one attempt; the prompt comes on stdin.

    What is None is as the task says. ``tools`` are granted besides reading the project; ``deny`` are directories
    that may be read and not written, each as a path from the root (resolved) or from the project, ``deny_more`` are
    other rules, and ``readable`` directories outside the project that may be read. ``budget_usd`` that is not positive
    is passed on as the smallest one. With ``resume`` the session goes on, else ``session_id`` begins one and must be
    new.
    Raises InvalidInputError when the schema is too large for a command line.
    """
    granted = task.allowed_tools if tools is None else tools
    allowed = [*READ_ONLY_TOOLS, *(f"Read({path_pattern(path)}/**)" for path in readable), *granted]
    turns = max_turns if max_turns is not None else task.max_turns
    budget = budget_usd if budget_usd is not None else task.budget_usd
    schema = result_schema if result_schema is not None else task.result_schema
    arguments = ["-p", "--output-format=stream-json", "--verbose"]
    arguments.append(f"--permission-mode={permission_mode or task.permission_mode or DEFAULT_PERMISSION_MODE}")
    arguments += [f"--allowedTools={rule}" for rule in dict.fromkeys(allowed)]
    if turns is not None:
        arguments.append(f"--max-turns={max(turns, 1)}")
    if budget is not None:
        arguments.append(f"--max-budget-usd={max(budget, SMALLEST_BUDGET_USD):.4f}")
    if model or task.model:
        arguments.append(f"--model={model or task.model}")
    if schema is not None:
        arguments.append(_limited(f"--json-schema={_one_line(dict(schema))}", task))
    if session_id:
        arguments.append(f"--{'resume' if resume else 'session-id'}={session_id}")
    barred = [tool for tool in TOOLS_BEYOND_AN_ATTEMPT if tool not in granted]
    arguments.append(f"--settings={_one_line({'permissions': {'deny': [*deny_rules(deny), *deny_more, *barred]}})}")
    return arguments


def deny_rules(directories: Iterable[str]) -> list[str]:
    """The rules that keep a worker from writing in ``directories``, in every permission mode."""
    return [f"Edit({path_pattern(directory)}/**)" for directory in directories]


def path_pattern(path: str) -> str:
    """``path`` as the CLI's path rules write it: ``//`` before one from the root, ``./`` before a relative one.

    Signs that mean something in a rule are escaped; ``C:\\x`` becomes ``//c/x``.
    """
    drive = _DRIVE.match(path)
    if drive:
        path = f"/{drive[1].lower()}/{path[3:]}".replace("\\", "/")
    escaped = _SPECIAL.sub(r"\\\g<0>", path).rstrip("/")
    if path.startswith("/"):
        return f"/{escaped}"
    return f"./{escaped.removeprefix('./')}"


def worker_environment(environ: Mapping[str, str], mark: str | None = None) -> dict[str, str]:
    """``environ`` for a worker: without the marks of the session it was started from, with the attempt's ``mark``.

    Login, provider, proxy and every setting that a person may have made stay as they are.
    """
    kept = {name: value for name, value in environ.items() if not is_session_marker(name)}
    kept.pop(MARK_VARIABLE, None)
    return kept if mark is None else {**kept, MARK_VARIABLE: mark}


def is_session_marker(name: str) -> bool:
    """Whether the variable ``name`` tells of the session around us rather than what a person has set."""
    return name in _SESSION_MARKERS or _SESSION_MARKER.fullmatch(name) is not None


def _one_line(value: Json) -> str:
    """``value`` as JSON in ASCII without a line break, which the Windows shim would cut at."""
    import json

    return json.dumps(value, separators=(",", ":"))


def _limited(argument: str, task: Task) -> str:
    if len(argument) > ARGUMENT_LIMIT:
        raise InvalidInputError(
            f"the result_schema of {task.id} makes an argument of {len(argument):,} bytes; {ARGUMENT_LIMIT:,} fit",
            "a smaller schema, or check the result with verify",
        )
    return argument
