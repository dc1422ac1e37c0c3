"""`run.sh` as text: sound whatever the paths and options are. What it does is in tests/e2e/test_run_sh.py."""

from __future__ import annotations

import re
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from artefacts import BashFile
from orchestrator.render.launch import run_sh

PROJECT = "/home/anna/shop"
HOSTILE_PROJECT = '/home/jörg/-it\'s [x] "q" `b` $(touch pwned) {{ 7 * 7 }} {} {1} \\ ; & 🚀\nrm -rf ~'


def plain_script(**changes: object) -> str:
    settings: dict[str, object] = {
        "project": PROJECT,
        "folder": f"{PROJECT}/.orchestrator",
        "jobs": 4,
        "command": ["/usr/bin/python3", "/opt/skills/orchestrator/scripts/orchestrate.py"],
        "options": ["--dir", f"{PROJECT}/.orchestrator"],
    }
    return run_sh(**{**settings, **changes})  # type: ignore[arg-type]


COMMAND = [f"{HOSTILE_PROJECT}/.venv/bin/python", f"{HOSTILE_PROJECT}/orchestrate.py"]
OPTIONS = [
    *("--dir", f"{HOSTILE_PROJECT}/.orchestrator", "--executor", "command"),
    *("--command", "agent 'a b' \"c\" \\ ~ * ü\n{% raw %} $(touch pwned)", "--scale", "0.5"),
]
HOSTILE = plain_script(
    project=HOSTILE_PROJECT, folder=f"{HOSTILE_PROJECT}/.orchestrator", jobs=8, command=COMMAND, options=OPTIONS
)


def assigned(script: str, name: str, following: str) -> list[str]:
    """The words that a shell reads between `name=` and the line that begins with `following`."""
    return shlex.split(script.split(f"\n{name}=", 1)[1].split(f"\n{following}", 1)[0])


def test_the_script_of_a_plain_project(snapshot: SnapshotAssertion) -> None:
    assert plain_script() == snapshot(extension_class=BashFile)


def test_the_script_of_a_hostile_project(snapshot: SnapshotAssertion) -> None:
    assert snapshot(extension_class=BashFile) == HOSTILE


def test_what_differs_between_projects_is_only_a_few_words_in_quotes() -> None:
    differing = set(HOSTILE.splitlines()) - set(plain_script().splitlines())
    words = "\n".join(shlex.quote(word) for word in (*COMMAND, *OPTIONS, HOSTILE_PROJECT))
    for line in differing:
        rest = line
        for part in sorted(words.splitlines(), key=len, reverse=True):
            rest = rest.replace(part, "")
        assert "pwned" not in rest
        assert "raw" not in rest
    assert len([line for line in HOSTILE.splitlines() if "touch pwned" in line]) <= 12


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])).map(lambda name: f"/{name}"))
def test_any_path_is_one_word_of_the_shell(path: str) -> None:
    script = plain_script(project=path, folder=f"{path}/.orchestrator")
    assert assigned(script, "project", "folder=") == [path]
    assert assigned(script, "folder", "jobs=") == [f"{path}/.orchestrator"]


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1, max_size=4))
def test_any_option_is_one_word_of_the_shell(words: list[str]) -> None:
    script = plain_script(options=words)
    found = script.split("\noptions=(", 1)[1].split(")\n\n# What GNU parallel runs for each line", 1)[0]
    assert shlex.split(found) == words


@pytest.mark.parametrize(
    "needed", ["set -euo pipefail", "--plain", "--ungroup", "--no-run-if-empty", "trap stop INT TERM"]
)
def test_it_has_what_keeps_a_run_sound(needed: str) -> None:
    assert needed in plain_script()


@pytest.mark.parametrize("trap", ["--bar", "--eta", "--resume", "--retries", "--joblog", "--halt", "-j0"])
def test_it_uses_nothing_that_fails_while_lines_are_fed(trap: str) -> None:
    assert trap not in plain_script()


# What bash 3.2, which macOS has, does not know.
NEWER_THAN_BASH_3_2 = {
    "mapfile": r"\b(mapfile|readarray)\b",
    "associative arrays": r"\b(declare|local|typeset) -[a-zA-Z]*[Anlu]",
    "wait -n": r"\bwait -[nfp]",
    "case of letters": r"\$\{\w+(\^|,)",
    "transformations": r"\$\{\w+@",
    "both streams": r"\|&|&>>",
    "negative places": r"\$\{\w+: -|\$\{\w+\[-",
    "times": r"%\(.*\)T|EPOCH",
    "coproc": r"\bcoproc\b",
    "fallthrough": r";;&|;&",
}


@pytest.mark.parametrize("what", NEWER_THAN_BASH_3_2)
def test_bash_3_2_understands_it(what: str) -> None:
    assert re.search(NEWER_THAN_BASH_3_2[what], plain_script()) is None
