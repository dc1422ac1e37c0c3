"""`on_failure: split` without a model: parts from a template are proposed, and a person decides."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from programs import wait_for
from runfolders import RunFolder, task

NEVER = "sh -c 'cat >/dev/null; exit 3'"


def big(**fields: object) -> dict[str, object]:
    """A task that is split when it is given up, and what waits for it."""
    return task("T-01", on_failure="split", max_retries=0, **fields) | {"name": "Review the payment service"}


def proposed(run: RunFolder) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = yaml.safe_load((run.folder / "T-01.split.yaml").read_text("utf-8"))["tasks"]
    return parts


def test_a_run_that_cannot_ask_a_model_leaves_a_proposal_that_can_be_taken(run: RunFolder, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    keep = shlex.join([sys.executable, "-c", f"import sys; open({str(calls)!r}, 'a').write(sys.stdin.read())"])
    run.init(big(), task("T-02", deps=["T-01"]), task("T-03"), run={"hooks": {"on_blocked": keep}})
    run.prepare("trust")
    done = run("run", "--jobs", "1", "--command", "sh -c 'grep -q \"task is T-01\" && exit 3; echo fine'", code=1)
    assert "T-01 was not split (the executor command cannot be asked)" in done.stderr
    assert run.statuses() == {"T-01": "failed", "T-02": "blocked", "T-03": "completed"}
    (proposal,) = run.events("split_proposed")
    (blocked,) = run.events("orchestration_blocked")
    assert proposal["file"] == ".orchestrator/T-01.split.yaml"
    assert blocked["escalation"].startswith(
        "read the proposed subtasks, then: orchestrate decompose T-01 --from .orchestrator/T-01.split.yaml; or mend"
    )
    assert calls.read_text().count("orchestration_blocked") == 1, "told once, with the proposal"
    assert "Split Proposed" in run.log()
    assert len(proposed(run)) >= 2
    run("decompose", "T-01", "--from", proposal["file"])
    assert run.statuses()["T-01"] == "waiting"
    assert run.statuses()["T-02"] == "waiting"
    run("run", "--command", "sh -c 'cat >/dev/null; echo fine'")
    assert set(run.statuses().values()) == {"completed"}


@pytest.mark.parametrize("words", [["exec", "T-01", "--command", NEVER], ["fail", "T-01", "--final"]])
def test_a_task_given_up_without_a_run_is_proposed_to_be_split_at_once(run: RunFolder, words: list[str]) -> None:
    run.init(big(), task("T-02", deps=["T-01"]))
    if words[0] == "fail":
        run.prepare("start", "T-01")
    told = run.orchestrate(*words).stderr
    assert "orchestrate decompose T-01 --from .orchestrator/T-01.split.yaml" in told
    assert len(run.events("split_proposed")) == len(run.events("orchestration_blocked")) == 1
    run.prepare("retry", "T-01")
    run.orchestrate("exec", "T-01", "--command", NEVER)
    assert len(run.events("split_proposed")) == 2, "a new series of attempts, a new proposal"


@pytest.mark.parametrize("fields", [{"retry_safe": False}, {"parent": "T-09"}])
def test_what_is_not_safe_to_retry_or_a_part_itself_is_not_split(run: RunFolder, fields: dict[str, object]) -> None:
    run.init(big(**fields), task("T-09", deps=["T-01"]))
    run.orchestrate("exec", "T-01", "--command", NEVER)
    assert run.events("split_proposed") == []
    assert run.entry("T-01")["status"] == "failed"


def test_a_feed_leaves_a_proposal_before_it_ends(run: RunFolder) -> None:
    run.init(big(), task("T-02", deps=["T-01"]))
    feed = run.orchestrate.start("feed", "--command", NEVER)
    wait_for(lambda: "T-01" in feed.stdout)
    assert run.orchestrate("exec", "T-01", "--fed", "--command", NEVER).code == 1
    assert feed.wait(60).code == 1
    assert "orchestrate decompose T-01 --from .orchestrator/T-01.split.yaml" in feed.stderr
    assert len(run.events("split_proposed")) == len(run.events("orchestration_blocked")) == 1


def test_what_cannot_be_put_on_record_does_not_hold_the_run(run: RunFolder) -> None:
    run.init(big())
    (run.folder / "T-01.split.yaml").mkdir()
    done = run("run", "--command", NEVER, code=1)
    assert "no parts are proposed" in done.stderr
    assert "file" not in run.events("split_proposed")[0]
    assert "decompose" not in run.events("orchestration_blocked")[0]["escalation"]


def test_a_task_that_is_skipped_before_it_is_split_is_left_alone(run: RunFolder) -> None:
    run.init(big())
    run.prepare("start", "T-01")
    run.prepare("fail", "T-01", "--final")
    run.prepare("skip", "T-01")
    assert run.status()["run"]["state"] == "completed"
