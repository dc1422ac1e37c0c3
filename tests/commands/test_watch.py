"""`watch`: what somebody sees of a run who does not run it, until it ends."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from programs import Program, Running
from runfolders import RunFolder, task

REHEARSED = ("--executor", "rehearse", "--scale", "0")


def rehearsed(id: str, *deps: str, **fields: object) -> dict[str, object]:
    return task(id, deps, rehearse={"duration": 0, **fields.pop("rehearse", {})}, **fields)  # type: ignore[dict-item]


def wait_for(text: str, watched: Running, deadline_s: float = 60.0) -> None:
    """Until ``watched`` has said ``text``."""
    end = time.monotonic() + deadline_s
    while text not in watched.stdout:
        assert time.monotonic() < end, (text, watched.stdout, watched.stderr)
        time.sleep(0.05)


def test_it_tells_what_happens_in_plain_lines_and_ends_with_the_run(run: RunFolder) -> None:
    run.init(rehearsed("T-01"), rehearsed("T-02", "T-01", rehearse={"fails": 1}), title="A bridge")
    plain, lines = run.orchestrate.start("watch"), run.orchestrate.start("watch", "--json")
    wait_for("A bridge: planned", plain)
    wait_for('"state": "planned"', lines)
    run("run", *REHEARSED)
    done = plain.wait()
    assert done.code == 0
    told = [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in done.stdout.splitlines()]
    for line in ("[Agent-01] T-01 Running: Do T-01", "[Agent-02] T-02 Running (attempt 2): Do T-02"):
        assert line in told
    assert any(line.startswith("[Agent-02] T-02 Retrying") for line in told)
    assert told[-1].startswith("All tasks are done.")
    answered = lines.wait()
    assert answered.code == 0
    states = [each["run"]["state"] for each in answered.json_lines]
    assert (states[0], states[-1]) == ("planned", "completed")


def test_it_ends_as_the_run_does_and_names_what_waits_for_a_person(run: RunFolder) -> None:
    run.init(rehearsed("T-01"), rehearsed("T-02", "T-01", approval=True), rehearsed("T-03", rehearse={"fails": 9}))
    watched = run.orchestrate.start("watch")
    wait_for("planned", watched)
    ended = run("run", *REHEARSED, code=4)
    assert "Waiting for a person: T-02 (orchestrate approve T-02)" in ended.stderr
    assert "orchestrate approve ID (or --all), then orchestrate run" in ended.stdout
    done = watched.wait()
    assert done.code == 4
    assert "waiting for a person's approval: T-02" in done.stdout
    run.prepare("approve", "--all", "--note", "seen")
    assert "T-02 approved by" in run.log()
    run("run", *REHEARSED, code=1)
    assert run("watch", code=1).stdout.splitlines()[-1].startswith("The run cannot go on: T-03 failed")


def test_once_shows_how_it_is_and_ends_with_0(run: RunFolder) -> None:
    run.init(task("T-01"), task("T-02", approval=True), task("T-03"))
    run.prepare("start", "T-01")
    title, bar, running, waiting = run.prepare("watch", "--once").splitlines()
    assert (title, bar) == ("Test: running", f"{'░' * 30} 0%  0/3")
    assert re.fullmatch(r"  🔵 Agent-01 T-01 Do T-01 [\d.]+s", running)
    assert waiting == "  Waiting for a person: T-02 (orchestrate approve T-02)"
    assert json.loads(run.prepare("watch", "--once", "--json"))["run"]["counts"]["running"] == 1


def test_it_uses_next_to_nothing_of_a_core(run: RunFolder) -> None:
    run.init(task("T-01"))
    run.prepare("start", "T-01")
    watched = run.orchestrate.start("watch")
    wait_for("running", watched)
    process = psutil.Process(watched.pid)
    before = process.cpu_times()
    time.sleep(4)
    after = process.cpu_times()
    used = after.user + after.system - before.user - before.system
    assert used < 0.2, "5% of a core, on a machine as busy as may be"
    run.prepare("complete", "T-01", "--result", "-", stdin="Done.\n")
    assert watched.wait().code == 0


@pytest.mark.skipif(os.name == "nt", reason="a terminal of POSIX")
def test_a_terminal_has_the_picture_under_the_lines(
    run: RunFolder, orchestrate: Program, environment: dict[str, str], tmp_path: Path
) -> None:
    run.init(rehearsed("T-01"), rehearsed("T-02", "T-01"), title="A bridge")
    ours, theirs = pty.openpty()
    watched = subprocess.Popen(
        [*orchestrate._command, "watch"],
        cwd=run.project,
        env={**environment, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        seen = _read_until(ours, b"planned")
        run("run", *REHEARSED)
        seen += _read_until(ours, None)
        assert watched.wait(60) == 0
    finally:
        if watched.poll() is None:
            watched.kill()
            watched.wait()
        os.close(ours)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode("utf-8", "replace"))
    assert "░" * 30 in text
    assert "[Agent-02] T-02 Completed" in text
    assert "All tasks are done." in text


def _read_until(terminal: int, wanted: bytes | None, deadline_s: float = 60.0) -> bytes:
    """What a terminal shows until ``wanted`` is there, or until its other side is closed."""
    import select

    seen, end = b"", time.monotonic() + deadline_s
    while wanted is None or wanted not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0.0, end - time.monotonic()))
        assert ready, seen
        try:
            data = os.read(terminal, 65536)
        except OSError:
            return seen
        if not data:
            return seen
        seen += data
    return seen
