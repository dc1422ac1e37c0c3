"""`context` for a task with five dependency results of 50 KB each: its time as a whole process, and its size.

It is judged by its processor time: it waits for nothing, so that this is what it takes on a machine that is not busy.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
from pathlib import Path

from bench.timing import BARE, ORCHESTRATE, in_turn, median_ms, ratio, row, run

RESULTS = 5
RESULT_BYTES = 50_000
LIMITS = (50_000, 20_000, 8_000)
TIMES = 9
GOAL_S = 0.3


def main() -> None:
    """Print the time, and for some limits how many tokens come out."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        task = _run_with_results(folder)
        bare, whole = in_turn([lambda: run(BARE, folder), lambda: run([*ORCHESTRATE, "context", task], folder)], TIMES)
        cpu_s = statistics.median(each.cpu_s for each in whole)
        row("bare start", f"{median_ms(bare):.0f} ms")
        row("context", f"{ratio(whole, bare):.2f} ({median_ms(whole):.0f} ms)")
        row("context, processor time", f"{cpu_s * 1000:.0f} ms", f"under {GOAL_S * 1000:.0f} ms", cpu_s < GOAL_S)
        for limit in LIMITS:
            words = [*ORCHESTRATE, "context", task, "--limit", str(limit), "--json"]
            printed = subprocess.run(words, cwd=folder, capture_output=True, check=True).stdout
            tokens = json.loads(printed)["tokens"]
            row(f"tokens with --limit {limit:,}", f"{tokens:,}", f"at most {limit:,}", tokens <= limit)


def _run_with_results(folder: Path) -> str:
    """A run whose last task has five complete dependencies; the id of that task."""
    ids = [f"T-{number:02}" for number in range(1, RESULTS + 1)]
    lines = ["title: Benchmark", "request: Measure", "tasks:"]
    lines += [f"  - {{id: {id}, name: Part {id}, description: Write much., success_criteria: [much]}}" for id in ids]
    lines.append(
        f"  - {{id: T-99, name: Join, description: Join all., deps: [{', '.join(ids)}], success_criteria: [one]}}"
    )
    (folder / "plan.yaml").write_text("\n".join(lines) + "\n")
    run([*ORCHESTRATE, "init"], folder)
    for id in ids:
        line = f"A line of the result of {id}, as an agent would write it.\n"
        text = f"---\nsummary: What {id} found.\n---\n" + line * (RESULT_BYTES // len(line))
        run([*ORCHESTRATE, "start", id], folder)
        run([*ORCHESTRATE, "complete", id, "--result", "-"], folder, text)
    return "T-99"
