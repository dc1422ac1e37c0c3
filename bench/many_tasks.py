"""1,000 tasks that do nothing through `run`, 8 jobs, beside GNU make -j8 on the same graph."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.plans import graph, make_text, plan_text, write
from bench.timing import ORCHESTRATE, Run, in_turn, median_ms, ratio, row, run

SIZE = 1_000
JOBS = 8
TIMES = 3


def main() -> None:
    """Print the ratio to make and the memory of the program itself."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        made = graph(SIZE, seed=7)
        write(folder, "Makefile", make_text(made))
        plan = plan_text(made)
        count = 0

        def ours() -> Run:
            nonlocal count
            count += 1
            place = folder / f"run-{count}"
            write(place, "plan.yaml", plan)
            run([*ORCHESTRATE, "init"], place)
            words = ["run", "--jobs", str(JOBS), "--executor", "command", "--command", "echo ok"]
            return run([*ORCHESTRATE, *words], place)

        peers, runs = in_turn([lambda: run(["make", "--silent", f"-j{JOBS}"], folder), ours], TIMES)
        found = ratio(runs, peers)
        row("make -j8", f"{median_ms(peers):.0f} ms")
        row("run --jobs 8", f"{found:.2f} ({median_ms(runs):.0f} ms)", "at most 4", found <= 4)
        peak = max(each.peak_mb for each in runs)
        row("peak memory of the largest process", f"{peak:.0f} MB", "under 100", peak < 100)
