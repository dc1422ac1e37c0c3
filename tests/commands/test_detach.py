"""`run --detach`: it answers at once, and the run outlives whoever started it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil

from orchestrator.system.process_table import MARK_VARIABLE
from runfolders import RunFolder, task

PATIENCE_S = 60.0


def test_a_detached_run_answers_at_once_and_outlives_the_worker_that_started_it(run: RunFolder) -> None:
    run.init(task("T-01", rehearse={"duration": 3}), task("T-02", ["T-01"], rehearse={"duration": 0}))
    begun = time.monotonic()
    answer = run(
        "run", "--detach", "--executor", "rehearse", "--json", environment={MARK_VARIABLE: "other-run/T-09/1"}
    ).json
    assert time.monotonic() - begun < 3 + PATIENCE_S and run.statuses()["T-02"] != "completed"
    assert answer["id"] == run.status()["run"]["id"]
    detached = psutil.Process(answer["pid"])
    assert os.getsid(detached.pid) == detached.pid, "the session of who started it may end"
    assert MARK_VARIABLE not in detached.environ(), "ending that attempt would end the run"
    deadline = time.monotonic() + PATIENCE_S
    while run.status()["run"]["state"] != "completed" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert run.statuses() == {"T-01": "completed", "T-02": "completed"}
    assert "T-02 Completed" in Path(answer["log"]).read_text()


def test_a_detached_run_that_ends_at_once_is_told_with_its_reason(run: RunFolder) -> None:
    run.init(task("T-01", rehearse={"duration": 0}))
    refused = run("run", "--detach", "--claude", "/nowhere/claude", code=3)
    assert "/nowhere/claude" in refused.stderr and run.statuses() == {"T-01": "pending"}
