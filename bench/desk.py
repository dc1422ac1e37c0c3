"""`runs` over 1,000 archived orchestrations, and how soon and at what cost a watching desk takes a new request."""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.timing import BARE, ORCHESTRATE, in_turn, median_ms, row, run

ARCHIVED = 1_000
TIMES = 7
RUNS_GOAL_S = 0.5
REQUESTS = 5
PICK_UP_GOAL_S = 1.0
IDLE_S = 20.0
CORE_GOAL = 0.01
REHEARSAL = ["--executor", "rehearse", "--scale", "0.0001"]


def main() -> None:
    """Print the times of `runs`, and of a desk that waits and takes."""
    with tempfile.TemporaryDirectory() as temporary:
        _measure_runs(Path(temporary))
    with tempfile.TemporaryDirectory() as temporary:
        _measure_desk(Path(temporary))


def _measure_runs(folder: Path) -> None:
    desk = folder / ".orchestrator"
    (desk / "queue").mkdir(parents=True)
    (desk / "queue" / "model.json").write_text('{"request": "Fix the login"}')
    run([*ORCHESTRATE, "queue", "run", "--once", *REHEARSAL], folder)
    archived = desk / "runs" / "archived"
    archived.mkdir()
    model = desk / "runs" / "model"
    for number in range(ARCHIVED):
        shutil.copytree(model, archived / f"model-{number:04}")
    begun = time.perf_counter()
    run([*ORCHESTRATE, "runs", "--all", "--json"], folder)
    row(f"the first look at {ARCHIVED:,} archived runs", f"{(time.perf_counter() - begun) * 1000:.0f} ms")
    bare, short, whole = in_turn(
        [
            lambda: run(BARE, folder),
            lambda: run([*ORCHESTRATE, "runs", "--json"], folder),
            lambda: run([*ORCHESTRATE, "runs", "--all", "--json"], folder),
        ],
        TIMES,
    )
    row("bare start", f"{median_ms(bare):.0f} ms")
    for name, runs in (("runs", short), ("runs --all", whole)):
        found = median_ms(runs)
        row(f"{name} over {ARCHIVED:,} archived", f"{found:.0f} ms", "under 500 ms", found < RUNS_GOAL_S * 1000)


def _measure_desk(folder: Path) -> None:
    watch = subprocess.Popen(
        [*ORCHESTRATE, "queue", "run", "--watch", *REHEARSAL],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        queue = folder / ".orchestrator" / "queue"
        _wait(lambda: (queue / "locks" / "desk.lock").exists())
        time.sleep(2.0)
        delays = [_pick_up(queue, number) for number in range(REQUESTS)]
        _wait(lambda: all(_status(queue, number) == "completed" for number in range(REQUESTS)))
        time.sleep(2.0)
        before = _cpu_s(watch.pid)
        time.sleep(IDLE_S)
        share = (_cpu_s(watch.pid) - before) / IDLE_S
    finally:
        watch.send_signal(signal.SIGTERM)
        watch.wait()
    median, worst = statistics.median(delays), max(delays)
    row("a new request is taken after", f"{median:.2f} s, at most {worst:.2f} s", "under 1 s", worst < PICK_UP_GOAL_S)
    row("of a core, while it waits", f"{share:.2%}", "under 1%", share < CORE_GOAL)


def _pick_up(queue: Path, number: int) -> float:
    """Seconds from the rename until the request is running."""
    (queue / ".new").write_text(json.dumps({"request": f"Fix the bug in line {number}"}))
    begun = time.perf_counter()
    (queue / ".new").rename(queue / f"r{number}.json")
    _wait(lambda: _status(queue, number) != "pending", 0.005)
    delay = time.perf_counter() - begun
    _wait(lambda: _status(queue, number) == "completed")
    return delay


def _status(queue: Path, number: int) -> str:
    return str(json.loads((queue / f"r{number}.json").read_text()).get("status", "pending"))


def _cpu_s(pid: int) -> float:
    """Processor seconds of one process, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _wait(is_so: Callable[[], bool], pause_s: float = 0.05) -> None:
    give_up = time.monotonic() + 120
    while not is_so():
        if time.monotonic() > give_up:
            raise TimeoutError("the desk does not get on")
        time.sleep(pause_s)
