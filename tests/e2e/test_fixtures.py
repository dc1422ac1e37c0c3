"""The test bench itself: it starts nothing with more than it names, leaves nothing behind, and skips nothing in CI."""

from __future__ import annotations

import http.client
import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from standin import CutPoint, Standin, cut, hang, say

import components
import processes
from programs import Program

E2E = Path(__file__).parent
PROMPT = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hello"}]}).encode()


def post(url: str, path: str = "/v1/messages") -> tuple[int, bytes]:
    request = urllib.request.Request(url + path, PROMPT, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@pytest.fixture
def python(program: Callable[..., Program]) -> Program:
    return program(sys.executable, "-c")


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes a component of COMPONENTS one that no machine has."""
    monkeypatch.setattr(components, "find", components.find.__wrapped__)

    def hide(name: str) -> None:
        known = components.COMPONENTS[name]
        unknown = components.Component(("no-such-program",), known.source, is_optional=known.is_optional)
        monkeypatch.setitem(components.COMPONENTS, name, unknown)

    return hide


# Missing components


def test_a_missing_component_skips_on_a_users_machine(
    missing: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(components.REQUIRE_REAL, raising=False)
    missing("shellcheck")
    with pytest.raises(pytest.skip.Exception, match="shellcheck is missing: Debian package shellcheck"):
        components.require("shellcheck")


def test_a_missing_component_fails_in_ci_and_powershell_alone_may_be_missing(
    missing: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(components.REQUIRE_REAL, "1")
    for name, component in list(components.COMPONENTS.items()):
        missing(name)
        outcome = pytest.skip.Exception if component.is_optional else pytest.fail.Exception
        with pytest.raises(outcome, match=f"{name} is missing"):
            components.require(name)
    assert [name for name, component in components.COMPONENTS.items() if component.is_optional] == ["pwsh"]


def test_a_path_that_is_given_and_wrong_is_never_replaced_by_another_program(
    missing: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ORCHESTRATE_TEST_CLAUDE", str(tmp_path / "claude"))
    assert components.find("claude") == f"ORCHESTRATE_TEST_CLAUDE={tmp_path}/claude is no executable file"


def test_another_program_named_parallel_is_not_gnu_parallel(
    missing: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    impostor = tmp_path / "parallel"
    impostor.write_text("#!/bin/sh\necho moreutils\n", encoding="utf-8")
    impostor.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "parallel is missing" in str(components.find("parallel"))


# Programs


def test_a_program_sees_the_named_environment_and_nothing_else(
    python: Program, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "the machine's own")
    monkeypatch.setenv("SOMETHING", "else")
    environment["ADDED"] = "later"
    seen = python("import json, os; print(json.dumps(dict(os.environ)))", environment={"AND": "this"}).json
    assert seen == environment | {"AND": "this"}
    assert {"HOME", "PATH", "TZ", "LANG", "ANTHROPIC_BASE_URL"} <= set(seen)


def test_the_tests_themselves_have_forgotten_the_session_around_them() -> None:
    assert [name for name in os.environ if name.startswith(("ANTHROPIC_", "CLAUDE", "ORCHESTRATE_ATTEMPT"))] == []


def test_a_finished_program_gives_code_output_and_json_lines(python: Program, project: Path) -> None:
    code = "import sys, os; print('1\\n2\\n3', end=''); sys.stderr.write(os.getcwd() + sys.stdin.read()); exit(4)"
    done = python(code, stdin=" in")
    assert (done.code, done.stdout, done.stderr) == (4, "1\n2\n3", f"{project} in")
    assert done.json_lines == [1, 2]


def test_a_program_that_takes_too_long_is_ended_with_its_children(python: Program, home: Path) -> None:
    code = "import subprocess, sys; print('begun', flush=True); subprocess.run(['sleep', '60'])"
    with pytest.raises(pytest.fail.Exception, match="took more than 1 s") as failure:
        python(code, timeout_s=1)
    assert "begun" in str(failure.value)
    assert processes.wait_until_none(lambda: processes.carrying("HOME", str(home)), 5) == []


def test_a_program_in_the_background_is_ended_with_the_test(python: Program, home: Path) -> None:
    running = python.start("import time; print('on', flush=True); time.sleep(60)")
    while "on" not in running.stdout:
        time.sleep(0.02)
    assert [process.pid for process in processes.carrying("HOME", str(home))] == [running.pid]
    python.end_all()
    assert processes.carrying("HOME", str(home)) == []


def test_a_signal_may_go_to_the_process_alone(python: Program, no_processes_left: Callable[[], None]) -> None:
    running = python.start("import time; time.sleep(60)")
    running.send(signal.SIGTERM, to_group=False)
    assert running.wait(5).code == -signal.SIGTERM
    running.send(signal.SIGTERM)  # one that has ended is left alone


def test_a_process_left_behind_is_found_in_any_session(
    python: Program,
    no_processes_left: Callable[[float], None],
    attempts_alive: Callable[[], list[processes.Process]],
    project: Path,
) -> None:
    leave = "import subprocess; subprocess.Popen(['sleep', '60'], start_new_session=True)"
    assert python(leave, environment={processes.ATTEMPT: "run/T-01/1"}).code == 0
    with pytest.raises(AssertionError, match=r"left alive: .*sleep"):
        no_processes_left(0.2)
    (left,) = attempts_alive()
    assert (left.session, left.cwd, left.command) == (left.pid, project, ("sleep", "60"))
    assert processes.carrying(processes.ATTEMPT, "run/T-01/2") == []
    processes.kill([left])


# The stand-in, asked without the CLI


def test_the_standin_speaks_plain_json_and_counts_tokens() -> None:
    with Standin(say("Hi.")) as api:
        status, body = post(api.url)
        assert (status, json.loads(body)["content"]) == (200, [{"type": "text", "text": "Hi."}])
        assert json.loads(post(api.url, "/v1/messages/count_tokens?beta=true")[1])["input_tokens"] > 0
        assert post(api.url, "/v1/complete")[0] == 404
        assert [request.prompt for request in api.requests] == ["Hello"]
        assert len(api.exchanges) == 3


def test_a_script_that_breaks_is_told_and_breaks_nothing_else() -> None:
    def broken(request: object) -> object:
        raise KeyError("oops")

    with Standin(broken) as api:  # type: ignore[arg-type]
        assert post(api.url)[0] == 400
        assert api.complaints == ["KeyError('oops')"]


def test_a_cut_answer_that_is_not_streamed_arrives_in_half() -> None:
    with Standin(cut(say("Hi."), CutPoint.TEXT)) as api, pytest.raises(http.client.IncompleteRead):
        post(api.url)


def test_the_end_of_the_standin_ends_what_hangs() -> None:
    with ThreadPoolExecutor() as pool:
        with Standin(hang(60)) as api:
            waiting = pool.submit(post, api.url)
            api.wait_for("Hello")
        with pytest.raises(OSError, match=r"Remote end closed|reset"):
            waiting.result(5)
    assert api.exchanges[0].is_abandoned


def test_waiting_for_a_request_that_never_comes_names_those_that_came() -> None:
    with Standin(say("Hi.")) as api:
        post(api.url)
        with pytest.raises(TimeoutError, match=r"no 2 requests for 'Hello' in 0.1 s; there were \['Hello'\]"):
            api.wait_for("Hello", count=2, timeout_s=0.1)


def test_the_standin_can_be_started_by_hand(program: Callable[..., Program], tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("from standin import Rule, say\nSCRIPT = [Rule('Hello', say('By script.'))]\n", encoding="utf-8")
    by_hand = program(sys.executable, "-m", "standin").start("--script", script, cwd=E2E)
    while by_hand.stdout.count("\n") < 2 and by_hand.process.poll() is None:
        time.sleep(0.02)
    assert by_hand.stderr == ""
    settings = dict(word.split("=", 1) for word in by_hand.stdout.split() if "=" in word)
    assert b"By script." in post(settings["ANTHROPIC_BASE_URL"])[1]
    assert Path(settings["HOME"]).is_dir()
    by_hand.send(signal.SIGINT)
    assert by_hand.wait(10).code == 0
    assert "turn 0, 5 characters: Hello" in by_hand.stderr
    assert not Path(settings["HOME"]).exists()
