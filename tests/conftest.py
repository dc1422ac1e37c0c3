"""Fixtures of all tests: a project, the command, and the environment that they run in.

A test never inherits a setting of the machine's own agent CLI, nor its HOME. Programs of a test are known by their
temporary HOME, and none outlives it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import components
import processes
from programs import Program, named_environment

REPOSITORY = Path(__file__).resolve().parent.parent
ORCHESTRATE = REPOSITORY / "scripts" / "orchestrate.py"


@pytest.fixture(scope="session", autouse=True)
def _no_inherited_settings() -> Iterator[None]:
    """The process of the tests itself forgets what the session around it has set."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(("ANTHROPIC_", "CLAUDE", processes.ATTEMPT)):
                patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def require() -> Callable[[str], Path]:
    """`require("parallel")`: its path, or the end of the test (see `components`)."""
    return components.require


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty HOME."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty folder that stands for the user's project."""
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def environment(home: Path, tmp_path: Path) -> dict[str, str]:
    """The environment of everything that the test starts; a test may change it before it starts something."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    return named_environment(home, temporary, os.environ["PATH"])


@pytest.fixture
def program(project: Path, home: Path, environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """`program("bash", script)`: any program in the project, to be called or started (see `programs`)."""
    made: list[Program] = []

    def make(*command: str | Path) -> Program:
        made.append(Program(command, project, environment, tmp_path / "outputs"))
        return made[-1]

    yield make
    for each in made:
        each.end_all()
    processes.kill(processes.carrying("HOME", str(home)))


@pytest.fixture
def orchestrate(program: Callable[..., Program]) -> Program:
    """The command: `orchestrate("status", "--json")` ends with `code`, `stdout`, `stderr`, `json`;
    `orchestrate.start("run")` goes on in the background until the test ends."""
    return program(sys.executable, ORCHESTRATE)


@pytest.fixture
def git_project(project: Path, program: Callable[..., Program], require: Callable[[str], Path]) -> Path:
    """The project as a git repository with one empty commit."""
    git = program(require("git"), "-c", "user.name=Test", "-c", "user.email=test@example.org")
    for words in (["init", "--quiet", "--initial-branch=main"], ["commit", "--quiet", "--allow-empty", "-m", "Begin"]):
        done = git(*words)
        assert done.code == 0, done.stderr
    return project


@pytest.fixture
def attempts_alive(project: Path, home: Path) -> Callable[[], list[processes.Process]]:
    """Lists the living processes that carry the mark of an attempt of this test."""

    def is_ours(process: processes.Process) -> bool:
        is_inside = process.cwd is not None and process.cwd.is_relative_to(project)
        return is_inside or process.environment.get("HOME") == str(home)

    return lambda: [process for process in processes.carrying(processes.ATTEMPT) if is_ours(process)]


@pytest.fixture
def no_processes_left(
    attempts_alive: Callable[[], list[processes.Process]], program: Callable[..., Program]
) -> Iterator[Callable[[float], None]]:
    """Asserts, when it is called and again at the end of the test, that no attempt of this test is alive.

    It depends on `program` so that it looks before that fixture cleans up.
    """

    def check(within_s: float = 5.0) -> None:
        left = processes.wait_until_none(attempts_alive, within_s)
        assert not left, f"left alive: {left}"

    yield check
    check()
