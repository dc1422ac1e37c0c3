"""`run.hooks`: called with their event by whoever recorded it, once, trusted only; what fails harms nothing."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.paths import RunPaths
from orchestrator.store.store import Store
from orchestrator.workers.hooks import Hooks
from runfolders import RunFolder, task

KEEP = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read())"
REPOSITORY = Path(__file__).resolve().parents[2]
GOOD, BAD = "sh -c 'cat >/dev/null; echo fine'", "sh -c 'cat >/dev/null; exit 3'"


def keeping(file: Path) -> str:
    """A hook that keeps its event in ``file``."""
    return shlex.join([sys.executable, "-c", KEEP, str(file)])


def kept(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    return tmp_path / "calls.jsonl"


def every(calls: Path) -> dict[str, str]:
    return dict.fromkeys(("on_failed", "on_blocked", "on_completed"), keeping(calls))


def test_a_run_calls_each_hook_with_its_event(run: RunFolder, calls: Path) -> None:
    run.init(task("T-01", max_retries=0), task("T-02", deps=["T-01"]), task("T-03"), run={"hooks": every(calls)})
    assert "hook on_failed" in run("run", "--command", BAD, code=3).stderr, "not trusted yet"
    run.prepare("trust")
    run("run", "--jobs", "1", "--command", "sh -c 'cat | grep -q \"task is T-01\" && exit 3; echo fine'", code=1)
    # Each hook is a process of its own: which of two is done first depends on the machine.
    blocked, failed = sorted(kept(calls), key=lambda event: str(event["type"]))
    assert (failed["type"], blocked["type"]) == ("task_failed", "orchestration_blocked")
    assert (failed["task"], failed["attempt"], failed["blocks"]) == ("T-01", 1, [["T-02", "Agent-02"]])
    assert (blocked["blocking_task"], blocked["attempts"]) == ("T-01", 1)
    assert failed["reason"] == blocked["failure_reason"]
    assert "orchestrate retry T-01" in blocked["escalation"] and "orchestrate skip T-01" in blocked["escalation"]
    calls.unlink()
    run.prepare("retry", "T-01")
    run("run", "--command", GOOD)
    assert [event["type"] for event in kept(calls)] == ["orchestration_completed"]


def test_acts_by_hand_and_single_attempts_call_them_too(run: RunFolder, calls: Path) -> None:
    run.init(task("T-01"), task("T-02", max_retries=0), run={"hooks": every(calls)})
    run.prepare("trust")
    run("exec", "T-02", "--command", BAD, code=1)
    assert [event["task"] for event in kept(calls)] == ["T-02"]
    run("skip", "T-02")
    calls.unlink()
    (run.project / "r.md").write_text("done\n")
    run("start", "T-01")
    run("complete", "T-01", "--result", "r.md")
    assert [event["type"] for event in kept(calls)] == ["orchestration_completed"]


def test_a_hook_that_nobody_trusts_is_not_called_and_that_is_told(run: RunFolder, calls: Path) -> None:
    run.init(task("T-01"), run={"hooks": {"on_completed": keeping(calls)}})
    run("start", "T-01")
    (run.project / "r.md").write_text("done\n")
    told = run("complete", "T-01", "--result", "r.md").stderr
    assert "the hook on_completed was not called: it is not trusted" in told
    assert kept(calls) == []


@pytest.mark.parametrize(
    ("hook", "complaint"),
    [
        ("sh -c 'echo it is broken >&2; exit 7'", "it ended with 7: it is broken"),
        ("/nowhere/hook", "the program /nowhere/hook was not found"),
        ("sh -c 'kill -9 $$'", "it ended with -9"),
    ],
)
def test_a_hook_that_fails_is_told_and_on_record_and_harms_nothing(run: RunFolder, hook: str, complaint: str) -> None:
    run.init(task("T-01"), run={"hooks": {"on_completed": hook}})
    run.prepare("trust")
    done = run("run", "--command", GOOD)
    assert f"the hook on_completed failed: {complaint}" in done.stderr
    assert run.status()["run"]["state"] == "completed"
    (note,) = run.events("note")
    assert note["title"] == "Hook Failed"
    assert complaint in note["lines"][0]


def test_a_hook_that_hangs_is_ended_with_all_that_it_started(
    run: RunFolder, attempts_alive: Callable[[], list[object]], no_processes_left: Callable[..., None]
) -> None:
    run.init(task("T-01"), run={"hooks": {"on_completed": "sh -c 'setsid sleep 300 & sleep 300'"}})
    run.prepare("trust")
    told: list[str] = []
    store = Store.open(RunPaths.of(str(run.project)))
    Hooks(store, told.append, timeout_s=1.0)([{"type": "orchestration_completed", "timestamp": "x"}])
    deadline = time.monotonic() + 60
    while not told and time.monotonic() < deadline:
        time.sleep(0.05)
    assert told == ["the hook on_completed failed: it took longer than 1 s and was ended"]
    no_processes_left(10.0)


def test_a_hook_may_use_the_command_itself(run: RunFolder) -> None:
    command = shlex.join([sys.executable, str(REPOSITORY / "scripts" / "orchestrate.py")])
    hook = f"sh -c 'cat >/dev/null; {command} skip T-01 --reason given-up >/dev/null'"
    run.init(task("T-01", max_retries=0), task("T-02", deps=["T-01"]), run={"hooks": {"on_failed": hook}})
    run.prepare("trust")
    run.orchestrate("run", "--command", "sh -c 'cat | grep -q \"task is T-01\" && exit 3; echo fine'")
    assert run.statuses()["T-01"] == "skipped"
    assert run.events("note") == []
