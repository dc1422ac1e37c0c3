"""`triage` beside a bare `python -c "import typer, yaml"`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.timing import BARE, ORCHESTRATE, in_turn, median_ms, ratio, row, run

REQUEST = "Add authentication system with security audit and docs"
GOAL = 1.5
TIMES = 15


def main() -> None:
    """Print the ratio."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        bare, judged = in_turn(
            [lambda: run(BARE, folder), lambda: run([*ORCHESTRATE, "triage", REQUEST], folder)], TIMES
        )
        row("bare start", f"{median_ms(bare):.0f} ms")
        found = ratio(judged, bare)
        row("triage", f"{found:.2f} ({median_ms(judged):.0f} ms)", f"under {GOAL:g}", found < GOAL)
