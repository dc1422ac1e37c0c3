"""`run.sh` with the real GNU parallel: it runs the whole graph, goes on where it stopped, and leaves nothing behind."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import stat
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from oldparallel import old_parallel

import orchestrator
import processes
from programs import Program, Running, wait_for
from runfolders import RunFolder, task

HOSTILE = "$(touch pwned) `touch pwned` '; touch pwned #\n\"; touch pwned\n@/etc/passwd {} {1} {{ 7 * 7 }} - 🚀"
AWKWARD = '-it\'s [x] {} $(touch pwned) "y" `z` Jörg 🚀'


def rehearsed(id: str, *deps: str, seconds: float = 0.0, fails: int = 0, **fields: object) -> dict[str, object]:
    return task(id, deps, rehearse={"duration": seconds, "fails": fails}, **fields)


TEMPLATES = Path(orchestrator.__file__).parent / "templates"
DIAMOND = (
    rehearsed("T-01"),
    rehearsed("T-02", "T-01", fails=1),
    rehearsed("T-03", "T-01"),
    rehearsed("T-04", "T-02", "T-03"),
)


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
    used = "bash sh cat dirname basename mkfifo mktemp rm perl parallel env cp ssh rsync"
    for name in used.split():
        found = next((Path(part, name) for part in os.environ["PATH"].split(":") if Path(part, name).exists()), None)
        if found is not None and name != program:
            (folder / name).symlink_to(found)
    if replacement is not None:
        (folder / program).write_text(replacement)
        (folder / program).chmod(0o755)
    return str(folder)


# The whole graph


def test_it_runs_the_plan_a_second_start_does_nothing_again_and_both_end_with_a_line_for_each_agent(
    run: RunFolder, run_sh: Program, launch: Callable[..., None], no_processes_left: Callable[..., None]
) -> None:
    launch(*DIAMOND)
    done = run_sh("--no-merge")
    assert done.code == 0, done.stderr
    lines = [f"[Agent-0{n}] T-0{n} Completed" for n in range(1, 5)]
    assert [re.sub(r" \d+s$", "", line) for line in done.stdout.splitlines()] == lines
    assert run.status()["run"] | {"state": "completed", "merged": False} == run.status()["run"]
    assert run.entry("T-02")["retries"] == 1
    assert "T-04 Running" in done.stderr
    assert [event["by"] for event in run.events("task_started")] == ["feed"] * 5
    no_processes_left(0.0)
    again = run_sh()
    assert again.code == 0, again.stderr
    assert [re.sub(r" \d+s$", "", line) for line in again.stdout.splitlines()[-4:]] == lines
    assert len(run.events("task_started")) == 5
    assert run.status()["run"]["merged"] is True


def test_a_task_is_set_aside_its_share_of_the_money_by_the_slots_that_the_script_was_told(
    run: RunFolder, run_sh: Program
) -> None:
    run.init(rehearsed("T-01"), budget_usd=1.0)
    run("launch", "--executor", "rehearse", "--jobs", "8")
    assert run_sh("--jobs", "2", "--no-merge").code == 0
    assert [event["reserved_usd"] for event in run.events("task_started")] == [0.5]


def test_what_waits_for_approval_ends_it_with_4_and_a_failed_task_with_1_and_what_there_is_is_merged(
    run: RunFolder, run_sh: Program, launch: Callable[..., None]
) -> None:
    launch(
        rehearsed("T-01"),
        rehearsed("T-02", "T-01", approval=True, fails=9, max_retries=0),
        rehearsed("T-03", "T-02"),
    )
    stopped = run_sh()
    assert stopped.code == 4
    assert "T-02" in stopped.stderr
    assert not (run.folder / "final_output.md").exists()
    run.prepare("approve", "T-02")
    failed = run_sh()
    assert failed.code == 1
    assert "[Agent-02] T-02 Failed" in failed.stdout
    assert "[Agent-03] T-03 Blocked" in failed.stdout
    assert "Missing: T-02" in failed.stdout
    assert (run.folder / "final_output.md").exists()


def test_by_stage_keeps_the_stages_apart(run: RunFolder, run_sh: Program, launch: Callable[..., None]) -> None:
    launch(rehearsed("T-01"), rehearsed("T-02", seconds=1), rehearsed("T-03", "T-01"))
    assert run_sh("--by-stage", "--jobs=3", "--no-merge").code == 0
    order = [(event["type"], event["task"]) for event in run.events() if "task" in event]
    assert order.index(("task_started", "T-03")) > order.index(("task_completed", "T-02"))


def test_while_it_runs_a_second_is_refused_a_killed_exec_is_given_out_again_and_an_edit_of_the_plan_counts(
    run: RunFolder, run_sh: Program, launch: Callable[..., None], home: Path, no_processes_left: Callable[..., None]
) -> None:
    started = under_way(run, run_sh, launch)
    second = run_sh()
    assert second.code == 3
    assert "another run is active" in second.stderr
    processes.kill(
        [
            each
            for each in processes.carrying("HOME", str(home))
            if "exec" in each.command and each.command[-1] == "T-01"
        ]
    )
    wait_for(lambda: [event["attempt"] for event in run.events("task_started") if event["task"] == "T-01"] == [1, 2])
    run.edit_plan(lambda plan: plan["tasks"].append(task("T-04", ["T-03"])))
    (run.project / "go").touch()
    done = started.wait()
    assert done.code == 0, done.stderr
    assert run.statuses() == dict.fromkeys(("T-01", "T-02", "T-03", "T-04"), "completed")
    assert len(run.events("task_completed")) == 4


# Texts and paths


def test_no_text_reaches_a_shell_and_any_path_will_do(
    tmp_path: Path, orchestrate: Program, program: Callable[..., Program], require: Callable[[str], Path]
) -> None:
    require("parallel")
    project = orchestrate._cwd = tmp_path / AWKWARD
    project.mkdir()
    run = RunFolder(project, orchestrate)
    hostile = {"name": HOSTILE, "description": HOSTILE, "success_criteria": [HOSTILE]}
    run.init({"id": "T-01", **hostile}, {"id": "T-02", "deps": ["T-01"], **hostile}, title=HOSTILE, request=HOSTILE)
    run("launch", *agent(run, "cat"))
    done = program("bash", "--", run.folder / "launch" / "run.sh")()
    assert done.code == 0, done.stderr
    assert "touch pwned" in run.result(2).read_text()
    assert not list(tmp_path.rglob("pwned"))


def test_its_owner_alone_may_read_it_shellcheck_finds_nothing_and_no_text_of_a_plan_is_in_it(
    run: RunFolder,
    script: Path,
    launch: Callable[..., None],
    program: Callable[..., Program],
    require: Callable[[str], Path],
) -> None:
    launch(task("T-01"), options=("--command", "agent 'a b' \"c\" $(x) {}", "--scale", "0.5", "--jobs", "7"))
    assert stat.S_IMODE(script.stat().st_mode) == 0o700
    assert stat.S_IMODE(script.parent.stat().st_mode) == 0o700
    assert program(require("shellcheck"))("--severity=style", script).stdout == ""
    ssh = program(require("shellcheck"))("--severity=style", TEMPLATES / "ssh.sh.j2")
    assert ssh.stdout == ""
    plain = script.read_bytes()
    assert b"\njobs=7\n" in plain
    run.write_plan({"id": "T-01", "name": HOSTILE, "description": HOSTILE}, title=HOSTILE, request=HOSTILE)
    run.prepare("init", "--force")
    answer = run("launch", "--command", "agent 'a b' \"c\" $(x) {}", "--scale", "0.5", "--jobs", "7", "--json").json
    assert str(script) in answer["files"]
    assert answer["jobs"] == 7
    assert script.read_bytes() == plain


# What is missing or wrong


def test_wrong_usage_ends_with_2_and_says_what_was_wrong_and_help_explains_every_option(
    run: RunFolder, run_sh: Program, launch: Callable[..., None]
) -> None:
    launch(task("T-01"))
    for words, code, said in (
        (["--jobs", "0"], 2, "--jobs is '0'"),
        (["--jobs=-1"], 2, "--jobs is '-1'"),
        (["--jobs", "many"], 2, "--jobs is 'many'"),
        (["--jobs"], 2, "--jobs needs a value"),
        (["--hosts"], 2, "--hosts needs a value"),
        (["--fast"], 2, "no option --fast"),
        (["extra"], 2, "no option extra"),
        (["--hosts", "no-such-file"], 3, "there is no file no-such-file"),
    ):
        done = run_sh(*words)
        assert (done.code, done.stdout) == (code, ""), words
        assert said in done.stderr
    done = run_sh("--help")
    assert done.code == 0
    for option in ("--jobs N", "--dry-run", "--hosts FILE", "--workdir FOLDER", "--by-stage", "--no-merge", "--help"):
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


def test_without_what_it_needs_it_says_what_is_missing_and_how_to_install_it(
    run: RunFolder, run_sh: Program, launch: Callable[..., None], script: Path, tmp_path: Path
) -> None:
    launch(task("T-01"))
    (run.project / "hosts").write_text("one\n")
    install = ("apt install parallel", "dnf install parallel", "brew ")
    moreutils = (
        "#!/bin/sh\necho \"parallel: invalid option -- '-'\" >&2\necho 'parallel [OPTIONS] command' >&2\nexit 1\n"
    )
    for missing, replacement, said, advice in (
        ("parallel", None, "parallel is missing", install),
        ("parallel", moreutils, "not GNU parallel (moreutils has another one)", install),
        ("parallel", "#!/bin/sh\necho 'GNU parallel 20170922'\n", "20170922 is too old, expected 20180822", install),
        ("rsync", None, "rsync is missing", ("apt install rsync", "dnf install rsync", "brew install rsync")),
        ("ssh", None, "ssh is missing", ("apt install openssh-client", "dnf install openssh-clients", "brew install")),
    ):
        path = path_without(missing, tmp_path / f"bin{len(said)}", replacement)
        done = run_sh("--hosts", run.project / "hosts", environment={"PATH": path})
        assert done.code == 3, (said, done.stderr)
        assert said in done.stderr
        for manager in advice:
            assert manager in done.stderr
    script.write_text(script.read_text().replace("orchestrate.py", "gone.py"))
    done = run_sh()
    assert done.code == 3
    assert "gone.py is gone" in done.stderr
    assert run.events("task_started") == []


def test_an_older_gnu_parallel_that_waits_for_a_line_for_each_slot_starts_at_once(
    run: RunFolder, run_sh: Program, launch: Callable[..., None], tmp_path: Path, require: Callable[[str], Path]
) -> None:
    path = f"{old_parallel(require('parallel'), tmp_path / 'bin')}:{os.environ['PATH']}"
    command = ["parallel", "--plain", "--will-cite", "--ungroup", "--jobs", "2", "echo"]
    alone = {"PATH": path, "HOME": str(tmp_path)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=alone) as held:
        assert held.stdin is not None
        assert held.stdout is not None
        held.stdin.write(b"1\n")
        assert select.select([held.stdout], [], [], 1.5)[0] == [], "one line for two slots: it waits"
        held.stdin.write(b"2\n")
        assert select.select([held.stdout], [], [], 60)[0] == [held.stdout]
        held.stdin.close()
    launch(*DIAMOND)
    done = run_sh("--jobs", "6", "--no-merge", environment={"PATH": path})
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
    """The script with two workers that wait for the file `go`."""
    launch(
        task("T-01"),
        task("T-02"),
        task("T-03", ["T-01", "T-02"]),
        options=agent(run, "cat >/dev/null\nwhile [ ! -e go ]; do sleep 0.1; done\necho fine"),
    )
    return started_again(run, run_sh)


def started_again(run: RunFolder, run_sh: Program) -> Running:
    """The script once its two workers have begun."""
    started = run_sh.start()
    wait_for(lambda: len(running(run)) == 2 or started.process.poll() is not None)
    assert started.process.poll() is None, started.stderr
    return started


def test_signals_and_kill_9_of_the_script_end_every_worker_and_the_next_start_goes_on(
    run: RunFolder, run_sh: Program, launch: Callable[..., None], no_processes_left: Callable[..., None]
) -> None:
    started = under_way(run, run_sh, launch)
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGHUP):
        started.send(number, to_group=False)
        ended = started.wait()
        assert ended.code == (-signal.SIGKILL if number == signal.SIGKILL else 130)
        wait_for(lambda: run.statuses() == {"T-01": "pending", "T-02": "pending", "T-03": "waiting"})
        no_processes_left(20.0 if number == signal.SIGKILL else 1.0)
        if number == signal.SIGHUP:
            (run.project / "go").touch()
            break
        started = started_again(run, run_sh)
    assert run_sh().code == 0
    assert len(run.events("task_completed")) == 3


def test_gnu_parallel_or_the_feed_may_be_killed_and_the_next_start_goes_on(
    run: RunFolder, run_sh: Program, launch: Callable[..., None], no_processes_left: Callable[..., None]
) -> None:
    started = under_way(run, run_sh, launch)
    started.kill_child(lambda words: any(word.endswith("parallel") for word in words[:3]))
    assert started.wait().code == 4
    assert not running(run)
    no_processes_left(1.0)

    started = started_again(run, run_sh)
    started.kill_child(lambda words: "feed" in words)
    wait_for(lambda: "the feed was killed" in started.stderr)
    started.send(signal.SIGTERM, to_group=False)
    assert started.wait().code == 130
    assert not running(run)
    no_processes_left(1.0)

    started = started_again(run, run_sh)
    started.kill_child(lambda words: "feed" in words)
    (run.project / "go").touch()
    assert started.wait().code == 4, "what was under way is done"
    assert run.statuses() == {"T-01": "completed", "T-02": "completed", "T-03": "pending"}
    assert run_sh().code == 0
    assert len(run.events("task_completed")) == 3
