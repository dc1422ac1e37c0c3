"""Fixtures of the tests that start the program on real files."""

from __future__ import annotations

from pathlib import Path

import pytest

from programs import Program
from runfolders import RunFolder


@pytest.fixture
def run(project: Path, orchestrate: Program) -> RunFolder:
    """The run of the project, which the test has yet to make: `run.init(task("T-01"))`."""
    return RunFolder(project, orchestrate)
