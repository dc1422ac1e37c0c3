"""kill -9 at seeded points of a run of twelve tasks."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from chaos.faults import StepFault
from chaos.ledger import Laboratory
from chaos.worlds import TWELVE, World

TREE = "kill -9 of run with all its workers"
RUNNER = "kill -9 of run alone, its workers live on"
WORKER = "kill -9 of a worker alone"
STEP = "kill -9 of run at a step on disk (before a write, a flush, a rename …)"
TORN = "kill -9 of run in the middle of a write"
AFTER = "the run after all those kills: complete, no retry counted, nothing left"
FAULTS = (TREE, RUNNER, WORKER, STEP, TORN, AFTER)


def attempt(laboratory: Laboratory) -> None:
    """Kill again and again until every fault has been tried often enough; each world is run to its end."""
    left = {
        TREE: laboratory.count(50, 2),
        RUNNER: laboratory.count(50, 2),
        WORKER: laboratory.count(25, 1),
        STEP: laboratory.count(50, 2),
        TORN: laboratory.count(25, 1),
    }
    while any(left.values()):
        world = World.make(TWELVE)
        try:
            _hurt(laboratory, world, left)
        finally:
            world.remove()


def _hurt(laboratory: Laboratory, world: World, left: dict[str, int]) -> None:
    """Run one plan to its end, killed on the way a few times."""
    chance = laboratory.chance
    kills = 0
    workers_killed = False
    while kills < 8 and (open_faults := [fault for fault, count in left.items() if count]):
        fault = chance.choice(open_faults)
        kind = {STEP: "kill", TORN: "tear"}.get(fault)
        running = world.start(*world.run_words(), fault=StepFault(kind, at=chance.randint(1, 160)) if kind else None)
        end = time.monotonic() + (30 if kind else chance.uniform(0.02, 0.7))
        while time.monotonic() < end and not running.has_ended():
            time.sleep(0.005)
        if fault == WORKER:
            workers_killed = True
            for _ in range(3):
                _kill_one(laboratory, world)
                time.sleep(chance.uniform(0.01, 0.1))
        elif not kind:
            running.kill()
        if fault == TREE:
            world.kill_all()
        ended = running.wait()
        kills += 1
        if fault != WORKER and ended.code >= 0:
            break  # the plan was complete before the kill came
        left[fault] -= 1
        laboratory.note(fault, [*world.damage(), *ended.defects()])
    ended = world.start(*world.run_words()).wait()
    problems = [*ended.defects(), *world.damage(), *world.unfinished()]
    if ended.code != 0 and not workers_killed:
        problems.append(f"the last run ended with {ended.code}: {ended.stderr[-300:]}")
    if not workers_killed:
        problems += [f"{name} counts a retry" for name, task in world.status().items() if task["retries"]]
    laboratory.note(AFTER, problems)


def _kill_one(laboratory: Laboratory, world: World) -> None:
    living = world.living()
    if living:
        with suppress(ProcessLookupError):
            os.kill(laboratory.chance.choice(living), signal.SIGKILL)
