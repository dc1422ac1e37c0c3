"""A clock that is set back, or ahead: between two commands, and in the middle of a run."""

from __future__ import annotations

import time

from chaos.ledger import Laboratory
from chaos.worlds import TWELVE, World

BETWEEN = "clock set back a day between a retry that waits and the next run"
LEASE = "clock set back or ahead an hour around a task that was begun by hand"
AHEAD = "clock set ahead a day in the middle of a run: no worker may time out"
BACK = "clock set back a day in the middle of a run: a timeout must come all the same"
KILLED = "clock set back an hour after a kill -9: recovery"
FAULTS = (BETWEEN, LEASE, AHEAD, BACK, KILLED)

ONE = """\
title: One
request: One
tasks:
  - {id: T-01, name: Only, description: d, success_criteria: [x], timeout: %s, max_retries: %d}
"""
DAY_S = 86_400


def attempt(laboratory: Laboratory) -> None:
    """Move the clock, and look what a run makes of it."""
    for _ in range(laboratory.count(2, 1)):
        laboratory.note(BETWEEN, _between())
        laboratory.note(AHEAD, _moved(DAY_S))
        laboratory.note(BACK, _moved(-DAY_S, seconds=30))
        laboratory.note(KILLED, _killed())
        for shift_s in (-3600, 3600):
            laboratory.note(LEASE, _lease(shift_s))


def _between() -> list[str]:
    """The retry is due a day from now by the new clock; nobody waits for that."""
    world = World.make(ONE % ("60s", 2))
    try:
        failing = world.start("run", "--command", "sh -c 'exit 1'")
        end = time.monotonic() + 20
        while time.monotonic() < end and not any(event["type"] == "task_retrying" for event in world.events()):
            time.sleep(0.02)
        failing.kill()
        failing.wait()
        world.environment["ORCHESTRATE_NOW"] = f"-{DAY_S}"
        ran = world.start("run", "--command", "echo ok").wait(30)
        return [*ran.defects(), *[f"exit code {ran.code}: {ran.stderr[-300:]}"] * (ran.code != 0), *world.sound()]
    except TimeoutError as error:
        return [str(error)]
    finally:
        world.remove()


def _lease(shift_s: int) -> list[str]:
    """Begun an hour from now, or an hour ago: it stays running, is completed, and took no negative time."""
    world = World.make(ONE % ("2h", 2))
    try:
        problems = []
        for words in (("start", "T-01"), ("status",), ("complete", "T-01", "--result", "given.md")):
            (world.project / "given.md").write_text("Given.\n")
            done = world.call(*words)
            problems += [*done.defects(), *[f"{words}: {done.code}: {done.stderr[-200:]}"] * (done.code != 0)]
            world.environment["ORCHESTRATE_NOW"] = f"{shift_s:+d}"
        task = world.status()["T-01"]
        return [*problems, *world.sound(), *[f"it took {task['duration_s']} s"] * (float(str(task["duration_s"])) < 0)]
    finally:
        world.remove()


def _moved(shift_s: int, seconds: float = 1.0) -> list[str]:
    """The clock jumps while a worker sleeps for ``seconds``; its timeout is three seconds of real time."""
    world = World.make(ONE % ("3s", 0))
    clock = world.root / "clock"
    clock.write_text("0")
    world.environment["CHAOS_CLOCK"] = str(clock)
    try:
        running = world.start("run", "--command", f"sh -c 'sleep {seconds}; echo ok'")
        time.sleep(0.6)
        clock.write_text(str(shift_s))
        begun = time.monotonic()
        ran = running.wait(20)
        took_s = time.monotonic() - begun
        task = world.status()["T-01"]
        expected = "completed" if seconds < 3 else "failed"
        problems = [*ran.defects(), *world.sound(), *world.left_processes()]
        if task["status"] != expected:
            problems.append(f"it is {task['status']} ({task['reason']}) instead of {expected}")
        if took_s > 10:
            problems.append(f"it took {took_s:.1f} s")
        return problems
    except TimeoutError as error:
        return [str(error)]
    finally:
        world.remove()


def _killed() -> list[str]:
    world = World.make(TWELVE)
    try:
        running = world.start(*world.run_words())
        time.sleep(0.3)
        running.kill()
        running.wait()
        world.environment["ORCHESTRATE_NOW"] = "-3600"
        ran = world.start(*world.run_words()).wait()
        return [*ran.defects(), *world.damage(), *world.unfinished()]
    finally:
        world.remove()
