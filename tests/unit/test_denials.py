"""The rule that would allow what was denied. Each of these rules was tried on the real CLI."""

from __future__ import annotations

import json

import pytest

from orchestrator.executors.claude_events import ToolUse
from orchestrator.executors.denials import denial_of, denials_text
from orchestrator.model import Json

PROJECT = "/project"


def denied(name: str, **inputs: Json) -> tuple[str, ...]:
    return denial_of(ToolUse("1", name, inputs), PROJECT).rules


@pytest.mark.parametrize(
    ("name", "inputs", "rules"),
    [
        ("Write", {"file_path": "/project/o.md"}, ["Edit(./o.md)"]),
        ("Write", {"file_path": "/project/a [b]/o(1).md"}, [r"Edit(./a \[b\]/o\(1\).md)"]),
        ("Write", {"file_path": "/elsewhere/x.md"}, ["Edit(//elsewhere/x.md)"]),
        ("Edit", {"file_path": "/project/src/a.py"}, ["Edit(./src/a.py)"]),
        ("NotebookEdit", {"notebook_path": "/project/n.ipynb"}, ["Edit(./n.ipynb)"]),
        ("Read", {"file_path": "/etc/hostname"}, ["Read(//etc/hostname)"]),
        ("Read", {"file_path": "~/notes.md"}, ["Read(~/notes.md)"]),
        ("Grep", {"pattern": ".", "path": "/etc/host.conf"}, ["Read(//etc/host.conf)"]),
        ("Grep", {"pattern": ".", "path": "/etc/apt"}, ["Read(//etc/apt/**)"]),
        ("Glob", {"pattern": "*.list", "path": "/etc/apt"}, ["Read(//etc/apt/**)"]),
        ("WebFetch", {"url": "https://user:pw@example.com:8080/x", "prompt": "p"}, ["WebFetch(domain:example.com)"]),
        ("WebFetch", {}, ["WebFetch"]),
        ("WebSearch", {"query": "x"}, ["WebSearch"]),
        ("Skill", {"skill": "verify"}, ["Skill"]),
        ("mcp__issues__create", {"title": "x"}, ["mcp__issues__create"]),
        ("Write", {}, ["Write"]),
    ],
)
def test_a_tool_is_allowed_for_what_it_was_used_for(name: str, inputs: dict[str, Json], rules: list[str]) -> None:
    assert list(denied(name, **inputs)) == rules


@pytest.mark.parametrize(
    ("command", "rules"),
    [
        ("npm test", ["Bash(npm test:*)"]),
        ("npm run build && npm test", ["Bash(npm run:*)", "Bash(npm test:*)"]),
        ("git push origin main", ["Bash(git push:*)"]),
        ("git log --oneline", ["Bash(git log:*)"]),
        ("git -C . push", ["Bash(git -C . push:*)"]),
        ('python3 -c "print((1))"', ["Bash(python3:*)"]),
        ("./run.sh --x", ["Bash(./run.sh:*)"]),
        ("FOO=1 python3 --version", ["Bash(FOO=1 python3:*)"]),
        ("env FOO=1 python3 --version", ["Bash(env FOO=1 python3:*)"]),
        ("sudo -n true", ["Bash(sudo -n true:*)"]),
        ("timeout 5 python3 --version 2>&1 | head -1", ["Bash(python3:*)"]),
        ("for i in 1 2; do python3 --version; done", ["Bash(python3:*)"]),
        ("touch z; rm z; rm y", ["Bash(touch:*)", "Bash(rm:*)"]),
        ("echo hi > o.txt", ["Edit(./o.txt)"]),
        ("cat src/a.txt > /elsewhere/y", ["Edit(//elsewhere/y)"]),
        ("cat src/a.txt | tee copy.txt", ["Bash(tee:*)"]),
        ("cat /etc/hostname", ["Read(//etc/hostname)"]),
        ("cd src && npm test", ["Bash(npm test:*)"]),
        ("cd src && touch z && ls", ["Bash"]),
        ("cd src && echo hi > z", ["Bash"]),
        ("echo $(python3 --version)", ["Bash"]),
        ("python3 - <<EOF\nprint(1)\nEOF", ["Bash"]),
        ("ls", ["Bash"]),
        ("", ["Bash"]),
    ],
)
def test_a_command_is_allowed_for_its_kind(command: str, rules: list[str]) -> None:
    assert list(denied("Bash", command=command)) == rules


def test_what_was_denied_is_shown_in_one_short_line() -> None:
    denial = denial_of(ToolUse("1", "Bash", {"command": "echo a\n" + "x" * 500}), PROJECT)
    assert str(denial).startswith("Bash (echo a xxx")
    assert len(str(denial)) < 100


def test_the_text_names_tools_and_the_line_for_the_plan() -> None:
    uses = [ToolUse("1", "Bash", {"command": "npm test"}), ToolUse("2", "Write", {"file_path": "/project/o.md"})]
    text = denials_text([denial_of(use, PROJECT) for use in [*uses, *uses]])
    assert text == (
        "denied: Bash (npm test), Write (/project/o.md); "
        'to allow it add allowed_tools: ["Bash(npm test:*)", "Edit(./o.md)"]'
    )


def test_many_denials_stay_a_readable_line() -> None:
    uses = [ToolUse(str(n), "Write", {"file_path": f"/project/{'x' * 40}/{n}.md"}) for n in range(50)]
    text = denials_text([denial_of(use, PROJECT) for use in uses])
    assert "and 45 more" in text
    assert len(text) < 800
    assert json.loads(text.partition("allowed_tools: ")[2])


def test_a_rule_too_long_to_show_gives_way_to_the_tool() -> None:
    denial = denial_of(ToolUse("1", "Write", {"file_path": "/project/" + "x" * 4000}), PROJECT)
    assert denials_text([denial]).endswith('allowed_tools: ["Write"]')
