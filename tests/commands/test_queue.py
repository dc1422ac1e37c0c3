from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from deskfolder import DeskFolder, wait_for
from orchestrator.desk.queuefolder import QueueFolder
from orchestrator.desk.requestfile import Request, RequestStatus
from orchestrator.paths import DeskPaths, RunPaths
from programs import Program
from runfolders import RunFolder, task


@pytest.fixture
def desk(project: Path, orchestrate: Program) -> DeskFolder:
    return DeskFolder(project, orchestrate)


@pytest.fixture
def queue(project: Path) -> QueueFolder:
    return QueueFolder(DeskPaths.of(RunPaths.of(str(project))), [].append)


def test_a_request_is_added_listed_shown_and_cancelled(desk: DeskFolder) -> None:
    said = desk.call.prepare("queue", "add", "-", "--priority", "P1", "--json", stdin="Fix it\r\nplease\n")
    added = json.loads(said)
    assert (added["request"], added["priority"], added["status"]) == ("Fix it\nplease", "P1", "pending")
    assert added["orchestration_required"] is None
    id = added["id"]
    file = desk.folder / "queue" / f"{id}.json"
    assert json.loads(file.read_text()) == added
    if os.name == "posix":
        assert file.stat().st_mode & 0o777 == 0o600 and file.parent.stat().st_mode & 0o777 == 0o700

    (desk.project / "words.md").write_text("Write the guide")
    role = json.loads(desk.call.prepare("queue", "add", "--file", "words.md", "--role", "DOCS", "--json"))
    assert (role["assigned_to"], role["orchestration_required"]) == ("docs", False)
    forced = json.loads(desk.call.prepare("queue", "add", "Tidy", "--orchestrate", "--priority", "P0", "--json"))
    assert forced["orchestration_required"] is True

    listed = json.loads(desk.call.prepare("queue", "list", "--json"))
    assert [each["id"] for each in listed["requests"]] == [forced["id"], id, role["id"]]
    assert listed["counts"]["pending"] == 3 and listed["desk"] is False
    assert "Fix it" in desk.call.prepare("queue", "show", id)
    assert json.loads(desk.call.prepare("queue", "cancel", id, "--json"))["ended"] == []
    assert desk.status(id) == "cancelled"
    assert "is cancelled" in desk.call("queue", "cancel", id, code=1).stderr
    assert json.loads(desk.call.prepare("queue", "list", "--status", "cancelled", "--json"))["requests"][0]["id"] == id


@pytest.mark.parametrize(
    ("words", "stdin", "code", "message"),
    [
        ((), b"", 2, "there is no request"),
        (("x", "--file", "y"), b"", 2, "there are two requests"),
        ((" ",), b"", 1, "the request is empty"),
        (("-",), b"\xff\xfe\x00", 1, "is not UTF-8"),
        (("-",), b"a\x00b", 1, "character U+0000"),
        (("-",), b"x" * 200_001, 1, "at most 200,000 are read"),
        (("-",), b"x" * 9_000_000, 1, "at most 8 MiB"),
        (("--file", "nowhere"), b"", 3, "there is no file nowhere"),
        (("x", "--priority", "high"), b"", 2, "there is no priority 'high'"),
        (("x", "--direct", "--orchestrate"), b"", 2, "exclude each other"),
        (("x", "--role", "docs", "--orchestrate"), b"", 2, "exclude each other"),
    ],
)
def test_what_cannot_be_a_request_is_refused(
    desk: DeskFolder, words: tuple[str, ...], stdin: bytes, code: int, message: str
) -> None:
    done = desk.orchestrate("queue", "add", *words, stdin=stdin)
    assert done.code == code and message in done.stderr, done.stderr
    assert not list(desk.folder.glob("queue/*.json"))


def test_an_unknown_role_is_refused_with_the_nearest(desk: DeskFolder) -> None:
    assert "did you mean security?" in desk.call("queue", "add", "x", "--role", "securty", code=1).stderr


def test_a_list_is_imported_as_a_whole_or_not_at_all(desk: DeskFolder) -> None:
    (desk.project / "list.json").write_text(json.dumps(["First", {"request": "Second", "id": "R-2"}]))
    added = json.loads(desk.call.prepare("queue", "import", "list.json", "--json"))["added"]
    assert added[1] == "R-2" and len(added) == 2
    assert "there is a request R-2 already" in desk.call("queue", "import", "list.json", code=3).stderr
    assert len(list(desk.folder.glob("queue/*.json"))) == 2
    (desk.project / "bad.json").write_text(json.dumps(["Third", {"request": "x", "priority": "soon"}]))
    assert "request 2: `priority` must be one of" in desk.call("queue", "import", "bad.json", code=1).stderr
    assert len(list(desk.folder.glob("queue/*.json"))) == 2


def test_a_file_that_is_still_being_written_is_left_alone_for_a_moment(queue: QueueFolder) -> None:
    folder = Path(queue.paths.queue)
    folder.mkdir(parents=True)
    (folder / "R-1.json").write_text('{"request": "Fi')
    assert queue.scan() == [] and queue.has_unread()
    (folder / "R-1.json").write_text('{"request": "Fix"}')
    assert [request.id for request in queue.scan()] == ["R-1"] and not queue.has_unread()


def test_an_old_file_that_is_no_request_is_set_aside_and_told_once(queue: QueueFolder, project: Path) -> None:
    folder = Path(queue.paths.queue)
    folder.mkdir(parents=True)
    (project / "secret").write_text('{"request": "x"}')
    (folder / "link.json").symlink_to(project / "secret")
    (folder / "R-1.json").write_text("[]")
    os.utime(folder / "R-1.json", (1, 1))
    os.utime(folder / "link.json", (1, 1), follow_symlinks=False)
    told: list[str] = []
    queue._tell = told.append
    assert queue.scan() == [] and queue.scan() == []
    assert len(told) == 2 and any("a request is an object" in line for line in told)
    assert len(list(Path(queue.paths.refused).iterdir())) == 2
    assert (project / "secret").read_text() == '{"request": "x"}'


def test_a_change_comes_too_late_when_somebody_cancelled(queue: QueueFolder) -> None:
    queue.add([Request("R-1", "x", created_at=1.0)], "add")
    queue.change("R-1", status=RequestStatus.CANCELLED, reason="no")
    running = frozenset({RequestStatus.RUNNING})
    after = queue.change("R-1", only=running, status=RequestStatus.COMPLETED)
    assert after is not None and after.status is RequestStatus.CANCELLED
    assert queue.change("gone", status=RequestStatus.CANCELLED) is None


def test_a_task_that_another_run_holds_is_not_started_by_hand_or_by_exec(desk: DeskFolder) -> None:
    for id in ("one", "two"):
        desk.prepare(id, task("T-01", writes=["src/**"]), task("T-02", resources=["db"]))
    one, two = (["--dir", f".orchestrator/runs/{id}"] for id in ("one", "two"))
    desk.call.prepare("start", "T-01", *one)
    refused = desk.call("start", "T-01", *two, code=1)
    assert "T-01 cannot run beside one/T-01 of another run: both want the files src/** and src/**" in refused.stderr
    assert "cannot run beside one/T-01" in desk.call("exec", "T-01", "--executor", "rehearse", *two, code=1).stderr
    assert json.loads(desk.call.prepare("next", "--json", *two))["ready"] == ["T-02"]
    desk.call.prepare("skip", "T-01", *one)
    desk.call.prepare("start", "T-01", *two)
    assert json.loads(desk.call.prepare("status", "--json", *two))["run"]["counts"]["running"] == 1


def test_a_request_follows_a_run_that_somebody_brings_to_its_end_by_hand(desk: DeskFolder) -> None:
    desk.prepare("mine", task("T-01", verify=["true"]))
    (listed,) = json.loads(desk.call.prepare("queue", "list", "--json"))["requests"]
    assert listed["status"] == "blocked" and "verify of T-01: true" in listed["reason"]
    folder = ["--dir", ".orchestrator/runs/mine"]
    desk.call.prepare("trust", *folder)
    assert json.loads(desk.call.prepare("queue", "show", "mine", "--json"))["status"] == "pending"
    desk.call.prepare("skip", "T-01", *folder)
    assert json.loads(desk.call.prepare("queue", "show", "mine", "--json"))["status"] == "completed"
    assert desk.status("mine") == "completed"


def test_a_request_is_shown_with_its_run_as_that_stands(desk: DeskFolder) -> None:
    desk.prepare("mine", task("T-01"))
    folder = ["--dir", ".orchestrator/runs/mine"]
    desk.call.prepare("start", "T-01", *folder)
    desk.call.prepare("complete", "T-01", "--result", "-", *folder, stdin="# Done")
    for is_merged in (False, True):
        shown = json.loads(desk.call.prepare("queue", "show", "mine", "--json"))
        assert (shown["run"]["state"], shown["run"]["merged"]) == ("completed", is_merged)
        desk.call.prepare("merge", *folder)


def test_a_run_of_the_desk_has_the_roles_of_the_desk(desk: DeskFolder) -> None:
    (desk.folder / "roles").mkdir(parents=True)
    (desk.folder / "roles" / "poet.md").write_text("---\nname: poet\ndescription: Verses\n---\nRhyme.\n")
    desk.prepare("ode", task("T-01", role="poet"))
    folder = ["--dir", ".orchestrator/runs/ode"]
    desk.call.prepare("trust", *folder)
    assert "Rhyme." in desk.call.prepare("prompt", "T-01", *folder)


def test_a_folder_that_happens_to_be_called_runs_makes_no_desk(run: RunFolder) -> None:
    run.init(task("T-01", writes=["src/**"]))
    (run.project / "build" / "runs").mkdir(parents=True)
    for name in ("one", "two"):
        run.prepare("init", ".orchestrator/plan.yaml", "--dir", f"build/runs/{name}")
        run.prepare("start", "T-01", "--dir", f"build/runs/{name}")
    assert not list((run.project / "build").rglob("starts.lock"))


def test_a_single_plan_counts_as_one_orchestration(run: RunFolder) -> None:
    run.init(task("T-01"), task("T-02", ["T-01"]))
    run.prepare("start", "T-01")
    answer = json.loads(run.prepare("runs", "--json"))
    (found,) = answer["orchestrations"]
    assert (answer["total"], answer["active"]) == (1, 1)
    assert (found["state"], found["active_tasks"], found["stages"], found["folder"]) == (
        "running",
        1,
        2,
        ".orchestrator",
    )
    assert run.prepare("runs").startswith("1 orchestration: 1 active\n")
    assert not (run.folder / "runs").exists(), "a single plan needs nothing of a desk"


def test_what_has_ended_is_archived_with_its_request_and_found_again(desk: DeskFolder) -> None:
    for id in ("done", "open"):
        desk.prepare(id, task("T-01"))
    folder = ["--dir", ".orchestrator/runs/done"]
    desk.call.prepare("skip", "T-01", *folder)
    desk.put("done", orchestration_id="done", status="completed")
    (desk.folder / "queue" / "logs").mkdir()
    (desk.folder / "queue" / "logs" / "done.log").write_text("said")
    assert json.loads(desk.call.prepare("archive", "--json"))["archived"] == [], "it has just ended"
    assert json.loads(desk.call.prepare("archive", "--older-than", "0s", "--json"))["archived"] == ["done"]
    assert {path.name for path in (desk.folder / "queue" / "archived").iterdir()} == {"done.json", "done.log"}
    short, whole = (json.loads(desk.call.prepare("runs", *words, "--json")) for words in ([], ["--all"]))
    assert (short["total"], short["archived"], whole["total"]) == (1, 1, 2)
    kept = next(each for each in whole["orchestrations"] if each["archived"])
    assert kept["folder"] == ".orchestrator/runs/archived/done" and kept["state"] == "completed"
    assert json.loads(desk.call.prepare("status", "--json", "--dir", kept["folder"]))["run"]["state"] == "completed"
    desk.call.prepare("start", "T-01", "--dir", ".orchestrator/runs/open")
    assert "is active" in desk.call("archive", "open", code=3).stderr
    assert "there is no run" in desk.call("archive", "../queue", code=2).stderr


def test_a_damaged_run_holds_nothing_up_and_is_told(desk: DeskFolder) -> None:
    desk.prepare("good", task("T-01"))
    (desk.folder / "runs" / "bad").mkdir()
    (desk.folder / "runs" / "bad" / "events.jsonl").write_text('{"type": "plan_changed", "payload": "x"}\n')
    (desk.folder / "runs" / "index.json").write_text("no index")
    done = desk.call("runs", "--json")
    assert "runs/bad cannot be read" in done.stderr
    assert done.json["orchestrations"][0]["title"] == "good"


def test_the_events_of_all_runs_are_one_stream(desk: DeskFolder) -> None:
    desk.call.prepare("queue", "add", "First")
    desk.prepare("one", task("T-01"))
    (desk.project / "plan.yaml").write_text(json.dumps({"title": "Own", "request": "x", "tasks": [task("T-01")]}))
    desk.call.prepare("init")
    every = json.loads(desk.call.prepare("log", "--all", "--json"))["events"]
    assert {"request_added", "orchestration_started"} <= {each["type"] for each in every}
    assert len({each["orchestration_id"] for each in every}) == 3
    assert [each["timestamp"] for each in every] == sorted(each["timestamp"] for each in every)

    follow = desk.orchestrate.start("log", "--all", "--follow", "--json")
    one = desk.orchestrate.start("log", "--follow", "--json", "--dir", ".orchestrator/runs/one")
    wait_for(lambda: follow.stdout.count("\n") >= len(every), follow)
    desk.prepare("late", task("T-01"))
    desk.call.prepare("start", "T-01", "--dir", ".orchestrator/runs/one")
    for name in ('"late"', '"task_started"'):
        wait_for(lambda name=name: name in follow.stdout, follow)
    wait_for(lambda: '"task_started"' in one.stdout, one)
    for stream, runs in ((follow, 4), (one, 1)):
        lines = [json.loads(line) for line in stream.stdout.splitlines(keepends=True) if line.endswith("\n")]
        assert all({"timestamp", "type", "orchestration_id"} <= each.keys() for each in lines)
        assert len({each["orchestration_id"] for each in lines}) == runs
        stream.send(signal.SIGINT, to_group=False)
        assert stream.wait().code == 130


def test_a_new_request_is_taken_within_a_second(desk: DeskFolder) -> None:
    desk.folder.mkdir()
    (desk.folder / "desk.yaml").write_text("max_runs: 9\n")
    watch = desk.watch()
    delays = []
    for number in range(4):
        begun = time.monotonic()
        desk.put(f"r{number}")
        wait_for(lambda number=number: f"r{number}: taken" in watch.stdout, watch)
        delays.append(time.monotonic() - begun)
    assert min(delays) < 1.0, delays  # the bench says how it is on a machine that has nothing else to do
    watch.send(signal.SIGTERM, to_group=False)
    assert watch.wait().code == 130
