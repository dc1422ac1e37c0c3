"""The real programs that tests drive, and what a missing one means.

A missing one skips the test with its reason on a user's machine and fails it where ORCHESTRATE_REQUIRE_REAL=1 is set,
as CI does; PowerShell alone may be missing there too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

REQUIRE_REAL = "ORCHESTRATE_REQUIRE_REAL"


@dataclass(frozen=True)
class Component:
    """A program under the names it goes by, and where it comes from.

    `variable` may hold its path; where `must_print` is given, `--version` has to print that.
    """

    names: tuple[str, ...]
    source: str
    variable: str = ""
    must_print: str = ""
    is_optional: bool = False


COMPONENTS = {
    "claude": Component(("claude",), "npm package @anthropic-ai/claude-code", variable="ORCHESTRATE_TEST_CLAUDE"),
    "parallel": Component(("parallel",), "GNU parallel, Debian package parallel", must_print="GNU parallel"),
    "ssh": Component(("ssh",), "Debian package openssh-client"),
    "sshd": Component(("sshd",), "Debian package openssh-server"),
    "rsync": Component(("rsync",), "Debian package rsync"),
    "chromium": Component(("chromium", "chromium-browser", "google-chrome"), "Debian package chromium"),
    "shellcheck": Component(("shellcheck",), "Debian package shellcheck"),
    "git": Component(("git",), "Debian package git"),
    "setpriv": Component(("setpriv",), "Debian package util-linux"),
    "make": Component(("make",), "Debian package make"),
    "pwsh": Component(("pwsh",), "PowerShell 7", is_optional=True),
}


def require(name: str) -> Path:
    """The absolute path of a component of COMPONENTS; ends the test, as this module says, when it is missing."""
    found = find(name)
    if isinstance(found, Path):
        return found
    if os.environ.get(REQUIRE_REAL) == "1" and not COMPONENTS[name].is_optional:
        pytest.fail(f"{found} ({REQUIRE_REAL}=1)", pytrace=False)
    pytest.skip(found)


@cache
def find(name: str) -> Path | str:
    """The absolute path of a component, or why there is none."""
    component = COMPONENTS[name]
    set_path = os.environ.get(component.variable) if component.variable else None
    if set_path:
        is_there = os.access(set_path, os.X_OK)
        return Path(set_path).absolute() if is_there else f"{component.variable}={set_path} is no executable file"
    # Debian keeps sshd where a user's PATH does not look.
    places = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    for candidate in component.names:
        path = shutil.which(candidate, path=places)
        if path and component.must_print in _version(path, component):
            return Path(path).absolute()
    return f"{name} is missing: {component.source}" + (
        f", or its path in {component.variable}" * bool(component.variable)
    )


def _version(path: str, component: Component) -> str:
    if not component.must_print:
        return ""
    return subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=30).stdout
