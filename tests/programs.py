"""Programs that tests start: with an environment that is named to the last variable, with a time limit, and ended
whatever happens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

# Where nobody answers: what starts an agent CLI by mistake gets no further.
NOWHERE = "http://127.0.0.1:9"

# Without these no program starts on Windows.
_WINDOWS = ("SYSTEMROOT", "COMSPEC", "PATHEXT")


def named_environment(home: Path, temporary: Path, path: str) -> dict[str, str]:
    """The whole environment of what a test starts: nothing is inherited but the search path that is given."""
    kept = {name: os.environ[name] for name in _WINDOWS if name in os.environ}
    return kept | {
        "HOME": str(home),
        "USERPROFILE": str(home),
        "TMPDIR": str(temporary),
        "TEMP": str(temporary),
        "PATH": path,
        "TZ": "UTC",
        "LANG": "C.UTF-8",
        "ANTHROPIC_BASE_URL": NOWHERE,
    }


def wait_for(what: Callable[[], object], within_s: float = 60.0) -> None:
    """Sleep until `what` is true; the test fails when that takes longer than even a loaded machine needs."""
    end = time.monotonic() + within_s
    while not what():
        if time.monotonic() >= end:
            pytest.fail(f"it did not happen within {within_s} s")
        time.sleep(0.05)


@dataclass(frozen=True)
class Finished:
    """A program that has ended; `code` is negative when a signal did it."""

    command: tuple[str, ...]
    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def json(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.stdout)

    @property
    def json_lines(self) -> list[Any]:
        """The JSON documents on stdout, one a line; a last line without its end is not among them."""
        return [json.loads(line) for line in self.stdout.splitlines(keepends=True) if line.endswith("\n")]


@dataclass
class Running:
    """A program under way, in a session and process group of its own whose number is its pid."""

    process: subprocess.Popen[bytes]
    command: tuple[str, ...]
    stdout_file: Path
    stderr_file: Path
    started_s: float = field(default_factory=time.monotonic)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def stdout(self) -> str:
        """What it has printed so far."""
        return self.stdout_file.read_text(encoding="utf-8", errors="replace")

    @property
    def stderr(self) -> str:
        """What it has complained about so far."""
        return self.stderr_file.read_text(encoding="utf-8", errors="replace")

    def wait(self, timeout_s: float = 120.0) -> Finished:
        """What it did; when it takes longer, its group is ended and the test fails with what it had printed."""
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
            self.process.wait()
            told = f"stdout:\n{self.stdout[-2000:]}\nstderr:\n{self.stderr[-2000:]}"
            pytest.fail(f"{' '.join(self.command)} took more than {timeout_s} s\n{told}")
        return Finished(self.command, code, self.stdout, self.stderr, time.monotonic() - self.started_s)

    def send(self, number: signal.Signals, *, to_group: bool = True) -> None:
        """Send a signal to its process group, or to the process alone; none when it has ended.

        The number of one that has ended may belong to somebody else by now.
        """
        if self.process.poll() is not None:
            return
        with suppress(ProcessLookupError):
            if to_group:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)

    def children(self) -> list[psutil.Process]:
        """The processes that it has started itself and that live."""
        return psutil.Process(self.pid).children()

    def kill_child(self, is_meant: Callable[[list[str]], bool]) -> None:
        """Kill -9 the one child whose words are meant."""
        (child,) = (child for child in self.children() if is_meant(child.cmdline()))
        child.kill()

    def end(self) -> None:
        """Kill its group and collect it."""
        self.send(signal.SIGKILL)
        self.process.wait()


class Program:
    """A command to be called with further arguments; `environment` is looked at anew at each start.

    Output goes to files: a child that outlives the program would hold a pipe open.
    """

    def __init__(self, command: Sequence[str | Path], cwd: Path, environment: Mapping[str, str], outputs: Path) -> None:
        self._command = tuple(map(str, command))
        self._cwd = cwd
        self._environment = environment
        self._outputs = outputs
        self._started: list[Running] = []

    def __call__(
        self,
        *arguments: str | Path,
        stdin: str | bytes = b"",
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout_s: float = 120.0,
    ) -> Finished:
        """Run it to its end. `environment` is added to the program's own, `cwd` replaces its folder."""
        return self.start(*arguments, stdin=stdin, environment=environment, cwd=cwd).wait(timeout_s)

    def start(
        self,
        *arguments: str | Path,
        stdin: str | bytes = b"",
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Running:
        """Start it in the background; the end of the test is its end at the latest."""
        self._outputs.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=self._outputs))
        given, out, err = folder / "stdin", folder / "stdout", folder / "stderr"
        given.write_bytes(stdin.encode() if isinstance(stdin, str) else stdin)
        command = (*self._command, *map(str, arguments))
        with given.open("rb") as reading, out.open("wb") as printing, err.open("wb") as complaining:
            process = subprocess.Popen(
                command,
                cwd=cwd or self._cwd,
                env={**self._environment, **(environment or {})},
                stdin=reading,
                stdout=printing,
                stderr=complaining,
                start_new_session=True,
            )
        running = Running(process, command, out, err)
        self._started.append(running)
        return running

    def end_all(self) -> None:
        """End what is still under way."""
        for running in self._started:
            running.end()
