"""The commands that only answer: shapes, sizes, read-only disks, full disks, workers that are gone."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from programs import Program
from runfolders import RunFolder, task

DIAMOND = (task("T-01"), task("T-02", ["T-01"]), task("T-03", ["T-01"]), task("T-04", ["T-02", "T-03"]))
ORCHESTRATE = Path(__file__).resolve().parents[2] / "scripts" / "orchestrate.py"
RUN_KEYS = {
    *("id", "title", "state", "merged", "progress_percent", "current_stage", "stages", "counts", "cost_usd"),
    *("tokens", "budget_usd", "paused_until", "reason"),
}
TASK_KEYS = {
    *("id", "name", "agent", "role", "status", "reason", "priority", "deps", "stage", "start", "end", "retries"),
    *("cost_usd", "tokens", "duration_s"),
}


@pytest.fixture
def as_anybody(program: Callable[..., Program], require: Callable[[str], object]) -> Program:
    """The command for somebody to whom permissions apply, also when the tests are run by root."""
    prefix: list[object] = []
    if os.geteuid() == 0:
        prefix = [require("setpriv"), "--bounding-set", "-dac_override,-dac_read_search", "--"]
    return program(*prefix, sys.executable, ORCHESTRATE)


@pytest.fixture
def read_only(run: RunFolder) -> Iterator[Callable[[], None]]:
    """Takes the permission to write away from everything in the run; it comes back when the test ends."""

    def folders() -> list[Path]:
        return [run.folder, *(path for path in run.folder.rglob("*") if path.is_dir())]

    def close() -> None:
        for path in run.folder.rglob("*"):
            if path.is_file():
                path.chmod(0o400)
        for path in folders():
            path.chmod(0o500)

    yield close
    if run.folder.exists():
        for path in folders():
            path.chmod(0o700)


class TestShapes:
    def test_status(self, run: RunFolder) -> None:
        run.init(*DIAMOND, budget_usd=2.5)
        run.complete("T-01")
        run.prepare("start", "T-02")
        run.prepare("fail", "T-02", "--final", "--reason", "no such table")
        said = run("status", "--json")
        assert said.stderr == ""
        record = said.json
        assert set(record) == {"run", "tasks"}
        assert set(record["run"]) == RUN_KEYS
        assert (
            record["run"]
            | {
                "title": "Test",
                "state": "running",
                "merged": False,
                "progress_percent": 25,
                "current_stage": 2,
                "stages": 3,
                "budget_usd": 2.5,
                "paused_until": None,
            }
            == record["run"]
        )
        assert record["run"]["counts"] == {
            **dict.fromkeys(["waiting", "running", "retrying", "skipped"], 0),
            **dict.fromkeys(["pending", "blocked", "completed", "failed"], 1),
        }
        assert [set(entry) for entry in record["tasks"]] == [TASK_KEYS] * 4
        assert record["tasks"][1]["reason"] == "no such table"
        assert record["tasks"][3]["reason"] == "T-02 failed"
        assert record["tasks"][3]["deps"] == ["T-02", "T-03"]

    def test_next(self, run: RunFolder) -> None:
        run.init(*DIAMOND)
        assert run("next", "--json").json == {
            "ready": ["T-01"],
            "running": [],
            "waiting_for_approval": [],
            "batch": 1,
            "state": "planned",
        }
        run.complete("T-01")
        run.prepare("start", "T-03")
        assert run("next", "--json").json == {
            "ready": ["T-02"],
            "running": ["T-03"],
            "waiting_for_approval": [],
            "batch": 2,
            "state": "running",
        }

    def test_next_counts_a_retry_that_is_due_as_ready(self, run: RunFolder) -> None:
        run.init(*DIAMOND)
        run.prepare("start", "T-01")
        run.prepare("fail", "T-01")
        assert run("next", "--json").json["ready"] == []
        assert run("next", "--json", environment={"ORCHESTRATE_NOW": "+60"}).json["ready"] == ["T-01"]

    def test_next_groups_what_may_run_together_as_numbered_batches(self, run: RunFolder) -> None:
        run.init(*DIAMOND, task("T-05"))
        run.complete("T-01")
        said = run("next").stdout
        assert said.index("Batch #1 (no dependencies)") < said.index("T-05") < said.index("Batch #2 (after T-01)")
        assert "Agent-02 [T-02: Do T-02] ║ Agent-03 [T-03: Do T-03]" in said
        assert run("next", "--ascii").stdout.isascii()

    def test_list(self, run: RunFolder) -> None:
        run.init(*DIAMOND)
        run.complete("T-01")
        assert [line.split()[:2] for line in run("list").stdout.splitlines()] == [
            ["T-01", "completed"],
            ["T-02", "pending"],
            ["T-03", "pending"],
            ["T-04", "waiting"],
        ]
        assert [set(entry) for entry in run("list", "--json").json["tasks"]] == [TASK_KEYS] * 4
        assert run("list", "--by-state", "--json").json["pending"] == ["T-02", "T-03"]
        assert run("list", "--by-state").stdout.splitlines()[0] == "waiting (1)"
        assert [entry["id"] for entry in run("list", "--status", "Waiting", "--json").json["tasks"]] == ["T-04"]
        assert "there is no status 'done'" in run("list", "--status", "done", code=2).stderr

    def test_log(self, run: RunFolder) -> None:
        run.init(*DIAMOND)
        run.complete("T-01")
        assert [event["type"] for event in run("log", "--json").json["events"]] == [
            event["type"] for event in run.events()
        ]
        said = run("log").stdout
        assert said.startswith("### [")
        assert said in run.table.read_text() + "\n"
        assert len(run("log", "--limit", "1", "--json").json["events"]) == 1
        assert run("log", "--limit", "0", "--json").json["events"] == []
        run("log", "--limit", "-1", code=2)

    def test_log_follow_goes_on_as_events_come_until_it_is_interrupted(self, run: RunFolder) -> None:
        run.init(*DIAMOND)
        following = run.orchestrate.start("log", "--follow", "--json")
        deadline = time.monotonic() + 20
        while "plan_changed" not in following.stdout and time.monotonic() < deadline:
            time.sleep(0.05)
        run.prepare("start", "T-01")
        while "task_started" not in following.stdout and time.monotonic() < deadline:
            time.sleep(0.05)
        following.send(signal.SIGINT)
        assert following.wait().code == 130
        assert [json.loads(line)["type"] for line in following.stdout.splitlines()] == [
            event["type"] for event in run.events()
        ]

    def test_a_run_without_tasks_is_answered_too(self, run: RunFolder) -> None:
        run.write_plan()
        run.prepare("init")
        assert run("status", "--json").json["run"]["state"] == "planning"
        assert run("next", "--json").json["ready"] == []
        assert run("list").stdout == ""


class TestSize:
    def test_the_status_of_a_hundred_tasks_is_at_most_4_kb(self, run: RunFolder) -> None:
        run.init(*(task(f"auth-module-backend-service-{n:03d}", name="A longer name " * 9) for n in range(1, 101)))
        names = [*run.statuses()]
        run.prepare("start", *names[:30])
        for name in names[:10]:
            run.prepare("fail", name, "--final", "--reason", "because of this and that " * 20)
        said = run("status")
        assert len(said.stdout.encode()) <= 4096
        assert said.stdout.startswith("Test: running\n")
        full = run("status", "--full").stdout
        assert all(name in full for name in names)


class TestReadOnly:
    def test_status_list_next_and_log_answer(
        self, run: RunFolder, as_anybody: Program, read_only: Callable[[], None]
    ) -> None:
        run.init(*DIAMOND)
        run.complete("T-01")
        run.table.unlink()
        read_only()
        before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}
        for words in (["status"], ["list"], ["next"], ["log"], ["status", "--json"]):
            done = as_anybody(*words)
            assert (done.code, done.stderr) == (0, ""), (words, done.stderr)
            assert "T-01" in done.stdout or "T-02" in done.stdout
        assert {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")} == before

    def test_a_refused_edit_is_still_named(
        self, run: RunFolder, as_anybody: Program, read_only: Callable[[], None]
    ) -> None:
        run.init(*DIAMOND)
        run.edit("T-02", Status="Running")
        run.prepare("status")
        read_only()
        assert "waiting → running" in as_anybody("status").stderr

    def test_what_changes_something_says_why_it_cannot(
        self, run: RunFolder, as_anybody: Program, read_only: Callable[[], None]
    ) -> None:
        run.init(*DIAMOND)
        read_only()
        for words in (["start", "T-01"], ["skip", "T-01"], ["add", "x", "--description", "y"], ["check"], ["repair"]):
            done = as_anybody(*words)
            assert done.code in (1, 3), words
            assert "Traceback" not in done.stderr
            assert done.code == 1 or "permission denied" in done.stderr.lower(), done.stderr
        assert len(run.events()) == 2

    def test_init_in_a_folder_that_cannot_be_written(
        self, run: RunFolder, as_anybody: Program, read_only: Callable[[], None]
    ) -> None:
        plan = run.write_plan(*DIAMOND, to=run.plan)
        read_only()
        done = as_anybody("init", plan)
        assert done.code == 3
        assert "permission denied" in done.stderr.lower()


class TestFullDisk:
    """A limit on the size of files stands for a disk without space: both end a write in the middle."""

    @pytest.fixture
    def limited(self, program: Callable[..., Program]) -> Program:
        limit = 'ulimit -f 16 && exec "$@"'  # blocks of 1 KB
        return program("bash", "-c", limit, "limited", sys.executable, "-B", ORCHESTRATE)

    def test_a_journal_that_cannot_grow_changes_nothing_and_says_so(self, run: RunFolder, limited: Program) -> None:
        run.init(*DIAMOND)
        while run.journal.stat().st_size < 16_300:
            run.prepare("pause", "--reason", "x" * min(1200, max(1, 16_100 - run.journal.stat().st_size)))
        before = run.journal.read_bytes()
        done = limited("start", "T-01")
        assert done.code == 3
        assert "events.jsonl cannot be written" in done.stderr
        assert "nothing was changed" in done.stderr
        assert run.journal.read_bytes() == before
        assert run.statuses()["T-01"] == "pending"
        run("start", "T-01")

    def test_a_table_that_cannot_be_written_holds_nothing_up(self, run: RunFolder, limited: Program) -> None:
        run.init(*DIAMOND)
        run.save(run.table, run.table.read_text() + "\nprose of mine\n" * 2000)
        run.prepare("status")
        before = run.table.read_bytes()
        done = limited("start", "T-01")
        assert done.code == 0
        assert "master_plan.md was not written" in done.stderr
        assert run.table.read_bytes() == before
        assert run.statuses()["T-01"] == "running"
        assert run.row("T-01")["Status"] == "🔵 Running"
        assert run.table.read_text().count("prose of mine") == 2000
        assert not [path for path in run.folder.iterdir() if ".tmp-" in path.name]

    def test_a_result_that_cannot_be_written_leaves_the_task_running(self, run: RunFolder, limited: Program) -> None:
        run.init(*DIAMOND)
        run.prepare("start", "T-01")
        done = limited("complete", "T-01", "--result", "-", stdin="x" * 100_000)
        assert done.code == 3
        assert "Traceback" not in done.stderr
        assert run.statuses()["T-01"] == "running"
        assert list((run.folder / "results").iterdir()) == []


class TestLostWorkers:
    def test_readers_show_the_task_as_running_and_the_next_change_puts_it_back(
        self, run: RunFolder, attempts_alive: Callable[[], list[object]], no_processes_left: Callable[[float], None]
    ) -> None:
        run.init(task("T-01"), task("T-02"))
        running = run.orchestrate.start("run", "--jobs", "1", "--executor", "command", "--command", "sleep 300")
        deadline = time.monotonic() + 20
        while not attempts_alive() and time.monotonic() < deadline:
            time.sleep(0.05)
        running.send(signal.SIGKILL, to_group=False)
        running.process.wait()
        status = run("status", "--json").json
        assert (status["tasks"][0]["status"], status["tasks"][0]["reason"]) == ("running", "worker lost")
        assert "worker lost" in run("status").stdout
        assert "worker lost" in run("list").stdout
        assert attempts_alive()
        told = run("start", "T-02").stderr
        assert "T-01: its worker or lease was gone; it is pending now" in told
        no_processes_left(10.0)
        assert run.statuses() == {"T-01": "pending", "T-02": "running"}
        assert run.entry("T-01")["retries"] == 0
        assert [event["task"] for event in run.events("worker_lost")] == ["T-01"]


class TestWords:
    HOSTILE = (
        "a|b `c|d` \\| $(touch pwned) {{ 7 * 7 }} <script>x</script>\n**b** __i__ @/etc/passwd"
        " \u202eשלום\u202c 🚀\t\x07"
    )

    def test_hostile_texts_in_every_field_are_shown_kept_and_never_run(self, run: RunFolder) -> None:
        words = self.HOSTILE.replace("\x07", "")
        run.init(
            task("T-01", name=words, description=words, success_criteria=[words], inputs=[words]),
            task("T-02", ["T-01"], name="x" + words),
            title=words,
            request=words,
            objectives={"primary": words, "secondary": [words], "success_criteria": [words]},
            constraints=[words, {"scope": words}],
            implicit_requirements=[words],
        )
        run("start", "T-01")
        run("complete", "T-01", "--result", "-", "--step", words, "--summary", words, stdin=words)
        run("start", "T-02")
        run("fail", "T-02", "--final", "--reason", words)
        run("skip", "T-02", "--reason", words)
        for command in (["status"], ["status", "--full"], ["list"], ["next"], ["log"], ["prompt", "T-02"]):
            said = run(*command).stdout
            assert "\x07" not in said
            assert "49" not in said
        assert run.entry("T-01")["name"] == " ".join(words.split())
        assert run("status").stderr == ""
        run.edit("T-01", Retries="9")
        assert run("status").stderr == ""
        assert run.events("task_edited") == []
        assert not (run.project / "pwned").exists()

    def test_a_terminal_is_not_steered(self, run: RunFolder) -> None:
        run.init(task("T-01"))
        run.prepare("start", "T-01")
        run("fail", "T-01", "--final", "--reason", "\x1b[31mred\x1b[0m \x07 \u202e")
        for command in ("status", "list", "log"):
            assert not set("\x1b\x07\u202e") & set(run(command).stdout)
        assert not set("\x1b\x07\u202e") & set(run.table.read_text())


def test_nothing_asks_for_a_key_and_unknown_words_are_wrong_usage(run: RunFolder) -> None:
    run.init(*DIAMOND)
    for words in (["status", "--colour"], ["start"], ["complete"], ["frobnicate"], ["log", "--limit", "many"]):
        refused = run(*words, code=2)
        assert refused.stdout == ""
        assert refused.stderr


def test_json_stands_alone_on_stdout(run: RunFolder) -> None:
    run.init(*DIAMOND)
    run.edit("T-02", Status="Running")
    for words in (["status"], ["list"], ["next"], ["log"], ["check"], ["pause"], ["resume"], ["trust"], ["repair"]):
        done = run.orchestrate(*words, "--json")
        assert isinstance(done.json, dict), words
        if words != ["repair"]:
            assert "waiting → running" in done.stderr, words
