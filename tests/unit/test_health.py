"""What the signs of a worker say about its health, and its health about the run."""

from __future__ import annotations

import pytest

from orchestrator.dataclasses import replace
from orchestrator.model import RunState
from orchestrator.workers.health import (
    SLOW_FACTOR,
    SLOW_LEAST_S,
    ZOMBIE_S,
    Health,
    Signs,
    Vitals,
    health_of,
    run_health,
)
from orchestrator.workers.live import HEARTBEAT_S, SILENT_S

WELL = Signs(running_s=30.0, unheard_s=1.0, idle_s=2.0)


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        (WELL, Health.HEALTHY),
        (replace(WELL, is_lost=True), Health.DEAD),
        (replace(WELL, unheard_s=SILENT_S), Health.SILENT),
        (replace(WELL, unheard_s=SILENT_S - 1), Health.HEALTHY),
        (replace(WELL, idle_s=ZOMBIE_S), Health.ZOMBIE),
        (replace(WELL, running_s=ZOMBIE_S * 2), Health.HEALTHY),
        (Signs(ZOMBIE_S, is_by_hand=True), Health.ZOMBIE),
        (Signs(ZOMBIE_S - 1, is_by_hand=True), Health.HEALTHY),
    ],
)
def test_the_signs_tell_the_health(signs: Signs, expected: Health) -> None:
    assert health_of(signs)[0] is expected


def test_the_worst_counts_and_has_its_reason() -> None:
    dying = Signs(10_000, is_lost=True, unheard_s=9_000, idle_s=9_000, estimate_s=60)
    assert health_of(dying) == (Health.DEAD, "the process that looked after it is gone")


@pytest.mark.parametrize("estimate_s", [10.0, 60.0, 600.0, 3600.0])
def test_slow_is_relative_to_the_estimate_and_a_short_task_is_not_slow_at_once(estimate_s: float) -> None:
    limit_s = max(SLOW_FACTOR * estimate_s, estimate_s + SLOW_LEAST_S)
    assert health_of(replace(WELL, running_s=limit_s - 1, estimate_s=estimate_s))[0] is Health.HEALTHY
    health, reason = health_of(replace(WELL, running_s=limit_s, estimate_s=estimate_s))
    assert health is Health.SLOW and "estimated" in reason


def test_without_an_estimate_nothing_is_slow() -> None:
    assert health_of(replace(WELL, running_s=100_000.0))[0] is Health.HEALTHY


def test_a_living_supervisor_has_many_heartbeats_before_it_counts_as_silent() -> None:
    assert SILENT_S >= 10 * HEARTBEAT_S


def vitals(*healths: Health) -> list[Vitals]:
    return [Vitals(f"T-{n}", 1, f"Agent-{n}", health, WELL, "here") for n, health in enumerate(healths)]


@pytest.mark.parametrize(
    ("healths", "state", "expected"),
    [
        ((), RunState.RUNNING, "healthy"),
        ((Health.HEALTHY, Health.SLOW), RunState.RUNNING, "slow"),
        ((Health.ZOMBIE, Health.SLOW), RunState.RUNNING, "zombie"),
        ((Health.SILENT, Health.ZOMBIE), RunState.RUNNING, "dead"),
        ((Health.DEAD,), RunState.PAUSED, "dead"),
        ((), RunState.BLOCKED, "blocked"),
        ((), RunState.FAILED, "blocked"),
        ((), RunState.COMPLETED, "healthy"),
    ],
)
def test_a_run_is_as_healthy_as_its_worst_worker(healths: tuple[Health, ...], state: RunState, expected: str) -> None:
    assert run_health(vitals(*healths), state) == expected
