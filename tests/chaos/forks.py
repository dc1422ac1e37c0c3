"""The command line in a forked child: a start costs a few milliseconds instead of a fifth of a second.

Everything is imported before the fork; the child gets its own folder, environment and output files, and is otherwise
the program as it is. The fork must come from a process without threads.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from chaos.faults import StepFault, Steps

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = REPOSITORY / "scripts" / "orchestrate.py"
CLOCK = "CHAOS_CLOCK"
"""Names a file with the seconds by which the clock of a command is wrong, looked at each time."""
FILES = ("plan.yaml:", "master_plan.md:", "events.jsonl:")
DEFECT = ("Traceback", "defect of the program")


def import_program() -> None:
    """Import all of the program, and what it imports as it goes."""
    import gc
    import pkgutil

    import jinja2  # noqa: F401
    import jsonschema  # noqa: F401
    import markdown_it  # noqa: F401
    import yaml  # noqa: F401

    import orchestrator

    for found in pkgutil.walk_packages(orchestrator.__path__, "orchestrator."):
        import_module(found.name)
    gc.freeze()  # a child does not go through it again


@dataclass
class Ended:
    """What a child did; ``code`` is negative when a signal ended it."""

    words: tuple[str, ...]
    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The JSON document that it printed."""
        return json.loads(self.stdout)

    def problems(self) -> list[str]:
        """What it says is wrong with the files of people or with the journal, a line each."""
        return [line for line in self.stderr.splitlines() if line.startswith(FILES) and ": error: " in line]

    def defects(self) -> list[str]:
        """A traceback, or what the program itself calls a defect."""
        if any(sign in self.stderr for sign in DEFECT):
            return [f"{' '.join(self.words)}: {self.stderr[-600:]}"]
        return []


class Child:
    """A command under way, in a session of its own."""

    def __init__(self, words: tuple[str, ...], pid: int, outputs: Path) -> None:
        self.words = words
        self.pid = pid
        self._outputs = outputs
        self._status: int | None = None

    def has_ended(self) -> bool:
        """Whether it has; it is then collected."""
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = status if pid else None
        return self._status is not None

    def kill(self) -> None:
        """End it as a power cut would, without its group."""
        if not self.has_ended():
            os.kill(self.pid, signal.SIGKILL)

    def wait(self, timeout_s: float = 60.0) -> Ended:
        """What it did; TimeoutError after ``timeout_s``, when it is killed."""
        end = time.monotonic() + timeout_s
        pause_s = 0.001
        while not self.has_ended():
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                raise TimeoutError(f"{' '.join(self.words)} took more than {timeout_s} s")
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, 0.004)
        assert self._status is not None
        read = [(self._outputs / name).read_text("utf-8", "replace") for name in ("out", "err")]
        shutil.rmtree(self._outputs)
        return Ended(self.words, os.waitstatus_to_exitcode(self._status), *read)


def start(
    *words: str,
    folder: Path,
    environment: Mapping[str, str],
    fault: StepFault | None = None,
    counts: Path | None = None,
    has_privileges: bool = True,
) -> Child:
    """Start ``orchestrate WORDS`` in ``folder``.

    With ``counts`` the names of its steps are written there at its end. Without ``has_privileges`` permissions hold
    for root as well.
    """
    outputs = Path(tempfile.mkdtemp(prefix="chaos-out-"))  # not on the disk that is hurt
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return Child(words, pid, outputs)
    code = 70
    try:
        if not has_privileges:
            _give_privileges_up()
        code = _be_program(words, folder, environment, outputs, Steps(fault), counts)
    except BaseException:  # noqa: BLE001 - a fork must never return into the suite
        traceback.print_exc()
    finally:
        os._exit(code)


def call(*words: str, folder: Path, environment: Mapping[str, str], **options: Any) -> Ended:
    """Run ``orchestrate WORDS`` to its end."""
    return start(*words, folder=folder, environment=environment, **options).wait()


def call_here(*words: str, folder: Path) -> Ended:
    """Run ``orchestrate WORDS`` to its end in this very process: for what is done thousands of times."""
    from contextlib import chdir, redirect_stderr, redirect_stdout
    from io import BytesIO, TextIOWrapper

    from orchestrator.cli.main import main

    said, complained = (TextIOWrapper(BytesIO(), "utf-8", "replace") for _ in range(2))
    with chdir(folder), redirect_stdout(said), redirect_stderr(complained):
        code = main(words)
    for stream in (said, complained):
        stream.flush()
        stream.seek(0)
    return Ended(words, int(code), said.read(), complained.read())


def spawn(*words: str, folder: Path, environment: Mapping[str, str], timeout_s: float = 60.0) -> Ended:
    """Run ``orchestrate WORDS`` to its end as a process of its own."""
    command = [sys.executable, str(PROGRAM), *words]
    return spawn_program(command, words, folder=folder, environment=environment, timeout_s=timeout_s)


def spawn_program(
    command: Sequence[str],
    words: tuple[str, ...],
    *,
    folder: Path,
    environment: Mapping[str, str],
    timeout_s: float = 60.0,
) -> Ended:
    """Run ``command`` to its end, which is to be known as ``words``; 124 when that took longer than ``timeout_s``."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = 124
        read = []
        for file in (out, err):
            file.seek(0)
            read.append(file.read().decode("utf-8", "replace"))
        return Ended(words, code, *read)


def _give_privileges_up() -> None:
    """Let the permissions of files hold for root too, here and in all that is started; nothing to do for others.

    See capabilities(7): no capabilities, and no new ones by starting a program as root (SECBIT_NOROOT).
    """
    import ctypes

    if os.geteuid():
        return
    library = ctypes.CDLL(None, use_errno=True)
    set_securebits, no_root, version_3 = 28, 1, 0x2008_0522
    header, none = (ctypes.c_uint32 * 2)(version_3, 0), (ctypes.c_uint32 * 6)()
    if library.prctl(set_securebits, no_root, 0, 0, 0) or library.capset(header, none):
        raise OSError(ctypes.get_errno(), "privileges cannot be given up")


def _be_program(
    words: tuple[str, ...],
    folder: Path,
    environment: Mapping[str, str],
    outputs: Path,
    steps: Steps,
    counts: Path | None,
) -> int:
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for target, name, flags in ((1, "out", os.O_WRONLY | os.O_CREAT), (2, "err", os.O_WRONLY | os.O_CREAT)):
        os.dup2(os.open(outputs / name, flags, 0o600), target)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = [str(PROGRAM), *words]
    from orchestrator import clock
    from orchestrator.cli.main import main

    clock._read = clock._read_first  # the clock that this environment asks for
    if CLOCK in environment:
        moved = Path(environment[CLOCK])
        clock._read = lambda: time.time() + float(moved.read_text() or 0)
    if steps.fault is not None or counts is not None:
        steps.install()
    try:
        code = main(words)
        sys.stdout.flush()
    finally:
        sys.stderr.flush()
        if counts is not None:
            counts.write_text("\n".join(steps.names))
    return int(code)
