"""Fixtures for tests with the real `claude`: it talks to a stand-in on loopback and to nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from standin import Script, Standin


@pytest.fixture(scope="session")
def claude(require: Callable[[str], Path]) -> Path:
    """The real CLI."""
    return require("claude")


@pytest.fixture
def claude_env(environment: dict[str, str], claude: Path) -> dict[str, str]:
    """The same dictionary as `environment`, with what the CLI needs; found as `claude` on PATH as well."""
    environment.update(
        PATH=os.pathsep.join([str(claude.parent), environment["PATH"]]),
        ANTHROPIC_API_KEY="sk-dummy",
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
        DISABLE_AUTOUPDATER="1",
    )
    return environment


@pytest.fixture
def subscription(claude_env: dict[str, str]) -> None:
    """Log in with a subscription's token instead of an API key, as `standin.limit` wants it."""
    del claude_env["ANTHROPIC_API_KEY"]
    claude_env["CLAUDE_CODE_OAUTH_TOKEN"] = "sk-ant-oat01-dummy"


@pytest.fixture
def standin(claude_env: dict[str, str]) -> Iterator[Callable[[Script], Standin]]:
    """`standin(SCRIPT)`: starts a stand-in (see `standin`), to which everything started afterwards talks.

    A request for which the script had nothing fails the test at its end; `complaints.clear()` where that is meant.
    """
    started: list[Standin] = []
    with ExitStack() as stack:

        def start(script: Script) -> Standin:
            started.append(stack.enter_context(Standin(script)))
            claude_env["ANTHROPIC_BASE_URL"] = started[-1].url
            return started[-1]

        yield start
    complaints = [complaint for one in started for complaint in one.complaints]
    assert not complaints, f"the script had nothing to say: {complaints}"
