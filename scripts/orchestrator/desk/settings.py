"""``desk.yaml``: what all runs of a desk together may take, and what a model costs. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.dataclasses import dataclass, field
from orchestrator.errors import Problem
from orchestrator.model import Json
from orchestrator.wording import excerpt, found, listed, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orchestrator.plans.prices import Price
    from orchestrator.plans.yamlfile import Document, Path

DEFAULT_RUNS = 2
DEFAULT_AGENTS = 8
MOST = 1_000
"""Runs or agents at once; more is a slip of the finger."""
MOST_USD = 1_000_000

_KEYS = ("max_runs", "max_agents", "budget_usd", "prices")
_PRICE_KEYS = ("input", "output")
_SYNONYMS = {
    "agents": "max_agents",
    "budget": "budget_usd",
    "max_budget_usd": "budget_usd",
    "max_parallel": "max_runs",
    "max_workers": "max_agents",
    "pricing": "prices",
    "runs": "max_runs",
    "workers": "max_agents",
}


@dataclass(frozen=True, slots=True)
class DeskSettings:
    """The limits of a desk: runs at once, workers of all runs at once, and dollars over all time (None: no limit).

    ``prices`` are the user's own, by a part of the model's name; they go before the bundled ones.
    """

    max_runs: int = DEFAULT_RUNS
    max_agents: int = DEFAULT_AGENTS
    budget_usd: float | None = None
    prices: Mapping[str, Price] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SettingsReading:
    """What one version of desk.yaml says; what was refused has its default. Any problem is an error."""

    settings: DeskSettings
    problems: tuple[Problem, ...] = ()


def read_settings(data: bytes) -> SettingsReading:
    """The settings in ``data``; never raises, each problem has its line and what to try."""
    from orchestrator.plans.yamlfile import read_yaml  # loads yaml, which a run without a desk.yaml does not need

    document = read_yaml(data)
    if document.problems or document.value is None:
        return SettingsReading(DeskSettings(), document.problems)
    if not isinstance(document.value, dict):
        message = f"desk.yaml must be a mapping of `key: value` lines, found {found(document.value)}"
        return SettingsReading(DeskSettings(), (Problem(message, "begin with `max_runs: 2`", 1),))
    reader = _Reader(document, document.value)
    settings = DeskSettings(
        max_runs=reader.count("max_runs", DEFAULT_RUNS),
        max_agents=reader.count("max_agents", DEFAULT_AGENTS),
        budget_usd=reader.dollars(document.value.get("budget_usd"), ("budget_usd",)),
        prices=reader.prices(),
    )
    reader.refuse_unknown()
    return SettingsReading(settings, tuple(sorted(reader.problems, key=lambda problem: problem.line or 0)))


class _Reader:
    """Reads one document, and collects what is wrong with it."""

    def __init__(self, document: Document, values: Mapping[str, Json]) -> None:
        self.document = document
        self.values = values
        self.problems: list[Problem] = []

    def count(self, key: str, default: int) -> int:
        """A whole number from 1."""
        value = self.values.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int):
            self._refuse(f"`{key}` must be a whole number, found {found(value)}", f"write {key}: {default}", (key,))
            return default
        if not 1 <= value <= MOST:
            self._refuse(f"`{key}` must be 1 to {MOST:,}, found {found(value)}", f"write {key}: {default}", (key,))
            return default
        return value

    def dollars(self, value: Json, path: Path) -> float | None:
        """An amount of US dollars; None where there is none."""
        if value is None:
            return None
        name = ".".join(map(str, path))
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self._refuse(f"`{name}` must be a number of US dollars, found {found(value)}", "write digits alone", path)
            return None
        if not 0 <= value <= MOST_USD:
            self._refuse(f"`{name}` must be 0 to {MOST_USD:,}, found {found(value)}", "write digits alone", path)
            return None
        return float(value)

    def prices(self) -> dict[str, Price]:
        """The prices that can be used."""
        from orchestrator.plans.prices import Price

        written = self.values.get("prices")
        if written is None:
            return {}
        form = "write `sonnet: {input: 3, output: 15}`, dollars for a million tokens"
        if not isinstance(written, dict):
            self._refuse(f"`prices` must be a mapping by model, found {found(written)}", form, ("prices",))
            return {}
        prices: dict[str, Price] = {}
        for model, entry in written.items():
            path: Path = ("prices", model)
            if not isinstance(entry, dict):
                self._refuse(f"the price of {excerpt(model)} must be a mapping, found {found(entry)}", form, path)
                continue
            if odd := [key for key in entry if key not in _PRICE_KEYS]:
                message = f"the price of {excerpt(model)} has no key {excerpt(odd[0])}"
                self._refuse(message, f"use {listed(_PRICE_KEYS)}", (*path, odd[0]))
            if lacking := [key for key in _PRICE_KEYS if entry.get(key) is None]:
                self._refuse(f"the price of {excerpt(model)} has no `{lacking[0]}`", form, path)
                continue
            input_usd, output_usd = (self.dollars(entry[key], (*path, key)) for key in _PRICE_KEYS)
            if input_usd is not None and output_usd is not None:
                prices[model] = Price(input_usd, output_usd)
        return prices

    def refuse_unknown(self) -> None:
        """A problem for each key that means nothing."""
        for key in self.values:
            if key not in _KEYS:
                near = _SYNONYMS.get(key.casefold()) or nearest(key, _KEYS)
                advice = f"did you mean `{near}`?" if near else f"remove it; the keys are {listed(_KEYS)}"
                self._refuse(f"there is no key {excerpt(key)} in desk.yaml", advice, (key,))

    def _refuse(self, message: str, advice: str, path: Path) -> None:
        self.problems.append(Problem(message, advice, self.document.line(path)))
