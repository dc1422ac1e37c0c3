"""Every experiment of the suite by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

from chaos.ledger import Laboratory

NAMES = ("kills", "answers", "mutants", "hostile", "steps", "scripts", "disks", "cuts", "writers", "locks", "clocks")


@dataclass(frozen=True)
class Experiment:
    """Causes faults and notes them; ``faults`` are those that it promises, ``short_faults`` those of the short form."""

    name: str
    faults: Sequence[str]
    short_faults: Sequence[str]
    attempt: Callable[[Laboratory], None]


def experiment(name: str) -> Experiment:
    """The experiment of that name."""
    module = import_module(f"chaos.{name}")
    return Experiment(name, module.FAULTS, getattr(module, "SHORT_FAULTS", module.FAULTS), module.attempt)
