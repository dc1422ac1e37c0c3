"""Every command with a fault at a step of its own: killed, a full disk, success that is reported as failure."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

from chaos.faults import StepFault
from chaos.ledger import Laboratory
from chaos.worlds import World, copied

KILLED = "kill -9 of a command at a step on disk"
TORN = "kill -9 of a command in the middle of a write"
FULL = "full disk from a step of a command on"
REFUSED = "one step of a command refused (input/output error)"
MISLED = "a step succeeded, but the command was told that it failed"
FAULTS = (KILLED, TORN, FULL, REFUSED, MISLED)

PLAN = """\
title: One of each
request: Be hurt
tasks:
  - {id: T-01, name: Pending, description: d, success_criteria: [x], rehearse: {duration: 0}}
  - {id: T-02, name: Running, description: d, success_criteria: [x], rehearse: {duration: 0}}
  - {id: T-03, name: Failed, description: d, success_criteria: [x], rehearse: {duration: 0}}
  - {id: T-04, name: Approval, description: d, success_criteria: [x], approval: true, rehearse: {duration: 0}}
  - {id: T-05, name: Completed, description: d, success_criteria: [x], rehearse: {duration: 0}}
  - {id: T-06, name: Waiting, description: d, success_criteria: [x], deps: [T-01, T-05], rehearse: {duration: 0}}
"""
COMMANDS: dict[str, tuple[str, ...]] = {
    "start": ("start", "T-01"),
    "complete": ("complete", "T-02", "--result", "given.md"),
    "fail": ("fail", "T-02", "--final"),
    "retry": ("retry", "T-03"),
    "skip": ("skip", "T-01", "T-03"),
    "approve": ("approve", "T-04"),
    "add": ("add", "Another", "--description", "d"),
    "pause": ("pause",),
    "repair": ("repair",),
    "check": ("check", "--retry"),
    "merge": ("merge",),
    "status": ("status",),
    "init": ("init", "--force", "plan.yaml"),
    "exec": ("exec", "T-01", "--executor", "rehearse"),
    "run": ("run", "--executor", "rehearse", "--jobs", "2"),
}
BEFORE = {"run": ("complete", "T-02", "--result", "given.md")}
"""A run waits for what was begun by hand, so that is completed first."""
MAKERS: dict[str, Callable[[int], StepFault]] = {
    KILLED: lambda at: StepFault("kill", at),
    TORN: lambda at: StepFault("tear", at),
    FULL: lambda at: StepFault("refuse", at, errno.ENOSPC, stays=True),
    REFUSED: lambda at: StepFault("refuse", at, errno.EIO),
    MISLED: lambda at: StepFault("mislead", at, errno.EIO),
}
SOUND = {0, 1, 3, 4}


def attempt(laboratory: Laboratory) -> None:
    """Take steps of the commands at random; each fault starts from the same run."""
    begun = _begun()
    names = laboratory.chance.sample(list(COMMANDS), laboratory.count(len(COMMANDS), 4))
    steps = {name: _steps(begun, name) for name in names}
    for fault, made in MAKERS.items():
        for _ in range(laboratory.count(25, 2)):
            name = laboratory.chance.choice(names)
            at = laboratory.chance.choice(steps[name])
            laboratory.note(fault, _hurt(begun, name, made(at)))
    begun.remove()


def _begun() -> World:
    """A run with a task in each state."""
    world = World.make(PLAN)
    (world.project / "given.md").write_text("A result that was given.\n")
    for words in (
        ("start", "T-02", "T-03", "T-05"),
        ("fail", "T-03", "--final"),
        ("complete", "T-05", "--result", "given.md"),
    ):
        done = world.call(*words)
        assert done.code == 0, done.stderr
    return world


def _prepared(begun: World, name: str) -> World:
    world = copied(begun)
    if name in BEFORE:
        world.call(*BEFORE[name])
    return world


def _steps(begun: World, name: str) -> list[int]:
    """The steps that the command takes when nothing hurts it; writes twice, as they are what can be torn."""
    world = _prepared(begun, name)
    counted = Path(world.environment["TMPDIR"], "steps")
    done = world.call(*COMMANDS[name], counts=counted)
    names = counted.read_text().split()
    assert names or name == "status", f"{name} takes no step: {done.stderr}"
    world.discard()
    numbers = range(1, len(names) + 1)
    return [*numbers, *(at for at in numbers if names[at - 1] == "write")] or [1]


def _hurt(begun: World, name: str, fault: StepFault) -> list[str]:
    """What is wrong after ``fault`` in the command, and after the same command without it."""
    world = _prepared(begun, name)
    where = f"{name}, step {fault.at} ({fault.kind})"
    try:
        hurt = world.call(*COMMANDS[name], fault=fault)
        problems = [*hurt.defects(), *_damage(world)]
        if hurt.code not in SOUND and hurt.code != -9:
            problems.append(f"exit code {hurt.code}: {hurt.stderr[-300:]}")
        if hurt.code == 3 and "try:" not in hurt.stderr:
            problems.append(f"no advice: {hurt.stderr[-300:]}")
        problems += _afterwards(world, name)
        return [f"{where}: {problem}" for problem in problems]
    except (TimeoutError, ValueError, KeyError) as error:
        return [f"{where}: {type(error).__name__}: {error}"]
    finally:
        world.discard()


def _afterwards(world: World, name: str) -> list[str]:
    """The disk is well again: the command can be given again, and the run goes to its end."""
    again = world.call(*COMMANDS[name])
    problems = [*again.defects(), *_damage(world)]
    if again.code not in {0, 1, 2, 3, 4}:
        problems.append(f"given again: exit code {again.code}: {again.stderr[-300:]}")
    status = world.call("status", "--json")
    problems += status.defects()
    if status.code != 0:
        return [*problems, f"status: exit code {status.code}: {status.stderr[-300:]}"]
    problems += [f"status names {told}" for told in status.problems()[:2]]
    world.call("approve", "--all")
    world.call("resume")
    for task in status.json["tasks"]:
        if task["status"] == "failed":
            world.call("retry", task["id"])
        elif task["status"] == "running":
            world.call("complete", task["id"], "--result", "given.md")
    last = world.call("run", "--executor", "rehearse", "--scale", "0")
    problems += [*last.defects(), *_damage(world)]
    if last.code != 0:
        problems.append(f"the run afterwards: exit code {last.code}: {last.stderr[-300:]}")
    checked = world.call("check")
    if checked.code != 0:
        problems.append(f"check afterwards: exit code {checked.code}: {checked.stdout[-400:]}")
    return problems


def _damage(world: World) -> list[str]:
    return world.sound()
