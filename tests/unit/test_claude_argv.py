"""How `claude` is called: the forms here were tried on the real CLI."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.dataclasses import replace
from orchestrator.errors import InvalidInputError
from orchestrator.executors.claude_argv import (
    ARGUMENT_LIMIT,
    claude_arguments,
    deny_rules,
    is_session_marker,
    path_pattern,
    worker_environment,
)
from orchestrator.model import Task

SESSION = "0c1ac50c-873b-4d0e-bc05-4c05e71a1f1e"
TASK = Task(id="T-01", name="Look", description="Look around.")


def values(arguments: list[str], flag: str) -> list[str]:
    return [argument.partition("=")[2] for argument in arguments if argument.startswith(f"{flag}=")]


def denied(arguments: list[str]) -> list[str]:
    (settings,) = values(arguments, "--settings")
    return list(json.loads(settings)["permissions"]["deny"])


def test_a_plain_task_may_read_its_project_and_nothing_else() -> None:
    assert claude_arguments(TASK, session_id=SESSION, deny=["/project/.orchestrator"]) == [
        "-p",
        "--output-format=stream-json",
        "--verbose",
        "--permission-mode=dontAsk",
        "--allowedTools=Read(./**)",
        "--allowedTools=Grep(./**)",
        "--allowedTools=Glob(./**)",
        f"--session-id={SESSION}",
        (
            '--settings={"permissions":{"deny":["Edit(//project/.orchestrator/**)",'
            '"CronCreate","ScheduleWakeup","EnterWorktree"]}}'
        ),
    ]


def test_what_the_plan_says_is_handed_on() -> None:
    task = replace(
        TASK,
        allowed_tools=("Bash(git log:*)", "Edit(./src/**)", "Read(./**)"),
        permission_mode="acceptEdits",
        max_turns=7,
        budget_usd=1.5,
        model="opus",
        result_schema={"type": "object"},
    )
    arguments = claude_arguments(task, session_id=None)
    assert values(arguments, "--permission-mode") == ["acceptEdits"]
    assert values(arguments, "--allowedTools") == [
        "Read(./**)",
        "Grep(./**)",
        "Glob(./**)",
        "Bash(git log:*)",
        "Edit(./src/**)",
    ]
    assert values(arguments, "--max-turns") == ["7"]
    assert values(arguments, "--max-budget-usd") == ["1.5000"]
    assert values(arguments, "--model") == ["opus"]
    assert values(arguments, "--json-schema") == ['{"type":"object"}']


def test_what_the_caller_says_outranks_the_task() -> None:
    task = replace(TASK, allowed_tools=("Write",), permission_mode="plan", max_turns=7, budget_usd=1.5, model="opus")
    arguments = claude_arguments(
        task,
        session_id=None,
        tools=["WebSearch"],
        permission_mode="dontAsk",
        max_turns=3,
        budget_usd=0.25,
        model="haiku",
        result_schema={"type": "string"},
    )
    assert "--allowedTools=Write" not in arguments
    assert "--allowedTools=WebSearch" in arguments
    assert values(arguments, "--permission-mode") == ["dontAsk"]
    assert values(arguments, "--max-turns") == ["3"]
    assert values(arguments, "--max-budget-usd") == ["0.2500"]
    assert values(arguments, "--model") == ["haiku"]
    assert values(arguments, "--json-schema") == ['{"type":"string"}']


@pytest.mark.parametrize("budget", [0.0, -3.0, 1e-9])
def test_a_budget_of_nothing_is_the_smallest_one_because_zero_crashes_the_cli(budget: float) -> None:
    assert values(claude_arguments(TASK, session_id=None, budget_usd=budget), "--max-budget-usd") == ["0.0001"]


def test_no_turns_are_one_turn_because_zero_is_no_limit() -> None:
    assert values(claude_arguments(TASK, session_id=None, max_turns=0), "--max-turns") == ["1"]


def test_what_nobody_said_is_not_passed() -> None:
    arguments = claude_arguments(TASK, session_id=None)
    for flag in ("--max-turns", "--max-budget-usd", "--model", "--json-schema", "--session-id", "--resume"):
        assert not values(arguments, flag)


def test_a_session_is_begun_or_resumed_and_never_both() -> None:
    begun = claude_arguments(TASK, session_id=SESSION)
    resumed = claude_arguments(TASK, session_id=SESSION, resume=True)
    assert (values(begun, "--session-id"), values(begun, "--resume")) == ([SESSION], [])
    assert (values(resumed, "--session-id"), values(resumed, "--resume")) == ([], [SESSION])


def test_permissions_are_never_skipped() -> None:
    task = replace(TASK, permission_mode="bypassPermissions", allowed_tools=("Bash",))
    arguments = claude_arguments(task, session_id=None, deny=["/project/.orchestrator"])
    assert not any("dangerously" in argument for argument in arguments)
    assert "Edit(//project/.orchestrator/**)" in denied(arguments)


def test_a_run_that_lies_outside_the_project_may_be_read() -> None:
    arguments = claude_arguments(TASK, session_id=None, deny=["/elsewhere/run"], readable=["/elsewhere/run"])
    assert "--allowedTools=Read(//elsewhere/run/**)" in arguments
    assert "Edit(//elsewhere/run/**)" in denied(arguments)
    assert not any(rule.startswith("Read(") for rule in denied(arguments))


def test_a_tool_that_the_plan_grants_is_not_barred() -> None:
    arguments = claude_arguments(replace(TASK, allowed_tools=("EnterWorktree",)), session_id=None)
    assert denied(arguments) == ["CronCreate", "ScheduleWakeup"]


def test_a_schema_goes_in_one_line_of_ascii() -> None:
    schema = {"type": "object", "description": "line\nbreak – «ü»", "properties": {"n": {"type": "integer"}}}
    (text,) = values(claude_arguments(TASK, session_id=None, result_schema=schema), "--json-schema")
    assert text.isascii()
    assert "\n" not in text
    assert json.loads(text) == schema


def test_a_schema_that_no_command_line_takes_is_refused_by_name() -> None:
    schema = {"description": "x" * ARGUMENT_LIMIT}
    with pytest.raises(InvalidInputError, match=r"result_schema of T-01 .* 131,071 fit"):
        claude_arguments(TASK, session_id=None, result_schema=schema)


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("/project/.orchestrator", "//project/.orchestrator"),
        ("/project/.orchestrator/", "//project/.orchestrator"),
        (".orchestrator", "./.orchestrator"),
        ("./.orchestrator", "./.orchestrator"),
        ("/a b/é", "//a b/é"),
        ("/a [b] c", r"//a \[b\] c"),
        ("/a(b)c)d", r"//a\(b\)c\)d"),
        ("/a*b?", r"//a\*b\?"),
        ("/!x/#y/{z}", r"//\!x/\#y/\{z\}"),
        ("/a\\b", r"//a\\b"),
        ("C:\\Users\\Ann [x]\\p", r"//c/Users/Ann \[x\]/p"),
        ("d:/work", "//d/work"),
    ],
)
def test_a_path_is_written_as_the_rules_of_the_cli_want_it(path: str, pattern: str) -> None:
    assert path_pattern(path) == pattern


def test_writes_are_denied_by_the_rule_that_covers_every_way_of_editing() -> None:
    assert deny_rules(["/p/.orchestrator", ".orchestrator"]) == [
        "Edit(//p/.orchestrator/**)",
        "Edit(./.orchestrator/**)",
    ]


@given(st.text(alphabet=st.characters(exclude_characters="\0\\"), min_size=1).map(lambda text: "/" + text.strip("/")))
def test_a_pattern_matches_the_path_itself_and_no_other(path: str) -> None:
    pattern = path_pattern(path)
    assert re.sub(r"\\(.)", r"\1", pattern, flags=re.DOTALL) == "/" + path.rstrip("/")
    assert not re.search(r"(?<!\\)[*?\[\]{}()!#]", pattern)


@given(text=st.text(), tools=st.lists(st.text(min_size=1)), model=st.text(min_size=1))
def test_no_text_of_a_plan_becomes_an_argument_of_its_own(text: str, tools: list[str], model: str) -> None:
    task = replace(
        TASK, name=text, description=text, allowed_tools=tuple(tools), model=model, result_schema={"description": text}
    )
    for argument in claude_arguments(task, session_id=SESSION, deny=[text]):
        assert argument in ("-p", "--verbose") or re.match(r"--[A-Za-z-]+=", argument)


MEASURED_IN_A_SESSION = {
    "AI_AGENT": "claude-code_2-1-197_agent",
    "CLAUDECODE": "1",
    "CLAUDE_CODE_CHILD_SESSION": "1",
    "CLAUDE_CODE_ENTRYPOINT": "sdk-cli",
    "CLAUDE_CODE_EXECPATH": "/opt/claude",
    "CLAUDE_CODE_SESSION_ID": SESSION,
    "CLAUDE_CODE_SSE_PORT": "1234",
    "CLAUDE_CODE_OAUTH_TOKEN_FILE_DESCRIPTOR": "3",
    "CLAUDE_EFFORT": "high",
}
SETTINGS = {
    "ANTHROPIC_API_KEY": "sk",
    "ANTHROPIC_AUTH_TOKEN": "t",
    "ANTHROPIC_BASE_URL": "https://gateway",
    "ANTHROPIC_MODEL": "opus",
    "AWS_REGION": "eu-west-1",
    "BASH_MAX_TIMEOUT_MS": "600000",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_MAX_OUTPUT_TOKENS": "32000",
    "CLAUDE_CODE_MAX_RETRIES": "3",
    "CLAUDE_CODE_OAUTH_TOKEN": "oat",
    "CLAUDE_CODE_SUBAGENT_MODEL": "haiku",
    "CLAUDE_CODE_USE_BEDROCK": "1",
    "CLAUDE_CODE_USE_VERTEX": "1",
    "CLAUDE_CONFIG_DIR": "/home/user/.claude-work",
    "HOME": "/home/user",
    "HTTPS_PROXY": "http://proxy",
    "PATH": "/usr/bin",
}


def test_a_worker_knows_nothing_of_the_session_it_was_started_from() -> None:
    assert worker_environment({**SETTINGS, **MEASURED_IN_A_SESSION}) == SETTINGS


def test_a_worker_carries_the_mark_of_its_own_attempt_only() -> None:
    environ = {**SETTINGS, "ORCHESTRATE_ATTEMPT": "outer/T-09/1"}
    assert worker_environment(environ) == SETTINGS
    assert worker_environment(environ, "run/T-01/2") == {**SETTINGS, "ORCHESTRATE_ATTEMPT": "run/T-01/2"}
    assert environ["ORCHESTRATE_ATTEMPT"] == "outer/T-09/1"


@pytest.mark.parametrize("name", sorted(MEASURED_IN_A_SESSION))
def test_a_mark_of_a_session_is_known(name: str) -> None:
    assert is_session_marker(name)


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_a_setting_of_a_person_is_no_mark(name: str) -> None:
    assert not is_session_marker(name)
