"""`health`: workers that are gone, silent or without progress, and what was done about them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from orchestrator import clock
from orchestrator.dataclasses import replace
from orchestrator.errors import CannotGoOnError
from orchestrator.model import Status
from orchestrator.paths import RunPaths
from orchestrator.store import moves
from orchestrator.store.store import Store
from orchestrator.store.trust import trust_digest
from orchestrator.workers.health import ZOMBIE_S, HealthWatch, all_vitals
from orchestrator.workers.live import SILENT_S, Live, host, read_live, show_live, supervisor_record
from orchestrator.workers.recovery import recover
from runfolders import RunFolder, task


def opened(run: RunFolder) -> Store:
    return Store.open(RunPaths.of(str(run.project)))


def begin(store: Store, name: str, where: str, *, pid: int = 999_999) -> None:
    """An attempt that a process of the machine ``where`` looks after."""
    supervisor = supervisor_record() if where == host() else [where, pid, 1.0]
    with store.change() as change:
        moves.start(change, [name], moves.Start("run", "command", supervisor=supervisor))  # type: ignore[arg-type]
    now = clock.now()
    live = Live(name, 1, "Agent-01", None, None, None, 0, where, pid, "x/y/1", None, now, now, now)
    show_live(store.paths, live)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Move the clock of this process so many seconds ahead."""

    def move(seconds: float) -> None:
        monkeypatch.setattr(clock, "now", lambda: time.time() + seconds)

    return move


def test_without_a_worker_all_is_well(run: RunFolder) -> None:
    run.init(task("T-01"))
    assert "No worker is under way" in run("health").stdout


def test_a_dead_worker_is_named_its_processes_are_ended_and_its_task_is_put_back(
    run: RunFolder, attempts_alive: Callable[[], list[object]], no_processes_left: Callable[..., None]
) -> None:
    run.init(task("T-01"))
    running = run.orchestrate.start("run", "--command", "sh -c 'setsid sleep 60 & sleep 60'")
    deadline = time.monotonic() + 20
    while len(attempts_alive()) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    running.send(signal.SIGKILL, to_group=False)
    running.wait()
    told = run("health", "--json", code=1).json
    assert told["health"] == "dead"
    (worker,) = told["workers"]
    assert worker["task"] == "T-01" and worker["health"] == "dead"
    assert "pending" in worker["done"] and "killed" in worker["done"]
    no_processes_left()
    assert run.statuses() == {"T-01": "pending"}
    assert run("health", "--json").json["workers"] == []


def test_a_supervisor_of_another_machine_that_is_silent_and_holds_no_lock_is_lost(
    run: RunFolder, later: Callable[[float], None]
) -> None:
    run.init(task("T-01"))
    store = opened(run)
    begin(store, "T-01", "elsewhere")
    assert [str(each.health) for each in all_vitals(store)] == ["healthy"]
    assert recover(store) == []
    later(SILENT_S + 1)
    assert [str(each.health) for each in all_vitals(store)] == ["dead"]
    assert recover(store) == ["T-01"]
    assert str(store.state.status("T-01")) == "pending"


def test_one_that_holds_its_lock_is_silent_and_left_alone(run: RunFolder, later: Callable[[float], None]) -> None:
    from orchestrator.system.locks import FileLock

    run.init(task("T-01"))
    store = opened(run)
    begin(store, "T-01", "elsewhere")
    with FileLock(store.paths.errors("T-01", 1), signed=False):
        later(SILENT_S + 1)
        (each,) = all_vitals(store)
        assert str(each.health) == "silent" and "end it where it runs" in each.advice
        assert recover(store) == []


def test_a_task_begun_by_hand_is_reported_after_twenty_minutes_and_left_until_its_lease_ends(
    run: RunFolder, later: Callable[[float], None]
) -> None:
    run.init(task("T-01"))
    run.prepare("start", "T-01")
    store = opened(run)
    later(ZOMBIE_S + 1)
    (each,) = all_vitals(store)
    assert str(each.health) == "zombie" and "lease" in each.advice
    assert recover(store) == []
    later(3700)
    assert recover(store) == ["T-01"]


def test_a_worker_without_progress_is_a_zombie_unless_the_files_it_writes_change(
    run: RunFolder, later: Callable[[float], None]
) -> None:
    run.init(task("T-01", writes=["src/**"]))
    store = opened(run)
    begin(store, "T-01", host())
    later(ZOMBIE_S + 30)
    live = read_live(store.paths, "T-01")
    assert live is not None
    show_live(store.paths, replace(live, last_heartbeat=clock.now()))
    assert str(all_vitals(store)[0].health) == "zombie"
    changed = run.project / "src/deep/made.py"
    changed.parent.mkdir(parents=True)
    changed.write_text("x")
    os.utime(changed, (clock.now(), clock.now()))
    assert str(all_vitals(store)[0].health) == "healthy"


def test_a_slow_worker_is_told_once_by_the_run_that_watches_it(run: RunFolder, later: Callable[[float], None]) -> None:
    run.init(task("T-01", estimate="1m"))
    store = opened(run)
    begin(store, "T-01", host())
    told: list[str] = []
    watch = HealthWatch(store, 0.0, told.append)
    watch.look()
    later(150)
    watch.look()
    watch.look()
    assert len(told) == 1 and told[0].startswith("T-01 is slow: it has run for 2m 30s, estimated 1m")


def test_the_interval_of_the_watch_is_a_duration(run: RunFolder) -> None:
    run.init(task("T-01"))
    told = run("run", "--executor", "rehearse", "--health-interval", "soon", code=2).stderr
    assert "--health-interval" in told and "20m" in told


def test_what_ended_just_before_it_was_looked_at_is_not_put_back_and_a_lease_that_ends_took_its_time(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.init(task("T-01"), task("T-02"))
    run("start", "T-01", "T-02")
    paths = RunPaths.of(str(run.project))
    stale = Store.open(paths)
    run("complete", "T-01", "--result", "-", stdin="done")
    monkeypatch.setattr(clock, "now", lambda: time.time() + 7 * 86_400)
    assert recover(stale) == ["T-02"]
    assert stale.state.status("T-01") is Status.COMPLETED
    (event,) = run.events("task_put_back")
    assert event["duration_s"] == pytest.approx(7 * 86_400, rel=0.01)


def test_a_check_that_reads_like_a_hook_is_not_trusted_as_one() -> None:
    assert trust_digest(["verify of T-01: hook on_completed: true"]) != trust_digest(["hook on_completed: true"])
    assert trust_digest(["verify of T-01: true"]) == trust_digest(["verify of T-01.1: true", "verify of T-01: true"])


@pytest.mark.parametrize("command", ["health", "check"])
def test_where_nothing_can_be_put_back_the_lost_are_listed_all_the_same(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    run.init(task("T-01"))
    with opened(run).change() as change:
        moves.start(change, ["T-01"], moves.Start("run", "command", supervisor=[host(), 999_999, 1.0]))

    def refuses(store: Store) -> list[str]:
        raise CannotGoOnError("cannot open the lock: read-only file system", "mount it for writing")

    monkeypatch.setattr("orchestrator.workers.recovery.recover", refuses)
    done = run.here(command, code=1)
    assert "nothing was put back or taken over: cannot open the lock" in done.stderr
    assert "T-01" in done.stdout
