"""`feed`: which task may start now, as it becomes true, whoever makes it true."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from orchestrator.errors import CannotGoOnError, ExitCode
from orchestrator.launchers.course import hold_run_lock
from orchestrator.launchers.feed import Feeder
from orchestrator.paths import RunPaths
from orchestrator.store.store import Store
from orchestrator.workers.options import RunOptions
from programs import Program, Running, wait_for
from runfolders import RunFolder, task

REHEARSED = ("--executor", "rehearse")


def rehearsed(id: str, *deps: object, seconds: float = 0.0, fails: int = 0, **fields: object) -> dict[str, object]:
    return task(id, deps, rehearse={"duration": seconds, "fails": fails}, **fields)


class Feed:
    """A feed under way, and the processes that run what it gives out."""

    def __init__(self, run: RunFolder, *options: str) -> None:
        self.run = run
        self.running: Running = run.orchestrate.start("feed", *REHEARSED, *options)
        self.workers: list[Running] = []

    @property
    def lines(self) -> list[str]:
        """What it has given out so far."""
        return self.running.stdout.splitlines()

    def wait_lines(self, count: int, within_s: float = 60.0) -> list[str]:
        wait_for(lambda: len(self.lines) >= count or self.running.process.poll() is not None, within_s)
        return self.lines

    def start(self, id: str) -> Running:
        """Run what was given out, as a launch script does."""
        self.workers.append(self.run.orchestrate.start("exec", "--fed", id, *REHEARSED, "--scale", "0.01"))
        return self.workers[-1]

    def drive(self, within_s: float = 120.0) -> int:
        """Run all that is given out until the feed ends; its exit code."""
        end = time.monotonic() + within_s
        started = len(self.workers)
        while self.running.process.poll() is None:
            for id in self.lines[started:]:
                self.start(id)
                started += 1
            assert time.monotonic() < end, (self.lines, self.running.stderr)
            time.sleep(0.01)
        return self.running.wait().code


@pytest.fixture
def feed(run: RunFolder) -> Callable[..., Feed]:
    """`feed("--jobs", "2")`: a feed of the run."""
    return lambda *options: Feed(run, *options)


# What it gives out


def test_one_id_a_line_in_scheduling_order_and_no_more_than_there_are_slots(
    run: RunFolder, feed: Callable[..., Feed]
) -> None:
    run.init(rehearsed("T-01"), rehearsed("T-02", priority="P0"), rehearsed("T-03", "T-02"), rehearsed("T-04"))
    fed = feed("--jobs", "1")
    assert fed.wait_lines(1) == ["T-02"]
    time.sleep(0.5)
    assert fed.lines == ["T-02"]
    fed.start("T-02")
    assert fed.drive() == 0
    assert sorted(fed.lines) == ["T-01", "T-02", "T-03", "T-04"]
    assert set(run.statuses().values()) == {"completed"}


def test_a_dependant_is_given_out_at_once_when_its_own_dependencies_are_complete(
    run: RunFolder, feed: Callable[..., Feed]
) -> None:
    run.init(rehearsed("T-01"), rehearsed("T-02", seconds=30), rehearsed("T-03", "T-01"))
    fed = feed("--jobs", "4")
    fed.wait_lines(2)
    run.complete("T-01")
    done = time.monotonic()
    assert fed.wait_lines(3)[2] == "T-03"
    assert time.monotonic() - done < 15.0  # T-02 would end after 30


def test_with_by_stage_nothing_starts_before_the_whole_stage_before_it_has_ended(
    run: RunFolder, feed: Callable[..., Feed]
) -> None:
    run.init(rehearsed("T-01"), rehearsed("T-02"), rehearsed("T-03", "T-01"))
    fed = feed("--by-stage")
    assert set(fed.wait_lines(2)) == {"T-01", "T-02"}
    run.complete("T-01")
    time.sleep(0.5)
    assert len(fed.lines) == 2
    run.complete("T-02")
    assert fed.wait_lines(3)[2] == "T-03"


def test_two_tasks_that_want_one_resource_are_given_out_one_after_the_other(
    run: RunFolder, feed: Callable[..., Feed]
) -> None:
    run.init(*(rehearsed(f"T-0{n}", resources=["database"], writes=["a/**"]) for n in (1, 2)))
    fed = feed("--jobs", "4")
    fed.wait_lines(1)
    time.sleep(0.3)
    assert fed.lines == ["T-01"]
    assert fed.drive() == 0
    assert fed.lines == ["T-01", "T-02"]


def test_a_retry_is_given_out_again_when_it_is_due(run: RunFolder, feed: Callable[..., Feed]) -> None:
    run.init(rehearsed("T-01", fails=2))
    fed = feed("--scale", "0.01")
    assert fed.drive() == 0
    assert fed.lines == ["T-01"] * 3


def test_tasks_that_the_budget_cannot_pay_together_are_given_out_one_after_the_other(
    run: RunFolder, feed: Callable[..., Feed]
) -> None:
    run.init(*(rehearsed(f"T-0{n}", budget_usd=1) for n in (1, 2)), budget_usd=1.5)
    fed = feed("--jobs", "4")
    fed.wait_lines(1)
    time.sleep(0.3)
    assert fed.lines == ["T-01"]
    assert fed.drive() == 0


def test_a_dry_run_says_the_order_of_what_is_left_and_starts_nothing(run: RunFolder) -> None:
    run.init(task("T-01", estimate="1m"), task("T-02", ["T-01"]), task("T-03", estimate="9m"), task("T-04"))
    run.complete("T-01")
    before = run.journal.read_bytes()
    assert run("feed", "--dry-run", "--jobs", "1").stdout.split() == ["T-03", "T-02", "T-04"]
    assert run.journal.read_bytes() == before


# How it ends


def test_it_ends_with_0_when_everything_is_done(run: RunFolder) -> None:
    run.init(rehearsed("T-01"))
    run.complete("T-01")
    assert run("feed", *REHEARSED).stdout == ""


def test_it_ends_with_1_when_the_rest_waits_for_a_failed_task(run: RunFolder, feed: Callable[..., Feed]) -> None:
    run.init(rehearsed("T-01", fails=9, max_retries=0), rehearsed("T-02", "T-01"))
    fed = feed()
    assert fed.drive() == 1
    assert "T-01 failed" in fed.running.stderr


def test_it_ends_with_4_when_only_approvals_are_left(run: RunFolder) -> None:
    run.init(rehearsed("T-01", approval=True))
    assert "approval" in run("feed", *REHEARSED, code=4).stderr


def test_a_second_feed_is_refused_and_names_the_first(run: RunFolder, feed: Callable[..., Feed]) -> None:
    run.init(rehearsed("T-01"))
    first = feed()
    first.wait_lines(1)
    nothing_to_start = ("--claude", "/nowhere/claude")
    for words in (("feed", *REHEARSED), ("run", *REHEARSED), ("feed", *nothing_to_start), ("run", *nothing_to_start)):
        assert f"pid {first.running.pid}" in run(*words, code=3).stderr


def test_a_failure_with_fail_fast_ends_what_runs_and_the_feed(
    run: RunFolder, feed: Callable[..., Feed], no_processes_left: Callable[..., None]
) -> None:
    run.init(
        rehearsed("T-01", fails=1, seconds=1.0, max_retries=0, on_failure="fail-fast"), rehearsed("T-02", seconds=60)
    )
    fed = feed()
    assert fed.drive() == 1
    assert run.statuses() == {"T-01": "failed", "T-02": "pending"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_what_it_gave_out_and_nothing_else(
    run: RunFolder, feed: Callable[..., Feed], number: signal.Signals
) -> None:
    run.init(rehearsed("T-01", seconds=60), rehearsed("T-02", seconds=60), rehearsed("T-03", seconds=60))
    by_a_person = run.orchestrate.start("exec", "T-03", *REHEARSED)
    wait_for(lambda: (run.folder / "workers" / "T-03.json").exists())
    fed = feed("--jobs", "3")
    for id in fed.wait_lines(2):
        fed.start(id)
    wait_for(lambda: len(run.events("task_started")) == 3)
    fed.running.send(number, to_group=False)
    assert fed.running.wait().code == 130
    assert [worker.wait().code for worker in fed.workers] == [130, 130]
    assert run.statuses() == {"T-01": "pending", "T-02": "pending", "T-03": "running"}
    assert by_a_person.process.poll() is None


def test_an_exec_that_comes_too_late_starts_nothing(run: RunFolder, feed: Callable[..., Feed]) -> None:
    run.init(rehearsed("T-01"))
    fed = feed()
    fed.wait_lines(1)
    fed.running.send(signal.SIGTERM, to_group=False)
    fed.running.wait()
    assert fed.start("T-01").wait().code == 4
    assert run.events("task_started") == []


def test_when_nobody_reads_any_more_it_ends_what_runs_and_stops(
    run: RunFolder, program: Callable[..., Program], orchestrate: Program
) -> None:
    run.init(rehearsed("T-01", seconds=60), rehearsed("T-02"))
    python, script = orchestrate._command
    reader = 'read -r id; "$0" "$1" exec --fed "$id" --executor rehearse & sleep 2; exit 0'
    words = f'"$0" "$1" feed --executor rehearse --jobs 1 | sh -c \'{reader}\' "$0" "$1"; echo "${{PIPESTATUS[0]}}"'
    done = program("bash", "-c", words, python, script)()
    assert done.stdout.split()[-1] == "4"
    assert run.statuses()["T-01"] == "pending"


def test_tied_it_ends_with_its_standard_input(
    run: RunFolder, orchestrate: Program, environment: dict[str, str]
) -> None:
    run.init(rehearsed("T-01"))
    fed = subprocess.Popen(
        [*orchestrate._command, "feed", *REHEARSED, "--tied"],
        cwd=run.project,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert fed.stdin is not None
    assert fed.stdout is not None
    with fed, fed.stdin, fed.stdout:
        assert fed.stdout.readline() == b"T-01\n"
        assert fed.poll() is None
        fed.stdin.close()
        assert fed.wait(60) == 130


# What it finds


def test_a_task_whose_exec_was_killed_is_put_back_and_given_out_again(
    run: RunFolder, feed: Callable[..., Feed], no_processes_left: Callable[..., None]
) -> None:
    run.init(rehearsed("T-01", seconds=1.5))
    fed = feed()
    fed.wait_lines(1)
    worker = fed.start("T-01")
    wait_for(lambda: run.events("task_started"))
    worker.send(signal.SIGKILL)
    assert fed.drive() == 0
    assert fed.lines == ["T-01", "T-01"]
    assert run.entry("T-01")["retries"] == 0


def test_orphans_of_a_feed_that_was_killed_are_counted_by_the_next_one(
    run: RunFolder, feed: Callable[..., Feed]
) -> None:
    run.init(rehearsed("T-01", seconds=3), rehearsed("T-02"))
    first = feed("--jobs", "1")
    first.wait_lines(1)
    first.start("T-01")
    wait_for(lambda: run.events("task_started"))
    first.running.send(signal.SIGKILL)
    first.running.process.wait()
    second = feed("--jobs", "1")
    assert second.drive() == 0
    assert second.lines == ["T-02"]
    assert len(run.events("task_started")) == 2


def test_it_sees_what_people_do(run: RunFolder, feed: Callable[..., Feed]) -> None:
    run.init(rehearsed("T-01"), rehearsed("T-02", "T-01"), rehearsed("T-03", "T-02"), rehearsed("T-04", "T-03"))
    fed = feed()
    fed.wait_lines(1)
    run.complete("T-01")
    assert fed.wait_lines(2)[1] == "T-02"
    run.prepare("skip", "T-02")
    assert fed.wait_lines(3)[2] == "T-03"
    run.complete("T-03")
    fed.wait_lines(4)
    run.prepare("start", "T-04")
    time.sleep(0.3)
    assert fed.running.process.poll() is None
    run.prepare("complete", "T-04", "--result", "-", stdin="done\n")
    assert fed.running.wait().code == 0


def test_an_edit_of_the_plan_is_taken_over_within_a_second(run: RunFolder, feed: Callable[..., Feed]) -> None:
    run.init(rehearsed("T-01", seconds=60))
    fed = feed()
    fed.wait_lines(1)
    run.edit_plan(lambda plan: plan["tasks"].append(rehearsed("T-02")))
    assert fed.wait_lines(2, within_s=30)[1] == "T-02"


def test_nothing_is_given_out_while_the_run_is_paused(run: RunFolder, feed: Callable[..., Feed]) -> None:
    run.init(rehearsed("T-01"), rehearsed("T-02", "T-01"))
    fed = feed()
    fed.wait_lines(1)
    run.prepare("pause")
    run.complete("T-01")
    time.sleep(0.5)
    assert fed.lines == ["T-01"]
    run.prepare("resume")
    assert fed.wait_lines(2)[1] == "T-02"


def test_a_task_given_out_before_a_pause_is_given_out_again_after_it(run: RunFolder, feed: Callable[..., Feed]) -> None:
    run.init(rehearsed("T-01"))
    fed = feed()
    fed.wait_lines(1)
    run.prepare("pause")
    assert fed.start("T-01").wait().code == 4
    run.prepare("resume")
    assert fed.wait_lines(2) == ["T-01", "T-01"]


def test_waiting_costs_next_to_nothing(run: RunFolder, feed: Callable[..., Feed]) -> None:
    run.init(*(rehearsed(f"T-{n:03d}", seconds=60) for n in range(100)))
    fed = feed("--jobs", "1")
    fed.wait_lines(1)
    time.sleep(2.5)  # until it has come to rest
    process = psutil.Process(fed.running.pid)
    before = process.cpu_times()
    time.sleep(3.0)
    after = process.cpu_times()
    # Below 0.01 on a quiet machine (bench/launchers.py); more here, because times are counted in hundredths.
    assert (after.user + after.system - before.user - before.system) / 3.0 < 0.04


# Given out in vain


class Nobody:
    """An outlet whose reader starts nothing."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, line: str) -> None:
        self.lines.append(line)

    def is_read(self) -> bool:
        return True


class Blank:
    """A view and reporter that shows nothing."""

    def look(self) -> None: ...
    def look_at_last(self) -> None: ...
    def show(self, *, soon: bool = False) -> None: ...
    def tell(self, message: str) -> None: ...
    def is_at_work(self) -> bool:
        return False

    def end(self) -> None: ...
    def started(self, tasks: list[str]) -> None: ...
    def ended(self, task: str) -> None: ...
    def looked(self) -> None: ...


@pytest.fixture
def impatient(run: RunFolder) -> Iterator[Feeder]:
    """A feeder that gives a task out again after a moment; what it gives out goes nowhere."""
    run.init(rehearsed("T-01"))
    store = Store.open(RunPaths.of(str(run.project)))
    lock = hold_run_lock(store)
    yield Feeder(store, RunOptions(grace_s=0.1), Blank(), Blank(), lock, Nobody(), give_again_s=0.2)
    lock.release()
    store.close()


def test_a_task_that_does_not_begin_is_given_out_again_and_at_last_given_up(impatient: Feeder) -> None:
    with pytest.raises(CannotGoOnError, match="T-01 was given out 3 times and never began"):
        impatient.run()
    assert impatient.outlet.lines == ["T-01"] * 3  # type: ignore[attr-defined]


def test_a_late_start_of_what_was_given_out_twice_is_one_attempt(impatient: Feeder, run: RunFolder) -> None:
    ended: list[ExitCode] = []
    feeding = threading.Thread(target=lambda: ended.append(impatient.run()))
    feeding.start()
    wait_for(lambda: len(impatient.outlet.lines) == 2)  # type: ignore[attr-defined]
    run.complete("T-01")
    feeding.join(20)
    assert ended == [ExitCode.DONE]
    assert os.path.exists(Path(run.folder, "results", "agent-01-result.md"))
    assert len(run.events("task_started")) == 1


def test_an_edit_of_the_plan_in_the_last_moment_counts(run: RunFolder, feed: Callable[..., Feed]) -> None:
    run.init(rehearsed("T-01"))
    fed = feed("--jobs", "1")
    fed.wait_lines(1)
    os.kill(fed.running.pid, signal.SIGSTOP)  # so that it sees the end of the task and the edit at once
    assert fed.start("T-01").wait().code == 0
    run.edit_plan(lambda plan: plan["tasks"].append(rehearsed("T-02")))
    os.kill(fed.running.pid, signal.SIGCONT)
    assert fed.drive() == 0
    assert fed.lines == ["T-01", "T-02"]
