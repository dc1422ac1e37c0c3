"""One call of ``claude`` by the stateless loop: what it may do, how it is started, watched, and judged."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from threading import Event

from orchestrator import clock
from orchestrator.dataclasses import dataclass
from orchestrator.executors.claude_argv import claude_arguments, worker_environment
from orchestrator.executors.judging import judge_claude
from orchestrator.executors.outcome import Outcome
from orchestrator.executors.stream import read_stream
from orchestrator.loopguard import BARRED_COMMANDS, BARRED_OPTIONS, LOOP
from orchestrator.model import DEFAULT_IDLE_TIMEOUT_S, DEFAULT_TIMEOUT_S, Task
from orchestrator.paths import FOLDER, RunPaths
from orchestrator.system import files
from orchestrator.system.processes import Worker, end_marked, start_worker
from orchestrator.workers.live import mark_of

COMMAND = "orchestrate"
"""How an invocation calls this program, whatever its path is: the rules of the CLI know no path with brackets."""

TICK_S = 0.1
GRACE_S = 3.0
LEFT_BEHIND_GRACE_S = 1.0
"""How long what an invocation left running may take to end when it is asked to."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """What one call is given. Times are seconds; ``tools`` are granted besides reading and our own command."""

    number: int
    prompt: str
    tools: Sequence[str] = ()
    model: str | None = None
    permission_mode: str | None = None
    budget_usd: float | None = None
    timeout_s: float = DEFAULT_TIMEOUT_S
    idle_timeout_s: float = DEFAULT_IDLE_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class Invoked:
    """How it ended, and after how many seconds."""

    outcome: Outcome
    duration_s: float


def own_rules(commands: Sequence[str]) -> list[str]:
    """The rules by which the Bash tool may run exactly our own commands, those that a person must give left out."""
    return [f"Bash({COMMAND} {name}:*)" for name in commands if name not in BARRED_COMMANDS]


def barring_rules() -> list[str]:
    """The rules against options that a person must give; ``loopguard`` refuses them in every spelling."""
    return [f"Bash({COMMAND} * {option}*)" for option in BARRED_OPTIONS]


def write_own_program(paths: RunPaths, words: Sequence[str]) -> str:
    """Write the program ``orchestrate`` that invocations find first on PATH; the answer is its folder."""
    folder = paths.inside("launch", "bin")
    files.make_private_folder(folder)
    place = [] if paths.folder == RunPaths.of(paths.project, FOLDER).folder else ["--dir", paths.folder]
    line = " ".join([*map(shlex.quote, words), '"$@"', *map(shlex.quote, place)])
    path = os.path.join(folder, COMMAND)
    text = f"#!/bin/sh\n# Written by the loop for what it starts.\nexec {line}\n".encode("utf-8", "surrogateescape")
    if files.read_bytes_or_none(path) != text:
        files.write_whole(path, text)
        os.chmod(path, 0o700)
    return folder


def mark(run: str, number: int) -> str:
    """What everything carries that invocation ``number`` starts."""
    return mark_of(run, LOOP, number)


def end_orphans(run: str, number: int) -> None:
    """End what is left of invocation ``number``, whose loop was killed."""
    end_marked(mark(run, number))


def invoke(
    paths: RunPaths,
    run: str,
    program: str,
    folder: str,
    commands: Sequence[str],
    invocation: Invocation,
    interrupted: Event,
    look: Callable[[], None],
) -> Invoked:
    """Call ``program`` once and wait for its end; ``look`` is called meanwhile, some times a second.

    ``folder`` has our own program, ``commands`` are its commands. Raises ``CannotGoOnError`` when it cannot be started.
    """
    files.make_private_folder(paths.inside("logs"))
    source, output, errors = (of(LOOP, invocation.number) for of in (paths.prompt, paths.output, paths.errors))
    files.write_new(source, invocation.prompt)
    environment = worker_environment(os.environ)
    environment["PATH"] = os.pathsep.join([folder, environment.get("PATH", os.defpath)])
    started = time.monotonic()
    worker = start_worker(
        [program, *_arguments(paths, commands, invocation)],
        cwd=paths.project,
        env=environment,
        stdin_path=source,
        stdout_path=output,
        stderr_path=errors,
        mark=mark(run, invocation.number),
    )
    try:
        code, cause = _watched(worker, (output, errors), invocation, interrupted, look)
    except BaseException:
        worker.end(GRACE_S)
        raise
    end_marked(worker.mark, LEFT_BEHIND_GRACE_S)
    outcome = judge_claude(
        read_stream(files.read_bytes_or_none(output) or b""),
        code,
        (files.read_bytes_or_none(errors) or b"").decode("utf-8", "replace"),
        timed_out=cause if cause.endswith("timeout") else None,
        schema_given=False,
        now=datetime.fromtimestamp(clock.now(), UTC).astimezone(),
        interrupted=cause == "interrupted",
        closed=[os.path.realpath(paths.folder)],
    )
    return Invoked(outcome, time.monotonic() - started)


def _arguments(paths: RunPaths, commands: Sequence[str], invocation: Invocation) -> list[str]:
    folder, project = os.path.realpath(paths.folder), os.path.realpath(paths.project)
    is_inside = os.path.commonpath([folder, project]) == project
    arguments = claude_arguments(
        Task(LOOP, "loop", "loop"),
        session_id=None,
        budget_usd=invocation.budget_usd,
        tools=[*own_rules(commands), *invocation.tools],
        model=invocation.model,
        permission_mode=invocation.permission_mode,
        deny=[folder],
        deny_more=barring_rules(),
        readable=[] if is_inside else [folder],
    )
    return [*arguments, "--no-session-persistence"]


def _watched(
    worker: Worker, grown: Sequence[str], invocation: Invocation, interrupted: Event, look: Callable[[], None]
) -> tuple[int | None, str]:
    """Wait for the end of ``worker``: its exit code, and why we ended it, if we did."""
    begun = progressed = time.monotonic()
    size = 0
    while True:
        code = worker.wait(TICK_S)
        if code is not None:
            return code, ""
        now = time.monotonic()
        if (size_now := sum(map(_size, grown))) != size:
            size, progressed = size_now, now
        cause = ""
        if interrupted.is_set():
            cause = "interrupted"
        elif now - begun >= invocation.timeout_s:
            cause = "timeout"
        elif now - progressed >= invocation.idle_timeout_s:
            cause = "idle_timeout"
        if cause:
            worker.end(GRACE_S)
            return worker.wait(0), cause
        look()


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
