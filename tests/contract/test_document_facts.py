"""The facts in the documents against the program: what tables list, plans and JSON that are shown, flags of `claude`.

As in `test_documents`, each checker is also asked about a broken specimen that it must refuse.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import document_rules as rules
from document_pieces import pieces, tables
from manual import MISSING_FLAGS, OTHER_FLAGS, REPOSITORY, TEXTS, one, passed_flags
from orchestrator.cli.main import main
from orchestrator.commands.check import STATE_CELLS
from orchestrator.commands.doctor import FLAGS
from orchestrator.desk.rolefiles import Source, read_role
from orchestrator.errors import ExitCode
from orchestrator.events import EVENT_FIELDS, Event, EventType
from orchestrator.merge import Strategy
from orchestrator.model import DependencyType, Executor, OnFailure, Priority, RunState, Status
from orchestrator.plans.spec import checked_plan
from orchestrator.plans.templaterules import read_template
from orchestrator.render.master_plan import log_entries
from orchestrator.texts.document import COLUMNS
from programs import Program

# --- what tables list

EXPECTED = {
    "exit code": [str(int(code)) for code in ExitCode],
    "status": list(Status),
    "state": list(STATE_CELLS),
    "on_failure": list(OnFailure),
    "priority": list(Priority),
    "strategy": list(Strategy),
    "executor": list(Executor),
    "dependency": [*DependencyType, "resource", "none"],
    "type": list(EventType),
    "not there": list(MISSING_FLAGS),
}


def test_tables_list_what_the_code_has() -> None:
    assert rules.table_problems(TEXTS, EXPECTED) == []


@pytest.mark.parametrize(
    ("rows", "count"),
    [("| `a` | |\n| `b` | |", 0), ("| `a` | |", 1), ("| a | |\n| b | |\n| c | |", 1), ("| a | |\n| b | |\n| b | |", 1)],
)
def test_a_table_that_differs_from_the_code_is_found(rows: str, count: int) -> None:
    page = one(f"| `letter` | meaning |\n|---|---|\n{rows}")
    assert len(rules.table_problems(page, {"letter": ["a", "b"]})) == count


def test_a_table_that_is_nowhere_is_found() -> None:
    assert rules.table_problems(one("# Page"), {"letter": ["a"]}) == ["there is no table of letter"]


def test_the_columns_of_the_status_table_are_named_in_order() -> None:
    assert f"in this order: {', '.join(COLUMNS)}." in TEXTS["templates.md"]


def test_the_states_of_a_run_are_named_in_order() -> None:
    *first, last = (f"`{state}`" for state in RunState)
    assert f"`state` is {', '.join(first)} or {last}." in TEXTS["cli-integration.md"]


def test_the_titles_of_the_log_are_those_that_the_program_writes() -> None:
    listed = {
        title.strip()
        for table in tables({"templates.md": TEXTS["templates.md"]})
        if table.head == ("title", "when")
        for row in table.rows
        for title in row[0].split(",")
    }
    assert listed == {title for type in EventType if type is not EventType.NOTE for title in titles(type)}


def titles(type: EventType) -> list[str]:
    """The titles of the entries that an event of ``type`` makes, for ``Agent-NN`` and batch ``N``."""
    event: Event = {
        **dict.fromkeys(EVENT_FIELDS[type], "1"),
        "type": str(type),
        "timestamp": "2026-01-31T09:00:00.000Z",
        "task": "T-01",
        "agent": "Agent-NN",
        "batch": "N",
        "iteration": "N",
        "by": "hand",
        "opens_batch": False,
        "fields": {"name": "x"},
        "tasks": ["T-01"],
        "agents": 1 if type is EventType.ORCHESTRATION_STARTED else ["Agent-NN"],
        "blocks": [["T-02", "Agent-NN"]],
        "missing": [],
        "lines": ["x"],
        "steps": [],
        "summary": [],
    }
    return [entry.partition("] ")[2].partition("\n")[0] for entry in log_entries(event)]


def test_every_plan_that_a_document_shows_is_accepted_without_a_warning() -> None:
    plans = [piece for piece in pieces(TEXTS, "fence") if piece.info == "yaml" and "\ntasks:" in piece.text]
    assert len(plans) >= 4
    assert [(plan.place, p.text()) for plan in plans for p in checked_plan(plan.text.encode()).problems] == []


def test_every_role_that_a_document_shows_is_accepted_and_has_every_key() -> None:
    shown = [piece for piece in pieces(TEXTS, "fence") if piece.info == "markdown" and "\nname: data\n" in piece.text]
    (reading,) = (read_role(piece.text.encode(), Source("roles/data.md")) for piece in shown)
    assert reading.problems == ()
    assert reading.role is not None
    record = reading.role.record()
    assert None not in record.values()
    assert record["limits"] == {"max_turns": 60, "timeout_s": 1800.0, "budget_usd": 2.5}
    assert list(reading.role.sections) == ["audit"]


# --- JSON answers

SHOWN = {
    heading: json.loads(block)
    for heading, block in re.findall(
        r"^### `(.+?) --json`\n(?:(?!^#).)*?^```json\n(.*?)^```", TEXTS["cli-integration.md"], re.MULTILINE | re.DOTALL
    )
}

PLAN = f"""\
title: Shapes
request: What do the answers look like?
objectives: {{success_criteria: [Each has the keys that are shown]}}
tasks:
  - {{id: T-01, name: First, description: Do it., estimate: 1m, role: docs, verify: ["{sys.executable} -c pass"]}}
  - {{id: T-02, name: Second, description: Do it., deps: [T-01], rehearse: {{duration: 0}}}}
  - {{id: T-03, name: Third, description: Do it., deps: [T-01], approval: true, rehearse: {{duration: 0}}}}
"""

SESSION: tuple[tuple[str, str], ...] = (
    ("triage", "triage Fix-typos"),
    ("validate", "validate"),
    ("plan", "plan Compare-bridges --auto --output other.yaml"),
    ("plan templates", "plan templates"),
    ("estimate", "estimate"),
    ("estimate --request", "estimate --request Fix-the-parser"),
    ("graph", "graph"),
    ("init", "init"),
    ("roles", "roles"),
    ("handoff", "handoff T-01"),
    ("handoff --to", "handoff --to docs"),
    ("trust", "trust"),
    ("next", "next"),
    ("start", "start T-01"),
    ("start", "fail T-01 --reason why"),
    ("start", "start T-01"),
    ("start", "complete T-01 --result result.md"),
    ("start", "approve T-03"),
    ("start", "skip T-03"),
    ("start", "retry T-03"),
    ("prompt", "prompt T-02"),
    ("context", "context T-02"),
    ("context --add", "context T-02 --add result.md"),
    ("pause", "pause"),
    ("pause", "resume"),
    ("exec", "exec T-02 --executor rehearse"),
    ("add", "add Fourth --deps T-02"),
    ("decompose", "decompose T-04 --template research"),
    ("run", "run --executor rehearse --scale 0"),
    ("check", "check"),
    ("merge", "merge"),
    ("accept", "accept 1 --note fine"),
    ("report", "report"),
    ("export", "export"),
    ("export --format csv", "export --format csv"),
    ("watch", "watch --once"),
    ("repair", "repair"),
    ("status", "status"),
    ("list", "list"),
    ("list --by-state", "list --by-state"),
    ("queue import", "queue import requests.json"),
    ("queue list", "queue list"),
    ("queue show", "queue show R-1"),
    ("queue cancel", "queue cancel R-1"),
    ("queue run", "queue run --once --executor rehearse"),
    ("queue add", "queue add Tidy"),
    ("archive", "archive R-1"),
    ("runs", "runs"),
    ("log --all", "log --all --limit 1000"),
    ("main-task read", "main-task set continue Go --task T-01 --focus Carefully"),
    ("main-task read", "main-task read"),
    ("main-task history", "main-task history"),
    ("main-task advance", "main-task advance"),
    ("loop", "loop --once --claude true"),
    ("doctor", "doctor --claude /nowhere/claude"),
)


def test_every_template_in_the_documents_can_be_used() -> None:
    shown = [piece for piece in pieces(TEXTS, "fence") if piece.info == "yaml" and "\nsteps:" in piece.text]
    assert shown
    assert [reading.problems for reading in (read_template("shown", piece.text.encode()) for piece in shown)] == [()]


@dataclass(frozen=True)
class Answered:
    """What the program answered to SESSION: heading, words and JSON of each command, and the journal in the end."""

    answers: list[tuple[str, str, object]]
    events: list[dict[str, object]]


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Answered:
    """SESSION, played once in this process."""
    project = tmp_path_factory.mktemp("project")
    (project / "plan.yaml").write_text(PLAN, encoding="utf-8")
    (project / "result.md").write_text("# Done\n", encoding="utf-8")
    (project / "requests.json").write_text('[{"id": "R-1", "request": "Fix it"}]', encoding="utf-8")
    answers: list[tuple[str, str, object]] = []
    with contextlib.chdir(project):
        for heading, words in SESSION:
            out, err = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                main([*words.split(), "--json"])
            assert out.getvalue(), f"{words}: {err.getvalue()}"
            answers.append((heading, words, json.loads(out.getvalue())))
    journal = (project / ".orchestrator" / "events.jsonl").read_text(encoding="utf-8")
    return Answered(answers, [json.loads(line) for line in journal.splitlines()])


def test_every_json_answer_has_the_keys_that_are_shown(answered: Answered) -> None:
    problems = [
        f"{words}: {each}"
        for heading, words, answer in answered.answers
        for each in rules.shape_problems(SHOWN[heading], answer)
    ]
    assert problems == []


def test_every_json_answer_that_is_shown_was_asked_for() -> None:
    assert set(SHOWN) == {heading for heading, _ in SESSION}


def test_events_have_only_the_fields_that_are_listed(answered: Answered) -> None:
    assert len({event["type"] for event in answered.events}) > 10
    assert undeclared_fields(answered.events) == set()


COMMON_FIELDS = {"timestamp", "type", "orchestration_id", "task", "attempt", "chain"}


def test_the_fields_of_every_event_are_named() -> None:
    (sentence,) = re.findall(r"^Every event has .*?\n\n", TEXTS["templates.md"], re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`(\w+)`", sentence)) == COMMON_FIELDS


def undeclared_fields(events: list[dict[str, object]]) -> set[str]:
    """Fields of events that their type does not declare, as ``type.field``."""
    return {
        f"{event['type']}.{name}"
        for event in events
        for name in event
        if name not in COMMON_FIELDS and name not in EVENT_FIELDS[EventType(str(event["type"]))]
    }


def test_a_field_that_is_not_declared_is_found() -> None:
    assert undeclared_fields([{"type": "approved", "task": "T-01", "by": "me", "mood": "good"}]) == {"approved.mood"}


@pytest.mark.parametrize(
    ("shown", "answer", "count"),
    [
        ({"a": 1}, {"a": 2.5}, 0),
        ({"a": None}, {"a": "x"}, 0),
        ({"a": []}, {"a": [{"b": 1}]}, 0),
        ({"T-01": "x"}, {"T-01": "y", "T-02": "y"}, 0),
        ({"T-01": "x"}, {"T-02": 1}, 1),
        ({"a": 1}, {"a": "1"}, 1),
        ({"a": True}, {"a": 1}, 1),
        ({"a": 1}, {"b": 1}, 2),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]}, 1),
        ({"a": {"b": 1}}, {"a": [1]}, 1),
    ],
)
def test_json_of_another_shape_is_found(shown: object, answer: object, count: int) -> None:
    assert len(rules.shape_problems(shown, answer)) == count


# --- flags of claude


def test_the_table_of_flags_lists_those_that_are_passed() -> None:
    (table,) = (each for each in tables(TEXTS) if each.head[0] == "flag of claude")
    listed = {flag for row in table.rows for flag in re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", row[0])}
    assert listed == passed_flags()


def test_doctor_looks_for_the_flags_that_are_passed() -> None:
    assert set(FLAGS) <= passed_flags()


def test_flags_that_do_not_exist_are_used_nowhere() -> None:
    folder = REPOSITORY / "scripts" / "orchestrator"
    sources = {
        str(file): file.read_text("utf-8")
        for file in folder.rglob("*")
        if file.suffix in {".py", ".j2", ".md", ".yaml"}
    }
    assert rules.flags_in_use(sources, MISSING_FLAGS) == []


def test_a_flag_that_does_not_exist_is_found_where_it_is_used() -> None:
    sources = {"a.py": 'run("--print")\nrun("--prompt=x")\nrun("--prompt-file")\n'}
    assert rules.flags_in_use(sources, ["--prompt"]) == ["a.py:2: uses --prompt"]


@pytest.fixture
def claude(require: Callable[[str], Path], program: Callable[..., Program], environment: dict[str, str]) -> Program:
    """The real CLI, in an environment where it can reach nobody."""
    environment |= {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1"}
    return program(require("claude"))


def test_the_real_cli_knows_the_flags_that_are_listed(claude: Program) -> None:
    help_text = claude("--help").stdout
    hidden = {"--max-turns"}
    assert {flag for flag in {*passed_flags(), *OTHER_FLAGS} if flag not in help_text} == hidden


@pytest.mark.parametrize("flag", MISSING_FLAGS)
def test_the_real_cli_does_not_know_the_flags_that_are_said_not_to_exist(flag: str, claude: Program) -> None:
    done = claude("-p", flag, "x")
    assert done.code == 1
    assert "unknown option" in done.stderr
