"""`report`, `accept` and `export` on real files."""

from __future__ import annotations

import csv
import io
import json
import os

import pytest

from runfolders import RunFolder, task

AIMS = {"primary": "Know", "success_criteria": ["It is short", "It names files", "It is fast"]}
TOKEN = "ghp_" + "0123456789abcdefghijABCDEFGHIJ012345"


def done(run: RunFolder, **keys: object) -> None:
    """A run of two completed tasks whose results are merged."""
    run.init(
        task("T-01", name="Map"), task("T-02", ["T-01"], success_criteria=["it is fast."]), objectives=AIMS, **keys
    )
    run.complete("T-01", "T-02")
    run.prepare("merge")


class TestReport:
    def test_it_writes_the_page_and_the_text_and_says_how_the_criteria_stand(self, run: RunFolder) -> None:
        done(run)
        said = run.prepare("report").splitlines()
        assert said[0] == ("Completed: Successful. All 2 tasks done, results merged; success criteria: 3 not judged.")
        assert said[3] == "3. Not judged: It is fast (T-02)"
        assert said[-2:] == ["Written: .orchestrator/report.html", "Written: .orchestrator/report.md"]
        for name in ("report.html", "report.md"):
            file = run.folder / name
            assert "It names files" in file.read_text(encoding="utf-8")
            assert file.stat().st_mode & 0o777 == 0o600

    def test_it_ends_with_1_when_a_criterion_is_judged_unmet_and_only_then(self, run: RunFolder) -> None:
        run.init(task("T-01"), task("T-02", ["T-01"]), objectives=AIMS)
        run.give_up("T-01")
        record = json.loads(run.prepare("report", "--json"))
        assert (record["run"]["state"], record["run"]["successful"]) == ("blocked", False)
        run.prepare("accept", "--not-met", "2")
        record = json.loads(run.prepare("report", "--json", code=1))
        assert [each["verdict"] for each in record["criteria"]] == ["not judged", "not met", "not judged"]
        run.prepare("accept", "2")
        run.prepare("report")

    def test_it_names_what_is_not_as_it_was_recorded(self, run: RunFolder) -> None:
        done(run)
        run.result(1).write_text("Changed.")
        record = json.loads(run.prepare("report", "--json"))
        assert record["warnings"] == ["T-01: the result agent-01-result.md was changed after it was recorded"]
        assert "was changed after it was recorded" in (run.folder / "report.html").read_text()

    def test_a_secret_that_is_copied_into_it_is_told(self, run: RunFolder) -> None:
        run.init(task("T-01"), objectives=AIMS)
        run.prepare("start", "T-01")
        run.prepare("complete", "T-01", "--result", "-", stdin=f"---\nsummary: the token is {TOKEN}\n---\nx\n")
        told = run("report").stderr.splitlines()
        assert len(told) == 2
        for name, line in zip(("report.html", "report.md"), told, strict=True):
            number = int(line.split(":")[1])
            assert line == f"{name}:{number}: warning: this looks like a secret (GitHub token)"
            assert TOKEN in (run.folder / name).read_text().splitlines()[number - 1]

    def test_it_changes_nothing_and_can_be_made_at_any_time(self, run: RunFolder) -> None:
        run.init(task("T-01"))
        before = run.journal.read_bytes()
        run.prepare("report")
        assert "Planned" in (run.folder / "report.html").read_text()
        assert run.journal.read_bytes() == before


class TestAccept:
    def test_without_numbers_it_is_a_word_on_all(self, run: RunFolder) -> None:
        done(run)
        answer = json.loads(run.prepare("accept", "--note", "read it", "--json"))
        assert [(each["verdict"], each["note"]) for each in answer["criteria"]] == [("met", "read it")] * 3
        assert answer["criteria"][2]["shown_by"] == ["T-02"], "the task that has the same words"
        record = json.loads(run.prepare("report", "--json"))
        assert record["run"]["headline"] == "Successful. All 2 tasks done, results merged; all 3 success criteria met."

    def test_without_numbers_what_a_person_said_before_stays_with_its_note(self, run: RunFolder) -> None:
        done(run)
        run.prepare("accept", "1", "--note", "read it")
        answer = json.loads(run.prepare("accept", "--json"))
        assert [(each["verdict"], each["note"]) for each in answer["criteria"]] == [
            ("met", "read it"),
            ("met", None),
            ("met", None),
        ]
        assert len(run.events("criterion_judged")) == 3

    def test_numbers_may_be_met_and_not_met_at_once_with_the_tasks_that_show_it(self, run: RunFolder) -> None:
        done(run)
        run.prepare("accept", "1", "3", "--not-met", "2", "--shown-by", "t-01", "--note", "six pages")
        judged = run.events("criterion_judged")
        assert [(each["number"], each["verdict"], each["shown_by"]) for each in judged] == [
            (1, "met", ["T-01"]),
            (2, "not met", ["T-01"]),
            (3, "met", ["T-01"]),
        ]
        assert all(each["how"] == "hand" and each["by"] for each in judged)
        assert "### [" in run.log()
        assert "2. It names files: not met, shown by T-01" in run.log()
        run.prepare("accept", "--not-met", "1")
        assert len(run.events("criterion_judged")) == 4, "those that were not named are left as they are"

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["4"], "there is no success criterion 4"),
            (["0"], "there is no success criterion 0"),
            (["1", "--not-met", "1"], "criterion 1 is named as met and as not met"),
            (["1", "--shown-by", "T-9"], "there is no task 'T-9'"),
        ],
    )
    def test_what_is_not_there_is_wrong_usage(self, run: RunFolder, words: list[str], message: str) -> None:
        run.init(task("T-01"), objectives=AIMS)
        assert message in run("accept", *words, code=2).stderr
        assert run.events("criterion_judged") == []

    def test_a_plan_without_criteria_says_where_to_put_them(self, run: RunFolder) -> None:
        run.init(task("T-01"))
        assert "objectives.success_criteria" in run("accept", code=1).stderr

    def test_a_criterion_of_any_length_is_known_again(self, run: RunFolder) -> None:
        long = "It is good. " * 900
        run.init(task("T-01"), objectives={"success_criteria": [long, long + "More."]})
        run.prepare("accept", "1")
        answer = json.loads(run.prepare("report", "--json"))
        assert [each["verdict"] for each in answer["criteria"]] == ["met", "not judged"]
        assert all(len(line) < 4096 for line in run.journal.read_bytes().splitlines())


class TestExport:
    def test_every_format_is_printed_and_can_be_written(self, run: RunFolder) -> None:
        done(run)
        printed = {form: run("export", "--format", form).stdout for form in ("json", "csv", "mermaid", "dot", "gantt")}
        assert json.loads(printed["json"])["status"] == "completed"
        assert [row["id"] for row in csv.DictReader(io.StringIO(printed["csv"]))] == ["T-01", "T-02"]
        assert [printed[form].split()[0] for form in ("mermaid", "dot", "gantt")] == ["flowchart", "digraph", "gantt"]
        run.prepare("export", "--format", "csv", "--output", "tasks.csv")
        written = (run.project / "tasks.csv").read_bytes().decode()
        assert written.count("\r\n") == 3
        assert written.replace("\r\n", "\n") == printed["csv"]
        assert "there is no format 'xml'" in run("export", "--format", "xml", code=2).stderr

    def test_a_task_that_came_later_has_its_own_time(self, run: RunFolder) -> None:
        done(run)
        run.prepare("add", "Third", "--deps", "T-02")
        created = [each["created_at"] for each in json.loads(run.prepare("export"))["subtasks"]]
        assert created[0] == created[1] < created[2]

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_it_works_on_a_disk_that_cannot_be_written(self, run: RunFolder) -> None:
        done(run)
        run.folder.chmod(0o500)
        try:
            assert json.loads(run.prepare("export"))["status"] == "completed"
        finally:
            run.folder.chmod(0o700)
