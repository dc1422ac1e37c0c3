"""`run.ps1` in a real PowerShell: it runs the whole graph, goes on where it stopped, and leaves nothing behind.

What can be said of the script without PowerShell is in tests/unit/test_run_ps1.py.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from programs import Program, Running, wait_for

POOL, JOBS = ("-Engine", "Pool"), ("-Engine", "Jobs")
ENGINES = pytest.mark.parametrize("engine", [POOL, JOBS], ids=["pool", "jobs"])
# A job takes a PowerShell of its own, and CI machines are slow.
LIMIT_S = 120.0
# A worker that ends at a signal to its group, and what it started, which does not.
WORKER = ("--executor", "command", "--command", "sh -c 'setsid sleep 90 & sleep 90'")
HOSTILE = "$(touch pwned) `touch pwned` '; touch pwned #\n\"; touch pwned\n@/etc/passwd {{ 7 * 7 }} ‘ 🚀"


@pytest.fixture(params=["project", "-it's [x] $y, 100% of Jörg 🚀"], ids=["plain", "hostile"])
def project(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A folder whose name means something to PowerShell, to patterns and to old code pages, and a harmless one."""
    folder = tmp_path / str(request.param)
    folder.mkdir()
    return folder


@pytest.fixture
def write_plan(project: Path, orchestrate: Program) -> Callable[..., None]:
    """`write_plan({...}, {...}, executor=…)`: makes a run of tasks and writes its launch scripts."""

    def write(*tasks: dict[str, object], options: tuple[str, ...] = ("--executor", "rehearse")) -> None:
        described = [{"name": f"Task {task['id']}", "description": "Do it.", **task} for task in tasks]
        plan = {"version": 1, "title": "A plan", "request": HOSTILE, "tasks": described}
        (project / "plan.yaml").write_text(json.dumps(plan), encoding="utf-8")
        for words in (("init",), ("launch", *options)):
            done = orchestrate(*words)
            assert done.code == 0, done.stderr

    return write


@pytest.fixture
def script(project: Path) -> Path:
    """The script, once it is written."""
    return project / ".orchestrator" / "launch" / "run.ps1"


@pytest.fixture
def run_ps1(require: Callable[[str], Path], program: Callable[..., Program], script: Path) -> Program:
    """`run_ps1("-Jobs", "2")`: the script, started from another folder than the project's."""
    return program(require("pwsh"), "-NoProfile", "-NonInteractive", "-File", script)


@pytest.fixture
def states(orchestrate: Program) -> Callable[[], dict[str, str]]:
    """The status of every task."""
    return lambda: {task["id"]: task["status"] for task in orchestrate("status", "--json").json["tasks"]}


def task(id: str, *deps: str, seconds: float = 0.0, **rehearse: object) -> dict[str, object]:
    return {"id": id, "deps": list(deps), "rehearse": {"duration": seconds, **rehearse}}


DIAMOND = (
    task("T-01"),
    task("T-02", "T-01"),
    {**task("T-03", "T-01", seconds=1.2), "priority": "P0"},
    task("T-04", "T-02", "T-03"),
)


# Without PowerShell


def test_no_text_of_a_plan_reaches_the_script(
    project: Path, script: Path, write_plan: Callable[..., None], orchestrate: Program
) -> None:
    write_plan(task("T-01"))
    plain = script.read_bytes()
    assert plain.isascii()
    hostile = {"id": "T-01", "name": HOSTILE, "description": HOSTILE, "outputs": ["$(touch pwned)"]}
    (project / "plan.yaml").write_text(
        json.dumps({"version": 1, "title": HOSTILE, "request": HOSTILE, "tasks": [hostile]}), encoding="utf-8"
    )
    for words in (("init", "--force"), ("launch", "--executor", "rehearse")):
        done = orchestrate(*words)
        assert done.code == 0, done.stderr
    assert script.read_bytes() == plain


# Its form


def test_powershell_parses_it(
    run_ps1: Program,
    program: Callable[..., Program],
    script: Path,
    require: Callable[[str], Path],
    write_plan: Callable[..., None],
) -> None:
    write_plan(task("T-01"))
    parse = (
        "$errors = $null; $tree = [Management.Automation.Language.Parser]::ParseFile($env:SCRIPT, [ref] $null,"
        ' [ref] $errors); $errors | ForEach-Object { "$_" }; $tree.GetHelpContent().Synopsis.Trim()'
    )
    done = program(require("pwsh"), "-NoProfile", "-Command", parse)(environment={"SCRIPT": str(script)})
    assert done.stdout.strip() == "Runs the plan of this project with PowerShell and merges the results.", done.stderr


ANALYZE = """
if (-not (Get-Module -ListAvailable -Name PSScriptAnalyzer)) { exit 77 }
$rules = @{ PSUseCompatibleSyntax = @{ Enable = $true; TargetVersions = @('5.1', '7.0') } }
Copy-Item -LiteralPath $env:SCRIPT -Destination $env:COPY
Invoke-ScriptAnalyzer -Path $env:COPY | ForEach-Object { "$($_.RuleName) $($_.Line)" }
Invoke-ScriptAnalyzer -Path $env:COPY -Settings @{ Rules = $rules } | ForEach-Object { "$($_.RuleName) $($_.Line)" }
"""


def test_the_analyzer_has_nothing_to_say(
    program: Callable[..., Program],
    require: Callable[[str], Path],
    script: Path,
    write_plan: Callable[..., None],
    tmp_path: Path,
) -> None:
    write_plan(task("T-01"))
    places = {"SCRIPT": str(script), "COPY": str(tmp_path / "copy.ps1")}
    done = program(require("pwsh"), "-NoProfile", "-Command", ANALYZE)(environment=places, timeout_s=LIMIT_S)
    if done.code == 77:
        pytest.skip("PSScriptAnalyzer is missing: a module of the PowerShell Gallery")
    assert (done.code, done.stdout) == (0, ""), done.stderr


# Running


@ENGINES
def test_the_whole_graph_runs_and_is_merged(
    engine: tuple[str, str],
    run_ps1: Program,
    write_plan: Callable[..., None],
    orchestrate: Program,
    project: Path,
    tmp_path: Path,
    no_processes_left: Callable[[], None],
) -> None:
    write_plan(*DIAMOND)
    done = run_ps1(*engine, "-Jobs", "2", cwd=tmp_path, timeout_s=LIMIT_S)
    assert done.code == 0, done.stdout + done.stderr
    last = [line.split(" ")[:3] for line in done.stdout.splitlines()[-4:]]
    assert last == [[f"[Agent-0{number}]", f"T-0{number}", "Completed"] for number in (1, 2, 3, 4)]
    run = orchestrate("status", "--json").json["run"]
    assert (run["state"], run["merged"]) == ("completed", True)
    assert (project / ".orchestrator" / "final_output.md").is_file()
    assert not (project / "pwned").exists()


@ENGINES
def test_it_goes_on_where_it_stopped_and_has_nothing_to_do_when_all_is_done(
    engine: tuple[str, str], run_ps1: Program, write_plan: Callable[..., None], orchestrate: Program, project: Path
) -> None:
    write_plan(*DIAMOND)
    assert orchestrate("exec", "T-01", "--executor", "rehearse").code == 0
    for _ in range(2):
        assert run_ps1(*engine, timeout_s=LIMIT_S).code == 0
    journal = (project / ".orchestrator" / "events.jsonl").read_text(encoding="utf-8")
    assert journal.count('"task_started"') == 4


def test_failed_tasks_give_1_and_the_rest_is_merged(
    run_ps1: Program, write_plan: Callable[..., None], states: Callable[[], dict[str, str]], project: Path
) -> None:
    write_plan({**task("T-01", fails=9), "max_retries": 0}, task("T-02", "T-01"), task("T-03"))
    done = run_ps1()
    assert done.code == 1, done.stderr
    assert states() == {"T-01": "failed", "T-02": "blocked", "T-03": "completed"}
    assert "[Agent-01] T-01 Failed" in done.stdout
    assert (project / ".orchestrator" / "final_output.md").is_file()


def test_a_retry_is_given_out_when_it_is_due(run_ps1: Program, write_plan: Callable[..., None]) -> None:
    write_plan(task("T-01", fails=1), options=("--executor", "rehearse", "--scale", "0.05"))
    done = run_ps1()
    assert done.code == 0, done.stderr


def test_approvals_that_are_left_give_4(
    run_ps1: Program, write_plan: Callable[..., None], states: Callable[[], dict[str, str]]
) -> None:
    write_plan(task("T-01"), {**task("T-02", "T-01"), "approval": True})
    assert run_ps1().code == 4
    assert states() == {"T-01": "completed", "T-02": "waiting"}


def test_without_merging_there_is_no_final_output(
    run_ps1: Program, write_plan: Callable[..., None], project: Path
) -> None:
    write_plan(task("T-01"))
    assert run_ps1("-NoMerge").code == 0
    assert not (project / ".orchestrator" / "final_output.md").exists()


def test_by_stage_starts_nothing_of_the_next_stage_early(
    run_ps1: Program, write_plan: Callable[..., None], orchestrate: Program
) -> None:
    write_plan(task("T-01"), task("T-02", seconds=1.5), task("T-03", "T-01"))
    assert run_ps1("-ByStage").code == 0
    times = {each["id"]: each for each in orchestrate("status", "--json").json["tasks"]}
    assert times["T-03"]["start"] >= times["T-02"]["end"]


@ENGINES
def test_what_if_tells_the_order_and_starts_nothing(
    engine: tuple[str, str], run_ps1: Program, write_plan: Callable[..., None], states: Callable[[], dict[str, str]]
) -> None:
    write_plan(*DIAMOND)
    done = run_ps1(*engine, "-WhatIf", "-Jobs", "3")
    assert done.code == 0, done.stderr
    assert done.stdout.split()[-4:] == ["T-01", "T-03", "T-02", "T-04"]
    assert "What if" in done.stdout or engine == JOBS
    assert set(states().values()) == {"pending", "waiting"}


# Bad input


@pytest.mark.parametrize("words", [("-Jobs", "0"), ("-Jobs", "many"), ("-Engine", "Parallel"), ("-NoSuch",)])
def test_a_wrong_parameter_is_refused_by_powershell(
    words: tuple[str, ...],
    run_ps1: Program,
    write_plan: Callable[..., None],
    states: Callable[[], dict[str, str]],
) -> None:
    write_plan(task("T-01"))
    assert run_ps1(*words).code == 1
    assert states() == {"T-01": "pending"}


def test_a_program_that_is_gone_is_named(run_ps1: Program, write_plan: Callable[..., None], script: Path) -> None:
    write_plan(task("T-01"))
    text = script.read_text(encoding="ascii")
    script.write_text(text.replace("orchestrate.py", "gone.py"), encoding="ascii")
    done = run_ps1()
    assert done.code == 3
    assert "gone.py is gone. Try: orchestrate launch" in done.stderr


def test_another_run_is_named_and_left_alone(
    run_ps1: Program, write_plan: Callable[..., None], orchestrate: Program, states: Callable[[], dict[str, str]]
) -> None:
    write_plan(task("T-01", seconds=60))
    first = orchestrate.start("run", "--executor", "rehearse")
    wait_for(lambda: states() == {"T-01": "running"})
    done = run_ps1()
    assert done.code == 3
    assert "another run is active" in done.stderr
    assert first.process.poll() is None
    first.send(signal.SIGINT)
    assert first.wait().code == 130


# Ends from outside


def assert_put_back(orchestrate: Program, states: Callable[[], dict[str, str]]) -> None:
    """No task is left running once a command has looked for workers that are gone."""
    give_up = time.monotonic() + 20
    found = states()
    while set(found.values()) != {"pending"} and time.monotonic() < give_up:
        orchestrate("resume")
        found = states()
    assert set(found.values()) == {"pending"}, found


def begun(run_ps1: Program, states: Callable[[], dict[str, str]], *words: str) -> Running:
    """The script with its first task under way."""
    running = run_ps1.start(*words)
    wait_for(lambda: running.process.poll() is not None or "running" in states().values(), LIMIT_S)
    assert running.process.poll() is None, running.stderr
    return running


@ENGINES
@pytest.mark.parametrize("to_group", [True, False], ids=["terminal", "alone"])
def test_ctrl_c_ends_every_worker_and_gives_130(
    engine: tuple[str, str],
    to_group: bool,
    run_ps1: Program,
    write_plan: Callable[..., None],
    orchestrate: Program,
    states: Callable[[], dict[str, str]],
    no_processes_left: Callable[[float], None],
) -> None:
    write_plan(task("T-01"), task("T-02"), options=WORKER)
    running = begun(run_ps1, states, *engine)
    running.send(signal.SIGINT, to_group=to_group)
    assert running.wait().code == 130
    no_processes_left(10)
    assert_put_back(orchestrate, states)


@ENGINES
def test_the_workers_of_a_killed_script_end(
    engine: tuple[str, str],
    run_ps1: Program,
    write_plan: Callable[..., None],
    orchestrate: Program,
    states: Callable[[], dict[str, str]],
    no_processes_left: Callable[[float], None],
) -> None:
    write_plan(task("T-01"), options=WORKER)
    running = begun(run_ps1, states, *engine)
    running.send(signal.SIGKILL, to_group=False)
    running.wait()
    no_processes_left(15)
    assert_put_back(orchestrate, states)


def test_a_killed_feed_is_told_and_the_next_start_goes_on(
    run_ps1: Program, write_plan: Callable[..., None], states: Callable[[], dict[str, str]], project: Path
) -> None:
    write_plan(task("T-01", seconds=4), task("T-02", "T-01"))
    running = begun(run_ps1, states)
    lines = (project / ".orchestrator" / "run.lock").read_text(encoding="utf-8").splitlines()
    os.kill(int(dict(line.split(" ", 1) for line in lines if line)["pid"]), signal.SIGKILL)
    done = running.wait()
    assert done.code == 4, done.stderr
    assert "the feed was killed" in done.stderr
    assert run_ps1().code == 0


# What the engine Jobs relies on


def test_a_tied_attempt_ends_with_its_feed_and_its_task_is_put_back(
    orchestrate: Program, write_plan: Callable[..., None], states: Callable[[], dict[str, str]], project: Path
) -> None:
    write_plan(task("T-01", seconds=60))
    feed = orchestrate.start("feed", "--executor", "rehearse")
    wait_for(lambda: "T-01\n" in feed.stdout)
    tied = orchestrate.start("exec", "T-01", "--fed", "--tied", "--executor", "rehearse")
    wait_for(lambda: states() == {"T-01": "running"})
    time.sleep(1)
    assert tied.process.poll() is None
    feed.send(signal.SIGKILL)
    assert tied.wait(10).code == 130
    assert states() == {"T-01": "pending"}


def test_a_feed_without_input_ends_what_a_killed_feed_began(
    orchestrate: Program,
    write_plan: Callable[..., None],
    states: Callable[[], dict[str, str]],
    no_processes_left: Callable[[float], None],
) -> None:
    write_plan(task("T-01"), options=WORKER)
    feed = orchestrate.start("feed", *WORKER)
    wait_for(lambda: "T-01\n" in feed.stdout)
    tied = orchestrate.start("exec", "T-01", "--fed", "--tied", *WORKER)
    wait_for(lambda: states() == {"T-01": "running"})
    feed.send(signal.SIGKILL)
    assert orchestrate("feed", "--tied", *WORKER).code == 130
    no_processes_left(0)
    assert tied.wait(10).code == 130
    assert states() == {"T-01": "pending"}
