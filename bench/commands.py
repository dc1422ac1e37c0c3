"""Commands on plans of 100, 1,000 and 10,000 tasks, beside a bare `python -c "import typer, yaml"`."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.plans import graph, plan_text, write
from bench.timing import BARE, ORCHESTRATE, Run, in_turn, median_ms, ratio, row, run

GOALS = {100: 3.0, 1_000: 6.0, 10_000: 15.0}
TIMES = {100: 9, 1_000: 7, 10_000: 5}


def main() -> None:
    """Print the ratio of each command for each size."""
    for size, goal in GOALS.items():
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            write(folder, "plan.yaml", plan_text(graph(size, seed=size)))
            run([*ORCHESTRATE, "init"], folder)
            _measure(folder, size, goal)


def _measure(folder: Path, size: int, goal: float) -> None:
    started: list[str] = []

    def command(*words: str, stdin: str | None = None) -> Callable[[], Run]:
        return lambda: run([*ORCHESTRATE, *words], folder, stdin)

    def start() -> Run:
        listed = subprocess.run([*ORCHESTRATE, "next", "--json"], cwd=folder, capture_output=True, check=True)
        started.append(json.loads(listed.stdout)["ready"][0])
        return run([*ORCHESTRATE, "start", started[-1]], folder)

    def complete() -> Run:
        return run([*ORCHESTRATE, "complete", started[-1], "--result", "-"], folder, "ok\n")

    commands = [lambda: run(BARE, folder), command("status"), command("next"), start, complete]
    bare, *others = in_turn(commands, TIMES[size])
    row(f"{size:>6,} tasks  bare start", f"{median_ms(bare):.0f} ms")
    for name, runs in zip(("status", "next", "start", "complete"), others, strict=True):
        found = ratio(runs, bare)
        row(f"{size:>6,} tasks  {name}", f"{found:.2f} ({median_ms(runs):.0f} ms)", f"at most {goal:g}", found <= goal)
    if size == 100:
        printed = subprocess.run([*ORCHESTRATE, "status"], cwd=folder, capture_output=True, check=True).stdout
        row("   100 tasks  what `status` prints", f"{len(printed):,} bytes", "at most 4,096", len(printed) <= 4096)
