"""`run.sh --hosts` on real machines: sshd on loopback, GNU parallel and rsync, some of them dying on the way."""

from __future__ import annotations

import getpass
import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from machines import Machine, Machines
from oldparallel import old_parallel

import processes
from orchestrator.launchers import ssh
from orchestrator.launchers.hosts import read_hosts
from programs import Finished, Program, Running, wait_for
from runfolders import RunFolder, task

AGENT = """\
#!/bin/sh
name=${ORCHESTRATE_ATTEMPT#*/}
file=$(echo "$name" | tr / .)
echo "$MACHINE" >>"$STARTED/$file"
cat >"prompt.$file"
%s
echo "# Result of $name by $MACHINE"
"""
ENDLESS = "(trap '' TERM; exec setsid sleep 1000) & exec sleep 1000"


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
    folder = tmp_path / "started"
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
            path.write_text(AGENT.replace("$STARTED", str(started)) % body)
            path.chmod(0o755)
        bash = program("bash", run.folder / "launch" / "run.sh", "--hosts", "hosts", "--workdir", "../project")
        return bash.start

    return prepare


def attempts(started: Path) -> dict[str, str]:
    """The attempts that have begun, each with its machine."""
    return {path.name: path.read_text().strip() for path in started.iterdir() if path.read_text().strip()}


def nothing_is_left_of(run: RunFolder) -> bool:
    """Whether no process carries the mark of an attempt of this run any more, here or there."""
    id = run.status()["run"]["id"]
    return not processes.wait_until_none(lambda: processes.carrying(processes.ATTEMPT, id), 20.0)


def ended(running: Running, code: int) -> Finished:
    finished = running.wait()
    assert finished.code == code, (finished.stdout, finished.stderr)
    return finished


def test_what_a_task_needs_goes_there_and_its_result_and_outputs_come_back(
    run: RunFolder, machines: Machines, on: Callable[..., Callable[..., Running]], started: Path
) -> None:
    a, b, c = (machines.make(name) for name in "abc")
    hostile = "$(touch pwned) `touch pwned` ' \" ; {} {1} @/etc/passwd 🚀"
    awkward = "it's $(touch pwned)"
    tasks = [
        task("T-01", outputs=[f"out dir/{awkward}.T-01"], description=hostile),
        task("T-02", outputs=[f"out dir/{awkward}.T-02"], writes=["out dir/**"]),
        task("T-03", ["T-01", {"task": "T-02", "type": "sequential"}]),
    ]
    body = """\
case $file in
T-03.1) cat 'out dir'/* .orchestrator/results/*; rm -r 'out dir' ;;
*) mkdir -p 'out dir'; echo "made by $MACHINE" >"out dir/it's \\$(touch pwned).${file%.1}"; echo x >undeclared; sleep 1
esac"""
    # The configuration knows another user and port for the address than those of the line.
    by_address = f"{getpass.getuser()}@127.0.0.1:{b.port}"
    start = on(f"# machines\n1/{a.line()[2:]}\n{b.line(1, by_address)}\n{c.line(10)}\n", *tasks, body=body)
    c.kill()
    done = ended(start(), 0)
    assert re.search(r"hosts:4: host c is left out: .*refused", done.stderr)
    assert "T-02 may change files (writes): results and `outputs` come back, other changes stay" in done.stderr
    assert [event["attempt"] for event in run.events("task_completed")] == [1, 1, 1]
    ran = attempts(started)
    assert {ran["T-01.1"], ran["T-02.1"]} == {"a", "b"}
    for id in ("T-01", "T-02"):
        assert (run.project / "out dir" / f"{awkward}.{id}").read_text() == f"made by {ran[f'{id}.1']}\n"
    told = run.result(3).read_text()
    assert told.count("made by") == 2, "what both made was on the machine of the third"
    assert told.count("# Result of T-01/1") == 1, "and so was the result that was handed over, and no other"
    assert not list(run.project.glob("undeclared")) + list(run.project.glob("prompt.*"))
    assert not list(run.project.parent.rglob("pwned"))
    prompts = [path.read_text() for machine in (a, b) for path in machine.project.glob("prompt.T-0[13].1")]
    assert any(hostile[:20] in prompt for prompt in prompts)
    assert any("Result of T-01/1 by" in prompt for prompt in prompts)
    assert not [left for machine in (a, b) for left in machine.home.glob(".parallel/tmp/*/*")]
    assert not list((run.folder / "remote").glob("T-*"))


def test_the_tasks_of_a_machine_that_dies_and_of_one_that_freezes_are_done_by_another(
    run: RunFolder, machines: Machines, on: Callable[..., Callable[..., Running]], started: Path
) -> None:
    a, b, c = (machines.make(name) for name in "abc")
    hosts = f"{a.line(1)}\n{b.line(2)}\n{c.line(1)}\n"
    tasks = [task(f"T-{n:02}") for n in range(1, 5)] + [task("T-05", ["T-01"])]
    running = on(hosts, *tasks, body='[ "$MACHINE" = a ] || sleep 1000')()
    wait_for(lambda: Counter(attempts(started).values()) == Counter(a=1, b=2, c=1))
    b.kill()
    c.freeze()
    done = ended(running, 0)
    assert set(run.statuses().values()) == {"completed"}
    completed = {event["task"]: event["attempt"] for event in run.events("task_completed")}
    assert len(completed) == len(run.events("task_completed")) == 5
    assert sum(attempt > 1 for attempt in completed.values()) == 3
    assert all(entry["retries"] == 0 for entry in run.status()["tasks"])
    for number in range(1, 6):
        name = f"T-{number:02}/{completed[f'T-{number:02}']}"
        assert run.result(number).read_text().rstrip() == f"# Result of {name} by a"
    for name in "bc":
        assert f"host {name} does not answer any more" in done.stderr
    assert (run.folder / "remote" / "sshlogins").read_text() == "1/h1-a\n"


def test_a_machine_that_lacks_something_or_is_not_known_is_left_out_and_one_whose_key_has_changed_is_refused(
    run: RunFolder, machines: Machines, on: Callable[..., Callable[..., Running]], started: Path
) -> None:
    a, b = machines.make("a"), machines.make("b")
    start = on(f"{a.line()}\n{b.line()}\n", task("T-01"))
    (b.project / "agent.sh").unlink()
    known = machines.known_hosts.read_text()
    machines.known_hosts.write_text("".join(line for line in known.splitlines(True) if not line.startswith("a ")))
    done = ended(start(), 3)
    assert "hosts:1: host a is left out: its host key is not known here" in done.stderr
    assert "hosts:2: host b is left out: it lacks the program ./agent.sh" in done.stderr
    assert "no host of" in done.stderr
    assert "\na " not in machines.known_hosts.read_text(), "it is not trusted by itself"
    machines.known_hosts.write_text(known)
    b.change_key()
    done = ended(start(), 3)
    assert "hosts:2: host b: its host key has changed" in done.stderr
    (run.project / "hosts").write_text("2/fine\n0/none\nssh -o StrictHostKeyChecking=no open\n")
    done = ended(start(), 2)
    assert "hosts:2: error: 0 slots" in done.stderr
    assert "hosts:3: error: StrictHostKeyChecking=no" in done.stderr
    assert run.events("task_started") == []
    assert attempts(started) == {}


def test_a_task_that_is_cancelled_or_takes_too_long_ends_on_its_machine_too_and_so_does_all_on_a_signal(
    run: RunFolder, machines: Machines, on: Callable[..., Callable[..., Running]], started: Path
) -> None:
    a = machines.make("a")
    tasks = [task("T-01"), task("T-02", timeout="4s", max_retries=0), task("T-03")]
    running = on(f"{a.line(3)}\n", *tasks, body=ENDLESS)()
    wait_for(lambda: len(attempts(started)) == 3)
    run.prepare("skip", "T-01")
    wait_for(lambda: run.statuses() == {"T-01": "skipped", "T-02": "failed", "T-03": "running"})
    assert "took too long" in run.entry("T-02")["reason"]
    wait_for(lambda: {each.environment[processes.ATTEMPT][-6:] for each in marked(run)} == {"T-03/1"})
    running.send(signal.SIGTERM, to_group=False)
    ended(running, 130)
    assert run.statuses()["T-03"] == "pending"
    assert nothing_is_left_of(run)


def marked(run: RunFolder) -> list[processes.Process]:
    """The processes of attempts of this run, here and there."""
    return processes.carrying(processes.ATTEMPT, run.status()["run"]["id"])


def test_when_the_only_machine_dies_the_run_cannot_go_on(
    run: RunFolder, machines: Machines, on: Callable[..., Callable[..., Running]], started: Path
) -> None:
    a = machines.make("a")
    running = on(f"{a.line()}\n", task("T-01"), body="sleep 1000")()
    wait_for(lambda: attempts(started))
    a.kill()
    assert "no machine is left" in ended(running, 3).stderr
    assert run.statuses() == {"T-01": "pending"}


def test_feed_gnu_parallel_or_all_may_be_killed_and_the_next_start_goes_on(
    run: RunFolder,
    machines: Machines,
    on: Callable[..., Callable[..., Running]],
    started: Path,
    home: Path,
    tmp_path: Path,
    require: Callable[[str], Path],
) -> None:
    a = machines.make("a")
    tasks = [task("T-01"), task("T-02", ["T-01"]), task("T-03", ["T-02"])]
    waiting = 'while [ ! -e "go.${file%.*}" ]; do sleep 0.1; done'
    start = on(f"{a.line(10)}\n", *tasks, body=f"[ $file != T-01.1 ] || {{ {ENDLESS}; }}; {waiting}")

    running = start()
    wait_for(lambda: "T-01.1" in attempts(started))
    processes.kill(processes.carrying("HOME", str(home)))
    running.end()

    running = start()
    wait_for(lambda: "T-01.2" in attempts(started))
    assert not [each for each in marked(run) if "T-01/1" in each.environment[processes.ATTEMPT]], "the first was ended"
    assert a.logins() < 20, "GNU parallel has not tried whether ten logins at once work"
    running.kill_child(lambda words: any(word.endswith("parallel") for word in words[:3]))
    (a.project / "go.T-01").touch()
    assert "GNU parallel has ended" in ended(running, 4).stderr
    assert run.statuses() == {"T-01": "completed", "T-02": "pending", "T-03": "waiting"}

    running = start()
    wait_for(lambda: any(name.startswith("T-02") for name in attempts(started)))
    running.kill_child(lambda words: "feed" in words)
    assert "the feed was killed" in ended(running, 4).stderr
    assert nothing_is_left_of(run)

    for id in ("T-02", "T-03"):
        (a.project / f"go.{id}").touch()
    (run.project / "hosts").write_text(a.line(2))
    path = f"{old_parallel(require('parallel'), tmp_path / 'bin')}:{os.environ['PATH']}"
    ended(start(environment={"PATH": path}), 0)
    assert Counter(name[:4] for name in attempts(started)) == {"T-01": 2, "T-02": 2, "T-03": 1}
    assert Counter(event["task"] for event in run.events("task_completed")) == Counter(run.statuses().keys())


@pytest.fixture
def machine(machines: Machines) -> Machine:
    """One machine."""
    return machines.make("a")


def test_what_carries_a_mark_is_ended_on_its_machine_and_nothing_else(machine: Machine, tmp_path: Path) -> None:
    (host,), _ = read_hosts(machine.line(), 1)
    marked, other = (
        subprocess.Popen(["sleep", "1000"], env={"ORCHESTRATE_ATTEMPT": mark, "HOME": str(tmp_path)}, cwd=tmp_path)
        for mark in ("run/T-01/1", "run/T-01/11")
    )
    try:
        assert ssh.end_marked(host, "run/T-01/1", 1.0)
        assert marked.wait(30) == -signal.SIGTERM
        assert other.poll() is None
    finally:
        for process in (marked, other):
            process.kill()
            process.wait()
