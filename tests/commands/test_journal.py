"""The journal on disk: nothing lost, nothing half, nothing changed without being named."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator import clock
from orchestrator.errors import CannotGoOnError
from orchestrator.events import EventType
from orchestrator.paths import RunPaths
from orchestrator.store.journal import Journal, Position
from orchestrator.store.snapshot import state_record
from orchestrator.store.store import SNAPSHOT_EVERY, Store
from orchestrator.system import files
from programs import Program
from runfolders import RunFolder, task

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
CHAIN = (task("T-01"), task("T-02", ["T-01"]))

WRITER = """
import sys
sys.path.insert(0, sys.argv[1])
from orchestrator.events import EventType
from orchestrator.paths import RunPaths
from orchestrator.store.store import Store
store = Store.open(RunPaths.of(sys.argv[2]))
for number in range(int(sys.argv[4])):
    with store.change() as change:
        change.record(EventType.NOTE, title=sys.argv[3], lines=[str(number)])
"""


def store_of(run: RunFolder) -> Store:
    return Store.open(RunPaths.of(str(run.project)))


def note(store: Store, title: str, **fields: object) -> None:
    with store.change() as change:
        change.record(EventType.NOTE, title=title, **fields)  # type: ignore[arg-type]


class TestLines:
    def test_every_line_says_when_what_of_which_run_and_is_under_4_kb(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run("start", "T-01")
        run("fail", "T-01", "--reason", "x" * 100_000)
        lines = run.journal.read_bytes().splitlines(keepends=True)
        assert all(line.endswith(b"\n") and len(line) <= 4096 for line in lines)
        ids = set()
        for event in map(json.loads, lines):
            assert [*event][:3] == ["timestamp", "type", "orchestration_id"]
            assert event["timestamp"].endswith("Z")
            clock.parse_utc(event["timestamp"])
            assert event["type"] in list(EventType)
            ids.add(event["orchestration_id"])
        assert len(ids) == 1
        assert {"task", "attempt"} <= {*run.events("task_started")[0]}

    def test_it_is_only_ever_appended_to(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        before = b""
        for words in (["start", "T-01"], ["fail", "T-01"], ["skip", "T-01"], ["retry", "T-01"], ["repair"]):
            run.prepare(*words)
            assert run.journal.read_bytes().startswith(before)
            before = run.journal.read_bytes()

    def test_the_stories_of_retries_are_told_in_full(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run.prepare("start", "T-01")
        run.prepare("fail", "T-01", "--reason", "no such table")
        event = run.events("task_retrying")[0]
        assert (event["retry_count"], event["retry_reason"], event["attempt"]) == (1, "no such table", 1)


class TestTornTails:
    @pytest.mark.parametrize("tail", [b'{"timestamp":"2026', b"\x00\xff", b'{"type":"note"}'])
    def test_the_next_writer_moves_an_unfinished_tail_aside_and_says_so(self, run: RunFolder, tail: bytes) -> None:
        run.init(*CHAIN)
        whole = run.journal.read_bytes()
        run.journal.write_bytes(whole + tail)
        assert run("status").stderr == ""
        assert run.journal.read_bytes() == whole + tail
        told = run("start", "T-01").stderr
        assert "an unfinished last line of the journal" in told
        assert "events.torn" in told
        assert (run.folder / "events.torn").read_bytes() == tail + b"\n"
        assert run.journal.read_bytes().startswith(whole + b'{"timestamp"')
        assert run.statuses()["T-01"] == "running"
        assert run("status").stderr == ""

    def test_a_line_counts_only_with_its_newline(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run.prepare("start", "T-01")
        run.journal.write_bytes(run.journal.read_bytes()[:-1])
        assert run.statuses()["T-01"] == "pending"

    def test_several_tails_are_all_kept(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        for number in range(3):
            with run.journal.open("ab") as file:
                file.write(b"half %d" % number)
            run.prepare("pause")
        assert (run.folder / "events.torn").read_bytes() == b"half 0\nhalf 1\nhalf 2\n"


class TestAnotherFileInItsPlace:
    def test_an_open_store_reads_it_from_its_beginning_and_appends_to_it(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        copy = run.journal.read_bytes()
        store = store_of(run)
        note(store, "in the old file")
        fresh = run.journal.with_suffix(".new")
        fresh.write_bytes(copy)
        fresh.replace(run.journal)
        note(store, "in the new file")
        titles = [event["title"] for event in run.events("note")]
        assert titles == ["in the new file"]
        assert state_record(store.state) == state_record(store_of(run).state)

    def test_one_that_was_cut_is_read_again(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        copy = run.journal.read_bytes()
        reader, writer = store_of(run), store_of(run)
        note(writer, "soon taken back")
        assert reader.refresh()
        run.journal.write_bytes(copy)
        assert reader.refresh()
        assert state_record(reader.state) == state_record(store_of(run).state)
        assert not reader.refresh()

    def test_a_line_of_somebody_else_at_its_end_is_read_once(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        journal = Journal(str(run.journal), str(run.folder / "events.torn"))
        journal.news()
        with run.journal.open("ab") as file:
            file.write(b'{"type":"note"}\n')
        assert [event and event["type"] for event in journal.news_or_all()] == ["note"]
        assert journal.news_or_all() == []


class TestTampering:
    def done(self, run: RunFolder) -> list[bytes]:
        run.init(*CHAIN)
        run.complete("T-01", "T-02")
        return run.journal.read_bytes().splitlines(keepends=True)

    def named(self, run: RunFolder, *words: str) -> None:
        for command, code in (("status", 0), ("check", 1)):
            said = run(command, code=code)
            assert all(word in said.stdout for word in words), (words, said.stdout)
            assert all(word in said.stderr for word in words), (words, said.stderr)

    def test_a_line_that_was_changed_is_named(self, run: RunFolder) -> None:
        lines = self.done(run)
        lines[3] = lines[3].replace(b'"attempt":1', b'"attempt":7')
        run.journal.write_bytes(b"".join(lines))
        self.named(run, "line 4 of events.jsonl")

    def test_a_line_that_was_taken_out_is_named(self, run: RunFolder) -> None:
        lines = self.done(run)
        del lines[2]
        run.journal.write_bytes(b"".join(lines))
        assert "line 3 of events.jsonl" in run("status").stderr

    def test_a_line_that_was_put_in_is_named(self, run: RunFolder) -> None:
        lines = self.done(run)
        lines.insert(4, lines[2])
        run.journal.write_bytes(b"".join(lines))
        assert "line 5 of events.jsonl" in run("status").stderr

    def test_a_line_that_does_not_fit_is_named_and_stops_nothing(self, run: RunFolder) -> None:
        lines = self.done(run)
        lines[3] = lines[3].replace(b'"T-01"', b'"T-99"')
        lines[5] = b"what is this\n"
        lines[6] = b'{"type":"task_completed","task":"T-02"}\n'
        run.journal.write_bytes(b"".join(lines))
        said = run("status")
        assert all(f"line {number} of events.jsonl" in said.stderr for number in (4, 6, 7))
        assert "Traceback" not in said.stderr
        run("log")
        run("pause")

    def test_a_line_far_behind_the_snapshot_is_named_too(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        store = store_of(run)
        for number in range(SNAPSHOT_EVERY + 5):
            note(store, f"Note {number}")
        store.close()
        assert (run.folder / "store" / "snapshot.json").exists()
        lines = run.journal.read_bytes().splitlines(keepends=True)
        lines[9] = lines[9].replace(b"Note", b"Nope")
        run.journal.write_bytes(b"".join(lines))
        assert "line 10 of events.jsonl" in run("status").stdout

    def test_a_result_that_was_changed_is_named(self, run: RunFolder) -> None:
        self.done(run)
        run.result(1).write_text("something else")
        self.named_in_status_and_check(run, "agent-01-result.md was changed after it was recorded")

    def test_a_result_that_is_gone_is_named(self, run: RunFolder) -> None:
        self.done(run)
        run.result(2).unlink()
        assert "agent-02-result.md is missing" in run("status").stdout
        assert "❌ Missing" in run("check", code=1).stdout

    def named_in_status_and_check(self, run: RunFolder, words: str) -> None:
        said = run("status")
        assert words in said.stdout
        assert words in said.stderr
        checked = run("check", "--json", code=1).json
        entry = checked["results"][0]
        assert (entry["state"], checked["complete"]) == ("invalid", False)
        assert words in entry["advice"]

    def test_a_changed_result_is_handed_on_only_with_a_word_about_it(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        run.complete("T-01")
        run.result(1).write_text("something else")
        assert "this result was changed after it was recorded" in run("prompt", "T-02").stdout

    def test_a_journal_whose_end_was_cut_off_is_named_and_repair_makes_a_new_beginning(self, run: RunFolder) -> None:
        lines = self.done(run)
        run.journal.write_bytes(b"".join(lines[:4]))
        assert "its end was cut off" in run("status").stderr
        run("pause")
        assert "its end was cut off" in run("status").stderr
        run("repair")
        assert run("status").stderr == ""
        assert run.row("T-01")["Status"] == "🔵 Running"

    def test_a_version_of_the_plan_that_is_gone_or_damaged_is_named(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        [version] = (run.folder / "store").glob("plan-*.json")
        whole = version.read_bytes()
        version.write_bytes(whole.replace(b"Do T-01", b"Do T-99"))
        assert f"store/{version.name} is damaged" in run("status", code=3).stderr
        version.unlink()
        assert f"store/{version.name} is missing" in run("next", code=3).stderr
        version.write_bytes(whole)
        run("status")


class TestManyWriters:
    def test_nothing_is_lost_and_nothing_is_torn(self, run: RunFolder, program: Callable[..., Program]) -> None:
        """Fifty processes with twenty changes each, when `ORCHESTRATE_MANY` is set; fewer on ordinary days."""
        processes, changes = (50, 20) if os.environ.get("ORCHESTRATE_MANY") else (12, 10)
        run.init(*CHAIN)
        writer = program(sys.executable, "-c", WRITER)
        writers = [writer.start(SCRIPTS, run.project, f"Writer {n}", str(changes)) for n in range(processes)]
        readings = 0
        while any(each.process.poll() is None for each in writers):
            store = store_of(run)
            assert store.problems == []
            readings += 1
        assert [each.wait().code for each in writers] == [0] * processes
        assert readings > 0
        notes = [(event["title"], event["lines"][0]) for event in run.events("note")]
        assert len(notes) == len(set(notes)) == processes * changes
        for n in range(processes):
            assert [line for title, line in notes if title == f"Writer {n}"] == [
                str(number) for number in range(changes)
            ]
        assert run("status").stderr == ""
        assert not (run.folder / "events.torn").exists()

    def test_writers_that_are_killed_block_nobody_and_lose_only_their_own(
        self, run: RunFolder, program: Callable[..., Program]
    ) -> None:
        run.init(*CHAIN)
        chance = random.Random(1)
        writer = program(sys.executable, "-c", WRITER)
        for n in range(6):
            victim = writer.start(SCRIPTS, run.project, f"Victim {n}", "100000")
            time.sleep(0.2 + chance.random() * 0.2)
            victim.send(signal.SIGKILL)
            victim.process.wait()
            begun = time.monotonic()
            run.prepare("pause", "--reason", f"after victim {n}")
            assert time.monotonic() - begun < 10
        assert run("status").stderr == ""
        for n in range(6):
            numbers = [int(event["lines"][0]) for event in run.events("note") if event["title"] == f"Victim {n}"]
            assert numbers == [*range(len(numbers))]
        assert [event["reason"] for event in run.events("paused")] == [f"after victim {n}" for n in range(6)]

    def test_commands_at_once_change_different_tasks(self, run: RunFolder) -> None:
        run.init(*(task(f"T-{n:02d}") for n in range(1, 9)))
        moving = [run.orchestrate.start("start", f"T-{n:02d}") for n in range(1, 9)]
        assert [each.wait().code for each in moving] == [0] * 8
        assert set(run.statuses().values()) == {"running"}

    def test_of_two_that_want_the_same_task_one_is_refused(self, run: RunFolder) -> None:
        run.init(task("T-01"))
        codes = sorted(each.wait().code for each in [run.orchestrate.start("start", "T-01") for _ in range(4)])
        assert codes == [0, 1, 1, 1]
        assert len(run.events("task_started")) == 1


class TestSnapshots:
    def grown(self, run: RunFolder) -> Store:
        run.init(*CHAIN)
        run.complete("T-01")
        store = store_of(run)
        for number in range(SNAPSHOT_EVERY + 20):
            note(store, f"Note {number}")
        return store

    def test_a_state_read_from_a_snapshot_is_the_state_of_the_whole_journal(self, run: RunFolder) -> None:
        store = self.grown(run)
        quick = store_of(run)
        assert quick.journal.position == store.journal.position
        (run.folder / "store" / "snapshot.json").unlink()
        assert state_record(quick.state) == state_record(store_of(run).state) == state_record(store.state)

    @pytest.mark.parametrize(
        "damage", [b"", b"{", b"[]", b'{"version": 1}', b'{"version": 99}', b'{"version": 1, "position": [1, 1, "x"]}']
    )
    def test_a_snapshot_that_cannot_be_read_is_not_used(self, run: RunFolder, damage: bytes) -> None:
        expected = state_record(self.grown(run).state)
        (run.folder / "store" / "snapshot.json").write_bytes(damage)
        store = store_of(run)
        assert state_record(store.state) == expected
        assert store.problems == []

    def test_a_snapshot_of_fields_that_this_version_does_not_know_is_not_used(self, run: RunFolder) -> None:
        expected = state_record(self.grown(run).state)
        path = run.folder / "store" / "snapshot.json"
        record = json.loads(path.read_bytes())
        record["state"]["records"]["T-01"]["mood"] = "good"
        path.write_text(json.dumps(record))
        assert state_record(store_of(run).state) == expected

    def test_a_snapshot_of_another_journal_is_not_used(self, run: RunFolder) -> None:
        self.grown(run)
        snapshot = (run.folder / "store" / "snapshot.json").read_bytes()
        run("init", "--force")
        (run.folder / "store" / "snapshot.json").write_bytes(snapshot)
        assert run.statuses() == {"T-01": "pending", "T-02": "waiting"}


class TestTheStore:
    def test_a_change_that_raises_records_nothing(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        store = store_of(run)
        before = state_record(store.state)

        def broken() -> None:
            with store.change() as change:
                change.record(EventType.NOTE, title="…")
                change.record(EventType.PAUSED, kind="hand", reason="…")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            broken()
        assert state_record(store.state) == before
        assert len(run.events()) == 2

    def test_what_another_process_recorded_counts_at_the_next_change(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        one, other = store_of(run), store_of(run)
        note(one, "first")
        note(other, "second")
        assert one.refresh()
        assert one.state.rev == other.state.rev == 4
        assert not one.refresh()

    def test_the_state_at_any_position_is_what_it_was_then(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        states = []
        for words in (["start", "T-01"], ["fail", "T-01"], ["skip", "T-01"], ["retry", "T-01"]):
            run.prepare(*words)
            states.append(state_record(store_of(run).state))
        store = store_of(run)
        for state in states:
            assert state_record(store.state_at(int(str(state["rev"])))) == state
        with pytest.raises(CannotGoOnError, match="has no position 99"):
            store.state_at(99)

    def test_a_journal_goes_on_only_from_a_place_that_it_has(self, run: RunFolder) -> None:
        run.init(*CHAIN)
        journal = store_of(run).journal
        end = journal.position
        assert journal.has(end)
        assert journal.has(Position())
        for wrong in (
            Position(end.offset - 1, end.lines, end.chain),
            Position(end.offset, end.lines, "0" * 16),
            Position(end.offset + 100, end.lines, end.chain),
            Position(5, 0, end.chain),
        ):
            assert not Journal(journal.path, journal.torn_path).resume(wrong)


CRASH = """
import os, sys
sys.path.insert(0, sys.argv[1])
from orchestrator.system import files
left = int(sys.argv[2])
def dying(act):
    def wrapper(*args, **kwargs):
        global left
        left -= 1
        if left < 0:
            os._exit(42)
        return act(*args, **kwargs)
    return wrapper
for name in ("write_whole", "publish", "make_private_folder"):
    setattr(files, name, dying(getattr(files, name)))
from orchestrator.cli import main
sys.exit(main(["init"]))
"""


class TestHalfAnInit:
    def test_a_crash_between_two_files_leaves_no_run(self, run: RunFolder, program: Callable[..., Program]) -> None:
        run.write_plan(*CHAIN)
        init = program(sys.executable, "-c", CRASH)
        codes = []
        for steps in range(30):
            done = init(SCRIPTS, str(steps))
            codes.append(done.code)
            if done.code == 0:
                break
            assert done.code == 42, done.stderr
            assert not run.journal.exists()
            assert "there is no run in" in run("status", code=3).stderr
        assert codes[-1] == 0
        assert len(codes) > 8
        assert run("status").stderr == ""
        assert run.statuses() == {"T-01": "pending", "T-02": "waiting"}
        assert run.row("T-01")["Status"] == "🟡 Pending"

    @pytest.mark.parametrize("has_folder", [False, True])
    def test_an_error_between_two_files_leaves_everything_as_it_was(
        self, run: RunFolder, monkeypatch: pytest.MonkeyPatch, has_folder: bool
    ) -> None:
        run.write_plan(*CHAIN)
        if has_folder:
            run.write_plan(task("X-1"), to=run.plan)
            run.save(run.table, "a table of mine")
        before = {path: path.read_bytes() for path in run.project.rglob("*") if path.is_file()}
        for steps in range(40):
            left, whole = steps, files.write_whole

            def failing(path: str, data: bytes | str, flush: bool = True, whole: Callable[..., None] = whole) -> None:
                nonlocal left
                left -= 1
                if left < 0:
                    raise CannotGoOnError("the disk is full", "free some space")
                whole(path, data, flush)

            with monkeypatch.context() as patch:
                patch.setattr(files, "write_whole", failing)
                try:
                    run.prepare("init", run.project / "plan.yaml")
                except AssertionError:
                    now = {path: path.read_bytes() for path in run.project.rglob("*") if path.is_file()}
                    assert now == before
                    assert run.folder.exists() is has_folder
                else:
                    break
        else:
            pytest.fail("init never came to its end")
        assert steps >= 3
        assert run.statuses() == {"T-01": "pending", "T-02": "waiting"}
        if has_folder:
            assert (run.folder / "master_plan.md.old").read_text() == "a table of mine"

    def test_an_error_in_a_forced_one_puts_the_old_run_back(
        self, run: RunFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run.init(*CHAIN)
        run.complete("T-01")
        (run.folder / "roles").mkdir()
        journal = run.journal.read_bytes()

        def failing(path: str, data: bytes | str, flush: bool = True) -> None:
            raise CannotGoOnError("the disk is full", "free some space")

        with monkeypatch.context() as patch:
            patch.setattr(files, "write_whole", failing)
            with pytest.raises(AssertionError, match="the disk is full"):
                run.prepare("init", "--force")
        assert run.journal.read_bytes() == journal
        assert (run.folder / "roles").is_dir()
        assert [path.name for path in run.project.iterdir() if path.name.startswith(".orch")] == [".orchestrator"]
        assert run.statuses()["T-01"] == "completed"
