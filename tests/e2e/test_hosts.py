"""`run.sh --hosts` on real machines: three sshd on loopback, GNU parallel and rsync, some of them dying on the way."""

from __future__ import annotations

import getpass
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from machines import Machine, Machines

import processes
from programs import Finished, Program, Running
from runfolders import RunFolder, task

AGENT = """\
#!/bin/sh
name=${ORCHESTRATE_ATTEMPT#*/}
echo "$MACHINE" >>"$TOUCHED/$(echo "$name" | tr / .)"
cat >"prompt.$(echo "$name" | tr / .)"
%s
echo "# Result of $name by $MACHINE"
"""


def wait_for(what: Callable[[], object], within_s: float = 30.0) -> None:
    end = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


@pytest.fixture
def run(project: Path, orchestrate: Program) -> RunFolder:
    """The run of the project."""
    return RunFolder(project, orchestrate)


@pytest.fixture
def machines(tmp_path: Path, require: Callable[[str], Path]) -> Iterator[Machines]:
    """`machines.make("a")`: a machine to run tasks on."""
    made = Machines(tmp_path / "machines", require)
    yield made
    made.end()


@pytest.fixture
def started(tmp_path: Path) -> Path:
    """A folder in which every attempt leaves the name of its machine when it begins."""
    folder = tmp_path / "touched"
    folder.mkdir()
    return folder


@pytest.fixture
def on(
    run: RunFolder, program: Callable[..., Program], machines: Machines, started: Path
) -> Callable[..., Callable[..., Running]]:
    """`on(hosts_text, task, …, body="sleep 1")()`: starts the script of such a run on the machines made so far."""

    def prepare(hosts: str, *tasks: dict[str, object], body: str = "") -> Callable[..., Running]:
        run.init(*tasks)
        run("launch", "--command", "./agent.sh")
        (run.project / "hosts").write_text(hosts)
        for machine in machines.made:
            path = machine.project / "agent.sh"
            path.write_text(AGENT.replace("$TOUCHED", str(started)) % body)
            path.chmod(0o755)
        bash = program("bash", run.folder / "launch" / "run.sh", "--hosts", "hosts", "--workdir", "../project")
        return bash.start

    return prepare


def attempts(started: Path) -> dict[str, str]:
    """The attempts that have begun, each with its machine."""
    return {path.name: path.read_text().strip() for path in started.iterdir() if path.read_text().strip()}


def alive(run: RunFolder) -> list[processes.Process]:
    """The processes that carry the mark of an attempt of this run, here or there."""
    return processes.carrying(processes.ATTEMPT, run.status()["run"]["id"])


def ended(finished: Finished, code: int) -> None:
    assert finished.code == code, (finished.stdout, finished.stderr)


def test_results_and_named_outputs_come_back_from_every_machine_and_other_changes_stay_there(
    run: RunFolder, machines: Machines, on: Callable[..., Callable[..., Running]], started: Path
) -> None:
    a, b = machines.make("a"), machines.make("b")
    hostile = "$(touch pwned) `touch pwned` ' \" ; {} {1} @/etc/passwd 🚀"
    tasks = [
        task("T-01", outputs=["out dir/it's $(touch pwned).txt"], description=hostile),
        task("T-02"),
        task("T-03", ["T-01"], description="Join."),
    ]
    body = 'mkdir -p \'out dir\'; echo "by $MACHINE" >"out dir/it\'s \\$(touch pwned).txt"; echo x >undeclared'
    user_and_port = f"{getpass.getuser()}@127.0.0.1:{b.port}"
    start = on(f"# two machines\n1/{a.line()[2:]}\n{b.line(1, user_and_port)}\n", *tasks, body=body)
    ended(start().wait(60), 0)
    assert {event["task"]: event["attempt"] for event in run.events("task_completed")} == dict.fromkeys(
        run.statuses(), 1
    )
    assert set(attempts(started).values()) == {"a", "b"}
    assert "by " in (run.project / "out dir" / "it's $(touch pwned).txt").read_text()
    assert not (run.project / "undeclared").exists()
    assert not (run.project / "prompt.T-01.1").exists()
    assert not list(run.project.parent.rglob("pwned"))
    prompts = [path.read_text() for machine in (a, b) for path in machine.project.glob("prompt.T-0[13].1")]
    assert any(hostile[:20] in prompt for prompt in prompts)
    assert any("Result of T-01/1 by" in prompt for prompt in prompts)
    for machine in (a, b):
        assert not list(machine.home.glob(".parallel/tmp/*/*"))
    assert not list((run.folder / "remote").glob("T-*"))


def test_the_tasks_of_a_machine_that_dies_and_of_one_that_freezes_are_done_by_another(
    run: RunFolder, machines: Machines, on: Callable[..., Callable[..., Running]], started: Path
) -> None:
    a, b, c = (machines.make(name) for name in "abc")
    hosts = "".join(f"{machine.line(2)}\n" for machine in (a, b, c))
    tasks = [task(f"T-0{n}") for n in range(1, 6)] + [task("T-06", ["T-01"])]
    running = on(hosts, *tasks, body='[ "$MACHINE" = a ] || sleep 4')()
    wait_for(lambda: {"b", "c"} <= set(attempts(started).values()))
    b.kill()
    c.freeze()
    done = running.wait(60)
    ended(done, 0)
    assert set(run.statuses().values()) == {"completed"}
    assert Counter(event["task"] for event in run.events("task_completed")) == Counter(run.statuses().keys())
    assert all(entry["retries"] == 0 for entry in run.status()["tasks"])
    for number in range(1, 7):
        last = run.events("task_completed")
        attempt = next(event["attempt"] for event in last if event["task"] == f"T-0{number}")
        assert run.result(number).read_text().rstrip() == f"# Result of T-0{number}/{attempt} by a"
    for name in "bc":
        assert f"host {name} does not answer any more" in done.stderr
    assert (run.folder / "remote" / "sshlogins").read_text() == "2/h1-a\n"


def test_a_machine_that_cannot_be_used_is_named_and_left_out(
    run: RunFolder, machines: Machines, on: Callable[..., Callable[..., Running]], started: Path
) -> None:
    a, b, c = (machines.make(name) for name in "abc")
    start = on("".join(f"{machine.line()}\n" for machine in (a, b, c)), task("T-01"), task("T-02"))
    b.kill()
    (c.project / "agent.sh").unlink()
    done = start().wait(60)
    ended(done, 0)
    assert re.search(r"hosts:2: host b is left out: .*refused", done.stderr)
    assert "hosts:3: host c is left out: it lacks the program ./agent.sh" in done.stderr
    assert set(attempts(started).values()) == {"a"}


def test_a_machine_whose_key_has_changed_is_refused_and_so_is_the_whole_run(
    run: RunFolder, machines: Machines, on: Callable[..., Callable[..., Running]], started: Path
) -> None:
    a, b = machines.make("a"), machines.make("b")
    start = on(f"{a.line()}\n{b.line()}\n", task("T-01"))
    b.change_key()
    done = start().wait(30)
    ended(done, 3)
    assert "hosts:2: host b: its host key has changed" in done.stderr
    assert run.events("task_started") == []
    assert attempts(started) == {}


def test_a_machine_whose_key_nobody_knows_is_not_trusted_by_itself(
    run: RunFolder, machines: Machines, on: Callable[..., Callable[..., Running]]
) -> None:
    a = machines.make("a")
    start = on(f"{a.line()}\n", task("T-01"))
    machines.known_hosts.write_text("")
    done = start().wait(30)
    ended(done, 3)
    assert "its host key is not known here" in done.stderr
    assert "no host of" in done.stderr
    assert machines.known_hosts.read_text() == ""


def test_wrong_lines_of_the_hosts_file_are_named_with_their_numbers(
    run: RunFolder, machines: Machines, on: Callable[..., Callable[..., Running]]
) -> None:
    done = on("2/fine\n0/none\nssh -o StrictHostKeyChecking=no open\n", task("T-01"))().wait(30)
    ended(done, 2)
    assert "hosts:2: error: 0 slots" in done.stderr
    assert "hosts:3: error: StrictHostKeyChecking=no" in done.stderr
    assert run.events("task_started") == []


def test_a_task_that_is_cancelled_or_takes_too_long_ends_on_its_machine_too(
    run: RunFolder, machines: Machines, on: Callable[..., Callable[..., Running]], started: Path
) -> None:
    a = machines.make("a")
    endless = "(trap '' TERM; exec setsid sleep 1000) & exec sleep 1000"
    tasks = [task("T-01"), task("T-02", timeout="4s", max_retries=0)]
    running = on(f"{a.line(2)}\n", *tasks, body=endless)()
    wait_for(lambda: len(attempts(started)) == 2)
    run.prepare("skip", "T-01")
    done = running.wait(60)
    ended(done, 1)
    assert run.statuses() == {"T-01": "skipped", "T-02": "failed"}
    assert "took too long" in run.entry("T-02")["reason"]
    assert not processes.wait_until_none(lambda: alive(run), 2.0)


def test_a_signal_ends_what_runs_on_the_machines_and_the_next_start_goes_on(
    run: RunFolder, machines: Machines, on: Callable[..., Callable[..., Running]], started: Path
) -> None:
    a = machines.make("a")
    start = on(f"{a.line(2)}\n", task("T-01"), task("T-02", ["T-01"]), body="[ -e go ] || exec sleep 1000")
    running = start()
    wait_for(lambda: attempts(started))
    running.send(signal.SIGTERM, to_group=False)
    ended(running.wait(30), 130)
    assert run.statuses() == {"T-01": "pending", "T-02": "waiting"}
    assert not processes.wait_until_none(lambda: alive(run), 2.0)
    (a.project / "go").touch()
    ended(start().wait(40), 0)
    assert set(attempts(started)) == {"T-01.1", "T-01.2", "T-02.1"}


def test_when_the_only_machine_is_gone_the_run_cannot_go_on(
    run: RunFolder, machines: Machines, on: Callable[..., Callable[..., Running]], started: Path
) -> None:
    a = machines.make("a")
    running = on(f"{a.line()}\n", task("T-01"), body="sleep 30")()
    wait_for(lambda: attempts(started))
    a.kill()
    done = running.wait(40)
    ended(done, 3)
    assert "no machine is left" in done.stderr
    assert run.statuses() == {"T-01": "pending"}


@pytest.fixture
def machine(machines: Machines) -> Machine:
    """One machine."""
    return machines.make("a")


def test_what_carries_a_mark_is_ended_on_its_machine_and_nothing_else(machine: Machine, tmp_path: Path) -> None:
    import subprocess

    from orchestrator.launchers import ssh
    from orchestrator.launchers.hosts import read_hosts

    (host,), _ = read_hosts(machine.line(), 1)
    marked, other = (
        subprocess.Popen(["sleep", "1000"], env={"ORCHESTRATE_ATTEMPT": mark, "HOME": str(tmp_path)}, cwd=tmp_path)
        for mark in ("run/T-01/1", "run/T-01/11")
    )
    try:
        assert ssh.end_marked(host, "run/T-01/1", 1.0)
        assert marked.wait(5) == -signal.SIGTERM
        assert other.poll() is None
    finally:
        for process in (marked, other):
            process.kill()
            process.wait()
