"""What holds a run: quiet hours, a budget, limits and problems that workers report."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator import clock
from orchestrator.errors import ExitCode
from orchestrator.events import EventType
from orchestrator.executors.outcome import Outcome, OutcomeKind
from orchestrator.launchers.course import Course, end_of_quiet
from orchestrator.model import RunState, Status
from orchestrator.paths import RunPaths
from orchestrator.store import moves
from orchestrator.store.store import Store
from orchestrator.workers.pauses import pause_for
from programs import wait_for
from runfolders import RunFolder, task

EVENING = datetime(2026, 11, 21, 23, 0, tzinfo=UTC)
"""Within the quiet hours of these tests, by the clock of UTC."""


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], float]:
    """Stop the clock of this process, whose zone is UTC, at a moment."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()

    def stop(moment: datetime) -> float:
        monkeypatch.setattr(clock, "now", moment.timestamp)
        return moment.timestamp()

    return stop


@pytest.fixture(autouse=True)
def _own_zone(monkeypatch: pytest.MonkeyPatch) -> object:
    yield
    monkeypatch.undo()
    time.tzset()


def opened(run: RunFolder) -> Store:
    return Store.open(RunPaths.of(str(run.project)))


def course(store: Store, slots: int = 4) -> Course:
    return Course(store, lambda: slots)


class TestQuietHours:
    def test_the_plans_quiet_hours_pause_the_run_until_they_end(
        self, run: RunFolder, at: Callable[[datetime], float]
    ) -> None:
        run.init(task("T-01"), run={"quiet_hours": "22:00-07:00"})
        store = opened(run)
        at(EVENING - timedelta(hours=2))
        course(store).see_to_pauses()
        assert store.state.pause is None and course(store).choices()
        at(EVENING)
        course(store).see_to_pauses()
        pause = store.state.pause
        assert pause is not None and pause.kind == "quiet"
        assert pause.until == (EVENING + timedelta(hours=8)).timestamp()
        assert not course(store).choices() and not course(store).is_over()
        assert Course(store, lambda: 4, is_waiting=False).is_over(), "with --no-wait"
        at(EVENING + timedelta(hours=8))
        course(store).see_to_pauses()
        assert store.state.pause is None and course(store).choices()

    def test_a_person_may_go_on_in_them_and_they_come_again_the_next_evening(
        self, run: RunFolder, at: Callable[[datetime], float]
    ) -> None:
        run.init(task("T-01"), run={"quiet_hours": "22:00-07:00"})
        store = opened(run)
        at(EVENING)
        course(store).see_to_pauses()
        run.prepare("resume")
        store.refresh()
        at(EVENING + timedelta(hours=3))
        course(store).see_to_pauses()
        assert store.state.pause is None
        at(EVENING + timedelta(days=1))
        course(store).see_to_pauses()
        assert store.state.pause is not None

    def test_nothing_is_paused_when_nothing_would_start(self, run: RunFolder, at: Callable[[datetime], float]) -> None:
        run.init(task("T-01"), run={"quiet_hours": "22:00-07:00"})
        run.complete("T-01")
        store = opened(run)
        at(EVENING)
        course(store).see_to_pauses()
        assert store.state.pause is None and course(store).is_over()

    def test_hours_set_by_hand_replace_those_of_the_plan_and_none_takes_them_away(
        self, run: RunFolder, at: Callable[[datetime], float]
    ) -> None:
        run.init(task("T-01"), run={"quiet_hours": "22:00-07:00"})
        at(EVENING)
        assert "nor now" not in run.prepare("pause", "--quiet-hours", "1:00-2:00")
        store = opened(run)
        course(store).see_to_pauses()
        assert store.state.pause is None and store.state.hours_of_quiet() == "01:00-02:00"
        assert "nor now" in run.prepare("pause", "--quiet-hours", "20:00-23:30")
        assert "Paused until 23:30: quiet hours 20:00-23:30" in run.table.read_text()
        run.prepare("pause", "--quiet-hours", "none")
        assert "Paused until" not in run.table.read_text().partition("## Execution Log")[0]
        store = opened(run)
        course(store).see_to_pauses()
        assert store.state.pause is None

    def test_a_run_that_is_started_in_them_waits_until_they_end(self, run: RunFolder) -> None:
        run.init(task("T-01"), run={"quiet_hours": "22:00-07:00"})
        now = datetime.now(UTC)
        ends = (now + timedelta(days=1)).replace(hour=7, minute=0, second=0, microsecond=0)
        shortly_before = int((ends - now).total_seconds()) - 8
        done = run("run", "--executor", "rehearse", environment={"ORCHESTRATE_NOW": f"+{shortly_before}"})
        assert "07:00: quiet hours 22:00-07:00" in done.stderr
        assert [event["type"] for event in run.events() if event["type"] in ("paused", "resumed", "task_started")] == [
            *("paused", "resumed", "task_started"),
        ]

    def test_hours_that_are_none_are_refused_with_an_example(self, run: RunFolder) -> None:
        run.init(task("T-01"))
        assert "22:00-07:00" in run("pause", "--quiet-hours", "at night", code=2).stderr


class TestByHand:
    @pytest.mark.parametrize("launcher", ["run", "feed"])
    def test_a_pause_lets_what_runs_end_and_starts_nothing_before_resume(self, run: RunFolder, launcher: str) -> None:
        run.init(*(task(f"T-0{n}", rehearse={"duration": 4.0 if n == 1 else 0.0}) for n in (1, 2)))
        running = run.orchestrate.start(launcher, "--executor", "rehearse", "--jobs", "1")
        if launcher == "feed":
            wait_for(lambda: "T-01" in running.stdout)
            run.orchestrate.start("exec", "T-01", "--fed", "--executor", "rehearse")
        wait_for(lambda: run.statuses()["T-01"] == "running")
        run("pause", "--reason", "lunch")
        wait_for(lambda: run.statuses()["T-01"] == "completed")
        assert run.status()["run"]["reason"] == "Paused: lunch" and "Paused: lunch" in run.table.read_text()
        given = running.stdout
        run("resume")
        if launcher == "run":
            assert running.wait().code == 0
        else:
            wait_for(lambda: "T-02" in running.stdout)
            assert "T-02" not in given
        order = [event["type"] for event in run.events() if event["type"] in ("paused", "resumed", "task_started")]
        assert order[:3] == ["task_started", "paused", "resumed"]


class TestMoney:
    def test_a_budget_that_affords_nothing_more_pauses_the_run_with_the_amounts(self, run: RunFolder) -> None:
        run.init(task("T-01"), task("T-02"), budget_usd=0.5)
        store = opened(run)
        self._spend(store, "T-01", 0.4)
        assert not course(store).choices() and course(store).is_over()
        pause = store.state.pause
        assert pause is not None and pause.kind == "budget"
        assert "$0.4000 of $0.5000" in pause.reason and "over" not in pause.reason
        assert store.state.run_state(clock.now()) is RunState.PAUSED
        assert course(store).exit_code() is ExitCode.STOPPED

    def test_the_overshoot_of_a_worker_is_shown(self, run: RunFolder) -> None:
        run.init(task("T-01"), task("T-02"), budget_usd=0.5)
        store = opened(run)
        self._spend(store, "T-01", 0.62)
        course(store).is_over()
        assert store.state.pause is not None and "$0.1200 over" in store.state.pause.reason
        assert "$0.62 of $0.50 ($0.12 over)" in run("status").stdout
        assert "$0.62 of $0.50 ($0.12 over)" in run.table.read_text()

    def test_a_retry_that_the_budget_does_not_afford_ends_the_run_instead_of_being_waited_for(
        self, run: RunFolder
    ) -> None:
        run.init(task("T-01", budget_usd=0.3), budget_usd=0.5)
        store = opened(run)
        with store.change() as change:
            moves.start(change, ["T-01"], moves.Start("run", "claude", reserved_usd=0.3))
            moves.fail(change, "T-01", moves.Failure("odd"), moves.Spent(cost_usd=0.3), delay_s=0.0)
        assert store.state.status("T-01") is Status.RETRYING
        assert course(store).is_over()
        assert store.state.pause is not None and store.state.pause.kind == "budget"

    def test_a_raised_budget_goes_on(self, run: RunFolder) -> None:
        run.init(task("T-01"), task("T-02"), budget_usd=0.5)
        store = opened(run)
        self._spend(store, "T-01", 0.4)
        course(store).is_over()
        run.edit_plan(lambda said: said.update(budget_usd=2))
        run("status")
        store.refresh()
        course(store).resume()
        assert [choice.task for choice in course(store).choices()] == ["T-02"]

    @staticmethod
    def _spend(store: Store, name: str, usd: float) -> None:
        with store.change() as change:
            moves.start(change, [name], moves.Start("run", "claude", reserved_usd=usd))
            spent = moves.Spent(cost_usd=usd, tokens=1000)
            moves.complete(change, name, result=f"results/{name}.md", hash="sha256:0", spent=spent)


class TestWhatWorkersReport:
    def _meet(self, store: Store, outcome: Outcome) -> None:
        with store.change() as change:
            pause_for(change, outcome, 1.0)

    def test_workers_that_meet_the_same_limit_make_one_pause(self, run: RunFolder) -> None:
        run.init(task("T-01"))
        store = opened(run)
        for _ in range(4):
            self._meet(store, Outcome(OutcomeKind.USAGE_LIMIT, "You've hit your session limit"))
        assert len(run.events("paused")) == 1
        assert run.events("paused")[0]["reason"] == "session limit"
        until = float(run.events("paused")[0]["until"])
        assert 55 < until - clock.now() <= 61

    def test_an_unknown_end_is_probed_with_growing_delay(self, run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
        run.init(task("T-01"))
        store, delays = opened(run), []
        now = clock.now()
        for _ in range(4):
            monkeypatch.setattr(clock, "now", lambda now=now: now)
            self._meet(store, Outcome(OutcomeKind.USAGE_LIMIT, "You've hit your limit"))
            assert store.state.pause is not None and store.state.pause.until is not None
            delays.append(round(store.state.pause.until - now))
            now = store.state.pause.until + 1
        assert delays == [60, 120, 240, 480]

    def test_a_limit_that_turns_out_to_last_longer_is_told_again(self, run: RunFolder) -> None:
        run.init(task("T-01"))
        store = opened(run)
        for hours in (1, 5, 2):
            resets_at = datetime.fromtimestamp(clock.now(), UTC) + timedelta(hours=hours)
            self._meet(store, Outcome(OutcomeKind.USAGE_LIMIT, "limit", resets_at=resets_at))
        assert len(run.events("paused")) == 2
        assert store.state.pause is not None and (store.state.pause.until or 0) - clock.now() > 4.9 * 3600

    def test_a_login_problem_outranks_a_limit_that_time_would_end(self, run: RunFolder) -> None:
        run.init(task("T-01"))
        store = opened(run)
        self._meet(store, Outcome(OutcomeKind.USAGE_LIMIT, "limit"))
        for _ in range(3):
            self._meet(store, Outcome(OutcomeKind.LOGIN, "Invalid API key"))
        assert [event["kind"] for event in run.events("paused")] == ["limit", "login"]
        assert course(store).is_over()

    def test_a_persons_pause_outranks_everything(self, run: RunFolder) -> None:
        run.init(task("T-01"))
        run.prepare("pause", "--reason", "lunch")
        store = opened(run)
        self._meet(store, Outcome(OutcomeKind.LOGIN, "Invalid API key"))
        assert store.state.pause is not None and store.state.pause.reason == "lunch"

    def test_the_slots_are_fewer_for_a_while_after_the_api_asked_for_it(self, run: RunFolder) -> None:
        run.init(*(task(f"T-{n:02d}") for n in range(1, 11)))
        store = opened(run)
        assert len(course(store).choices()) == 4
        with store.change() as change:
            moves.start(change, ["T-01"], moves.Start("run", "claude"))
            moves.fail(change, "T-01", moves.Failure("529 Overloaded", "back_off"), moves.Spent(), delay_s=60.0)
        assert len(course(store).choices()) == 2
        assert "slowed down until" in run("status").stdout
        assert [event["kind"] for event in run.events(EventType.TASK_RETRYING)] == ["back_off"]


def test_quiet_hours_that_begin_between_two_tasks_of_a_chain_hold_the_second(run: RunFolder) -> None:
    begins = datetime.now().astimezone() + timedelta(minutes=2)
    ends = begins + timedelta(hours=3)
    hours = f"{begins:%H:%M}-{ends:%H:%M}"
    rehearsals = [task("T-01", rehearse={"duration": "6s"}), task("T-02", ["T-01"])]
    run.init(*rehearsals, run={"quiet_hours": hours, "executor": "rehearse"})
    ahead = begins.replace(second=0, microsecond=0).timestamp() - 3 - time.time()
    run("run", "--no-wait", code=ExitCode.STOPPED, environment={"ORCHESTRATE_NOW": f"+{ahead:.0f}"})
    assert run.statuses() == {"T-01": "completed", "T-02": "pending"}
    assert [event["kind"] for event in run.events("paused")] == ["quiet"]


def test_quiet_hours_end_by_the_clock_on_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    nights = (("2026-10-24T20:00:05Z", "2026-10-25T06:00:00Z"), ("2027-03-27T22:00:00Z", "2027-03-28T05:00:00Z"))
    for evening, morning in nights:
        assert end_of_quiet("22:00-07:00", clock.parse_utc(evening)) == clock.parse_utc(morning)


def test_a_limit_that_ends_within_the_quiet_hours_does_not_shorten_them(
    run: RunFolder, at: Callable[[datetime], float]
) -> None:
    run.init(task("T-01"), task("T-02"), run={"quiet_hours": "22:00-07:00"})
    store = opened(run)
    now = at(EVENING)
    course(store).see_to_pauses()
    with store.change() as change:
        resets = EVENING + timedelta(hours=1)
        pause_for(change, Outcome(OutcomeKind.USAGE_LIMIT, "usage limit", resets_at=resets), 1.0)
    assert store.state.pause is not None and store.state.pause.kind == "quiet"
    assert store.state.pause.until == now + 8 * 3600
