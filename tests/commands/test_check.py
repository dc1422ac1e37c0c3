"""``check``: the result collection checklist, and what it does about gaps."""

from __future__ import annotations

from typing import Any

import pytest

from runfolders import RunFolder, task

THREE = (task("T-01"), task("T-02", ["T-01"]), task("T-03"))


def checked(run: RunFolder, *words: str, code: int = 1) -> dict[str, dict[str, Any]]:
    """The entries by task."""
    return {entry["task"]: entry for entry in run("check", *words, "--json", code=code).json["results"]}


def states(run: RunFolder, *words: str, code: int = 1) -> dict[str, str]:
    return {id: entry["state"] for id, entry in checked(run, *words, code=code).items()}


class TestTheList:
    def test_its_record_has_exactly_the_keys_of_the_contract(self, run: RunFolder) -> None:
        run.init(*THREE)
        run.complete("T-01")
        record = run("check", "--json", code=1).json
        assert set(record) == {"complete", "results"}
        assert record["complete"] is False
        assert [set(entry) for entry in record["results"]] == [{"task", "agent", "file", "state", "advice"}] * 3
        assert record["results"][0] == {
            "task": "T-01",
            "agent": "Agent-01",
            "file": ".orchestrator/results/agent-01-result.md",
            "state": "exists",
            "advice": "",
        }

    def test_it_is_a_table_and_then_advice_for_each_gap(self, run: RunFolder) -> None:
        run.init(*THREE)
        run.complete("T-01")
        run.give_up("T-03", "no such table")
        said = run("check", code=1).stdout
        assert "| Agent | Result File | Status |\n| --- | --- | --- |\n" in said
        assert "| Agent-01 | .orchestrator/results/agent-01-result.md | ✅ Exists |" in said
        assert "| Agent-02 | .orchestrator/results/agent-02-result.md | ❌ Missing |" in said
        gaps = said.partition("## Missing result handling")[2]
        assert "T-02 was not run yet" in gaps
        assert "T-03 failed (no such table): `orchestrate retry T-03`" in gaps

    def test_it_ends_with_0_once_every_result_is_there(self, run: RunFolder) -> None:
        run.init(*THREE)
        run.complete("T-01", "T-02", "T-03")
        assert states(run, code=0) == {"T-01": "exists", "T-02": "exists", "T-03": "exists"}
        assert run("check", "--json").json["complete"] is True

    def test_a_skipped_task_is_no_gap(self, run: RunFolder) -> None:
        run.init(*THREE)
        run.complete("T-01", "T-02")
        run.prepare("skip", "T-03")
        assert states(run, code=0) == {"T-01": "exists", "T-02": "exists"}
        assert "Left out: T-03" in run("check").stdout

    @pytest.mark.parametrize(
        ("prepare", "state", "said"),
        [
            (lambda run: run.result(1).unlink(), "missing", "the recorded file is gone"),
            (lambda run: run.result(1).write_text(" \n"), "empty", "write the result again"),
            (lambda run: run.result(1).write_text("other"), "invalid", "was changed after it was recorded"),
            (lambda run: (run.project / "out.txt").unlink(), "invalid", "the output out.txt is missing"),
            (lambda run: (run.project / "proof").unlink(), "invalid", "verify `test -e proof` exited with 1"),
        ],
        ids=["missing", "empty", "changed", "outputs", "verify"],
    )
    def test_what_is_wrong_with_a_recorded_result(self, run: RunFolder, prepare: Any, state: str, said: str) -> None:
        run.write_plan(task("T-01", outputs=["out.txt"], verify=["test -e proof"]))
        run.prepare("init", "--trust")
        (run.project / "out.txt").write_text("x")
        (run.project / "proof").touch()
        run.complete("T-01")
        assert states(run, code=0) == {"T-01": "exists"}
        prepare(run)
        entry = checked(run)["T-01"]
        assert entry["state"] == state
        assert said in entry["advice"]

    def test_a_result_that_does_not_fit_its_schema_any_more(self, run: RunFolder) -> None:
        run.init(task("T-01"))
        run.complete("T-01")
        run.edit_plan(lambda plan: plan["tasks"].append(task("T-02")))
        assert checked(run)["T-01"]["state"] == "exists"

    def test_verify_runs_only_when_it_is_trusted_and_only_for_what_is_done(self, run: RunFolder) -> None:
        run.init(task("T-01", verify=["true"]))
        assert states(run) == {"T-01": "missing"}
        run.prepare("trust")
        run.complete("T-01")
        run.edit_plan(lambda plan: plan["tasks"].append(task("T-02", verify=["touch pwned"])))
        assert "not trusted" in run("check", code=3).stderr
        assert not (run.project / "pwned").exists()


class TestUnrecorded:
    def test_a_file_that_somebody_wrote_is_not_taken_for_a_result(self, run: RunFolder) -> None:
        run.init(*THREE)
        run.result(1).write_text("written by somebody")
        run.result(2).write_text("")
        entries = checked(run)
        assert (entries["T-01"]["state"], entries["T-02"]["state"]) == ("unrecorded", "empty")
        assert "check --adopt" in entries["T-01"]["advice"]
        assert run.statuses()["T-01"] == "pending"

    def test_adopt_records_it_after_the_same_checks(self, run: RunFolder) -> None:
        run.init(task("T-01"), task("T-02", ["T-01"]), task("T-03", outputs=["gone.txt"]))
        for number in (1, 2, 3):
            run.result(number).write_text("written by somebody")
        told = run("check", "--adopt", code=1)
        assert "T-01 is completed" in told.stderr
        assert "T-02 is completed" in told.stderr
        assert "T-03 was not adopted: the output gone.txt is missing" in told.stderr
        assert run.statuses() == {"T-01": "completed", "T-02": "completed", "T-03": "pending"}
        event = run.events("task_completed")[0]
        assert (event["reason"], event["hash"][:7]) == ("adopted by check", "sha256:")
        assert states(run)["T-01"] == "exists"

    def test_only_a_pending_task_is_adopted(self, run: RunFolder) -> None:
        run.init(*THREE)
        run.prepare("start", "T-01")
        run.give_up("T-03")
        for number in (1, 2, 3):
            run.result(number).write_text("written by somebody")
        run("check", "--adopt", code=1)
        assert run.statuses() == {"T-01": "running", "T-02": "waiting", "T-03": "failed"}
        advice = {id: entry["advice"] for id, entry in checked(run).items()}
        assert "orchestrate complete T-01" in advice["T-01"]
        assert "it is not used" in advice["T-02"]
        assert "orchestrate retry T-03" in advice["T-03"]


class TestActs:
    def test_retry_opens_gaps_again_and_runs_nothing(self, run: RunFolder) -> None:
        run.init(*THREE, task("T-04"))
        run.complete("T-01", "T-03")
        run.give_up("T-02")
        run.prepare("skip", "T-04")
        run.result(3).unlink()
        told = run("check", "--retry", code=1).stderr
        assert "T-02 is pending again" in told
        assert run.statuses() == {"T-01": "completed", "T-02": "pending", "T-03": "pending", "T-04": "skipped"}
        assert run.entry("T-03")["retries"] == 1
        assert [event["was"] for event in run.events("task_reopened")] == ["failed", "completed"]

    def test_fail_marks_every_gap_that_is_not_running(self, run: RunFolder) -> None:
        run.init(*THREE, task("T-04"), task("T-05", priority="P3"), task("T-06", approval=True))
        run.complete("T-03")
        run.result(3).unlink()
        run.prepare("start", "T-04")
        run("check", "--fail", code=1)
        assert run.statuses() == {
            **dict.fromkeys(["T-01", "T-02", "T-03", "T-05", "T-06"], "failed"),
            "T-04": "running",
        }
        assert run.entry("T-03")["reason"] == "marked by check: result missing"

    def test_they_exclude_each_other(self, run: RunFolder) -> None:
        run.init(*THREE)
        run("check", "--retry", "--fail", code=2)

    def test_without_gaps_they_do_nothing(self, run: RunFolder) -> None:
        run.init(task("T-01"))
        run.complete("T-01")
        before = run.journal.read_bytes()
        for act in ("--retry", "--fail", "--adopt"):
            run("check", act)
        assert run.journal.read_bytes() == before


class TestOutdated:
    def test_work_on_what_was_done_again_meanwhile_is_named(self, run: RunFolder) -> None:
        run.init(*THREE)
        run.complete("T-01", "T-02", "T-03")
        run.result(1).unlink()
        run.prepare("check", "--retry", code=1)
        run.complete("T-01")
        said = run("check")
        assert "T-02 is completed, but T-01, which it depends on, was completed after it began" in said.stdout
        assert checked(run, code=0)["T-02"]["state"] == "exists"

    def test_a_dependency_that_was_added_by_hand_is_named(self, run: RunFolder) -> None:
        run.init(*THREE)
        run.prepare("start", "T-03")
        run.edit_plan(lambda plan: plan["tasks"].append(task("T-04")))
        run.prepare("fail", "T-03")
        run.edit_plan(lambda plan: plan["tasks"][2].update(deps=["T-04"]))
        run("status")
        assert run.statuses()["T-03"] == "retrying"


def test_a_blank_file_that_nobody_recorded_is_not_offered_for_adoption(run: RunFolder) -> None:
    run.init(task("T-01"))
    run.result(1).write_text("\n")
    said = run.prepare("check", code=1)
    assert "⚠️ Empty" in said
    assert "--adopt" not in said
