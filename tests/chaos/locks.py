"""File systems that lock in other ways than usual, or not at all."""

from __future__ import annotations

import errno
import os

from chaos.ledger import Laboratory
from chaos.worlds import TWELVE, World
from chaos.writers import plan_of

WITHOUT_FLOCK = "a file system without flock: 12 tasks run, the runner killed once"
TOGETHER = "a file system without flock: commands at once, a change lost"
SAID = "a file system without flock: that is said once per command"
NONE = "a file system without any lock: refused with advice, nothing changed"
FAULTS = (WITHOUT_FLOCK, TOGETHER, SAID, NONE)

COMMANDS = 8


def attempt(laboratory: Laboratory) -> None:
    """Take ways of locking away from this process, which all commands are forks of."""
    import fcntl

    from orchestrator.system import lock_ways

    flock, record = fcntl.flock, fcntl.fcntl
    made = World.make(TWELVE)
    many = World.make(plan_of(COMMANDS))
    try:
        fcntl.flock = _refuse
        lock_ways._announced = False
        laboratory.note(SAID, _said(made))
        laboratory.note(WITHOUT_FLOCK, _killed_once(made))
        for problems in _at_once(many):
            laboratory.note(TOGETHER, problems)
        fcntl.fcntl = _refuse
        for words in (("start", "T-001"), ("run", "--executor", "rehearse"), ("pause",)):
            laboratory.note(NONE, _refused(many, words))
    finally:
        fcntl.flock, fcntl.fcntl = flock, record
        made.remove()
        many.remove()


def _refuse(*_: object) -> None:
    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))


def _said(world: World) -> list[str]:
    paused = world.call("pause")
    resumed = world.call("resume")
    told = [done.stderr.count("flock is not supported") for done in (paused, resumed)]
    return [*paused.defects(), *resumed.defects(), *[f"it was said {told} times"] * (told != [1, 1])]


def _killed_once(world: World) -> list[str]:
    """The lock of a killed process does not block the next one, and its tasks are put back."""
    running = world.start(*world.run_words())
    while len([event for event in world.events() if event["type"] == "task_completed"]) < 3:
        if running.has_ended():
            break
    running.kill()
    running.wait()
    ended = world.call(*world.run_words())
    problems = [*ended.defects(), *world.damage(), *world.unfinished()]
    return [*problems, *[f"exit code {ended.code}: {ended.stderr[-300:]}"] * (ended.code != 0)]


def _at_once(world: World) -> list[list[str]]:
    """What is wrong with each of the commands."""
    tasks = [f"T-{number:03}" for number in range(1, COMMANDS + 1)]
    ended = [child.wait() for child in [world.start("start", task) for task in tasks]]
    status = world.status()
    return [
        [*done.defects(), *[f"{task} is {status[task]['status']}"] * (status[task]["status"] != "running")]
        for task, done in zip(tasks, ended, strict=True)
    ]


def _refused(world: World, words: tuple[str, ...]) -> list[str]:
    before = (world.folder / "events.jsonl").read_bytes()
    done = world.call(*words)
    problems = [*done.defects(), *[f"exit code {done.code}: {done.stderr[-300:]}"] * (done.code != 3)]
    problems += ["no advice"] * ("no lock can be had" not in done.stderr or "--dir" not in done.stderr)
    return [*problems, *["something was changed"] * ((world.folder / "events.jsonl").read_bytes() != before)]
