"""The fault suite in its short form, and on programs that are broken on purpose: it must be able to fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from chaos import suite
from chaos.experiments import NAMES
from chaos.ledger import Ledger, Trial

NEEDS = {"answers": "claude", "scripts": "parallel"}


@pytest.mark.parametrize("name", NAMES)
def test_a_run_survives_every_fault(name: str, require: Callable[[str], Path]) -> None:
    if name in NEEDS:
        require(NEEDS[name])
    ledger = suite.run([name], is_short=True)
    assert not ledger.failures(allow_skips=True), ledger.table()
    assert any(not trial.skipped for trial in ledger.trials)


@pytest.mark.parametrize(
    ("specimen", "name", "complaint"),
    [
        ("lossy", "writers", "a change lost"),
        ("hasty", "kills", "is not whole"),
        ("careless", "mutants", "master_plan.md: line"),
        ("shelled", "hostile", "a text was run"),
    ],
)
def test_a_program_that_is_broken_on_purpose_does_not_survive(specimen: str, name: str, complaint: str) -> None:
    failures = suite.run([name], is_short=True, specimen=specimen).failures(allow_skips=True)
    assert any(complaint in failure for failure in failures), failures


def test_a_suite_that_tries_nothing_fails() -> None:
    assert Ledger([]).failures(allow_skips=True) == ["no fault was tried"]
    assert Ledger(["a fault"]).failures(allow_skips=True) == ["a fault: not tried once"]


def test_a_skipped_fault_counts_as_tried_nowhere_and_fails_where_everything_must_be_there() -> None:
    ledger = Ledger(["a fault"], [Trial("a fault", skipped="no tmpfs here")])
    assert "0         0   not tried: no tmpfs here" in ledger.table()
    assert not ledger.failures(allow_skips=True)
    assert ledger.failures(allow_skips=False) == ["a fault: not tried once (no tmpfs here)"]


def test_an_experiment_that_breaks_off_fails_the_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "LONGEST_S", 0.0)
    failures = suite.run(["clocks"], is_short=True).failures(allow_skips=True)
    assert "the experiment clocks took more than 0 s" in failures


def test_trials_that_were_not_survived_are_counted_and_told() -> None:
    ledger = Ledger(["a fault"], [Trial("a fault"), Trial("a fault", ("half a result",))])
    assert ledger.table().splitlines()[1].split() == ["a", "fault", "2", "1"]
    assert ledger.failures(allow_skips=True) == ["a fault: 1 of 2 not survived, for example:", "    half a result"]
