"""``master_plan.md`` under the hands of people: every bullet of "Who is right" in the design."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.paths import RunPaths
from orchestrator.store import moves, table
from orchestrator.store.shown import Shown
from orchestrator.store.store import Store
from orchestrator.store.table import Table
from orchestrator.texts.document import spliced
from runfolders import RunFolder, task

CHAIN = (task("T-01"), task("T-02", ["T-01"]), task("T-03", ["T-02"]))


def refusal(run: RunFolder, *words: str) -> str:
    """What `status` says of a file that it does not take over; the file is left alone and the run goes on."""
    before = run.table.read_bytes()
    said = run("status")
    assert run.table.read_bytes() == before
    lines = [line for line in said.stderr.splitlines() if "master_plan.md:" in line]
    assert lines
    assert all(f"! {line}" in said.stdout for line in lines)
    assert all(word in "\n".join(lines) for word in words), (words, lines)
    events = len(run.events())
    run("pause")
    run("resume")
    assert len(run.events()) == events + 2
    assert run.table.read_bytes() == before
    return "\n".join(lines)


def line_of(run: RunFolder, beginning: str) -> int:
    """The number, from 1, of the first line of the table's file that begins so."""
    lines = run.table.read_bytes().decode("utf-8", "replace").split("\n")
    return next(number for number, line in enumerate(lines, 1) if line.startswith(beginning))


class TestMovesByHand:
    def test_what_is_not_completed_may_be_skipped_and_opened_again(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run.edit("T-01", Status="⏭️")
        assert "T-02" in run("next").stdout
        assert run.row("T-01")["Status"] == "⏭️ Skipped"
        assert run.row("T-02")["Status"] == "🟡 Pending"
        assert "set by hand" in run.entry("T-01")["reason"]
        assert "T-01 skipped: set by hand in" in run.log()
        run.edit("T-01", Status="pending")
        assert run.statuses() == {"T-01": "pending", "T-02": "waiting", "T-03": "waiting"}
        assert run.row("T-01")["Status"] == "🟡 Pending"

    def test_a_failed_task_may_be_set_to_pending(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run.give_up("T-01")
        run.edit("T-01", Status="🟡 Pending")
        assert run.statuses()["T-01"] == "pending"
        assert run.events("task_reopened")[0]["was"] == "failed"

    def test_running_set_by_hand_is_a_start(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run.edit("T-01", Status="Running")
        assert run.statuses()["T-01"] == "running"
        event = run.events("task_started")[0]
        assert (event["by"], event["attempt"]) == ("hand", 1)
        assert "lease_until" in event
        assert run.row("T-01")["Start"] != "-"

    def test_running_set_by_hand_passes_the_checks_of_a_start(self, run: RunFolder) -> None:
        run.init(task("T-01", resources=["db"]), task("T-02", resources=["db"]))
        run.prepare("start", "T-01")
        run.edit("T-02", Status="Running")
        assert "T-02 cannot run beside T-01" in refusal(run)

    def test_completed_set_by_hand_takes_the_result_in_its_place(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run.prepare("start", "T-01")
        run.result(1).write_text("done by hand")
        run.edit("T-01", Status="✅")
        assert run.statuses() == {"T-01": "completed", "T-02": "pending", "T-03": "waiting"}
        event = run.events("task_completed")[0]
        assert event["result"] == "results/agent-01-result.md"
        assert event["hash"].startswith("sha256:")
        assert "agent-01-result.md" in (run.folder / "agent_tasks" / "agent-02.md").read_text()

    @pytest.mark.parametrize(
        ("fields", "result", "said"),
        [
            ({}, None, "there is no result file results/agent-01-result.md"),
            ({}, "  \n", "the result is blank"),
            ({"outputs": ["gone.txt"]}, "x", "the output gone.txt is missing"),
            ({"verify": ["true"]}, "x", "not trusted"),
        ],
    )
    def test_completed_set_by_hand_passes_the_checks_of_complete(
        self, run: RunFolder, fields: dict[str, object], result: str | None, said: str
    ) -> None:
        run.init(task("T-01", **fields))
        run.prepare("start", "T-01")
        if result is not None:
            run.result(1).write_text(result)
        run.edit("T-01", Status="Completed")
        assert said in refusal(run, f"master_plan.md:{line_of(run, '| T-01')}:", "T-01")
        assert run.statuses() == {"T-01": "running"}

    def test_what_was_refused_is_looked_at_again_when_it_is_saved_again(self, run: RunFolder) -> None:
        run.init(task("T-01"))
        run.prepare("start", "T-01")
        run.edit("T-01", Status="Completed")
        refusal(run, "no result file")
        run.result(1).write_text("done")
        assert run.statuses() == {"T-01": "running"}
        run.save(run.table, run.table.read_bytes())
        assert run.statuses() == {"T-01": "completed"}
        assert "master_plan.md:" not in run("status").stderr

    def test_a_refused_edit_ends_when_a_command_has_done_what_it_asked_for(self, run: RunFolder) -> None:
        run.init(task("T-01"), task("T-02"))
        run.prepare("start", "T-01")
        run.edit("T-01", Status="Completed")
        refusal(run, "no result file")
        run.prepare("complete", "T-01", "--result", "-", stdin="# Done\n")
        assert "master_plan.md:" not in run("status").stderr
        assert run.row("T-01")["Status"] == "✅ Completed"
        assert run.row("T-01")["End"] != "-"

    def test_a_refused_edit_is_not_taken_over_later_because_the_run_went_on(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run.edit("T-02", Status="Running")
        refusal(run, "waiting → running")
        run.complete("T-01")
        assert run.statuses() == {"T-01": "completed", "T-02": "pending", "T-03": "waiting"}

    def test_trust_takes_over_what_was_refused_for_want_of_it(self, run: RunFolder) -> None:
        run.init(task("T-01", verify=["true"]))
        run.prepare("start", "T-01")
        run.result(1).write_text("done")
        run.edit("T-01", Status="Completed")
        refusal(run, "not trusted")
        run.prepare("trust")
        assert run.statuses() == {"T-01": "completed"}
        assert "master_plan.md:" not in run("status").stderr

    def test_a_check_that_takes_long_holds_no_other_command_up(self, run: RunFolder) -> None:
        run.write_plan(task("T-01", verify=["sleep 4"]), task("T-02"))
        run.prepare("init", "--trust")
        run.prepare("start", "T-01")
        run.result(1).write_text("done")
        run.edit("T-01", Status="Completed")
        judging = run.orchestrate.start("status")
        deadline = time.monotonic() + 10
        while not (run.folder / "store" / "judging.lock").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        begun = time.monotonic()
        run("start", "T-02")
        run("next")
        assert time.monotonic() - begun < 3.0
        assert judging.process.poll() is None
        assert judging.wait().code == 0
        assert run.statuses() == {"T-01": "completed", "T-02": "running"}
        assert run.row("T-02")["Status"] == "🔵 Running"

    @pytest.mark.parametrize(
        ("id", "status", "move"),
        [
            ("T-01", "⏭️ Skipped", "completed → skipped"),
            ("T-01", "Pending", "completed → pending"),
            ("T-02", "Failed", "pending → failed"),
            ("T-02", "Retrying", "pending → retrying"),
            ("T-03", "Pending", "waiting → pending"),
            ("T-03", "Running", "waiting → running"),
        ],
    )
    def test_anything_else_is_refused_naming_line_task_and_move(
        self, run: RunFolder, id: str, status: str, move: str
    ) -> None:
        run.init(*CHAIN)
        run.complete("T-01")
        run.edit(id, Status=status)
        refusal(run, f"master_plan.md:{line_of(run, f'| {id} ')}:", f"{id} is", move)

    def test_the_edits_of_one_save_are_taken_all_or_none(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run.edit("T-01", Status="Skipped")
        run.edit("T-03", Status="Completed", Task_Description="Other")
        refusal(run, "waiting → completed")
        assert run.statuses() == {"T-01": "pending", "T-02": "waiting", "T-03": "waiting"}
        run.edit("T-03", Status="Waiting")
        assert run.statuses() == {"T-01": "skipped", "T-02": "pending", "T-03": "waiting"}
        assert run.row("T-03")["Task Description"] == "Other"


class TestFieldsByHand:
    def test_name_priority_and_dependencies_of_a_task_not_started(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run.edit("T-03", Task_Description=r"Other \| name<br>in two lines", Priority="p3", Deps="t-01")
        run("status")
        entry = run.entry("T-03")
        assert (entry["name"], entry["priority"], entry["deps"]) == ("Other | name\nin two lines", "P3", ["T-01"])
        assert "T-03: Task Description, Priority, Deps" in run.log()
        assert run.row("T-03")["Deps"] == "T-01"
        assert "t1 --> t3" in run.table.read_text()
        assert "Other | name" in (run.folder / "agent_tasks" / "agent-03.md").read_text()

    def test_the_plan_file_is_not_written(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        before = run.plan.read_bytes()
        run.edit("T-03", Task_Description="Other")
        run("status")
        assert run.plan.read_bytes() == before

    def test_a_name_longer_than_a_line_of_the_journal(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        name = "very long " * 700
        run.edit("T-03", Task_Description=name)
        run("status")
        assert run.entry("T-03")["name"] == name.strip()
        assert max(map(len, run.journal.read_bytes().splitlines())) < 4096

    def test_a_task_that_was_started_keeps_them(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run.prepare("start", "T-01")
        run.edit("T-01", Task_Description="Other")
        refusal(run, "T-01 is running: Task Description")

    def test_one_that_started_since_the_shown_revision_is_put_back_and_the_log_says_so(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        opened = run.table.read_text()
        run.prepare("start", "T-01")
        run.edit("T-01", opened, Task_Description="Other")
        assert "master_plan.md:" not in run("status").stderr
        assert run.row("T-01")["Task Description"] == "Do T-01"
        assert run.row("T-01")["Status"] == "🔵 Running"
        assert "Edit Put Back\n- T-01: Task Description, the task started before the edit was read" in run.log()

    def test_start_end_and_retries_are_never_read(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run.edit("T-01", Start="09:00:00", End="whenever", Retries="99")
        assert run("status").stderr == ""
        assert len(run.events()) == 2

    def test_the_agent_is_not_changed_here(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run.edit("T-02", Agent="Agent-09")
        refusal(run, "Agent-02 → Agent-09")


class TestStaleSaves:
    def test_a_save_of_a_file_opened_a_hundred_changes_ago_keeps_both(self, run: RunFolder) -> None:
        run.init(*(task(f"T-{n:02d}") for n in range(1, 61)))
        opened = run.table.read_text()
        for n in range(1, 51):
            run.complete(f"T-{n:02d}")
        assert len(run.events()) > 100
        run.edit("T-60", opened.replace("## Objectives", "My own words.\n\n## Objectives"), Status="Skipped")
        run("status")
        statuses = run.statuses()
        assert statuses["T-60"] == "skipped"
        assert [statuses[f"T-{n:02d}"] for n in range(1, 51)] == ["completed"] * 50
        text = run.table.read_text()
        assert "My own words.\n\n## Objectives" in text
        assert text.count("completed, duration") == 50
        assert text.index("T-01 completed, duration") < text.index("T-50 completed, duration") < text.index("T-60 skip")
        assert f"<!-- rev {len(run.events())} -->" in text

    def test_log_entries_that_it_lacks_come_back_once(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        opened = run.table.read_text()
        run.complete("T-01")
        run.save(run.table, opened)
        run("status")
        assert run.log().count("T-01 completed") == 1
        run.save(run.table, opened)
        run("status")
        assert run.log().count("T-01 completed") == 1

    def test_an_edit_that_was_overtaken_is_refused_and_not_guessed(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        opened = run.table.read_text()
        run.complete("T-01")
        run.edit("T-01", opened, Status="Skipped")
        refusal(run, "completed → skipped")

    def test_a_position_that_never_was_is_named(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run.replace("<!-- rev 2 -->", "<!-- rev 417 -->")
        refusal(run, "the journal has no position 417")


class TestProse:
    def test_everything_that_people_add_elsewhere_stays(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        before, after = "# My notes\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n", "\n\n## Thoughts\n\n- [ ] later  \n"
        text = run.table.read_text().replace("## Task Status", "*Look here.*\n\n## Task Status")
        run.save(run.table, before + text + after)
        run.complete("T-01")
        run.edit("T-03", Status="Skipped")
        run("status")
        now = run.table.read_text()
        assert now.startswith(before)
        assert now.endswith(after)
        assert "*Look here.*\n\n## Task Status" in now
        assert "T-03 skipped" in now.partition("## Execution Log")[2].partition("## Thoughts")[0]

    @pytest.mark.parametrize("bom", ["", "\ufeff"])
    def test_line_ends_of_windows_and_a_bom_stay(self, run: RunFolder, bom: str) -> None:
        run.init(*CHAIN)
        run.save(run.table, (bom + run.table.read_text()).replace("\n", "\r\n"))
        run.complete("T-01")
        run.edit("T-03", run.table.read_bytes().decode(), Status="Skipped")
        assert run.statuses() == {"T-01": "completed", "T-02": "pending", "T-03": "skipped"}
        text = run.table.read_bytes().decode()
        assert text.startswith(f"{bom}# Master Plan")
        assert text.count("\n") == text.count("\r\n")

    def test_a_drawing_of_ones_own_stays(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        own = "```mermaid\npie\n```\n\n"
        run.save(run.table, own + run.table.read_text())
        run("add", "More", "--id", "T-04", "--deps", "T-03")
        text = run.table.read_text()
        assert text.startswith(own)
        assert "t3 --> t4" in text


DAMAGE: list[tuple[str, Callable[[str], str], str]] = [
    (
        "a lost row",
        lambda text: text.replace(text[text.index("| T-02") : text.index("| T-03")], ""),
        "row of T-02 is lost",
    ),
    (
        "a renamed column",
        lambda text: text.replace("| Status |", "| State |"),
        "the columns of the status table were changed",
    ),
    ("a ragged row", lambda text: text.replace("| T-02 | Do T-02 |", "| T-02 |"), "the row has 8 cells"),
    ("a conflict", lambda text: text.replace("| T-02", "<<<<<<< HEAD\n| T-02"), "a merge conflict marker"),
    ("half a file", lambda text: text[: text.index("| T-02")], "`## Execution Log` is missing"),
    ("nothing", lambda text: "", "the status table is missing"),
    ("an invented status", lambda text: text.replace("🟡 Pending", "🟢 Ready"), "`🟢 Ready` is no status"),
    ("an invented task", lambda text: text.replace("| T-02 |", "| T-77 |"), "T-77 is no task of this plan"),
    ("no progress line", lambda text: text.replace("<!-- rev 2 -->", ""), "the progress line"),
    ("a cycle", lambda text: text.replace("| None |", "| T-03 |"), "the dependencies form a cycle"),
]


class TestDamage:
    @pytest.mark.parametrize(("damage", "said"), [each[1:] for each in DAMAGE], ids=[each[0] for each in DAMAGE])
    def test_the_file_is_left_alone_and_named_until_it_is_mended(
        self, run: RunFolder, damage: Callable[[str], str], said: str
    ) -> None:
        run.init(*CHAIN)
        whole = run.table.read_text()
        run.save(run.table, damage(whole))
        refusal(run, said)
        run.save(run.table, whole)
        assert "master_plan.md:" not in run("status").stderr
        assert "Resumed" in run.log()
        assert f"<!-- rev {len(run.events())} -->" in run.table.read_text()

    def test_bytes_that_are_not_utf_8_are_named_with_their_line(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run.save(run.table, run.table.read_bytes().replace(b"| Do T-02", b"| D\xf6 T-02"))
        refusal(run, f"master_plan.md:{line_of(run, '| T-02')}: error: the file is not UTF-8")

    def test_repair_rebuilds_it_and_keeps_the_damaged_one_beside_it(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run.complete("T-01")
        damaged = run.table.read_text().replace("| Status |", "| State |")
        run.save(run.table, damaged)
        kept = run("repair", "--json").json["kept"]
        assert Path(kept).read_text() == damaged
        text = run.table.read_text()
        assert "| Status |" in text
        assert "T-01 completed" in run.log()
        assert "Repaired" in run.log()
        assert run("status").stderr == ""

    def test_repairs_within_one_second_keep_every_file(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        frozen = {"ORCHESTRATE_NOW": "2026-11-21T08:00:00Z"}
        kept = []
        for number in range(3):
            run.save(run.table, f"damaged {number}")
            kept.append(run("repair", "--json", environment=frozen).json["kept"])
        assert [Path(name).read_text() for name in kept] == [f"damaged {n}" for n in range(3)]

    def test_a_file_that_is_gone_is_written_anew(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run.complete("T-01")
        whole = run.table.read_text()
        run.table.unlink()
        assert run("status").stderr == ""
        assert run.table.read_text() == whole

    def test_a_folder_in_its_place_stops_nothing(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run.table.unlink()
        run.table.mkdir()
        assert "there is a folder in its place" in run("start", "T-01").stderr
        assert run.statuses()["T-01"] == "running"
        assert "there is a folder in its place" in run("repair", code=3).stderr
        run.table.rmdir()
        run("status")
        assert run.row("T-01")["Status"] == "🔵 Running"

    def test_what_was_written_last_but_is_not_known_any_more_is_read_again(self, run: RunFolder) -> None:
        """Killed between the table and the note of what was shown, or the note is damaged."""
        run.init(*CHAIN)
        run.complete("T-01")
        for note in (None, b"", b"{", b'{"digest": 1}'):
            shown = run.folder / "store" / "shown.json"
            shown.unlink() if note is None else shown.write_bytes(note)
            os.utime(run.table, (1e9, 1e9))
            assert run("status").stderr == ""
            assert run.log().count("T-01 completed") == 1
            assert len(run.events("task_edited")) == 0


class TestEditorsAtWork:
    def test_a_file_that_is_still_being_written_is_read_again_first(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        whole = run.table.read_text().replace("🟡 Pending", "⏭️ Skipped", 1) + "\nwords of mine\n"

        def write() -> None:
            for share in (0.3, 0.6, 1.0):
                run.table.write_text(whole[: int(len(whole) * share)])
                time.sleep(0.4)

        writer = threading.Thread(target=write)
        writer.start()
        time.sleep(0.05)
        said = run.prepare("status")
        writer.join()
        assert "master_plan.md" not in said
        assert run.statuses()["T-01"] == "skipped"
        assert "\nwords of mine\n" in run.table.read_text()

    def test_a_save_while_the_table_is_made_is_not_written_over(
        self, run: RunFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run.init(*CHAIN)
        saves = ["⏭️ Skipped"]

        def interrupted(*parts: object) -> object:
            if saves:
                run.edit("T-03", Status=saves.pop())
            return spliced(*parts)

        monkeypatch.setattr("orchestrator.store.table.spliced", interrupted)
        run.prepare("start", "T-01")
        assert run.statuses() == {"T-01": "running", "T-02": "waiting", "T-03": "skipped"}
        assert [run.row(id)["Status"] for id in ("T-01", "T-03")] == ["🔵 Running", "⏭️ Skipped"]

    def test_two_writers_and_a_person_lose_nothing(self, run: RunFolder) -> None:
        run.init(*(task(f"T-{n:02d}") for n in range(1, 13)))
        opened = run.table.read_text()
        starts = [run.orchestrate.start("start", f"T-{n:02d}") for n in range(1, 9)]
        run.edit("T-12", opened + "\nmine\n", Status="Skipped")
        assert [each.wait().code for each in starts] == [0] * 8
        run("status")
        statuses = run.statuses()
        assert [statuses[f"T-{n:02d}"] for n in range(1, 9)] == ["running"] * 8
        table = run.table.read_text()
        assert all(run.row(f"T-{n:02d}")["Status"] == "🔵 Running" for n in range(1, 9))
        # Who saves while the table is written may lose the save, never what was recorded.
        assert statuses["T-12"] == "skipped" or "mine" not in table

    def test_a_command_returns_after_a_render_that_includes_its_change(self, run: RunFolder) -> None:
        run.init(*(task(f"T-{n:02d}") for n in range(1, 7)))
        for n in range(1, 7):
            other = run.orchestrate.start("pause")
            run("start", f"T-{n:02d}")
            assert run.row(f"T-{n:02d}")["Status"] == "🔵 Running"
            assert other.wait().code == 0


class TestRunningWorkers:
    def test_skipping_a_running_task_by_hand_ends_its_worker(
        self, run: RunFolder, no_processes_left: Callable[[float], None], attempts_alive: Callable[[], list[object]]
    ) -> None:
        run.init(task("T-01"))
        stubborn = "bash -c 'trap : TERM; while true; do sleep 1; done'"
        running = run.orchestrate.start("run", "--executor", "command", "--command", stubborn)
        deadline = time.monotonic() + 20
        while not attempts_alive() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert attempts_alive()
        run.edit("T-01", Status="Skipped")
        run("status")
        assert attempts_alive() == []
        assert run.statuses()["T-01"] == "skipped"
        assert run.events("task_put_back") == []
        running.send(signal.SIGINT)
        running.wait()
        no_processes_left(10.0)


def test_a_file_that_another_process_is_just_writing_is_not_taken_for_an_edit(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the file and the note of what it shows the two disagree: 50 commands at once waited a second each."""
    run.init(*CHAIN)
    paths = RunPaths.of(str(run.project))
    is_between, waited = threading.Event(), []
    kept = table.write_shown

    def write_slowly(path: str, shown: Shown) -> None:
        is_between.set()
        time.sleep(0.3)
        kept(path, shown)

    monkeypatch.setattr(table, "write_shown", write_slowly)
    monkeypatch.setattr(table, "wait_until_settled", waited.append)
    store, reader = Store.open(paths), Table(Store.open(paths), None)
    with store.change() as change:
        moves.start_by_hand(change, ["T-01"])
    writer = threading.Thread(target=Table(store, None).show)
    writer.start()
    assert is_between.wait(10)
    reader.take_over()
    writer.join()
    assert not waited
    assert run.row("T-01")["Status"] == "🔵 Running"
    run.edit("T-02", Status="⏭️")
    reader.take_over()
    assert waited, "what a person saved is still waited for"
