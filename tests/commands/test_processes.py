"""Workers as real processes: starting, ending with all they started, and never touching anybody else."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

import processes as listed
from orchestrator.errors import CannotGoOnError
from orchestrator.system import locks, process_ending, process_table, processes
from orchestrator.system.locks import FileLock
from orchestrator.system.processes import Worker

LIVES = 60
"""Seconds for which a process of a test sleeps; every test ends long before."""

# A process that says in a file that it is there, and ignores SIGTERM if it is told to.
SLEEPER = """
import os, signal, sys, time
name, temper = sys.argv[1:3]
if temper == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if temper == "slow":
    def leave(*_):
        time.sleep(0.4)
        open(name + ".left", "w").close()
        os._exit(7)
    signal.signal(signal.SIGTERM, leave)
if temper == "stopped":
    def leave(*_):
        open(name + ".left", "w").close()
        os._exit(8)
    signal.signal(signal.SIGTERM, leave)
with open(name + ".part", "w") as file:
    file.write(str(os.getpid()))
os.rename(name + ".part", name)
if temper == "stopped":
    os.kill(os.getpid(), signal.SIGSTOP)
time.sleep(60)
"""


class Playground:
    """Starts workers of one run in one folder; everything that carries the mark of that run dies with the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run = f"test-{uuid.uuid4().hex[:8]}"
        self.workers: list[Worker] = []
        self.program = folder / "sleeper.py"
        self.program.write_text(SLEEPER)
        (folder / "empty").touch()

    def mark(self, task: str = "T-01", attempt: int = 1) -> str:
        return f"{self.run}/{task}/{attempt}"

    def start(self, *argv: str, mark: str = "", pass_fds: tuple[int, ...] = (), stdin: str | None = None) -> Worker:
        worker = processes.start_worker(
            argv,
            cwd=str(self.folder),
            env={"PATH": os.environ["PATH"]},
            stdin_path=stdin,
            stdout_path=str(self.folder / "out"),
            stderr_path=str(self.folder / "err"),
            mark=mark or self.mark(),
            pass_fds=pass_fds,
        )
        self.workers.append(worker)
        return worker

    def shell(self, script: str, **options: str) -> Worker:
        """A worker that runs a shell script; `sleeper NAME TEMPER` in it is the program above."""
        line = f'sleeper() {{ "{sys.executable}" -I -S "{self.program}" "$@"; }}; {script}'
        return self.start("sh", "-c", line, **options)

    def pid(self, name: str) -> int:
        """The pid of the sleeper of that name, once it is there."""
        wait_for((self.folder / name).exists)
        return int((self.folder / name).read_text())

    def text(self, name: str) -> str:
        return (self.folder / name).read_text()

    def end(self) -> None:
        listed.kill(listed.carrying(listed.ATTEMPT, self.run))
        for worker in self.workers:
            with suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()


@pytest.fixture
def playground(tmp_path: Path) -> Iterator[Playground]:
    made = Playground(tmp_path)
    yield made
    made.end()


@pytest.fixture(params=["proc", "psutil"])
def each_source(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both sources of the process table; macOS and Windows have only psutil."""
    monkeypatch.setattr(process_table, "_READS_PROC", request.param == "proc")
    return str(request.param)


def wait_for(ask: Callable[[], bool], within_s: float = 10.0) -> None:
    end = time.monotonic() + within_s
    while not ask():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# --- starting ---------------------------------------------------------------------------------------------------------


def test_a_worker_reads_a_file_writes_files_and_tells_its_exit_code(playground: Playground) -> None:
    (playground.folder / "prompt").write_text("prompt ✅\n")
    worker = playground.shell("cat; echo oops >&2; pwd; exit 5", stdin=str(playground.folder / "prompt"))
    assert worker.wait() == 5
    assert worker.wait() == 5
    assert playground.text("out") == f"prompt ✅\n{playground.folder}\n"
    assert playground.text("err") == "oops\n"
    for name in ("out", "err"):
        assert stat.S_IMODE((playground.folder / name).stat().st_mode) == 0o600


def test_a_worker_without_input_reads_nothing_and_its_streams_are_regular_files(playground: Playground) -> None:
    worker = playground.start(
        sys.executable, "-I", "-S", "-c",
        "import os, stat, sys; print(repr(sys.stdin.read()), [stat.S_ISREG(os.fstat(n).st_mode) for n in (1, 2)])",
    )  # fmt: skip
    assert worker.wait() == 0
    assert playground.text("out") == "'' [True, True]\n"


def test_a_worker_has_the_given_environment_and_its_mark_and_nothing_else(
    playground: Playground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_SESSION", "x")
    assert playground.start("env").wait() == 0
    assert sorted(playground.text("out").splitlines()) == [
        f"ORCHESTRATE_ATTEMPT={playground.mark()}",
        f"PATH={os.environ['PATH']}",
    ]


def test_a_worker_has_a_group_of_its_own_in_the_session_of_its_supervisor(playground: Playground) -> None:
    worker = playground.start("sleep", str(LIVES))
    assert os.getpgid(worker.pid) == worker.pid == worker.group != os.getpgrp()
    assert os.getsid(worker.pid) == os.getsid(0)


def test_a_worker_inherits_only_the_descriptors_that_it_is_given(playground: Playground) -> None:
    given, other = os.open(os.devnull, os.O_RDONLY), os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(other, True)
    try:
        assert playground.start("ls", "/proc/self/fd", pass_fds=(given,)).wait() == 0
    finally:
        os.close(given)
        os.close(other)
    open_in_ls = set(map(int, playground.text("out").split()))
    assert given in open_in_ls
    assert other not in open_in_ls


def test_both_outputs_may_go_to_one_file(playground: Playground) -> None:
    both = str(playground.folder / "both")
    worker = processes.start_worker(
        ["sh", "-c", "echo one; echo two >&2; echo three"], cwd=str(playground.folder), env=dict(os.environ),
        stdin_path=None, stdout_path=both, stderr_path=both, mark=playground.mark(),
    )  # fmt: skip
    playground.workers.append(worker)
    assert worker.wait() == 0
    assert playground.text("both") == "one\ntwo\nthree\n"


def test_what_cannot_be_started_is_named(playground: Playground) -> None:
    folder = playground.folder
    (folder / "text").write_text("not a program\n")
    (folder / "bad").write_text("#!/no/such/interpreter\n")
    (folder / "bad").chmod(0o700)
    (folder / "none").write_text("\0\0\0")
    (folder / "none").chmod(0o700)
    for argv, expected in {
        ("no-such-agent", "--flag"): "the program no-such-agent was not found",
        (str(folder / "text"),): f"the program {folder / 'text'} is not a file that may be executed",
        (str(folder / "bad"),): "its interpreter was not found",
        (str(folder / "none"),): "is not a program",
        ("echo", "x" * 200_000): "the program echo cannot take so long arguments",
        ("echo", "a\0b"): "cannot be started: embedded null byte",
        (): "the command [] cannot be started: it is empty",
    }.items():
        before = len(list(Path("/proc/self/fd").iterdir()))
        with pytest.raises(CannotGoOnError) as caught:
            playground.start(*argv)
        assert expected in caught.value.message
        assert caught.value.advice
        assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_missing_folder_or_input_is_named_and_not_taken_for_the_program(playground: Playground) -> None:
    with pytest.raises(CannotGoOnError, match=r"cannot read .*no-prompt"):
        playground.start("true", stdin=str(playground.folder / "no-prompt"))
    playground.folder /= "missing"
    with pytest.raises(CannotGoOnError, match=r"cannot write .*missing/out"):
        playground.start("true")
    playground.folder = playground.folder.parent
    with pytest.raises(CannotGoOnError, match="the folder to work in was not found: /no/such/folder"):
        processes.start_worker(
            ["true"], cwd="/no/such/folder", env={}, stdin_path=None, mark="x/y/1",
            stdout_path=str(playground.folder / "out"), stderr_path=str(playground.folder / "err"),
        )  # fmt: skip


def test_the_cost_of_a_start_is_told(playground: Playground) -> None:
    """Printed, not asserted: with `pytest -rP`."""

    def timed(act: Callable[[], object]) -> float:
        started = time.perf_counter()
        for _ in range(200):
            act()
        return (time.perf_counter() - started) / 200 * 1000

    true = "/bin/true"
    bare = timed(lambda: os.waitpid(os.posix_spawn(true, [true], {}), 0))
    with FileLock(str(playground.folder / "lock"), inheritable=True) as lock:
        ours = timed(lambda: playground.start(true, pass_fds=(lock.fileno(),)).wait())
    print(f"200 starts: {ours:.2f} ms each, bare posix_spawn {bare:.2f} ms")
    assert all(worker.wait() == 0 for worker in playground.workers)


# --- waiting ----------------------------------------------------------------------------------------------------------


def test_waiting_sleeps_until_the_worker_ends(playground: Playground) -> None:
    worker = playground.start("sleep", "0.4")
    cpu, started = time.thread_time(), time.monotonic()
    assert worker.wait(20) == 0
    assert 0.3 < time.monotonic() - started < 5
    assert time.thread_time() - cpu < 0.05


@pytest.mark.parametrize("has_descriptors", [True, False])
def test_waiting_for_a_time_tells_none_while_the_worker_lives(
    playground: Playground, monkeypatch: pytest.MonkeyPatch, has_descriptors: bool
) -> None:
    if not has_descriptors:  # an older kernel

        def refuse(pid: int) -> int:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

        monkeypatch.setattr(os, "pidfd_open", refuse)
    before = len(list(Path("/proc/self/fd").iterdir()))
    worker = playground.start("sleep", str(LIVES))
    assert worker.wait(0) is None
    assert worker.wait(0.05) is None
    assert (worker.fileno() is not None) == has_descriptors
    os.kill(worker.pid, signal.SIGKILL)
    assert worker.wait(20) == -signal.SIGKILL
    assert worker.wait(0) == -signal.SIGKILL
    assert worker.fileno() is None
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_one_thread_waits_while_another_ends_the_worker(playground: Playground) -> None:
    worker = playground.start("sleep", str(LIVES))
    codes: list[int | None] = []
    thread = threading.Thread(target=lambda: codes.append(worker.wait()))
    thread.start()
    assert processes.end_worker(worker.pid, worker.group, worker.mark, started=worker.started) == []
    thread.join(10)
    assert codes == [-signal.SIGTERM]


# --- ending -----------------------------------------------------------------------------------------------------------


def test_a_worker_and_its_group_are_ended(playground: Playground, each_source: str) -> None:
    worker = playground.shell("sleeper child plain & sleeper other plain; true")
    pids = [worker.pid, playground.pid("child"), playground.pid("other")]
    assert worker.end() == []
    assert worker.wait() == -signal.SIGTERM
    assert not any(map(is_alive, pids))


def test_a_deaf_grandchild_in_a_session_of_its_own_is_ended_too(playground: Playground, each_source: str) -> None:
    worker = playground.shell('sleeper near deaf & setsid sh -c "$(printf "%s" "sleep 60 & exec sleep 60")" & '
                              f'setsid "{sys.executable}" -I -S "{playground.program}" far deaf & wait')  # fmt: skip
    pids = [worker.pid, playground.pid("near"), playground.pid("far")]
    assert os.getpgid(pids[2]) != worker.group
    started = time.monotonic()
    assert worker.end(grace_s=0.3) == []
    assert time.monotonic() - started < 5
    assert not any(map(is_alive, pids))
    assert not listed.carrying(listed.ATTEMPT, playground.run)


def test_a_worker_that_obeys_has_its_time_and_is_not_killed(playground: Playground, each_source: str) -> None:
    worker = playground.start(sys.executable, "-I", "-S", str(playground.program), "one", "slow")
    playground.pid("one")
    started = time.monotonic()
    assert worker.end(grace_s=10) == []
    assert worker.wait() == 7
    assert 0.4 <= time.monotonic() - started < 5
    assert (playground.folder / "one.left").exists()


def test_children_that_outlive_an_obedient_worker_have_the_same_time(playground: Playground) -> None:
    worker = playground.shell("trap 'exit 3' TERM; sleeper child slow & wait")
    child = playground.pid("child")
    assert worker.end(grace_s=10) == []
    assert worker.wait() == 3
    assert not is_alive(child)
    assert (playground.folder / "child.left").exists()


def test_a_worker_that_stands_still_hears_that_it_shall_end(playground: Playground) -> None:
    worker = playground.start(sys.executable, "-I", "-S", str(playground.program), "one", "stopped")
    pid = playground.pid("one")
    wait_for(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    assert worker.end(grace_s=10) == []
    assert worker.wait() == 8


def test_a_deaf_worker_is_killed_when_its_time_is_over(playground: Playground) -> None:
    worker = playground.start(sys.executable, "-I", "-S", str(playground.program), "one", "deaf")
    playground.pid("one")
    started = time.monotonic()
    assert worker.end(grace_s=0.5) == []
    assert worker.wait() == -signal.SIGKILL
    assert time.monotonic() - started >= 0.5


def test_a_child_without_the_mark_goes_with_its_parent(playground: Playground, each_source: str) -> None:
    worker = playground.shell(f'setsid env -i "{sys.executable}" -I -S "{playground.program}" bare deaf & wait')
    pid = playground.pid("bare")
    assert processes.marked_processes(worker.mark) == [worker.pid]
    assert worker.end(grace_s=0.2) == []
    assert not is_alive(pid)


def test_a_child_without_the_mark_is_ended_after_its_parent_left(playground: Playground, each_source: str) -> None:
    """While nobody has waited for the dead parent, its group is still its own."""
    worker = playground.shell(f'env -i "{sys.executable}" -I -S "{playground.program}" bare deaf & sleep 0.1')
    pid = playground.pid("bare")
    wait_for(lambda: psutil.Process(worker.pid).status() == psutil.STATUS_ZOMBIE)
    assert worker.end(grace_s=0.2) == []
    assert not is_alive(pid)


def test_what_keeps_starting_others_is_ended(playground: Playground) -> None:
    script, log = playground.folder / "again.sh", playground.folder / "log"
    generations = 3_000  # a bound on what a defect leaves behind: some ten seconds
    script.write_text(
        f'trap "" TERM; echo "$1" >> "{log}"; [ "$1" -lt {generations} ] || exit\n'
        'setsid sh "$0" $(($1 + 1)) & sleep 0.02; exit\n'
    )
    worker = playground.shell(f'sh "{script}" 1')
    wait_for(log.exists)
    assert worker.end(grace_s=0.2) == []
    begun = log.read_text()
    time.sleep(0.2)
    assert log.read_text() == begun and begun.count("\n") < generations
    assert not listed.carrying(listed.ATTEMPT, playground.run)


def test_other_attempts_are_left_alone(playground: Playground, each_source: str) -> None:
    others = [
        playground.start("sleep", str(LIVES), mark=playground.mark("T-01", 11)),
        playground.start("sleep", str(LIVES), mark=playground.mark("T-01", 2)),
        playground.start("sleep", str(LIVES), mark=f"x{playground.mark()}"),
    ]
    worker = playground.start("sleep", str(LIVES))
    try:
        assert worker.end(grace_s=1) == []
        assert [other.wait(0) for other in others] == [None, None, None]
    finally:
        for other in others:
            other.end(0)


def test_an_orphan_is_ended_by_pid_group_and_mark_alone(playground: Playground, each_source: str) -> None:
    worker = playground.shell("sleeper child plain & echo $!; exit 0")
    assert worker.wait() == 0
    child = playground.pid("child")
    assert processes.end_worker(worker.pid, worker.group, worker.mark, 1.0) == []
    assert not is_alive(child)


def test_a_stranger_with_the_pid_and_group_of_a_dead_worker_is_not_touched(
    playground: Playground, each_source: str
) -> None:
    stranger = playground.start("sleep", str(LIVES), mark=playground.mark("T-99"))
    for started in (None, 1.0, (stranger.started or 0) + 5):
        gone = processes.end_worker(stranger.pid, stranger.group, playground.mark("T-01"), 0.2, started=started)
        assert gone == []
        assert stranger.wait(0) is None


def test_a_worker_that_lost_its_mark_is_known_by_its_start(playground: Playground, each_source: str) -> None:
    worker = playground.start("env", "-i", sys.executable, "-I", "-S", str(playground.program), "one", "deaf")
    playground.pid("one")
    started = processes.process_started(worker.pid)
    assert processes.end_worker(worker.pid, worker.group, worker.mark, 0.2) == []
    assert worker.wait(0) is None, "without its start time it could be anybody"
    assert processes.end_worker(worker.pid, worker.group, worker.mark, 0.2, started=started) == []
    assert worker.wait(5) == -signal.SIGKILL


def test_neither_the_first_process_nor_this_one_nor_its_group_is_ever_signalled(
    playground: Playground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even when they carry the mark; and what descends from them is not theirs to lose either."""
    signalled: list[int] = []
    left: list[list[int]] = []
    child = playground.start("sleep", str(LIVES))  # of this process, in a group of its own
    with subprocess.Popen(["sleep", str(LIVES)]) as companion:  # in the group of this process
        marked = {1, os.getpid(), companion.pid}
        try:
            with monkeypatch.context() as patch:
                patch.setattr(os, "kill", lambda pid, number: signalled.append(pid))
                patch.setattr(process_ending, "_KILL_WAIT_S", 0.05)
                patch.setattr(process_ending, "has_mark", lambda pid, mark: pid in marked)
                for pid in (1, 0, -1, os.getpid(), companion.pid):
                    for group in (1, 0, -1, os.getpgrp()):
                        started = processes.process_started(pid)
                        left.append(processes.end_worker(pid, group, "any", 0.01, started=started))
                left.append(processes.end_marked("any/", 0.01))
                for pid in (0, 1, -1):
                    process_ending._signal(pid, signal.SIGTERM)
        finally:
            companion.kill()
    assert signalled == []
    assert left == [[]] * 21
    assert child.wait(0) is None


def test_what_cannot_be_ended_is_told(playground: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = playground.start("sleep", str(LIVES))
    with monkeypatch.context() as patch:
        patch.setattr(os, "kill", lambda pid, number: None)
        patch.setattr(process_ending, "_KILL_WAIT_S", 0.1)
        assert processes.end_worker(worker.pid, worker.group, worker.mark, 0.05) == [worker.pid]
    assert worker.end() == []


def test_ending_what_has_ended_does_nothing(playground: Playground, each_source: str) -> None:
    worker = playground.start("true")
    assert worker.wait() == 0
    started = time.monotonic()
    assert worker.end() == []
    assert worker.wait() == 0
    assert time.monotonic() - started < 2


# --- marks ------------------------------------------------------------------------------------------------------------


def test_a_prefix_of_the_mark_finds_all_of_a_run_or_a_task(playground: Playground, each_source: str) -> None:
    worker = playground.shell(f'setsid "{sys.executable}" -I -S "{playground.program}" far plain & wait')
    second = playground.start("sleep", str(LIVES), mark=playground.mark("T-02"))
    far = playground.pid("far")
    of_first = processes.marked_processes(worker.mark)
    assert {worker.pid, far} <= set(of_first)
    assert second.pid not in of_first
    assert set(processes.marked_processes(f"{playground.run}/")) == {*of_first, second.pid}
    assert processes.marked_processes(f"{playground.run}/T-02/") == [second.pid]
    assert processes.marked_processes(f"{playground.run}/T-0") == []
    assert processes.marked_processes(playground.run) == []
    assert processes.marked_processes("") == []


def test_a_worker_is_found_by_its_mark_from_its_first_moment(playground: Playground) -> None:
    """More than half of them are still being loaded then, and show an empty environment."""
    for attempt in range(1, 31):
        worker = playground.start("sleep", str(LIVES), mark=playground.mark(attempt=attempt))
        assert process_table.has_mark(worker.pid, worker.mark)


def test_all_orphans_of_a_run_are_ended_by_its_prefix(playground: Playground, each_source: str) -> None:
    workers = [playground.start("sleep", str(LIVES), mark=playground.mark(f"T-0{n}")) for n in range(3)]
    deaf = playground.start(sys.executable, "-I", "-S", str(playground.program), "deaf", "deaf")
    playground.pid("deaf")
    assert processes.end_marked(f"{playground.run}/", 0.5) == []
    assert [worker.wait(5) for worker in workers] == [-signal.SIGTERM] * 3
    assert deaf.wait(5) == -signal.SIGKILL
    assert processes.marked_processes(f"{playground.run}/") == []


def test_a_mark_is_found_in_an_environment_of_any_size(playground: Playground) -> None:
    large = {f"V{number}": "x" * 20_000 for number in range(20)}
    worker = processes.start_worker(
        ["sleep", str(LIVES)], cwd=str(playground.folder), env={"PATH": os.environ["PATH"], **large}, stdin_path=None,
        stdout_path=str(playground.folder / "out"), stderr_path=str(playground.folder / "err"), mark=playground.mark(),
    )  # fmt: skip
    playground.workers.append(worker)
    assert processes.marked_processes(playground.mark()) == [worker.pid]


# --- who is who -------------------------------------------------------------------------------------------------------


def test_a_process_is_known_by_its_start_and_a_reused_pid_is_not_taken(
    playground: Playground, each_source: str
) -> None:
    worker = playground.start("sleep", str(LIVES))
    started = processes.process_started(worker.pid)
    assert started is not None
    assert processes.is_same_process(worker.pid, started)
    assert not processes.is_same_process(worker.pid, started + 0.01)
    assert not processes.is_same_process(worker.pid, started - 0.01)
    assert not processes.is_same_process(os.getpid(), started)
    assert not processes.is_same_process(worker.pid, None)


def test_after_a_restart_of_the_machine_the_same_pid_and_time_are_another_process(
    playground: Playground, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = playground.start("sleep", str(LIVES))
    assert processes.is_same_process(worker.pid, worker.started)
    assert len(processes.boot_id()) == 36
    monkeypatch.setattr(process_table, "_offset", None)
    monkeypatch.setattr(process_table, "_BOOT_ID", str(playground.folder / "boot_id"))
    (playground.folder / "boot_id").write_text(f"{uuid.uuid4()}\n")
    assert processes.process_started(worker.pid) is not None
    assert not processes.is_same_process(worker.pid, worker.started)


def test_a_start_time_that_went_through_json_is_the_same(playground: Playground, each_source: str) -> None:
    worker = playground.start("sleep", str(LIVES))
    assert processes.is_same_process(worker.pid, json.loads(json.dumps(worker.started)))


def test_the_start_is_known_to_the_one_who_started_it(playground: Playground) -> None:
    for _ in range(20):
        worker = playground.start("true")
        assert worker.started is not None
        worker.wait()


def test_a_zombie_counts_as_gone(playground: Playground, each_source: str) -> None:
    worker = playground.start("true")
    wait_for(lambda: psutil.Process(worker.pid).status() == psutil.STATUS_ZOMBIE)
    assert processes.process_started(worker.pid) is None
    assert not processes.is_same_process(worker.pid, worker.started)
    assert worker.pid not in processes.marked_processes(worker.mark)
    assert worker.end() == []


def test_there_is_no_start_of_a_process_that_is_not_there(each_source: str) -> None:
    for pid in (0, -1, 2**22 + 5):
        assert processes.process_started(pid) is None


def test_the_table_agrees_with_psutil(playground: Playground) -> None:
    worker = playground.start("sleep", str(LIVES))
    found = process_table.process(worker.pid)
    assert found is not None
    assert (found.parent, found.group) == (os.getpid(), worker.pid)
    since_boot_s = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert since_boot_s - 5 < found.started - process_table._boot_offset() <= since_boot_s
    own = {each.pid for each in process_table.own_processes()}
    assert {os.getpid(), worker.pid} <= own


def test_a_program_whose_name_holds_brackets_and_blanks_is_read_rightly(playground: Playground) -> None:
    program = playground.folder / "a) R 1 (b"
    program.write_bytes(Path("/bin/sleep").read_bytes())
    program.chmod(0o700)
    worker = playground.start(str(program), str(LIVES))
    found = process_table.process(worker.pid)
    assert found is not None
    assert (found.parent, found.group, found.is_gone) == (os.getpid(), worker.pid, False)


# --- the lock that a worker inherits ----------------------------------------------------------------------------------


def test_a_worker_keeps_the_lock_of_its_attempt_when_its_supervisor_dies(playground: Playground) -> None:
    path = str(playground.folder / "T-01.1.lock")
    told, tell = os.pipe()
    supervisor = os.fork()
    if supervisor == 0:
        try:
            lock = FileLock(path, inheritable=True)
            lock.acquire()
            worker = playground.start("sleep", str(LIVES), pass_fds=(lock.fileno(),))
            os.write(tell, f"{worker.pid}".encode())
            time.sleep(LIVES)
        finally:
            os._exit(1)
    os.close(tell)
    pid = int(os.read(told, 20))
    os.close(told)
    os.kill(supervisor, signal.SIGKILL)
    os.waitpid(supervisor, 0)
    assert is_alive(pid)
    assert locks.is_held(path)
    assert not FileLock(path).try_acquire()
    assert locks.holder(path).pid == supervisor  # type: ignore[union-attr]
    assert processes.end_worker(pid, pid, playground.mark(), 1.0) == []
    assert not locks.is_held(path)
    assert locks.remove_free_lock(path)


def test_the_end_of_the_supervisors_share_leaves_the_lock_to_the_worker(playground: Playground) -> None:
    path = str(playground.folder / "T-01.1.lock")
    lock = FileLock(path, inheritable=True)
    lock.acquire()
    worker = playground.start("sleep", str(LIVES), pass_fds=(lock.fileno(),))
    lock.release()
    assert locks.is_held(path)
    worker.end(0)
    assert not locks.is_held(path)


def test_a_worker_that_is_not_given_a_lock_does_not_keep_it(playground: Playground) -> None:
    path = str(playground.folder / "run.lock")
    with FileLock(path):
        playground.start("sleep", str(LIVES))
    assert not locks.is_held(path)
