"""The loop: how many tokens `main-task read` prints, and what an iteration takes beside `claude` itself.

A script that answers at once stands for `claude`. A start of `loop --max-iterations 9` less one with 1 is eight
iterations; a bare start of that script is taken off each, because that is what `claude` itself would take. It is
judged by its processor time: that is what an iteration takes on a machine that is not busy.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.timing import ORCHESTRATE, REPOSITORY, Run, in_turn, row, run

MORE = 8
TIMES = 5
GOAL_S = 0.3
MOST_TOKENS = 60
CLAUDE = """#!/bin/sh
cat >/dev/null
echo $$ >>.orchestrator/context/T-01.md # so that something moves
echo '{"type":"system","subtype":"init","session_id":"s"}'
echo '{"type":"result","subtype":"success","is_error":false,"num_turns":1,"result":"Done.","stop_reason":"end_turn",\
"total_cost_usd":0,"permission_denials":[]}'
"""
PLAN = """title: Benchmark
request: Measure
tasks:
  - {id: T-01, name: Review the security of the login, description: Do it., success_criteria: [done]}
  - {id: T-02, name: Report, description: Do it., deps: [T-01], success_criteria: [done]}
"""


def main() -> None:
    """Print both figures."""
    sys.path.insert(0, str(REPOSITORY / "scripts"))
    from orchestrator.texts.tokens import estimated_tokens

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        claude = folder / "claude"
        claude.write_text(CLAUDE)
        claude.chmod(0o755)
        (folder / "plan.yaml").write_text(PLAN)
        run([*ORCHESTRATE, "init"], folder)
        (folder / ".orchestrator/context").mkdir(exist_ok=True)
        focus = ["main-task", "set", "continue", "Review the security of the login.", "--task", "T-01"]
        run([*ORCHESTRATE, *focus, "--focus", "Begin with the session cookie."], folder)
        printed = subprocess.run([*ORCHESTRATE, "main-task", "read"], cwd=folder, capture_output=True, check=True)
        tokens = estimated_tokens(printed.stdout.decode())
        row("tokens of main-task read, all four lines", f"{tokens}", f"under {MOST_TOKENS}", tokens < MOST_TOKENS)

        def looping(count: int) -> Run:
            # It ends with 4, which is what is asked of it here.
            words = [*ORCHESTRATE, "loop", "--claude", str(claude), "--max-iterations", str(count)]
            run([*ORCHESTRATE, *focus], folder)
            return run(["sh", "-c", '"$@"; [ $? = 4 ]', "sh", *words], folder)

        bare, one, many = in_turn(
            [lambda: run([str(claude)], folder), lambda: looping(1), lambda: looping(1 + MORE)], TIMES
        )
        for what in ("wall_s", "cpu_s"):
            each = [
                (getattr(long, what) - getattr(short, what)) / MORE - getattr(start, what)
                for start, short, long in zip(bare, one, many, strict=True)
            ]
            figure_s = statistics.median(each)
            goal = (f"under {GOAL_S * 1000:.0f} ms", figure_s < GOAL_S) if what == "cpu_s" else ("", None)
            name = "processor time" if what == "cpu_s" else "wall time"
            row(f"an iteration beside claude, {name}", f"{figure_s * 1000:.0f} ms", *goal)
