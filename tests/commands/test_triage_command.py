"""`triage` as a command: where the request comes from, what is printed, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from programs import Program
from runfolders import RunFolder


def test_a_request_is_judged_without_a_run(run: RunFolder) -> None:
    judged = run("triage", "Scan repository for security vulnerabilities", "--json").json
    assert (judged["decision"], judged["role"], judged["complexity"]) == ("simple", "security", "low")
    assert set(judged) == {
        "decision",
        "complexity",
        "role",
        "score",
        "reasons",
        "domains",
        "estimate",
        "parallel_worthwhile",
    }
    said = run.prepare("triage", "Add authentication system with security audit and docs")
    assert said.startswith("complex: takes a plan (complexity high, score ")
    assert "domains: development, security, documentation" in said
    assert "- 3 domains: development, security and documentation (+3)" in said
    assert said.rstrip().splitlines()[-1].startswith("Next: orchestrate plan ")
    assert not run.folder.exists()


def test_a_request_comes_from_a_file_or_from_stdin_as_well(run: RunFolder) -> None:
    words = "Fix typo in README.md\n"
    (run.project / "request.txt").write_text("\ufeff" + words, encoding="utf-8")
    answers = [
        run.prepare("triage", words, "--json"),
        run.prepare("triage", "--file", "request.txt", "--json"),
        run.prepare("triage", "-", "--json", stdin=words),
    ]
    assert len(set(answers)) == 1
    assert json.loads(answers[0])["role"] == "docs"


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        ([], 2, "there is no request"),
        (["x", "--file", "x.txt"], 2, "there are two requests"),
        ([""], 1, "the request is empty"),
        (["  \n"], 1, "the request is empty"),
        (["--file", "nowhere.txt"], 3, "there is no file nowhere.txt"),
        (["--file", "."], 2, ". is a folder"),
        (["--file", "binary"], 1, "the request is not text: byte 0xff at position 4"),
        (["--file", "zeros"], 1, "the request is not text: it has the character U+0000"),
        (["--file", "/dev/zero"], 1, "8.0 MiB; at most 8 MiB"),
    ],
)
def test_what_is_no_request_is_refused_with_the_reason(
    words: list[str], code: int, complaint: str, run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    (run.project / "binary").write_bytes(b"fix \xff\xfe")
    (run.project / "zeros").write_bytes(b"fix \0\0")
    done = run("triage", *words, code=code)
    assert complaint in done.stderr
    assert "try: " in done.stderr
    assert done.stdout == ""


def test_words_that_are_no_text_are_refused(orchestrate: Program) -> None:
    done = orchestrate("triage", "fix \udcff")
    assert (done.code, "U+DCFF" in done.stderr) == (1, True)


def test_an_enormous_request_is_judged_by_its_beginning(run: RunFolder) -> None:
    text = "Fix typo in README.md. " + "The log says nothing. " * 300_000
    judged = json.loads(run.prepare("triage", "-", "--json", stdin=text))
    assert any("only the first 20,000 of 6,600,0" in reason for reason in judged["reasons"])


def test_without_the_program_the_model_is_not_asked(run: RunFolder) -> None:
    done = run("triage", "Fix typo in README.md", "--ai", "--claude", str(Path("/nowhere/claude")), code=3)
    assert "/nowhere/claude" in done.stderr
