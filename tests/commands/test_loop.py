"""The loop through the real command, with a script in the place of `claude`: when it stops, and what it believes.

What the real `claude` does in it is in tests/e2e/test_loop.py.
"""

from __future__ import annotations

import json
import signal
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from document_pieces import pieces
from manual import REPOSITORY, TEXTS
from programs import Finished, Program, wait_for
from runfolders import RunFolder, task

ANSWER = (
    '{"type":"result","subtype":"success","is_error":false,"num_turns":1,"result":"Done.","stop_reason":"end_turn",'
    '"total_cost_usd":0.25,"permission_denials":[]}'
)
BEGINNING = '{"type":"system","subtype":"init","session_id":"s-1","cwd":"/project"}'
# The prompt comes by stdin; `act` is what the model does, and $n which invocation it is.
CLAUDE = f"""#!/bin/bash
here=${{0%/*}}
n=$(($(cat "$here/count" 2>/dev/null || echo 0) + 1))
echo "$n" >"$here/count"
cat >"$here/prompt.$n"
echo '{BEGINNING}'
answer='{ANSWER}'
. "$here/act" >&2
echo "$answer"
"""
DO_IT = """
orchestrate start T-0{0}
echo "The result of T-0{0}." | orchestrate complete T-0{0} --result -
"""
LIMIT = """
answer='{{"type":"result","subtype":"success","is_error":true,"api_error_status":429,"num_turns":1,\
"result":"You have hit your session limit","stop_reason":"stop_sequence","total_cost_usd":0,"permission_denials":[]}}'
echo '{{"type":"rate_limit_event","rate_limit_info":{{"status":"rejected","resetsAt":{resets_at},\
"rateLimitType":"five_hour"}}}}' >&3
"""


class FakeClaude:
    """A script that stands for `claude`; what it does in an invocation is a piece of bash."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self.path = folder / "claude"
        self.path.write_text(CLAUDE.replace('. "$here/act" >&2', '. "$here/act" 3>&1 >&2'))
        self.path.chmod(0o755)
        self.does("")

    def does(self, act: str) -> None:
        (self._folder / "act").write_text(act)

    @property
    def calls(self) -> int:
        count = self._folder / "count"
        return int(count.read_text()) if count.exists() else 0

    def prompt(self, number: int) -> str:
        return (self._folder / f"prompt.{number}").read_text()


@pytest.fixture
def claude(tmp_path: Path) -> FakeClaude:
    return FakeClaude(tmp_path / "fake")


@pytest.fixture
def begun(run: RunFolder) -> RunFolder:
    """A run of two tasks, the second after the first."""
    run.write_plan(task("T-01"), task("T-02", ["T-01"]), request="Do both.")
    run.prepare("init")
    return run


@pytest.fixture
def loop(run: RunFolder, claude: FakeClaude) -> Callable[..., Finished]:
    """`loop("--once", code=4)`: the command with the script for `claude`."""
    return lambda *words, code=0, **how: run("loop", "--json", "--claude", claude.path, *words, code=code, **how)


def main_task(run: RunFolder) -> Path:
    return run.folder / "MAIN_TASK"


def events(run: RunFolder, *types: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (run.folder / "events.jsonl").read_text().splitlines()]
    return [event for event in found if event["type"] in types]


def iterations(run: RunFolder) -> list[dict[str, Any]]:
    return events(run, "loop_iteration")


# When it stops


def test_it_goes_on_until_all_is_merged_and_each_start_goes_on_where_the_last_one_stopped(
    begun: RunFolder, claude: FakeClaude, loop: Callable[..., Finished]
) -> None:
    claude.does(
        f"case $n in 1) {DO_IT.format(1)} ;; 2) {DO_IT.format(2)} ;; *) orchestrate merge ;; esac\n"
        "orchestrate main-task advance\n"
    )
    first = loop("--once", code=4).json
    assert (first["status"], first["task"], first["action"]) == ("continue", "T-02", "execute")
    assert first["changed"] == ["T-01 completed"]
    assert "1 of 1 iterations" in first["reason"]
    second = loop("--max-iterations", "1", code=4).json
    assert (second["iteration"], second["iterations"], second["changed"]) == (2, 1, ["T-02 completed"])
    done = loop().json
    assert (done["status"], done["iteration"], done["action"]) == ("completed", 3, "synthesize")
    assert [(each["iteration"], each["action"], each.get("task")) for each in iterations(begun)] == [
        (1, "execute", "T-01"),
        (2, "execute", "T-02"),
        (3, "synthesize", None),
    ]
    assert all(each["cost_usd"] == 0.25 and each["duration_s"] > 0 for each in iterations(begun))
    assert (begun.folder / "final_output.md").exists()
    assert loop().json["iterations"] == 0, "what is completed is not begun again"
    assert claude.calls == 3


def test_an_invocation_that_says_blocked_ends_it_with_1(
    begun: RunFolder, claude: FakeClaude, loop: Callable[..., Finished]
) -> None:
    claude.does('orchestrate main-task set blocked "A person must log in."')
    done = loop(code=1).json
    assert (done["status"], done["reason"], done["iterations"]) == ("blocked", "A person must log in.", 1)
    assert loop(code=1).json["iterations"] == 0
    begun("main-task", "set", "continue", "Look again.", "--task", "T-01")
    assert loop("--once", code=1).json["iterations"] == 1


def test_three_invocations_that_touch_nothing_end_it_and_a_change_begins_it_again(
    begun: RunFolder, claude: FakeClaude, loop: Callable[..., Finished]
) -> None:
    done = loop(code=1)
    assert claude.calls == 3
    assert "3 invocations changed nothing" in done.json["reason"]
    assert (done.json["status"], done.json["changed"]) == ("blocked", [])
    assert main_task(begun).read_text().startswith("STATUS: blocked\nNEXT: 3 invocations changed nothing")
    assert "nothing changed" in done.stderr
    assert "The last 2 invocations changed nothing" in claude.prompt(3)
    assert loop(code=1).json["iterations"] == 0, "nothing is different"
    claude.does(DO_IT.format(1))
    begun.prepare("context", "T-01", "--add", "-", stdin="x")
    assert loop("--once", code=4).json["changed"] == ["T-01 completed"]


def test_the_same_action_on_the_same_task_three_times_ends_it_though_other_things_change(
    begun: RunFolder, claude: FakeClaude, loop: Callable[..., Finished]
) -> None:
    claude.does('echo "note $n" | orchestrate context T-02 --add -')
    done = loop(code=1).json
    assert (claude.calls, done["iterations"]) == (3, 3)
    assert "execute T-01 3 times, and nothing came of it" in done["reason"]
    assert [each["changed"] for each in iterations(begun)] == [["context of T-02"]] * 3


def test_minutes_and_money_end_it_for_now(begun: RunFolder, claude: FakeClaude, loop: Callable[..., Finished]) -> None:
    claude.does("sleep 0.3; echo $n | orchestrate context T-01 --add -")
    slow = loop("--max-minutes", "0.005", code=4).json
    assert (slow["iterations"], slow["status"]) == (1, "continue")
    assert "0.005 minutes are over" in slow["reason"]
    dear = loop("--budget-usd", "0.4", code=4).json
    assert dear["iterations"] == 2
    assert "budget used up: $0.50 of $0.40" in dear["reason"]
    assert dear["cost_usd"] == 0.5
    assert main_task(begun).read_text().startswith("STATUS: continue\n")


def test_a_missing_approval_ends_it_for_now_without_calling_anybody(
    run: RunFolder, claude: FakeClaude, loop: Callable[..., Finished]
) -> None:
    run.write_plan(task("T-01", approval=True))
    run.prepare("init")
    done = loop(code=4).json
    assert (done["status"], done["reason"], claude.calls) == ("continue", "waiting for approval: T-01", 0)


def test_a_usage_limit_is_waited_out_and_counts_as_no_attempt(
    begun: RunFolder, claude: FakeClaude, loop: Callable[..., Finished]
) -> None:
    limit = LIMIT.format(resets_at=int(time.time()) + 6)
    claude.does(f"if ((n == 1)); then {limit} else {DO_IT.format(1)} fi")
    done = loop("--max-iterations", "2", code=4).json
    assert done["changed"] == ["T-01 completed"]
    first, second = iterations(begun)
    assert (first["outcome"], first["idle"], second["outcome"]) == ("usage_limit", 0, "success")
    assert events(begun, "paused")
    claude.does(LIMIT.format(resets_at=int(time.time()) + 3600))
    once = loop("--once", code=4).json
    assert once["status"] == "continue"
    began = time.monotonic()
    again = loop("--once", code=4).json
    assert again["iterations"] == 0, "it does not wait for an hour"
    assert time.monotonic() - began < 30


def test_ctrl_c_ends_what_runs_and_the_next_start_goes_on(
    begun: RunFolder, claude: FakeClaude, orchestrate: Program, no_processes_left: Callable[..., None]
) -> None:
    claude.does("orchestrate start T-01; sleep 300")
    running = orchestrate.start("loop", "--json", "--claude", claude.path)
    wait_for(lambda: begun.entry("T-01")["status"] == "running")
    running.send(signal.SIGINT, to_group=False)
    done = running.wait()
    assert (done.code, done.json["status"], done.json["reason"]) == (130, "continue", "interrupted")
    assert iterations(begun)[0]["outcome"] == "interrupted"
    no_processes_left()
    claude.does("echo Done. | orchestrate complete T-01 --result -")
    again = begun("loop", "--once", "--json", "--claude", claude.path, code=4).json
    assert (again["iteration"], again["changed"]) == (2, ["T-01 completed"])
    assert "T-01 was started by an invocation that did not end it" in claude.prompt(2)


# What it believes


def test_a_claim_of_completed_that_the_plan_contradicts_is_on_record_and_not_believed(
    begun: RunFolder, claude: FakeClaude, loop: Callable[..., Finished]
) -> None:
    claude.does(f'if ((n == 1)); then orchestrate main-task set completed "All is done."; else {DO_IT.format(1)} fi')
    done = loop("--max-iterations", "2", code=4)
    assert "completed was claimed, but T-01 and T-02 are open: the loop goes on" in done.stderr
    (refused,) = events(begun, "claim_refused")
    assert (refused["claim"], refused["reason"]) == ("completed", "T-01 and T-02 are open")
    assert done.json["changed"] == ["T-01 completed"]
    assert "NEXT: Execute Do T-01" in claude.prompt(2)


def test_an_invocation_that_did_more_than_one_action_is_named_and_told_to_the_next(
    begun: RunFolder, claude: FakeClaude, loop: Callable[..., Finished]
) -> None:
    claude.does(f"if ((n == 1)); then {DO_IT.format(1)} {DO_IT.format(2)} fi")
    done = loop("--max-iterations", "2", code=4)
    assert iterations(begun)[0]["acts"] == ["execute T-01", "execute T-02"]
    assert "#1 did more than one action: execute T-01, execute T-02" in done.stderr
    assert "The invocation before you did more than one action (execute T-01, execute T-02). Do one." in claude.prompt(
        2
    )


def test_what_a_person_writes_between_two_invocations_is_taken_over(
    begun: RunFolder, claude: FakeClaude, loop: Callable[..., Finished]
) -> None:
    loop("--once", code=4)
    main_task(begun).write_bytes(
        b"\xef\xbb\xbfstatus: Continue\r\n\r\nNext: Read the old design first.\r\n"
        b"current task: t-01\r\nFocus: Mind the login.\r\n"
    )
    loop("--once", code=4)
    assert "NEXT: Read the old design first." in claude.prompt(2)
    assert "FOCUS: Mind the login." in claude.prompt(2)
    assert "Your one action: execute T-01" in claude.prompt(2)
    (taken,) = [event for event in events(begun, "main_task_set") if event["by"] == "hand"]
    assert (taken["task"], taken["focus"]) == ("T-01", "Mind the login.")
    main_task(begun).unlink()
    assert begun("main-task", "read", "--json").json["next"] == "Read the old design first."
    assert main_task(begun).exists(), "what was deleted is written again"


BAD = {
    "missing": (b"TASK: T-01\n", ["STATUS is missing", "NEXT is missing"]),
    "doubled": (b"STATUS: continue\nNEXT: Go.\nNEXT: Go on.\n", ["NEXT is there twice, first in line 2"]),
    "unknown": (b"STATUS: continue\nNEXT: Go.\nOWNER: Anna\n", ["line 3", 'there is no field "OWNER"']),
    "misspelt": (b"STATSU: continue\nNEXT: Go.\n", ['there is no field "STATSU"', "write STATUS"]),
    "status": (b"STATUS: contniue\nNEXT: Go.\n", ['there is no status "contniue"', "write continue"]),
    "words": (b"STATUS: continue\nNEXT: " + b"w " * 16 + b"\n", ["NEXT has 16 words, at most 15 are allowed"]),
    "sentences": (b"STATUS: continue\nNEXT: Do it. Then rest.\n", ["NEXT has 2 sentences, expected one"]),
    "task": (b"STATUS: continue\nNEXT: Go.\nTASK: T-77\n", ["T-77"]),
    "binary": (b"STATUS: continue\nNEXT: \xff\n", ["line 2", "not UTF-8"]),
    "huge": (b"STATUS: continue\n" * (5_000_000 // 17), ["more than 4,096 bytes"]),
}


def test_what_cannot_be_read_is_named_with_its_line_and_what_was_there_before_holds(
    begun: RunFolder, claude: FakeClaude, loop: Callable[..., Finished]
) -> None:
    begun.prepare("main-task", "advance")
    for name, (data, said) in BAD.items():
        main_task(begun).write_bytes(data)
        refused = begun.here("main-task", "read", code=1)
        for words in said:
            assert words in refused.stderr, name
        assert main_task(begun).read_bytes() == data, name
    done = loop("--once", code=4)
    assert "more than 4,096 bytes" in done.stderr
    assert "NEXT: Execute Do T-01" in claude.prompt(1)
    begun.prepare("main-task", "set", "continue", "Go on.")
    assert (begun.folder / "MAIN_TASK.refused").stat().st_size <= 8192
    assert main_task(begun).read_text() == "STATUS: continue\nNEXT: Go on.\n"


def test_wrong_wishes_are_refused_before_anything_is_called(
    begun: RunFolder, claude: FakeClaude, loop: Callable[..., Finished]
) -> None:
    for words, code in (
        (("--max-iterations", "0"), 2),
        (("--max-minutes", "-1"), 2),
        (("--interval", "soon"), 2),
        (("--budget-usd", "0"), 2),
        (("Another request.",), 3),
    ):
        done = begun.here("loop", "--claude", claude.path, *words, code=code)
        assert done.stderr
    missing = begun.here("loop", "--claude", "/nowhere/claude", code=3)
    assert "/nowhere/claude" in missing.stderr
    assert claude.calls == 0


# Programs around it


def test_the_program_of_the_document_goes_step_by_step_until_all_is_done(
    begun: RunFolder, claude: FakeClaude, program: Callable[..., Program], environment: dict[str, str], tmp_path: Path
) -> None:
    (text,) = (piece.text for piece in pieces({"examples.md": TEXTS["examples.md"]}, "fence") if piece.info == "python")
    (tmp_path / "steps.py").write_text(text)
    command = tmp_path / "bin" / "orchestrate"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{REPOSITORY}/scripts/orchestrate.py" "$@"\n')
    command.chmod(0o755)
    environment["PATH"] = f"{command.parent}:{environment['PATH']}"
    environment["ORCHESTRATE_CLAUDE"] = str(claude.path)
    claude.does(
        f"case $n in 1) {DO_IT.format(1)} ;; 2) {DO_IT.format(2)} ;; *) orchestrate merge ;; esac\n"
        "orchestrate main-task advance\n"
    )
    steps = program(sys.executable, tmp_path / "steps.py")
    done = steps("Do both.")
    assert done.code == 0, done.stderr
    assert done.stdout.splitlines() == [
        "1. T-01 completed; next: Execute Do T-02",
        "2. T-02 completed; next: Check the results and merge them",
        "3. final_output.md; next: Nothing is left: the results are merged into final_output.md",
    ]
    assert steps("Another request.").code == 3


# The script


@pytest.mark.parametrize("shell", ["bash", "pwsh"])
def test_the_script_calls_the_loop_from_any_folder_and_hands_on_options_and_exit_codes(
    shell: str,
    begun: RunFolder,
    claude: FakeClaude,
    program: Callable[..., Program],
    require: Callable[[str], Path],
) -> None:
    is_bash = shell == "bash"
    start = ("bash",) if is_bash else (require("pwsh"), "-NoProfile", "-NonInteractive", "-File")
    begun("launch", "--claude", claude.path)
    name = begun.folder / "launch" / ("loop.sh" if is_bash else "loop.ps1")
    script = program(*start, name)
    claude.does(DO_IT.replace("{0}", "$n"))
    once = script("--once" if is_bash else "-Once")
    assert once.code == 4, once.stderr
    assert begun.statuses() == {"T-01": "completed", "T-02": "pending"}
    two = script(*(("--max-iterations", "1", "--json") if is_bash else ("-MaxIterations", "1")))
    assert two.code == 4
    assert begun.statuses()["T-02"] == "completed"
    claude.does("orchestrate main-task set blocked 'A person must look.'")
    assert script().code == 1
    begun.prepare("main-task", "advance")
    claude.does("orchestrate merge; orchestrate main-task advance")
    assert script().code == 0
    if is_bash:
        assert stat.S_IMODE(name.stat().st_mode) == 0o700
        assert program(require("shellcheck"))("--severity=style", name).stdout == ""
        assert script("--interval", "soon").code == 2
        helped = script("--help")
        assert (helped.code, "--max-iterations N" in helped.stdout) == (0, True)
        begun.folder.rename(begun.folder.with_name("gone"))
        lost = program("bash", begun.folder.with_name("gone") / "launch/loop.sh")()
        assert (lost.code, "there is no run in" in lost.stderr) == (3, True)
