"""The experiments, each a process of its own, and the table at the end."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from chaos.experiments import NAMES, experiment
from chaos.ledger import Laboratory, Ledger, Trial
from chaos.specimens import SPECIMENS

REPOSITORY = Path(__file__).resolve().parents[2]
SEED = 20261121
AT_ONCE = 2
LONGEST_S = 900.0
"""How long one experiment may take; one that hangs is a fault that was not survived."""


def main(words: Sequence[str]) -> int:
    """Run the experiments that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="The fault suite.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; default all")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--short", action="store_true", help="each fault a few times only")
    parser.add_argument("--specimen", choices=SPECIMENS, help="a program that is broken on purpose")
    parser.add_argument("--lane", action="store_true", help="be one experiment: its trials on stdout")
    given = parser.parse_args(words)
    unknown = [name for name in given.names if name not in NAMES]
    if unknown:
        parser.error(f"no experiment {', '.join(unknown)}; there are {', '.join(NAMES)}")
    if given.lane:
        return _be_lane(given.names[0], given.seed, given.short, given.specimen)
    begun = time.monotonic()
    ledger = run(given.names or NAMES, seed=given.seed, is_short=given.short, specimen=given.specimen)
    print(ledger.table())
    print(f"seed {given.seed}, {time.monotonic() - begun:.0f} s")
    failures = ledger.failures(allow_skips=os.environ.get("ORCHESTRATE_REQUIRE_REAL") != "1")
    for failure in failures:
        print(f"not survived: {failure}", file=sys.stderr)
    return 1 if failures else 0


def run(names: Sequence[str], *, seed: int = SEED, is_short: bool = False, specimen: str | None = None) -> Ledger:
    """Everything that the experiments tried; with ``specimen`` on a program that is broken in that way."""
    found = [experiment(name) for name in names]
    ledger = Ledger([fault for each in found for fault in (each.short_faults if is_short else each.faults)])
    waiting = list(names)
    guard = threading.Lock()

    def work() -> None:
        while True:
            with guard:
                if not waiting:
                    return
                name = waiting.pop(0)
            trials, broken = _lane(name, seed, is_short, specimen)
            with guard:
                ledger.take(trials)
                ledger.broken += broken

    threads = [threading.Thread(target=work) for _ in range(min(AT_ONCE, len(names)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ledger


def _lane(name: str, seed: int, is_short: bool, specimen: str | None) -> tuple[list[Trial], list[str]]:
    """The trials of one experiment, and how it broke, if it did."""
    argv = [sys.executable, "-m", "tests.chaos", "--lane", name, "--seed", str(seed), *["--short"] * is_short]
    argv += ["--specimen", specimen] if specimen else []
    begun = time.monotonic()
    lane = subprocess.Popen(argv, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        out, err = lane.communicate(timeout=LONGEST_S)
        broken = [f"the experiment {name} broke: {err[-1500:]}"] if lane.returncode else []
    except subprocess.TimeoutExpired:
        lane.kill()
        out, err = lane.communicate()
        broken = [f"the experiment {name} took more than {LONGEST_S:.0f} s"]
    print(f"  {name}: {time.monotonic() - begun:.0f} s", flush=True)
    return list(_trials(out)), broken


def _trials(out: str) -> Iterator[Trial]:
    for line in out.splitlines():
        if line.startswith("{"):
            yield Trial.of(line)


def _be_lane(name: str, seed: int, is_short: bool, specimen: str | None) -> int:
    from chaos.forks import import_program

    for variable in [*os.environ]:
        if variable.startswith(("ANTHROPIC_", "CLAUDE", "ORCHESTRATE_ATTEMPT")):
            del os.environ[variable]
    import_program()
    if specimen:
        SPECIMENS[specimen]()
    experiment(name).attempt(Laboratory(seed, is_short))
    return 0
