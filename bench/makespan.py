"""Makespan against the lower bound with 8 slots, beside make -j8 and stage by stage, on the same random graphs."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.plans import Graph, graph, make_text, plan_text, write
from bench.timing import ORCHESTRATE, row, run

SLOTS = 8
WAYS = ("run", "make -j8", "run --by-stage")
MEAN_S = {50: 0.8, 200: 0.5}
GRAPHS = 20
AT_ONCE = 3
"""Graphs measured side by side: their tasks only sleep, and one after the other takes half an hour."""


def main() -> None:
    """Print median and worst of the makespan over the lower bound for each size and way."""
    graphs = int(os.environ.get("BENCH_GRAPHS", GRAPHS))
    for size, mean_s in MEAN_S.items():
        made = [graph(size, seed=1000 * size + seed, mean_s=mean_s) for seed in range(graphs)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            measured = list(pool.map(_measured, made))
        for place, way in enumerate(WAYS):
            ratios = [each[place] for each in measured]
            median, worst = statistics.median(ratios), max(ratios)
            goal, is_met = "", None
            if way == "run":
                goal = "median 1.03, worst 1.12, ahead of make"
                is_met = median <= 1.03 and worst <= 1.12 and median < statistics.median(each[1] for each in measured)
            row(f"{size} tasks  {way}", f"{median:.3f}, worst {worst:.3f}", goal, is_met)


def _measured(made: Graph) -> tuple[float, ...]:
    """The makespan of each way over the lower bound."""
    bound = lower_bound(made)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        seconds = (_ours(folder / "a", made), _make(folder / "b", made), _ours(folder / "c", made, "--by-stage"))
    return tuple(each / bound for each in seconds)


def lower_bound(made: Graph) -> float:
    """What no schedule beats: the critical path, or the work over the slots, whichever is more (Graham 1969)."""
    longest: dict[str, float] = {}
    for task, deps in made.deps.items():
        longest[task] = made.seconds[task] + max((longest[dep] for dep in deps), default=0.0)
    return max(max(longest.values()), sum(made.seconds.values()) / SLOTS)


def rehearsed_text(made: Graph) -> str:
    """The graph as plan.yaml; in a rehearsal each task sleeps for its estimate."""
    lines = plan_text(made).rstrip("\n").split("\n")
    added = {
        line: f"\n    rehearse: {{duration: {made.seconds[line.split()[-1]]:.4f}}}" for line in lines if "- id:" in line
    }
    return "".join(f"{line}{added.get(line, '')}\n" for line in lines)


def makespan_of(folder: Path) -> float:
    """Seconds from the first start to the last end of the run in `folder`, as its journal says."""
    for line in (folder / ".orchestrator" / "events.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["type"] == "orchestration_completed":
            return float(event["duration_s"])
    raise RuntimeError("the run did not complete")


def _ours(folder: Path, made: Graph, *options: str) -> float:
    write(folder, "plan.yaml", rehearsed_text(made))
    run([*ORCHESTRATE, "init"], folder)
    run([*ORCHESTRATE, "run", "--jobs", str(SLOTS), "--executor", "rehearse", *options], folder)
    return makespan_of(folder)


def _make(folder: Path, made: Graph) -> float:
    write(folder, "Makefile", make_text(made, "@sleep {seconds:.4f}"))
    begun = time.perf_counter()
    subprocess.run(["make", "--silent", f"-j{SLOTS}"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun
