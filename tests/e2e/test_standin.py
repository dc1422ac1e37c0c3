"""What the real CLI does, case by case: the facts on which workers rely, and the proof that the stand-in shows them.

Where one of these tests fails with a newer CLI, the success rule or the failure classes need a look.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from standin import (
    CutPoint,
    Rule,
    Script,
    Standin,
    answer,
    by_request,
    by_session,
    by_turn,
    costing,
    cut,
    fail,
    hang,
    held,
    limit,
    say,
    say_nothing,
    together,
    use,
)

import processes
from orchestrator.dataclasses import replace
from programs import Finished, Program

# One request, no waiting.
AT_ONCE = {"CLAUDE_CODE_MAX_RETRIES": "0"}
WANTS_A_NUMBER = '{"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}'
WORD_JOINER = "\u2060"

StartStandin = Callable[[Script], Standin]


@pytest.fixture
def ask(claude: Path, claude_env: dict[str, str], program: Callable[..., Program]) -> Program:
    """`ask("--model", "sonnet", stdin=PROMPT)`."""
    return program(claude, "-p", "--output-format", "json")


@pytest.fixture
def watch(claude: Path, claude_env: dict[str, str], program: Callable[..., Program]) -> Program:
    """The same with an event a line."""
    return program(claude, "-p", "--verbose", "--output-format", "stream-json")


def is_success(done: Finished) -> bool:
    """The success rule of workers, without the schema."""
    if done.code != 0:
        return False
    result = done.json
    return bool(
        result["subtype"] == "success"
        and result["is_error"] is False
        and result["result"].strip()
        and result["stop_reason"] is not None
        and result["num_turns"] >= 1
    )


def events(done: Finished, kind: str) -> list[dict[str, Any]]:
    return [event for event in done.json_lines if event["type"] == kind]


# Answers


def test_an_answer_arrives_with_its_cost_and_tokens(ask: Program, standin: StartStandin) -> None:
    api = standin(say("Forty-two.", usage=costing(0.5)))
    done = ask(stdin="How much?")
    assert is_success(done), done
    assert done.json["result"] == "Forty-two."
    assert done.json["total_cost_usd"] == pytest.approx(0.5)
    assert done.json["usage"]["output_tokens"] == 20_000
    assert [request.prompt for request in api.requests] == ["How much?"]


def test_the_prompt_is_what_the_user_wrote_and_the_text_all_that_the_model_reads(
    ask: Program, standin: StartStandin
) -> None:
    api = standin(say("Ok."))
    ask("--append-system-prompt", "Be brief.", stdin="First line\n<system-reminder> in it, and ünïcode 🟡\n")
    (request,) = api.requests
    assert request.prompt == "First line\n<system-reminder> in it, and ünïcode 🟡\n"
    assert request.turn == 0
    assert "Be brief." in request.system
    assert request.system in request.text
    assert request.prompt in request.text
    assert {"Bash", "Read", "Write"} <= set(request.tools)


def test_three_megabytes_arrive_whole_in_a_file(ask: Program, standin: StartStandin) -> None:
    text = "".join(f"{number:07}\n" for number in range(375_000))
    standin(say(text))
    assert ask(stdin="Much, please").json["result"] == text


def test_a_slow_answer_takes_its_time(ask: Program, standin: StartStandin) -> None:
    api = standin(say("one two three four", over_s=1.0))
    assert ask(stdin="Slowly").json["result"] == "one two three four"
    (exchange,) = [one for one in api.exchanges if one.request.is_message]
    assert exchange.ended_s is not None
    assert exchange.ended_s - exchange.request.arrived_s > 0.9


def test_an_empty_answer_exits_with_0_after_being_asked_for_twice(ask: Program, standin: StartStandin) -> None:
    api = standin(say_nothing())
    done = ask(stdin="Anything?")
    assert (done.code, done.json["is_error"], done.json["result"]) == (0, False, "")
    assert [request.prompt.strip() for request in api.requests] == ["Anything?", "Anything?"]
    assert not is_success(done)


def test_of_an_answer_over_the_token_limit_only_the_last_part_is_the_result(
    watch: Program, standin: StartStandin
) -> None:
    standin(by_request(say("Part one. ", stop_reason="max_tokens"), say("Part two.")))
    done = watch(stdin="A long answer")
    assert [event["result"] for event in events(done, "result")] == ["Part two."]
    texts = [event["message"]["content"][0]["text"] for event in events(done, "assistant")]
    assert texts == ["Part one. ", "Part two."]


# Errors


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (400, "API Error: 400"),
        (401, "Invalid API key"),
        (429, "Request rejected (429)"),
        (500, "API Error: 500"),
        (529, "529 Overloaded"),
    ],
)
def test_an_api_error_is_an_error_with_its_status_and_exit_code_1(
    ask: Program, standin: StartStandin, status: int, text: str
) -> None:
    standin(fail(status))
    done = ask(stdin="Try", environment=AT_ONCE)
    assert (done.code, done.json["is_error"], done.json["api_error_status"]) == (1, True, status)
    assert done.json["subtype"] == "success"
    assert text in done.json["result"]


def test_an_error_marked_final_is_not_tried_again(ask: Program, standin: StartStandin) -> None:
    api = standin(fail(500, is_final=True))  # a 529 is, three times in all
    assert ask(stdin="Try").code == 1
    assert len(api.requests) == 1


def test_passing_errors_are_retried_no_earlier_than_the_server_says(watch: Program, standin: StartStandin) -> None:
    api = standin(by_request(fail(529), fail(429, retry_after_s=2), say("At last.")))
    done = watch(stdin="Try")
    retries = [event for event in events(done, "system") if event["subtype"] == "api_retry"]
    assert [(event["attempt"], event["error_status"]) for event in retries] == [(1, 529), (2, 429)]
    _, second, third = api.requests
    assert third.arrived_s - second.arrived_s >= 2
    assert events(done, "result")[0]["result"] == "At last."


def test_an_empty_credit_is_named(ask: Program, standin: StartStandin) -> None:
    standin(fail(400, "Your credit balance is too low to access the Anthropic API."))
    assert ask(stdin="Try").json["result"] == "Credit balance is too low"


def test_a_request_without_a_rule_fails_at_once_and_is_told(ask: Program, standin: StartStandin) -> None:
    api = standin([Rule("T-01", say("One."))])
    done = ask(stdin="T-02")
    assert done.json["result"] == "API Error: 400 stand-in: no rule fits the prompt 'T-02'"
    assert api.complaints == ["no rule fits the prompt 'T-02'"]
    api.complaints.clear()


# Usage limits


@pytest.mark.usefixtures("subscription")
def test_a_used_up_allowance_names_its_end_in_words_and_as_a_time(watch: Program, standin: StartStandin) -> None:
    resets_at = (int(time.time()) // 3600 + 3) * 3600
    api = standin(limit(resets_at))
    done = watch(stdin="Try")
    (info,) = (event["rate_limit_info"] for event in events(done, "rate_limit_event"))
    (result,) = events(done, "result")
    hour = time.strftime("%-I%p", time.gmtime(resets_at)).lower()
    assert result["result"] == f"You've hit your session limit · resets {hour} (UTC)"
    assert (info["status"], info["resetsAt"], info["rateLimitType"]) == ("rejected", resets_at, "five_hour")
    assert (done.code, result["is_error"], result["api_error_status"]) == (1, True, 429)
    assert len(api.requests) == 1


@pytest.mark.usefixtures("subscription")
def test_a_limit_that_ends_on_another_day_names_the_day(ask: Program, standin: StartStandin) -> None:
    resets_at = (int(time.time()) // 86_400 + 3) * 86_400 + 16 * 3600 + 5 * 60
    standin(limit(resets_at, "seven_day"))
    day = time.strftime("%b %-d", time.gmtime(resets_at))
    expected = f"You've hit your weekly limit · resets {day}, 4:05pm (UTC)"
    assert ask(stdin="Try").json["result"].replace(time.strftime(", %Y", time.gmtime(resets_at)), "") == expected


# Cut connections


@pytest.mark.parametrize(
    ("point", "is_abrupt", "code", "result", "stop_reason"),
    [
        # the dangerous two: exit code 0 and the text that had arrived
        (CutPoint.TEXT, False, 0, "Cut.", None),
        (CutPoint.STOP_REASON, False, 0, "Cut.", "end_turn"),
        (CutPoint.TEXT, True, 1, "API Error: Connection closed mid-response", "stop_sequence"),
        (CutPoint.HALF, False, 0, "Whole.", "end_turn"),
        (CutPoint.NOTHING, True, 0, "Whole.", "end_turn"),
    ],
)
def test_a_cut_stream_is_asked_for_again_or_shows(
    ask: Program,
    standin: StartStandin,
    *,
    point: CutPoint,
    is_abrupt: bool,
    code: int,
    result: str,
    stop_reason: str | None,
) -> None:
    standin(by_request(cut(say("Cut."), point, is_abrupt=is_abrupt), say("Whole.")))
    done = ask(stdin="Try")
    assert (done.code, done.json["stop_reason"]) == (code, stop_reason)
    assert done.json["result"].startswith(result)


# Tools


def test_a_denied_tool_call_exits_with_0_and_is_listed(ask: Program, standin: StartStandin, project: Path) -> None:
    api = standin(by_turn(use("Bash", command="touch made", description="Make"), say("Done!")))
    done = ask("--permission-mode", "dontAsk", stdin="Make a file")
    assert is_success(done), done
    (denial,) = done.json["permission_denials"]
    assert (denial["tool_name"], denial["tool_input"]["command"]) == ("Bash", "touch made")
    assert not (project / "made").exists()
    (told,) = api.requests[-1].tool_results
    assert told.is_error


def test_allowed_tools_really_run_and_their_results_come_back(
    ask: Program, standin: StartStandin, project: Path
) -> None:
    (project / "notes.txt").write_text("remember the milk", encoding="utf-8")
    calls = together(
        say("I look first."),
        use("Read", file_path=str(project / "notes.txt")),
        use("Bash", command="echo made > made && pwd", description="Make"),
    )
    api = standin(by_turn(calls, say("Done.")))
    done = ask("--permission-mode", "dontAsk", "--allowedTools", "Bash", stdin="Work")
    assert (done.json["result"], done.json["permission_denials"]) == ("Done.", [])
    assert (project / "made").read_text(encoding="utf-8") == "made\n"
    read, ran = api.requests[-1].tool_results
    assert "remember the milk" in read.text
    assert ran.text == str(project)
    assert [request.turn for request in api.requests] == [0, 1]


def test_a_subagent_asks_with_the_prompt_it_was_given(ask: Program, standin: StartStandin) -> None:
    delegate = use("Agent", description="Part", prompt="SUBTASK: count", subagent_type="general-purpose")
    api = standin([Rule("SUBTASK", say("Seven.")), Rule("", by_turn(delegate, say("All done.")))])
    assert ask(stdin="Delegate").json["result"] == "All done."
    assert "Seven." in api.requests[-1].tool_results[0].text
    assert len({request.session for request in api.requests}) == 1


def test_a_schema_is_answered_through_a_tool_of_its_own(ask: Program, standin: StartStandin) -> None:
    api = standin(by_turn(answer({"x": "three"}), answer({"x": 3})))
    done = ask("--json-schema", WANTS_A_NUMBER, stdin="A number")
    assert is_success(done), done
    assert done.json["structured_output"] == {"x": 3}
    assert "must be integer" in api.requests[-1].tool_results[0].text


def test_prose_instead_of_the_schema_exits_with_0_without_structured_output(
    ask: Program, standin: StartStandin
) -> None:
    api = standin(say("Three."))
    done = ask("--json-schema", WANTS_A_NUMBER, stdin="A number")
    assert is_success(done), done
    assert "structured_output" not in done.json
    assert [request.prompt for request in api.requests] == ["A number", "A number"]  # it insisted once


def test_answers_that_never_fit_the_schema_end_in_an_error_without_result(ask: Program, standin: StartStandin) -> None:
    standin(answer({"x": "three"}))
    done = ask("--json-schema", WANTS_A_NUMBER, stdin="A number")
    assert (done.code, done.json["subtype"]) == (1, "error_max_structured_output_retries")
    assert "result" not in done.json


# Limits of a worker


def test_too_many_turns_end_in_an_error_without_result(ask: Program, standin: StartStandin, project: Path) -> None:
    (project / "a.txt").write_text("a", encoding="utf-8")
    api = standin(use("Read", file_path=str(project / "a.txt")))
    done = ask("--max-turns", "2", stdin="For ever")
    assert (done.code, done.json["subtype"]) == (1, "error_max_turns")
    assert "result" not in done.json
    assert done.json["errors"]
    assert len(api.requests) == 2


def test_the_budget_is_checked_after_each_answer(ask: Program, standin: StartStandin, project: Path) -> None:
    (project / "a.txt").write_text("a", encoding="utf-8")
    api = standin(replace(use("Read", file_path=str(project / "a.txt")), usage=costing(0.4)))
    done = ask("--max-budget-usd", "0.3", stdin="Spend")
    assert (done.code, done.json["subtype"]) == (1, "error_max_budget_usd")
    assert done.json["total_cost_usd"] == pytest.approx(0.4)
    assert len(api.requests) == 1


# Prompts


@pytest.mark.parametrize("between", ["", WORD_JOINER], ids=["plain", "word joiner"])
def test_an_absolute_path_after_an_at_sign_attaches_the_file_unless_a_word_joiner_stands_between(
    ask: Program, standin: StartStandin, tmp_path: Path, between: str
) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("the secret of the neighbour", encoding="utf-8")
    api = standin(say("Ok."))
    ask("--disallowedTools", "Read", stdin=f"As @{between}{outside} says")
    (request,) = api.requests
    assert ("the secret of the neighbour" in request.text) is (between == "")
    assert request.prompt == f"As @{between}{outside} says"


@pytest.mark.parametrize(
    ("mention", "attaches"),
    [("@{}x/../../outside.txt", True), ("{}@x/../../outside.txt", False), ("{0}@{0}x/../../outside.txt", False)],
)
def test_a_word_joiner_behind_the_at_sign_is_taken_out_with_the_folder_it_stands_in(
    ask: Program, standin: StartStandin, project: Path, mention: str, attaches: bool
) -> None:
    (project.parent / "outside.txt").write_text("the secret of the neighbour", encoding="utf-8")
    api = standin(say("Ok."))
    ask(stdin=f"As {mention.format(WORD_JOINER)} says")
    (request,) = api.requests
    assert ("the secret of the neighbour" in request.text) is attaches


def test_an_unknown_slash_command_exits_with_0_and_asks_nobody(ask: Program, standin: StartStandin) -> None:
    api = standin(say("Ok."))
    done = ask(stdin="/nonsense and more")
    assert (done.code, done.json["num_turns"], api.requests) == (0, 0, [])
    assert not is_success(done)


def test_a_flag_of_older_notes_does_not_exist(ask: Program, standin: StartStandin) -> None:
    standin(say("Ok."))
    done = ask("--context-file", "a.md", stdin="Try")
    assert (done.code, done.stdout) == (1, "")
    assert "unknown option" in done.stderr


def test_a_session_is_resumed_with_all_that_was_said(ask: Program, standin: StartStandin) -> None:
    api = standin([Rule("^Tell", say("Blue.")), Rule("^And", by_turn(say("Still blue.")))])
    session = ask(stdin="Tell me a colour").json["session_id"]
    done = ask("--resume", session, stdin="And now?")
    assert (done.json["result"], done.json["session_id"]) == ("Still blue.", session)
    assert api.requests[-1].prompts == ("Tell me a colour", "And now?")
    assert "Blue." in api.requests[-1].text
    assert api.requests[-1].session == session


# Ends


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 0)], ids=lambda value: str(value))
def test_a_signal_while_the_api_is_silent_ends_it_at_once_without_an_answer(
    ask: Program, standin: StartStandin, number: signal.Signals, code: int
) -> None:
    api = standin(hang())
    running = ask.start(stdin="Wait")
    api.wait_for("Wait")
    running.send(number)
    done = running.wait(30)
    assert done.code == code
    # Nothing, or, when the signal comes in the middle of its work, an object that says that it was aborted.
    assert not done.stdout or done.json["terminal_reason"].startswith("aborted")


def test_the_bash_tool_outlives_its_cli_and_is_found_by_the_mark_alone(
    ask: Program,
    standin: StartStandin,
    attempts_alive: Callable[[], list[processes.Process]],
    no_processes_left: Callable[..., None],
    tmp_path: Path,
) -> None:
    command = f"setsid sleep 61 & touch {tmp_path}/begun; sleep 62"
    standin(by_turn(use("Bash", command=command, description="Sleep"), say("Rested.")))
    mark = {processes.ATTEMPT: "run/T-01/1"}
    running = ask.start("--allowedTools", "Bash", stdin="Sleep", environment=mark)
    wait_until(lambda: (tmp_path / "begun").exists() and len(attempts_alive()) == 4)
    worker, *others = attempts_alive()
    assert (worker.pid, worker.session) == (running.pid, running.pid)
    assert all(running.pid not in (other.group, other.session) for other in others)
    assert len({other.session for other in others}) == 2
    running.send(signal.SIGKILL)
    running.wait(5)
    assert [process.pid for process in attempts_alive()] == [other.pid for other in others]
    assert {process.environment[processes.ATTEMPT] for process in attempts_alive()} == {"run/T-01/1"}
    processes.kill(attempts_alive())
    no_processes_left()


# Concurrency, and the words that order replies


def test_requests_at_once_are_counted_and_kept_back_at_will(ask: Program, standin: StartStandin) -> None:
    gate = threading.Event()
    api = standin([Rule("held", held(say("Late."), gate)), Rule("free", say("Early."))])
    with ThreadPoolExecutor() as pool:
        late = [pool.submit(ask, stdin=f"held {number}") for number in range(2)]
        api.wait_for("held", count=2, timeout_s=30)
        assert ask(stdin="free").json["result"] == "Early."
        gate.set()
        assert [one.result().json["result"] for one in late] == ["Late."] * 2
    assert (api.most_at_once("held"), api.most_at_once("free"), api.most_at_once()) == (2, 1, 3)


def test_each_start_of_the_cli_is_a_session(ask: Program, standin: StartStandin, project: Path) -> None:
    (project / "a.txt").write_text("a", encoding="utf-8")
    first = by_turn(use("Read", file_path=str(project / "a.txt")), say("First."))
    api = standin(by_session(first, say("Second.")))
    assert [ask(stdin="Try").json["result"] for _ in range(2)] == ["First.", "Second."]
    assert len(api.asked("^Try$")) == 3


def wait_until(is_so: Callable[[], bool], timeout_s: float = 15.0) -> None:
    end = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.05)
