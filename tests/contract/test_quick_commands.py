"""The commands that are read without typer, against what typer declares: the same options, and the same calls."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from orchestrator.cli import quick
from orchestrator.cli.program import app, perform
from orchestrator.errors import ExitCode, UsageError

SCRIPTS = str(Path(quick.__file__).parents[2])

WORDS = [
    ["status"],
    ["status", "--full", "--json"],
    ["status", "--dir", "else where", "--debug"],
    ["next"],
    ["next", "--ascii", "--json"],
    ["start", "T-01"],
    ["start", "T-01", "--renew", "T-02", "--ascii", "--dir", "x"],
    ["start", ""],
    ["complete", "T-01"],
    ["complete", "--result", "-", "T-01", "--attempt", "3"],
    ["complete", "T-01", "--result", "a b.md", "--step", "one", "--step", "two", "--summary", "three", "--json"],
    ["complete", "T-01", "--result", "first", "--result", "last"],
    ["fail", "T-01"],
    ["exec", "T-01"],
    ["exec", "--fed", "--jobs", "8", "--dir", "/a b/it's", "--command", "agent 'a b' {}", "--scale", "0.5", "T-01"],
    ["exec", "--fed", "--tied", "--executor", "rehearse", "--scale", "2", "--claude", "a=b", "T-01", "--json"],
    ["fail", "T-01", "--reason", "because of --final", "--final", "--attempt", "0", "--json"],
]
NOT_PLAIN = [
    [],
    ["list"],
    ["start"],
    ["start", "--help"],
    ["start", "-h"],
    ["start", "--bogus", "T-01"],
    ["start", "--", "T-01"],
    ["start", "T-01", "--dir"],
    ["start", "T-01", "--dir", "--json"],
    ["start", "T-01", "--ren"],
    ["status", "extra"],
    ["status", "--full=yes"],
    ["complete", "T-01", "T-02"],
    ["complete", "--result", "x"],
    ["exec", "--fed", "--help"],
    ["exec", "T-01", "--scale", "1e9"],
    ["exec", "T-01", "--scale", "."],
    ["exec", "T-01", "--jobs", "1.5"],
    ["exec", "-j", "2", "T-01"],
    ["fail", "T-01", "--attempt", "three"],
    ["fail", "T-01", "--attempt", "-1"],
    ["fail", "T-01", "--attempt", "٣"],
    ["fail", "T-01", "--reason=why"],
]


def declared(name: str) -> dict[str, tuple[str, str]]:
    """The parameters of a command as typer declares them: by option, or `ids`, its name and kind."""
    found: dict[str, tuple[str, str]] = {}
    program: Any = typer.main.get_command(app)
    for parameter in program.get_command(None, name).params:
        if parameter.param_type_name == "argument":
            found["ids"] = (parameter.name, "many" if parameter.nargs == -1 else "one")
            continue
        kind = "flag" if parameter.is_flag else "list" if parameter.multiple else parameter.type.name
        options = [option for option in parameter.opts if option.startswith("--") and option != "--help"]
        found |= dict.fromkeys(options, (parameter.name, kind))
    return found


def understood_as(form: quick.Form) -> dict[str, tuple[str, str]]:
    """The same of a form."""
    kinds = {"flag": form.flags, "str": form.texts, "list": form.lists, "int": form.numbers, "float": form.decimals}
    found = {option: (quick._parameter(option), kind) for kind, options in kinds.items() for option in options}
    ids = [(name, kind) for name, kind in ((form.one, "one"), (form.many, "many")) if name]
    return found | ({"ids": ids[0]} if ids else {})


@pytest.mark.parametrize("name", quick.FORMS)
def test_a_form_has_what_is_declared(name: str) -> None:
    known = {"text": "str", "integer": "int"}
    wanted = {option: (to, known.get(kind, kind)) for option, (to, kind) in declared(name).items()}
    assert understood_as(quick.FORMS[name]) == wanted


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What the commands are called with, instead of doing it."""
    from orchestrator.commands import act, complete, execute, show, start

    made: list[tuple[Any, ...]] = []
    for module, name in (
        (show, "status"),
        (show, "next_tasks"),
        (start, "start"),
        (complete, "complete"),
        (act, "fail"),
        (execute, "exec_task"),
    ):

        def record(*given: Any, _name: str = name, **named: Any) -> ExitCode:
            made.append((_name, given, named))
            return ExitCode.PROBLEMS

        monkeypatch.setattr(module, name, record)
    return made


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_what_is_understood_at_once_does_what_the_declaration_does(
    words: list[str], calls: list[tuple[Any, ...]]
) -> None:
    command = quick.understood(words)
    assert command is not None
    assert command() == perform(words) == ExitCode.PROBLEMS
    assert len(calls) == 2
    assert calls[0] == calls[1]


@pytest.mark.parametrize("words", NOT_PLAIN, ids=" ".join)
def test_what_is_not_plainly_right_is_left_to_the_declaration(words: list[str]) -> None:
    assert quick.understood(words) is None


def test_a_mistake_is_told_with_advice() -> None:
    with pytest.raises(UsageError, match="no such option: --bogus"):
        perform(["start", "--bogus", "T-01"])


@pytest.mark.parametrize("name", ["status", "next", "start", "exec", "fail"])
def test_these_commands_load_no_parser_and_nothing_that_they_do_not_need(name: str) -> None:
    from orchestrator.cli.quick import FORMS

    assert name in FORMS
    code = (
        f"import sys; sys.path.insert(0, {SCRIPTS!r}); from orchestrator.cli import main; "
        f"main({[name, 'T-01'][: 1 if name in ('status', 'next') else 2]!r}); print(*sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True, cwd="/")
    loaded = {module.partition(".")[0] for module in ran.stdout.split()}
    assert not loaded & {"dataclasses", "typer", "click", "rich", "yaml", "pydantic", "jinja2", "psutil", "markdown_it"}
