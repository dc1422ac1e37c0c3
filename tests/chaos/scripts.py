"""kill -9 of the parts of run.sh: GNU parallel, the feed, an exec, the script, and all of them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress

import processes
from chaos.ledger import Laboratory
from chaos.worlds import TWELVE, WORKER, World

PARALLEL = "kill -9 of GNU parallel alone"
FEED = "kill -9 of feed alone"
EXEC = "kill -9 of an exec alone"
SCRIPT = "kill -9 of run.sh alone"
ALL = "kill -9 of run.sh with all that it has started"
AFTER = "run.sh started again after it: complete, no task done twice, nothing left"
FAULTS = (PARALLEL, FEED, EXEC, SCRIPT, ALL, AFTER)
SHORT_FAULTS = (PARALLEL, AFTER)

Part = Callable[[processes.Process], bool]
_PARTS: dict[str, Part] = {
    PARALLEL: lambda process: any(word.endswith("/parallel") or word == "parallel" for word in process.command[:3]),
    FEED: lambda process: "feed" in process.command,
    EXEC: lambda process: "exec" in process.command and "--fed" in process.command,
    SCRIPT: lambda process: any(word.endswith("run.sh") for word in process.command),
    ALL: lambda process: True,
}
SETTLE_S = 20.0


def attempt(laboratory: Laboratory) -> None:
    """Kill one part at a random moment, let the others end, start the script again."""
    if not shutil.which("parallel"):
        for fault in SHORT_FAULTS if laboratory.is_short else FAULTS:
            laboratory.skip(fault, "GNU parallel is missing: Debian package parallel")
        return
    parts = [PARALLEL] if laboratory.is_short else list(_PARTS)
    for _ in range(laboratory.count(2, 1)):
        for fault in parts:
            _hurt(laboratory, fault)


def _hurt(laboratory: Laboratory, fault: str) -> None:
    world = World.make(TWELVE)
    try:
        world.environment["PAUSE_S"] = "0.3"
        written = world.call("launch", "--jobs", "4", "--command", f"sh '{WORKER}'")
        script = world.folder / "launch/run.sh"
        assert script.exists(), written.stderr
        before = [event for event in world.events() if event["type"] == "task_started"]
        running = subprocess.Popen(
            ["bash", str(script)],
            cwd=world.project,
            env=world.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        _wait_for_start(world, len(before))
        time.sleep(laboratory.chance.uniform(0.0, 1.2))
        killed = _kill(world, fault)
        left = _wait_for_end(world, running)
        laboratory.note(fault, [*world.damage(), *left, *["nothing was there to be killed"] * (killed == 0)])
        again = world.script(script, timeout_s=120)
        problems = [*again.defects(), *world.damage(), *world.unfinished()]
        problems += [f"run.sh ended with {again.code}: {again.stderr[-300:]}"] * (again.code != 0)
        laboratory.note(AFTER, problems)
    finally:
        world.remove()


def _all(world: World) -> list[processes.Process]:
    return processes.carrying("HOME", str(world.root / "home"))


def _wait_for_start(world: World, begun: int) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if sum(event["type"] == "task_started" for event in world.events()) > begun:
            return
        time.sleep(0.02)


def _kill(world: World, fault: str) -> int:
    """Kill the part, one of them where there are several; how many were killed."""
    found = [process for process in _all(world) if _PARTS[fault](process)]
    if fault == EXEC:
        found = found[:1]
    for process in found:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    return len(found)


def _wait_for_end(world: World, running: subprocess.Popen[bytes]) -> list[str]:
    """Whatever is left must end by itself, with its workers; what does not is killed here."""
    end = time.monotonic() + SETTLE_S
    while time.monotonic() < end and (running.poll() is None or _ours(world)):
        time.sleep(0.05)
    left = [" ".join(process.command)[-80:] for process in _ours(world)]
    for process in _all(world):
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    if running.poll() is None:
        running.kill()
    running.wait()
    return [f"went on for {SETTLE_S:.0f} s: {left}"] * bool(left)


def _ours(world: World) -> list[processes.Process]:
    """The processes of the script that go on; workers whose supervisor was killed are ended by the next start."""
    return [process for process in _all(world) if processes.ATTEMPT not in process.environment]
