from __future__ import annotations

import pytest

from dags import task
from orchestrator.dataclasses import replace
from orchestrator.desk.following import followed, may_go_on
from orchestrator.desk.requestfile import RequestStatus
from orchestrator.events import EventType
from orchestrator.model import OnFailure
from orchestrator.store.schedule import Elsewhere
from runs import Run, run_of


def standing(run: Run, *untrusted: str) -> tuple[str, str]:
    status, reason = followed(run.state, run.now, untrusted)
    return str(status), reason


def test_a_completed_run_completes_its_request_whatever_it_would_have_started() -> None:
    run = run_of(task("T-1"))
    run.complete("T-1")
    assert standing(run, "verify of T-1: make") == ("completed", "")


def test_what_is_not_trusted_blocks_and_is_named() -> None:
    run = run_of(task("T-1"))
    assert standing(run, "hook on_failed: mail") == (
        "blocked",
        "the plan starts what is not trusted: hook on_failed: mail",
    )


def test_a_failed_task_fails_or_blocks() -> None:
    run = run_of(task("T-1"), task("T-2", deps=("T-1",)))
    run.give_up("T-1")
    assert standing(run)[0] == "blocked" and "T-1 failed" in standing(run)[1]
    run = run_of(task("T-1"))
    run.give_up("T-1")
    assert standing(run)[0] == "failed"
    run = run_of(task("T-1", on_failure=OnFailure.FAIL_FAST), task("T-2"))
    run.give_up("T-1")
    assert standing(run)[0] == "blocked" and not may_go_on(run.state, run.now, 4)


def test_a_run_that_waits_for_a_person_has_nothing_to_do_until_then() -> None:
    run = run_of(task("T-1", approval=True))
    assert standing(run) == ("pending", "waiting for a person's approval: T-1")
    assert not may_go_on(run.state, run.now, 4)
    run.record(EventType.APPROVED, "T-1", by="me")
    assert may_go_on(run.state, run.now, 4)


@pytest.mark.parametrize("kind", ["hand", "limit", "login", "cancelled"])
def test_a_pause_holds_until_it_is_over(kind: str) -> None:
    run = run_of(task("T-1"))
    run.record(EventType.PAUSED, kind=kind, reason="why", until=run.now + 60)
    assert standing(run)[0] == "pending" and "why" in standing(run)[1]
    assert not may_go_on(run.state, run.now, 4)
    assert may_go_on(run.state, run.now + 61, 4)


def test_a_run_without_money_goes_on_when_there_is_some() -> None:
    run = run_of(task("T-1", budget_usd=1.0), budget_usd=0.5)
    run.record(EventType.PAUSED, kind="budget", reason="used up")
    assert not may_go_on(run.state, run.now, 4)
    run.state.plan = replace(run.state.plan, budget_usd=2.0)
    assert may_go_on(run.state, run.now, 4)
    assert not may_go_on(run.state, run.now, 4, Elsewhere(money_in_the_end_usd=0.5))


def test_an_interrupted_run_is_pending_and_may_go_on() -> None:
    run = run_of(task("T-1"), task("T-2"))
    run.complete("T-1")
    assert standing(run) == (str(RequestStatus.PENDING), "")
    assert may_go_on(run.state, run.now, 4)
