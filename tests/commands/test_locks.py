"""Locks between real processes, and on file systems that do not have them (played by failing system calls)."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.errors import CannotGoOnError
from orchestrator.system import lock_ways, locks
from orchestrator.system.locks import FileLock

FLOCK, OPEN_FILE_RECORDS, PROCESS_RECORDS = lock_ways.WAYS


class Children:
    """Forked children that run one function each; what still lives at the end of the test is killed."""

    def __init__(self) -> None:
        self.pids: list[int] = []

    def start(self, act: Callable[[], object]) -> int:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                act()
                code = 0
            finally:
                os._exit(code)
        self.pids.append(pid)
        return pid

    def code(self, pid: int) -> int:
        """Waits for the child: its exit code, or minus the signal that killed it."""
        self.pids.remove(pid)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def answer(self, ask: Callable[[], bool]) -> bool:
        """What another process finds."""
        return self.code(self.start(lambda: os._exit(10 if ask() else 11))) == 10

    def kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        assert self.code(pid) == -signal.SIGKILL


@pytest.fixture
def children() -> Iterator[Children]:
    those = Children()
    yield those
    for pid in list(those.pids):
        those.kill(pid)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "run.lock")


@pytest.fixture(params=["flock", "record locks", "record locks of the process"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> lock_ways.Way:
    """Each way of locking in turn, the ones before it not supported."""
    place = [each.name for each in lock_ways.WAYS].index(request.param)
    monkeypatch.setattr(lock_ways, "_announced", True)
    if place > 0:
        monkeypatch.setattr(fcntl, "flock", failing_with(errno.EOPNOTSUPP))
    if place > 1:
        monkeypatch.setattr(lock_ways, "WAYS", (FLOCK, PROCESS_RECORDS))
    return lock_ways.WAYS[-1] if place > 1 else lock_ways.WAYS[place]


def failing_with(number: int) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def wait_for(ask: Callable[[], bool], within_s: float = 10.0) -> None:
    end = time.monotonic() + within_s
    while not ask():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def hold_for_ever(path: str) -> None:
    FileLock(path).acquire()
    time.sleep(60)


def test_the_lock_of_one_process_keeps_others_out(path: str, children: Children, way: lock_ways.Way) -> None:
    def take() -> bool:
        return FileLock(path).try_acquire()

    lock = FileLock(path)
    assert children.answer(take)
    assert lock.try_acquire()
    assert lock.is_held
    assert lock.reaches_workers is way.is_inherited
    assert not children.answer(take)
    assert children.answer(lambda: locks.is_held(path))
    lock.release()
    assert not lock.is_held
    assert not children.answer(lambda: locks.is_held(path))
    assert children.answer(take)


def test_a_killed_holder_does_not_block_the_next(path: str, children: Children, way: lock_ways.Way) -> None:
    holder = children.start(lambda: hold_for_ever(path))
    wait_for(lambda: locks.is_held(path))
    assert not FileLock(path).try_acquire()
    children.kill(holder)
    assert not locks.is_held(path)
    assert FileLock(path).try_acquire()


@pytest.mark.parametrize("timeout_s", [None, 60.0])
def test_of_fifty_processes_with_twenty_changes_each_none_loses_one(
    tmp_path: Path, path: str, children: Children, way: lock_ways.Way, timeout_s: float | None
) -> None:
    count = tmp_path / "count"
    count.write_text("0")

    def change() -> None:
        lock = FileLock(path)
        for _ in range(20):
            lock.acquire(timeout_s)
            now = int(count.read_text())
            os.sched_yield()
            count.write_text(str(now + 1))
            lock.release()

    started = time.monotonic()
    pids = [children.start(change) for _ in range(50)]
    assert [children.code(pid) for pid in pids] == [0] * 50
    print(f"{way.name}, limit {timeout_s}: {1000 / (time.monotonic() - started):.0f} sections a second")
    assert count.read_text() == "1000"


def test_threads_of_one_process_exclude_each_other(path: str, way: lock_ways.Way) -> None:
    inside: list[int] = []
    most: list[int] = []

    def change() -> None:
        for _ in range(30):
            with FileLock(path):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0)
                inside.pop()

    threads = [threading.Thread(target=change) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(most) == 180
    assert max(most) == 1


def test_asking_whether_it_is_held_frees_nothing(path: str, children: Children, way: lock_ways.Way) -> None:
    """A record lock of a process is lost when that process closes any descriptor of the file."""
    with FileLock(path):
        assert locks.is_held(path)
        assert not FileLock(path).try_acquire()
        holder = locks.holder(path)
        assert holder is not None
        assert holder.pid == os.getpid()
        assert not locks.remove_free_lock(path)
        assert not children.answer(lambda: FileLock(path).try_acquire())


def test_asking_whether_it_is_held_makes_nobody_else_fail(path: str, children: Children, way: lock_ways.Way) -> None:
    def ask_for_ever() -> None:
        while True:
            locks.is_held(path)

    lock = FileLock(path)
    with lock:
        askers = [children.start(ask_for_ever) for _ in range(2)]
    for _ in range(2000):
        assert lock.try_acquire()
        lock.release()
    for pid in askers:
        children.kill(pid)


def test_two_who_only_ask_do_not_take_each_other_for_a_holder(
    path: str, children: Children, way: lock_ways.Way
) -> None:
    Path(path).touch()

    def ask_often() -> None:
        assert not any(locks.is_held(path) for _ in range(2000))

    pids = [children.start(ask_often) for _ in range(3)]
    assert [children.code(pid) for pid in pids] == [0, 0, 0]


def test_a_waiting_process_gets_the_lock_when_it_is_given_up(path: str, children: Children, way: lock_ways.Way) -> None:
    lock = FileLock(path)
    lock.acquire()
    waiter = children.start(lambda: FileLock(path).acquire())
    time.sleep(0.1)
    assert os.waitpid(waiter, os.WNOHANG) == (0, 0)
    lock.release()
    assert children.code(waiter) == 0


def test_whoever_waited_on_a_removed_file_locks_the_new_one(path: str, children: Children, way: lock_ways.Way) -> None:
    lock = FileLock(path)
    lock.acquire()
    waiter = children.start(lambda: hold_for_ever(path))
    time.sleep(0.1)
    Path(path).unlink()
    lock.release()
    wait_for(lambda: locks.is_held(path))
    assert not FileLock(path).try_acquire()
    children.kill(waiter)


def test_a_lock_file_is_removed_only_while_nobody_holds_it(path: str, children: Children, way: lock_ways.Way) -> None:
    assert locks.remove_free_lock(path)
    holder = children.start(lambda: hold_for_ever(path))
    wait_for(lambda: locks.is_held(path))
    assert not locks.remove_free_lock(path)
    assert Path(path).exists()
    children.kill(holder)
    assert locks.remove_free_lock(path)
    assert not Path(path).exists()
    assert not locks.is_held(path)


def test_a_forked_child_cannot_free_the_lock_of_its_parent(path: str, children: Children, way: lock_ways.Way) -> None:
    lock = FileLock(path)
    lock.acquire()
    assert children.code(children.start(lock.release)) == 0
    assert children.answer(lambda: locks.is_held(path))
    assert not children.answer(lambda: FileLock(path).try_acquire())


def test_the_time_to_wait_ends_with_the_name_of_the_holder(path: str, children: Children) -> None:
    holder = children.start(lambda: hold_for_ever(path))
    wait_for(lambda: locks.is_held(path))
    started = time.monotonic()
    with (
        pytest.raises(CannotGoOnError, match=rf"within 0.2 s: held by pid {holder} on ") as caught,
        FileLock(path, timeout_s=0.2),
    ):
        pass
    assert 0.2 <= time.monotonic() - started < 2
    assert caught.value.advice


def test_the_holder_is_told_by_pid_host_time_and_command(
    path: str, monkeypatch: pytest.MonkeyPatch, children: Children
) -> None:
    monkeypatch.setattr(locks, "_origin", "")
    monkeypatch.setattr(sys, "argv", ["/opt/tools/orchestrate", "run", "--jobs", "4\n\npid 1"])
    before = time.time()
    with FileLock(path):
        holder = locks.holder(path)
    assert holder is not None
    assert (holder.pid, holder.host, holder.command) == (
        os.getpid(),
        socket.gethostname(),
        "orchestrate run --jobs 4 pid 1",
    )
    assert before - 0.01 <= holder.started <= time.time() + 0.01
    assert holder.text().startswith(f"pid {os.getpid()} on {socket.gethostname()}, since 20")
    assert children.answer(lambda: FileLock(path).try_acquire())
    assert locks.holder(path).pid != os.getpid()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "text", ["", "pid 1\n\n", "pid x\nhost h\nstarted 2026-11-21T00:53:00Z\ncommand c\n\n", "\xff\x00"]
)
def test_a_lock_file_with_other_text_names_nobody(path: str, text: str) -> None:
    Path(path).write_text(text, encoding="latin-1")
    assert locks.holder(path) is None
    with FileLock(path):
        assert locks.holder(path).pid == os.getpid()  # type: ignore[union-attr]


def test_an_unsigned_lock_leaves_its_file_empty(path: str) -> None:
    with FileLock(path, signed=False):
        assert Path(path).read_bytes() == b""
    assert locks.holder(path) is None


def test_a_lock_file_is_private_and_its_descriptor_not_inherited(path: str) -> None:
    with FileLock(path, inheritable=True) as lock:
        assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
        assert not os.get_inheritable(lock.fileno())


def test_a_full_disk_takes_only_the_name_of_the_holder(
    path: str, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "write", failing_with(errno.ENOSPC))
    with FileLock(path):
        assert children.answer(lambda: locks.is_held(path))
        assert locks.holder(path) is None


def test_on_a_read_only_disk_one_can_still_ask(path: str, children: Children, monkeypatch: pytest.MonkeyPatch) -> None:
    holder = children.start(lambda: hold_for_ever(path))
    wait_for(lambda: locks.is_held(path))
    open_any = os.open

    def open_for_reading(name: str, flags: int, mode: int = 0o777) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), name)
        return open_any(name, flags, mode)

    monkeypatch.setattr(os, "open", open_for_reading)
    assert locks.is_held(path)
    assert locks.holder(path).pid == holder  # type: ignore[union-attr]
    with pytest.raises(CannotGoOnError, match="read-only"):
        FileLock(path).try_acquire()
    children.kill(holder)
    assert not locks.is_held(path)


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS, errno.EINVAL])
def test_without_flock_record_locks_are_used_and_that_is_said_once(
    path: str, children: Children, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(lock_ways, "_announced", False)
    monkeypatch.setattr(fcntl, "flock", failing_with(number))
    said: list[str] = []
    for _ in range(2):
        with FileLock(path, announce=said.append):
            assert not children.answer(lambda: FileLock(path).try_acquire())
    assert len(said) == 1
    assert path in said[0]
    assert "flock is not supported" in said[0]


def test_without_listener_it_is_said_on_stderr(
    path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lock_ways, "_announced", False)
    monkeypatch.setattr(fcntl, "flock", failing_with(errno.ENOSYS))
    with FileLock(path):
        pass
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "record locks" in said.err


def test_a_passing_shortage_of_locks_changes_nothing(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes that lock in different ways would not see each other."""
    flock, calls = fcntl.flock, 0

    def fail_twice(fd: int, operation: int) -> None:
        nonlocal calls
        calls += 1
        if calls <= 2:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
        flock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", fail_twice)
    said: list[str] = []
    with FileLock(path, announce=said.append) as lock:
        assert lock._way is FLOCK
    assert not said


def test_where_no_lock_can_be_had_it_refuses_to_guess(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", failing_with(errno.ENOLCK))
    monkeypatch.setattr(fcntl, "fcntl", failing_with(errno.ENOLCK))
    descriptors = open_descriptors()
    with pytest.raises(CannotGoOnError, match="no lock can be had") as caught:
        FileLock(path).acquire()
    assert "flock: " in caught.value.message
    assert "record locks: " in caught.value.message
    assert "local disk" in caught.value.advice
    with pytest.raises(CannotGoOnError, match="no lock can be had"):
        locks.is_held(path)
    assert open_descriptors() == descriptors


def test_another_failure_of_the_lock_is_not_taken_for_a_lack_of_support(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", failing_with(errno.EIO))
    with pytest.raises(CannotGoOnError, match="input/output error"):
        FileLock(path).acquire()


def test_a_lock_in_a_missing_folder_or_behind_a_link_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotGoOnError, match="does not exist"):
        FileLock(str(tmp_path / "missing" / "a.lock")).acquire()
    assert not locks.is_held(str(tmp_path / "missing" / "a.lock"))
    link = tmp_path / "link.lock"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CannotGoOnError, match="symbolic link"):
        FileLock(str(link)).acquire()
    assert not (tmp_path / "elsewhere").exists()


def test_one_object_holds_its_lock_once(path: str) -> None:
    lock = FileLock(path)
    lock.release()
    with pytest.raises(ValueError, match="not held"):
        lock.fileno()
    with lock, pytest.raises(ValueError, match="already held"):
        lock.acquire()


def test_nothing_heavy_is_loaded_for_a_lock(tmp_path: Path) -> None:
    scripts = Path(locks.__file__).parents[2]
    loading = "import sys; before = set(sys.modules); from orchestrator.system import locks"
    code = f"{loading}; print(*sorted(set(sys.modules) - before))"
    run = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(scripts)!r}); {code}"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    loaded = {name.partition(".")[0] for name in run.stdout.split()}
    small = {"__future__", "errno", "fcntl", "struct", "_struct", "operator", "_operator"}
    clock = {"datetime", "_datetime", "math"}
    assert loaded <= {"orchestrator", *small, *clock}
