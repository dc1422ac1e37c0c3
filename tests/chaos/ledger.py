"""What was tried and what survived it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence

from orchestrator.dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Trial:
    """One fault; ``problems`` is empty when the run survived it, ``skipped`` says why it was not caused."""

    fault: str
    problems: tuple[str, ...] = ()
    skipped: str = ""

    def line(self) -> str:
        """The trial as one line of JSON."""
        return json.dumps(asdict(self))

    @staticmethod
    def of(line: str) -> Trial:
        """The trial that `line` wrote."""
        record = json.loads(line)
        return Trial(record["fault"], tuple(record["problems"]), record["skipped"])


@dataclass
class Ledger:
    """All trials of a suite, by fault; ``promised`` are the faults that must have been tried."""

    promised: Sequence[str]
    trials: list[Trial] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def take(self, trials: Iterable[Trial]) -> None:
        """Note more trials."""
        self.trials += trials

    def tried(self, fault: str) -> list[Trial]:
        """The trials of ``fault`` that were made."""
        return [trial for trial in self.trials if trial.fault == fault and not trial.skipped]

    def faults(self) -> list[str]:
        """Every fault, promised or met, in order."""
        return list(dict.fromkeys([*self.promised, *(trial.fault for trial in self.trials)]))

    def failures(self, *, allow_skips: bool) -> list[str]:
        """What is wrong, each in one sentence; a suite that tried nothing is wrong."""
        found = list(self.broken)
        for fault in self.faults():
            tried = self.tried(fault)
            lost = [trial for trial in tried if trial.problems]
            skips = [trial.skipped for trial in self.trials if trial.fault == fault and trial.skipped]
            if lost:
                found.append(f"{fault}: {len(lost)} of {len(tried)} not survived, for example:")
                found += [f"    {'; '.join(trial.problems)}" for trial in lost[:50]]
            if not tried and not (skips and allow_skips):
                found.append(f"{fault}: not tried once" + (f" ({skips[0]})" if skips else ""))
        return found if self.faults() else ["no fault was tried"]

    def table(self) -> str:
        """A line for each fault, and a sum."""
        lines = [f"{'fault':<70} {'tried':>6} {'survived':>9}"]
        for fault in self.faults():
            tried = self.tried(fault)
            survived = sum(1 for trial in tried if not trial.problems)
            skips = [trial.skipped for trial in self.trials if trial.fault == fault and trial.skipped]
            note = f"   not tried: {skips[0]}" if skips and not tried else ""
            lines.append(f"{fault:<70} {len(tried):>6} {survived:>9}{note}")
        made = [trial for trial in self.trials if not trial.skipped]
        survived = sum(1 for trial in made if not trial.problems)
        lines.append(f"{'all':<70} {len(made):>6} {survived:>9}")
        return "\n".join(lines)


class Laboratory:
    """What an experiment gets: a seed, a scale, and a place to note its trials, each at once."""

    def __init__(self, seed: int, is_short: bool, stream: object = None) -> None:
        import random

        self.seed = seed
        self.is_short = is_short
        self.chance = random.Random(seed)
        self._stream = stream or sys.stdout

    def count(self, whole: int, short: int) -> int:
        """How often to try: ``whole`` in the suite, ``short`` in the tests."""
        return short if self.is_short else whole

    def note(self, fault: str, problems: Iterable[str] = ()) -> None:
        """A fault was caused; with ``problems`` it was not survived."""
        print(Trial(fault, tuple(problems)).line(), file=self._stream, flush=True)  # type: ignore[arg-type]

    def skip(self, fault: str, reason: str) -> None:
        """A fault cannot be caused here."""
        print(Trial(fault, skipped=reason).line(), file=self._stream, flush=True)  # type: ignore[arg-type]
