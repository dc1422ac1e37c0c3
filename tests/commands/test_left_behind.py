"""What a worker leaves running is ended with its attempt, also when the worker itself ended well."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import processes
from orchestrator.system.process_table import MARK_VARIABLE, marks_after
from programs import Program, wait_for
from runfolders import RunFolder, task

NoneLeft = Callable[..., None]


@pytest.mark.parametrize(
    "left",
    [
        "sleep 60 &",
        "setsid sleep 60 &",
        "setsid sh -c 'trap \"\" TERM INT HUP; sleep 60' &",
        "(setsid sleep 60 >/dev/null 2>&1 0</dev/null 9>&- &)",
    ],
    ids=["child", "own session", "ignores signals", "daemon"],
)
@pytest.mark.parametrize(("ending", "code"), [("echo done", 0), ("exit 1", 1)])
def test_nothing_of_an_attempt_outlives_it(
    run: RunFolder, no_processes_left: NoneLeft, left: str, ending: str, code: int
) -> None:
    run.init(task("T-01", max_retries=0))
    script = run.project / "worker.sh"
    script.write_text(f"{left}\n{ending}\n")
    run("run", "--command", f"sh {script}", code=code)
    no_processes_left(0.0)


def test_the_next_attempt_finds_nothing_of_the_last_one(run: RunFolder, no_processes_left: NoneLeft) -> None:
    run.init(task("T-01", max_retries=1))
    script = run.project / "worker.sh"
    script.write_text("exec 8>>held; flock -n 8 || { echo doubled >>doubled; }\nsetsid sleep 60 &\nexit 1\n")
    run("run", "--command", f"sh {script}", code=1, timeout_s=60)
    assert not (run.project / "doubled").exists()
    no_processes_left(0.0)


def test_a_run_whose_folder_is_removed_ends_its_workers_and_says_so(
    run: RunFolder, no_processes_left: NoneLeft
) -> None:
    run.init(task("T-01"))
    running = run.orchestrate.start("run", "--command", "sh -c 'touch begun; sleep 300'")
    wait_for((run.project / "begun").exists)
    shutil.rmtree(run.folder)
    ended = running.wait(60)
    assert ended.code == 3 and "was removed or moved while it was in use" in ended.stderr
    assert "Traceback" not in ended.stderr
    no_processes_left()


@pytest.mark.parametrize("command", ["run", "feed"])
def test_the_next_run_ends_what_a_killed_one_had_no_time_to_end(
    run: RunFolder, program: Callable[..., Program], no_processes_left: NoneLeft, command: str
) -> None:
    run.init(task("T-01"), task("T-02"))
    run.complete("T-01")
    run("start", "T-02")
    own = run.events("orchestration_started")[0]["orchestration_id"]
    stray, other = (
        program("sleep", "60").start(environment={MARK_VARIABLE: mark}) for mark in (f"{own}/T-01/1", "another/T-01/1")
    )
    by_hand = program("sleep", "60").start(environment={MARK_VARIABLE: f"{own}/T-02/1"})
    running = run.orchestrate.start(command, "--executor", "rehearse")
    deadline = time.monotonic() + 30
    while stray.process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert stray.process.poll() is not None
    assert other.process.poll() is by_hand.process.poll() is None
    for each in (running, other, by_hand):
        each.end()
    no_processes_left(0.0)


def test_a_marked_process_is_found_by_its_number(program: Callable[..., Program], tmp_path: Path) -> None:
    mark = f"run/{tmp_path.name}/1"
    first = program("sleep", "30").start()
    marked = program("sleep", "30").start(environment={MARK_VARIABLE: mark})
    deadline = time.monotonic() + 5
    while not processes.carrying(MARK_VARIABLE, mark) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert marks_after({mark}, first.pid)
    assert not marks_after({mark}, marked.pid)
    assert not marks_after({f"{mark}0"}, first.pid)
    marked.end()
    assert not marks_after({mark}, first.pid)
