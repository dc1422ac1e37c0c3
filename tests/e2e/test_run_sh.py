"""`run.sh` with the real GNU parallel: it runs the whole graph, goes on where it stopped, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import pty
import signal
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from programs import Program, Running
from runfolders import RunFolder, task

HOSTILE = "$(touch pwned) `touch pwned` '; touch pwned #\n\"; touch pwned\n@/etc/passwd {} {1} {{ 7 * 7 }} - 🚀"
AWKWARD = '-it\'s [x] {} $(touch pwned) "y" `z` Jörg 🚀'


def rehearsed(id: str, *deps: str, seconds: float = 0.0, fails: int = 0, **fields: object) -> dict[str, object]:
    return task(id, deps, rehearse={"duration": seconds, "fails": fails}, **fields)


DIAMOND = (
    rehearsed("T-01"),
    rehearsed("T-02", "T-01", fails=1),
    rehearsed("T-03", "T-01"),
    rehearsed("T-04", "T-02", "T-03"),
)


def wait_for(what: Callable[[], object], within_s: float = 20.0) -> None:
    end = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


@pytest.fixture
def run(project: Path, orchestrate: Program) -> RunFolder:
    """The run of the project."""
    return RunFolder(project, orchestrate)


@pytest.fixture
def script(run: RunFolder) -> Path:
    """The script, once it is written."""
    return run.folder / "launch" / "run.sh"


@pytest.fixture
def run_sh(require: Callable[[str], Path], program: Callable[..., Program], script: Path, tmp_path: Path) -> Program:
    """`run_sh("--jobs", "2")`: the script, started from another folder than the project's."""
    require("parallel")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    started = program("bash", "--", script)
    started._cwd = elsewhere
    return started


@pytest.fixture
def launch(run: RunFolder) -> Callable[..., None]:
    """`launch(task, task, options=…)`: makes a run and writes its script."""

    def write(*tasks: dict[str, object], options: tuple[str, ...] = ("--executor", "rehearse")) -> None:
        run.init(*tasks)
        run("launch", *options)

    return write


def agent(run: RunFolder, text: str) -> tuple[str, ...]:
    """The options of an agent that is a shell script."""
    path = run.project / "agent.sh"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return ("--command", "./agent.sh")


def running(run: RunFolder) -> list[str]:
    """The tasks whose workers have started."""
    return [id for id, status in run.statuses().items() if status == "running"]


def path_without(program: str, folder: Path, replacement: str | None = None) -> str:
    """A PATH with every program that the script uses but that one; `replacement` is a script in its place."""
    folder.mkdir()
    for name in ("bash", "sh", "cat", "dirname", "basename", "mkfifo", "mktemp", "rm", "perl", "parallel", "env", "cp"):
        found = next((Path(part, name) for part in os.environ["PATH"].split(":") if Path(part, name).exists()), None)
        if found is not None and name != program:
            (folder / name).symlink_to(found)
    if replacement is not None:
        (folder / program).write_text(replacement)
        (folder / program).chmod(0o755)
    return str(folder)


# The whole graph


def test_it_runs_the_plan_merges_the_results_and_ends_with_a_line_for_each_agent(
    run: RunFolder, run_sh: Program, launch: Callable[..., None], no_processes_left: Callable[..., None]
) -> None:
    launch(*DIAMOND)
    done = run_sh()
    assert done.code == 0, done.stderr
    assert [line.split(" Completed")[0] for line in done.stdout.splitlines()[-4:]] == [
        f"[Agent-0{n}] T-0{n}" for n in range(1, 5)
    ]
    assert run.status()["run"] | {"state": "completed", "merged": True} == run.status()["run"]
    assert run.entry("T-02")["retries"] == 1
    assert "T-04 Running" in done.stderr
    assert [event["by"] for event in run.events("task_started")] == ["feed"] * 5


def test_a_second_start_does_nothing_again(run: RunFolder, run_sh: Program, launch: Callable[..., None]) -> None:
    launch(*DIAMOND)
    assert run_sh("--no-merge").code == 0
    assert run.status()["run"]["merged"] is False
    before = len(run.events("task_started"))
    assert run_sh().code == 0
    assert len(run.events("task_started")) == before
    assert run.status()["run"]["merged"] is True


def test_a_failed_task_ends_it_with_1_and_what_there_is_is_merged(
    run: RunFolder, run_sh: Program, launch: Callable[..., None]
) -> None:
    launch(rehearsed("T-01", fails=9, max_retries=0), rehearsed("T-02"), rehearsed("T-03", "T-01"))
    done = run_sh()
    assert done.code == 1
    assert "[Agent-01] T-01 Failed" in done.stdout
    assert "[Agent-03] T-03 Blocked" in done.stdout
    assert "Missing: T-01" in done.stdout
    assert (run.folder / "final_output.md").exists()


def test_what_waits_for_approval_ends_it_with_4_and_it_goes_on_when_it_has_come(
    run: RunFolder, run_sh: Program, launch: Callable[..., None]
) -> None:
    launch(rehearsed("T-01"), rehearsed("T-02", "T-01", approval=True))
    stopped = run_sh()
    assert stopped.code == 4
    assert "T-02" in stopped.stderr
    assert not (run.folder / "final_output.md").exists()
    run.prepare("approve", "T-02")
    assert run_sh().code == 0


def test_an_edit_of_the_plan_counts_while_it_runs(run: RunFolder, run_sh: Program, launch: Callable[..., None]) -> None:
    launch(rehearsed("T-01", seconds=3))
    started = run_sh.start()
    wait_for(lambda: running(run))
    run.edit_plan(lambda plan: plan["tasks"].append(rehearsed("T-02", "T-01")))
    assert started.wait().code == 0
    assert run.statuses() == {"T-01": "completed", "T-02": "completed"}


def test_by_stage_keeps_the_stages_apart(run: RunFolder, run_sh: Program, launch: Callable[..., None]) -> None:
    launch(rehearsed("T-01"), rehearsed("T-02", seconds=1), rehearsed("T-03", "T-01"))
    assert run_sh("--by-stage", "--jobs=3").code == 0
    order = [(event["type"], event["task"]) for event in run.events() if "task" in event]
    assert order.index(("task_started", "T-03")) > order.index(("task_completed", "T-02"))


def test_while_one_runs_another_is_refused(run: RunFolder, run_sh: Program, launch: Callable[..., None]) -> None:
    launch(rehearsed("T-01", seconds=60))
    first = run_sh.start()
    wait_for(lambda: running(run))
    second = run_sh()
    assert second.code == 3
    assert "another run is active" in second.stderr
    first.send(signal.SIGTERM, to_group=False)
    assert first.wait().code == 130


# Texts and paths


@pytest.fixture(params=["plain", AWKWARD], ids=["plain", "awkward"])
def any_project(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A harmless folder, and one whose name means something to shells, to GNU parallel and to Python."""
    folder = tmp_path / str(request.param)
    folder.mkdir()
    return folder


def test_no_text_reaches_a_shell_and_any_path_will_do(
    any_project: Path, orchestrate: Program, program: Callable[..., Program], require: Callable[[str], Path]
) -> None:
    require("parallel")
    orchestrate._cwd = any_project
    run = RunFolder(any_project, orchestrate)
    hostile = {"name": HOSTILE, "description": HOSTILE, "success_criteria": [HOSTILE]}
    run.init({"id": "T-01", **hostile}, {"id": "T-02", "deps": ["T-01"], **hostile}, title=HOSTILE, request=HOSTILE)
    run("launch", *agent(run, "cat"))
    text = (run.folder / "launch" / "run.sh").read_text()
    assert "7 * 7" not in text
    done = program("bash", "--", run.folder / "launch" / "run.sh")()
    assert done.code == 0, done.stderr
    assert "touch pwned" in run.result(2).read_text()
    assert not list(any_project.parent.rglob("pwned"))


def test_no_text_of_a_plan_is_in_the_script(run: RunFolder, script: Path, launch: Callable[..., None]) -> None:
    launch(task("T-01"))
    plain = script.read_bytes()
    run.write_plan({"id": "T-01", "name": HOSTILE, "description": HOSTILE}, title=HOSTILE, request=HOSTILE)
    run("init", "--force")
    run("launch", "--executor", "rehearse")
    assert script.read_bytes() == plain


def test_only_its_owner_may_read_and_start_it(script: Path, launch: Callable[..., None]) -> None:
    launch(task("T-01"))
    assert stat.S_IMODE(script.stat().st_mode) == 0o700
    assert stat.S_IMODE(script.parent.stat().st_mode) == 0o700


def test_shellcheck_finds_nothing(
    script: Path, launch: Callable[..., None], program: Callable[..., Program], require: Callable[[str], Path]
) -> None:
    launch(task("T-01"), options=("--command", "agent 'a b' \"c\" $(x) {}", "--scale", "0.5"))
    done = program(require("shellcheck"))("--severity=style", script)
    assert done.stdout == ""


# What is missing or wrong


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--jobs", "0"], "--jobs is '0'"),
        (["--jobs", "many"], "--jobs is 'many'"),
        (["--jobs"], "--jobs needs a value"),
        (["--fast"], "no option --fast"),
        (["extra"], "no option extra"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_was_wrong(
    run_sh: Program, launch: Callable[..., None], words: list[str], said: str
) -> None:
    launch(task("T-01"))
    done = run_sh(*words)
    assert done.code == 2
    assert said in done.stderr


def test_help_explains_every_option_and_starts_nothing(
    run: RunFolder, run_sh: Program, launch: Callable[..., None]
) -> None:
    launch(task("T-01"))
    done = run_sh("--help")
    assert done.code == 0
    for option in ("--jobs N", "--dry-run", "--hosts FILE", "--by-stage", "--no-merge", "--help"):
        assert option in done.stdout
    assert run.events("task_started") == []


def test_a_dry_run_says_the_order_and_starts_nothing(
    run: RunFolder, run_sh: Program, launch: Callable[..., None]
) -> None:
    launch(*DIAMOND)
    done = run_sh("--dry-run", "--jobs", "2")
    assert done.code == 0
    assert [line for line in done.stdout.splitlines() if line.startswith("T-")] == ["T-01", "T-02", "T-03", "T-04"]
    assert "exec --fed" in done.stdout
    assert run.events("task_started") == []


@pytest.mark.parametrize(
    ("replacement", "said"),
    [
        (None, "parallel is missing"),
        ("#!/bin/sh\necho 'parallel: invalid option' >&2; exit 1\n", "not GNU parallel"),
        ("#!/bin/sh\necho 'GNU parallel 20170922'\n", "GNU parallel 20170922 is too old, expected 20180822"),
    ],
    ids=["none", "another", "old"],
)
def test_without_a_fitting_gnu_parallel_it_says_how_to_install_one(
    run: RunFolder, run_sh: Program, launch: Callable[..., None], tmp_path: Path, replacement: str | None, said: str
) -> None:
    launch(task("T-01"))
    path = path_without("parallel", tmp_path / "bin", replacement)
    done = run_sh(environment={"PATH": path})
    assert done.code == 3
    assert said in done.stderr
    for manager in ("apt install parallel", "dnf install parallel", "brew "):
        assert manager in done.stderr
    assert run.events("task_started") == []


def test_a_program_that_has_moved_is_named(run_sh: Program, launch: Callable[..., None], script: Path) -> None:
    launch(task("T-01"))
    script.write_text(script.read_text().replace("orchestrate.py", "gone.py"))
    done = run_sh()
    assert done.code == 3
    assert "gone.py is gone" in done.stderr


def test_a_missing_hosts_file_is_named(run_sh: Program, launch: Callable[..., None]) -> None:
    launch(task("T-01"))
    done = run_sh("--hosts", "no-such-file")
    assert done.code == 3
    assert "no-such-file" in done.stderr


def test_an_older_gnu_parallel_that_waits_for_a_line_for_each_slot_starts_at_once(
    run: RunFolder, run_sh: Program, launch: Callable[..., None], tmp_path: Path, require: Callable[[str], Path]
) -> None:
    """What versions before 20211022 do: hold back the first N lines until all of them are in."""
    shim = f"""#!/bin/bash
[[ $1 != --version ]] || {{ echo 'GNU parallel 20190922'; exit; }}
for ((at = 1; at <= $#; at++)); do [[ ${{!at}} != --jobs ]] || {{ next=$((at + 1)); slots=${{!next}}; }}; done
for ((line = 0; line < slots; line++)); do read -r each && held+=$each$'\\n'; done
{{ printf '%s' "$held"; cat; }} | exec {require("parallel")} "$@"
"""
    launch(*DIAMOND)
    path = path_without("parallel", tmp_path / "bin", shim)
    done = run_sh("--jobs", "6", environment={"PATH": f"{path}:{os.environ['PATH']}"}, timeout_s=30)
    assert done.code == 0, done.stderr


# Interrupted


def test_ctrl_c_in_a_terminal_ends_every_worker(
    run: RunFolder,
    script: Path,
    launch: Callable[..., None],
    environment: dict[str, str],
    require: Callable[[str], Path],
    no_processes_left: Callable[..., None],
) -> None:
    require("parallel")
    options = agent(run, "cat >/dev/null\n(trap '' TERM INT; exec sleep 1000) &\nexec sleep 1000")
    launch(task("T-01"), task("T-02"), task("T-03", ["T-01"]), options=options)
    pid, terminal = pty.fork()
    if not pid:
        os.chdir(run.project)
        os.execve("/bin/bash", ["bash", str(script)], {**environment, "TERM": "xterm"})
    try:
        wait_for(lambda: len(running(run)) == 2)
        os.write(terminal, b"\x03")
        shown = b""
        with suppress(OSError):  # the terminal is closed by the end of the last process on it
            while part := os.read(terminal, 4096):
                shown += part
    finally:
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 130, shown.decode()
    assert run.statuses() == {"T-01": "pending", "T-02": "pending", "T-03": "waiting"}
    no_processes_left(1.0)


def under_way(run: RunFolder, run_sh: Program, launch: Callable[..., None]) -> Running:
    """The script with two workers that never end."""
    launch(
        task("T-01"),
        task("T-02"),
        task("T-03", ["T-01"]),
        options=agent(run, "cat >/dev/null\n[ -e go ] && echo fine && exit\nexec sleep 1000"),
    )
    started = run_sh.start()
    wait_for(lambda: len(running(run)) == 2)
    return started


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_every_worker_and_the_next_start_goes_on(
    run: RunFolder,
    run_sh: Program,
    launch: Callable[..., None],
    no_processes_left: Callable[..., None],
    number: signal.Signals,
) -> None:
    started = under_way(run, run_sh, launch)
    started.send(number, to_group=False)
    assert started.wait(15).code == 130
    assert run.statuses() == {"T-01": "pending", "T-02": "pending", "T-03": "waiting"}
    no_processes_left(1.0)
    (run.project / "go").touch()
    assert run_sh().code == 0


def test_when_the_script_itself_is_killed_its_workers_end(
    run: RunFolder, run_sh: Program, launch: Callable[..., None], no_processes_left: Callable[..., None]
) -> None:
    started = under_way(run, run_sh, launch)
    started.send(signal.SIGKILL, to_group=False)
    wait_for(lambda: not running(run))
    no_processes_left(1.0)
    (run.project / "go").touch()
    assert run_sh().code == 0


def test_when_gnu_parallel_is_killed_the_run_stops_with_4(
    run: RunFolder, run_sh: Program, launch: Callable[..., None], no_processes_left: Callable[..., None]
) -> None:
    started = under_way(run, run_sh, launch)
    engine = next(pid for pid, words in children_of(started.pid) if "parallel" in words[1])
    os.kill(engine, signal.SIGKILL)
    assert started.wait(15).code == 4
    assert not running(run)
    no_processes_left(1.0)


def test_when_the_feed_is_killed_what_runs_ends_by_itself_and_the_next_start_goes_on(
    run: RunFolder, run_sh: Program, launch: Callable[..., None], no_processes_left: Callable[..., None]
) -> None:
    launch(rehearsed("T-01", seconds=2), rehearsed("T-02", "T-01"))
    started = run_sh.start()
    wait_for(lambda: running(run))
    feed = next(pid for pid, words in children_of(started.pid) if "feed" in words)
    os.kill(feed, signal.SIGKILL)
    done = started.wait(20)
    assert done.code == 4
    assert "start it again" in done.stderr or "next start" in done.stderr
    assert run_sh().code == 0
    assert len(run.events("task_completed")) == 2


def children_of(pid: int) -> list[tuple[int, list[str]]]:
    """The children of a process, with their words."""
    import psutil

    return [(child.pid, child.cmdline()) for child in psutil.Process(pid).children() if len(child.cmdline()) > 1]


def test_launch_says_what_it_wrote(run: RunFolder, script: Path) -> None:
    run.init(task("T-01"))
    answer = json.loads(run("launch", "--jobs", "7", "--json").stdout)
    assert str(script) in answer["files"]
    assert answer["jobs"] == 7
    assert "\njobs=7\n" in script.read_text()
