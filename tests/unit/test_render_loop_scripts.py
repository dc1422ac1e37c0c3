"""`loop.sh` and `loop.ps1` as text: sound whatever the paths are. What they do is in tests/commands/test_loop.py."""

from __future__ import annotations

import re
import shlex

import pytest
from syrupy.assertion import SnapshotAssertion

from artefacts import BashFile, PowerShellFile
from orchestrator.render.launch import loop_ps1, loop_sh
from powershell_rules import problems

PROJECT = "/home/anna/shop"
HOSTILE_PROJECT = '/home/jörg/-it\'s [x] "q" `b` $(touch pwned) {{ 7 * 7 }} {} {1} \\ ; & 🚀'
COMMAND = ["/usr/bin/python3", "/opt/skills/orchestrator/scripts/orchestrate.py"]
HOSTILE_COMMAND = [f"{HOSTILE_PROJECT}/.venv/bin/python", f"{HOSTILE_PROJECT}/orchestrate.py"]
CLAUDE = ["--claude", '/opt/it\'s "new" ü/claude']


def bash(project: str, command: list[str], options: list[str]) -> str:
    folder = f"{project}/.orchestrator"
    return loop_sh(project=project, folder=folder, command=command, options=["--dir", folder, *options])


def powershell(project: str, command: list[str], options: list[str], folder: str | None = None) -> str:
    return loop_ps1(project=project, folder=folder or f"{project}/.orchestrator", command=command, options=options)


PLAIN = powershell(PROJECT, COMMAND, [])
HOSTILE = powershell(HOSTILE_PROJECT, HOSTILE_COMMAND, CLAUDE, "/srv/Läufe/[1]")


def test_the_bash_script_of_a_plain_project(snapshot: SnapshotAssertion) -> None:
    assert bash(PROJECT, COMMAND, []) == snapshot(extension_class=BashFile)


def test_the_bash_script_of_a_hostile_project(snapshot: SnapshotAssertion) -> None:
    script = bash(HOSTILE_PROJECT, HOSTILE_COMMAND, CLAUDE)
    assert script == snapshot(extension_class=BashFile)
    words = script.split("\noptions=(", 1)[1].split(")\n\nusage()", 1)[0]
    assert shlex.split(words) == ["--dir", f"{HOSTILE_PROJECT}/.orchestrator", *CLAUDE]


def test_the_powershell_script_of_a_plain_project(snapshot: SnapshotAssertion) -> None:
    assert snapshot(extension_class=PowerShellFile) == PLAIN


def test_the_powershell_script_of_a_hostile_project(snapshot: SnapshotAssertion) -> None:
    assert snapshot(extension_class=PowerShellFile) == HOSTILE


@pytest.mark.parametrize("script", [PLAIN, HOSTILE], ids=["plain", "hostile"])
def test_the_powershell_script_is_sound_for_both_versions(script: str) -> None:
    assert problems(script) == []


@pytest.mark.parametrize(
    ("folder", "steps"), [(f"{PROJECT}/.orchestrator", 1), (f"{PROJECT}/build/runs/a b", 3), (PROJECT, 0)]
)
def test_a_powershell_script_inside_its_project_finds_it_from_its_own_place(folder: str, steps: int) -> None:
    script = powershell(PROJECT, COMMAND, [], folder)
    assert PROJECT not in script
    assert script.count("Split-Path") == steps + 1


def test_the_help_of_bash_tells_every_option_of_the_command_and_powershell_its_parameters() -> None:
    from typer.main import get_command

    from orchestrator.cli.loop import app

    loop = get_command(app).commands["loop"]  # type: ignore[attr-defined]
    options = {word for option in loop.params for word in option.opts if word.startswith("--")}
    told = set(re.findall(r"^  (--[a-z-]+)", bash(PROJECT, COMMAND, []), re.MULTILINE))
    assert told == options - {"--template", "--dir", "--debug"} | {"--help"}
    passed = set(re.findall(r"'(--[a-z-]+)'", PLAIN.partition("$words = ")[2]))
    assert passed < told
    assert len(passed) == len(re.findall(r"^\.PARAMETER", PLAIN, re.MULTILINE))
