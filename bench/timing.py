"""Whole-process figures and the table they are printed in."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
ORCHESTRATE = [sys.executable, str(REPOSITORY / "scripts" / "orchestrate.py")]
BARE = [sys.executable, "-c", "import typer, yaml"]


@dataclass(frozen=True)
class Run:
    """One finished process: wall seconds, processor seconds of it and its children, peak memory in MB."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def run(argv: Sequence[str], cwd: Path, stdin: str | None = None) -> Run:
    """Run `argv` to its end and account for it; raises when it fails."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        argv,
        cwd=cwd,
        stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
    )
    if stdin is not None and process.stdin is not None:
        process.stdin.write(stdin.encode())
        process.stdin.close()
    said = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.stderr:
        process.stderr.close()
    if process.returncode:
        raise RuntimeError(f"{' '.join(map(str, argv))} exited with {process.returncode}: {said.decode()[-800:]}")
    return Run(time.perf_counter() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def in_turn(commands: Sequence[Callable[[], Run]], times: int) -> list[list[Run]]:
    """Every command `times` times, A B C A B C …, so that a drift of the machine meets all alike; one warm-up each."""
    for command in commands:
        command()
    runs: list[list[Run]] = [[] for _ in commands]
    for _ in range(times):
        for command, finished in zip(commands, runs, strict=True):
            finished.append(command())
    return runs


def ratio(first: Sequence[Run], second: Sequence[Run]) -> float:
    """The median of the ratios of the wall times, pair by pair."""
    return statistics.median(one.wall_s / other.wall_s for one, other in zip(first, second, strict=True))


def median_ms(runs: Sequence[Run]) -> float:
    """The median wall time in milliseconds."""
    return statistics.median(each.wall_s for each in runs) * 1000


def row(what: str, figure: str, goal: str = "", is_met: bool | None = None) -> None:
    """One line: what was measured, the figure, and the goal with whether it is met."""
    verdict = "" if is_met is None else (" ✓" if is_met else " ✗")
    print(f"  {what:<52} {figure:>22}   {goal}{verdict}", flush=True)
