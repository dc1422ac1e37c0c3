"""The first command after a crash: a run of 1,000 tasks whose runner and workers were killed, beside a bare start."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from bench.plans import graph, plan_text, write
from bench.timing import BARE, ORCHESTRATE, Run, in_turn, median_ms, ratio, row, run

SIZE = 1_000
JOBS = 8
DONE_FIRST = 300
TIMES = 5
GOAL = 3.0


def main() -> None:
    """Print the ratio of a command that puts the lost tasks back, and of one that only looks."""
    with tempfile.TemporaryDirectory() as temporary:
        crashed = _crashed(Path(temporary, "crashed"))
        count = 0

        def after(*words: str) -> Run:
            nonlocal count
            count += 1
            place = Path(temporary, f"copy-{count}")
            shutil.copytree(crashed, place)
            return run([*ORCHESTRATE, *words], place)

        bare, looked, recovered = in_turn(
            [lambda: run(BARE, crashed), lambda: after("status"), lambda: after("resume")], TIMES
        )
        row("bare start", f"{median_ms(bare):.0f} ms")
        row("status, which names the lost workers", f"{ratio(looked, bare):.2f} ({median_ms(looked):.0f} ms)")
        found = ratio(recovered, bare)
        row(
            f"recovery of {SIZE:,} tasks",
            f"{found:.2f} ({median_ms(recovered):.0f} ms)",
            f"under {GOAL:g}",
            found < GOAL,
        )
        recovered_last = Path(temporary, f"copy-{count}")
        status = json.loads(subprocess.check_output([*ORCHESTRATE, "status", "--json"], cwd=recovered_last))
        assert status["run"]["counts"]["running"] == 0, status["run"]["counts"]


def _crashed(folder: Path) -> Path:
    """A run in which ``DONE_FIRST`` tasks are complete and ``JOBS`` were under way when everything was killed."""
    write(folder, "plan.yaml", plan_text(graph(SIZE, seed=11)))
    write(folder, "worker.sh", f'n=$(ls done | wc -l); [ "$n" -ge {DONE_FIRST} ] && sleep 300; >done/$$; echo ok\n')
    (folder / "done").mkdir()
    run([*ORCHESTRATE, "init"], folder)
    words = ["run", "--jobs", str(JOBS), "--executor", "command", "--command", f"sh '{folder}/worker.sh'"]
    running = subprocess.Popen(
        [*ORCHESTRATE, *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    end = time.monotonic() + 120
    while len(list((folder / "done").iterdir())) < DONE_FIRST and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(2)  # until all that are under way wait for their end
    running.kill()
    running.wait()
    for record in (folder / ".orchestrator/workers").glob("*.json"):
        with suppress(OSError, ValueError, KeyError):
            os.killpg(json.loads(record.read_text())["group"], signal.SIGKILL)
    return folder
