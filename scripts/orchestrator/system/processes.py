"""Starting a worker, waiting for it, and everything else that the program does with processes.

A worker gets a process group of its own within the session of its supervisor: Ctrl-C in the terminal does not reach it,
a signal to the group does, and who ends the whole session (a run under GNU parallel, whose jobs have groups of their
own) ends it too. Who must find or end processes without having started them (`process_table`, `process_ending`)
imports those functions from here as well.
"""

from __future__ import annotations

import errno
import os
import select
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from orchestrator.errors import CannotGoOnError
from orchestrator.system.file_steps import failure
from orchestrator.system.files import open_output
from orchestrator.system.process_ending import end_marked, end_worker
from orchestrator.system.process_table import (
    MARK_VARIABLE,
    boot_id,
    is_same_process,
    marked_processes,
    marks_after,
    process,
    process_started,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from subprocess import Popen

__all__ = [
    "MARK_VARIABLE",
    "Worker",
    "boot_id",
    "end_marked",
    "end_worker",
    "is_same_process",
    "marked_processes",
    "marks_after",
    "process_started",
    "start_worker",
]

_EXIT_CODE_S = 1.0

_REASONS = {
    errno.ENOENT: ("was not found", "install it, or give its whole path"),
    errno.EACCES: ("is not a file that may be executed", "look at its permissions, or give another path"),
    errno.ENOEXEC: ("is not a program", "a script needs a first line such as #!/bin/sh"),
    errno.E2BIG: ("cannot take so long arguments", "put the text into a file"),
    errno.EAGAIN: ("cannot be started: too many processes", "use fewer --jobs, or raise the limit (ulimit -u)"),
}


class Worker:
    """A worker that was started here: `pid`, its `group`, its `mark`, and `started` as `process_started` gives it.

    Its supervisor is the one to `wait` for it; until that is done its pid is not given to another process.
    """

    __slots__ = ("_descriptor", "_process", "group", "mark", "pid", "started")

    def __init__(self, popen: Popen[bytes], mark: str) -> None:
        self._process = popen
        self._descriptor = -1
        self.pid = popen.pid
        self.group = popen.pid if sys.platform != "win32" else 0
        self.mark = mark
        found = process(popen.pid)  # also when it is a zombie by now
        self.started: float | None = None if found is None else found.started

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Sleeps until the worker ends: its exit code, or minus the signal that killed it; None after `timeout_s`."""
        if timeout_s is None or self._process.returncode is not None:
            return self._ended(self._process.wait())
        descriptor = self.fileno()
        if sys.platform == "linux" and descriptor is not None:
            sleeper = select.poll()
            sleeper.register(descriptor, select.POLLIN)
            has_ended = sleeper.poll(max(0.0, timeout_s) * 1000)
            return self._ended(self._process.wait()) if has_ended else None
        from subprocess import TimeoutExpired

        with suppress(TimeoutExpired):
            return self._process.wait(timeout_s)
        return None

    def fileno(self) -> int | None:
        """A descriptor that becomes readable when the worker ends, for a selector; None where the system has none.

        It is closed by the `wait` that returns the exit code: unregister it before.
        """
        if sys.platform == "linux" and self._descriptor < 0 and self._process.returncode is None:
            with suppress(OSError):  # kernels before 5.3, and sandboxes
                self._descriptor = os.pidfd_open(self.pid)
        return self._descriptor if self._descriptor >= 0 else None

    def end(self, grace_s: float = 3.0) -> list[int]:
        """Ends it as `end_worker` does and takes its exit code; the pids that could not be ended."""
        left = end_worker(self.pid, self.group, self.mark, grace_s, started=self.started)
        if self.pid not in left and self.wait(_EXIT_CODE_S) is None:
            left.append(self.pid)  # it runs as another user by now
        return left

    def _ended(self, code: int) -> int:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        return code


def start_worker(
    argv: Sequence[str],
    *,
    cwd: str,
    env: Mapping[str, str],
    stdin_path: str | None,
    stdout_path: str,
    stderr_path: str,
    mark: str,
    pass_fds: Iterable[int] = (),
) -> Worker:
    """Starts `argv` in the folder `cwd` with exactly the environment `env` and the mark.

    stdin_path: a file, read from its beginning; None: nothing to read.
    stdout_path, stderr_path: private files, made or emptied; they may be the same.
    pass_fds: descriptors that it inherits under the same number, such as that of its lock (not on Windows).

    Raises `CannotGoOnError` naming the program when it cannot be started, or the file that cannot be opened.
    """
    opened: list[int] = []

    def keep(descriptor: int) -> int:
        opened.append(descriptor)
        return descriptor

    try:
        source = keep(_open_input(stdin_path or os.devnull))
        output = keep(open_output(stdout_path))
        errors = output if stderr_path == stdout_path else keep(open_output(stderr_path))
        if not argv:
            raise ValueError("it is empty")
        environment = {**env, MARK_VARIABLE: mark}
        return Worker(_popen(list(argv), cwd, environment, (source, output, errors), tuple(pass_fds)), mark)
    except (OSError, ValueError) as error:
        raise _not_started(argv, cwd, error) from error
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _open_input(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise failure("read", path, error) from error


def _popen(
    argv: list[str], cwd: str, env: dict[str, str], streams: tuple[int, int, int], pass_fds: tuple[int, ...]
) -> Popen[bytes]:
    """With `pass_fds` and no function before exec, Python uses vfork: 1.4 ms a start, as fast as posix_spawn here."""
    import subprocess  # 10 ms that a command which only looks after orphans does not pay

    source, output, errors = streams
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        return subprocess.Popen(argv, cwd=cwd, env=env, stdin=source, stdout=output, stderr=errors, creationflags=flags)
    return subprocess.Popen(
        argv, cwd=cwd, env=env, stdin=source, stdout=output, stderr=errors, pass_fds=pass_fds, process_group=0
    )


def _not_started(argv: Sequence[str], cwd: str, error: OSError | ValueError) -> CannotGoOnError:
    if isinstance(error, ValueError):
        return CannotGoOnError(f"the command {list(argv)} cannot be started: {error}", "correct the command")
    program = argv[0]
    if error.filename == cwd and not Path(cwd).is_dir():
        return CannotGoOnError(f"the folder to work in was not found: {cwd}", "create it, or correct the path")
    reason, advice = _REASONS.get(error.errno or 0, (f"cannot be started: {error.strerror}", "try it in a terminal"))
    if error.errno == errno.ENOENT and Path(program).is_file():
        reason, advice = "cannot be started: its interpreter was not found", "look at its first line (#!)"
    return CannotGoOnError(f"the program {program} {reason}", advice)
