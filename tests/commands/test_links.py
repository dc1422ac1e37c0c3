"""Symbolic links in the folder of a run: nothing outside the project is read through one, and nothing written."""

from __future__ import annotations

from pathlib import Path

import pytest

from runfolders import RunFolder, task

SECRET = "TOP-SECRET-CONTENT"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that is not the project's, with a file that is nobody's business."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret.md").write_text(SECRET)
    return folder


@pytest.mark.parametrize("name", ["store", "agent_tasks", "results", "context", "workers", "logs"])
def test_a_folder_of_the_run_that_is_a_link_is_refused_by_name(run: RunFolder, outside: Path, name: str) -> None:
    run.init(task("T-01"))
    (run.folder / name).rename(run.folder / f"{name}.real")
    (run.folder / name).symlink_to(outside)
    for words in (("status",), ("run", "--executor", "rehearse"), ("start", "T-01")):
        told = run(*words, code=3).stderr
        assert f"{name} is a symbolic link" in told and "--dir" in told
    assert [path.name for path in outside.iterdir()] == ["secret.md"]


def test_a_run_folder_that_leads_out_of_the_project_is_refused_also_by_init(run: RunFolder, outside: Path) -> None:
    run.folder.symlink_to(outside)
    (run.project / "plan.yaml").write_text(
        "title: X\ntasks:\n  - {id: T-01, name: A, description: d, success_criteria: [x]}\n"
    )
    assert "is a symbolic link" in run("init", code=3).stderr
    assert [path.name for path in outside.iterdir()] == ["secret.md"]


def test_a_run_folder_that_is_a_link_within_the_project_is_taken(run: RunFolder) -> None:
    (run.project / "elsewhere").mkdir()
    run.folder.symlink_to("elsewhere")
    (run.project / "plan.yaml").write_text(
        "title: X\ntasks:\n  - {id: T-01, name: A, description: d, success_criteria: [x]}\n"
    )
    run("init")
    assert run.statuses() == {"T-01": "pending"}


def test_gathered_context_that_is_a_link_is_not_handed_to_a_worker(run: RunFolder, outside: Path) -> None:
    run.init(task("T-01"))
    (run.folder / "context/T-01.md").symlink_to(outside / "secret.md")
    done = run("prompt", "T-01", code=3)
    assert SECRET not in done.stdout + done.stderr
    assert "symbolic link" in done.stderr


def test_a_result_that_is_a_link_is_neither_completed_nor_adopted_nor_handed_on_nor_merged(
    run: RunFolder, outside: Path
) -> None:
    run.init(task("T-01"), task("T-02", ["T-01"]))
    run.result(1).symlink_to(outside / "secret.md")
    run("start", "T-01")
    for words in (("complete", "T-01"), ("check", "--adopt"), ("merge",)):
        done = run.orchestrate(*words)
        assert done.code in (1, 3), words
        assert SECRET not in done.stdout + done.stderr
    assert run.statuses()["T-01"] == "running"
    run.result(1).unlink()
    run("complete", "T-01", "--result", "-", stdin="fine\n")
    run.result(1).unlink()
    run.result(1).symlink_to(outside / "secret.md")
    done = run.orchestrate("prompt", "T-02")
    assert SECRET not in done.stdout + done.stderr
    assert not any(SECRET in path.read_text() for path in run.folder.glob("final_output.md"))


def test_a_journal_that_is_a_link_is_not_written_through(run: RunFolder, outside: Path) -> None:
    run.init(task("T-01"))
    moved = outside / "events.jsonl"
    run.journal.rename(moved)
    run.journal.symlink_to(moved)
    before = moved.read_bytes()
    run("start", "T-01", code=3)
    assert moved.read_bytes() == before


@pytest.mark.parametrize("fields", [{"writes": ["lnk/**"]}, {"outputs": ["lnk/new.md"]}])
def test_writes_and_outputs_that_a_link_leads_out_of_the_project_are_refused(
    run: RunFolder, outside: Path, fields: dict[str, list[str]]
) -> None:
    (run.project / "inside").mkdir()
    (run.project / "lnk").symlink_to(outside)
    run.write_plan(task("T-01", **fields))
    assert "leads out of the project through a symbolic link" in run("init", code=1).stderr
    assert "leads out of the project" in run("validate", code=1).stdout
    assert not run.folder.exists()
    (run.project / "lnk").unlink()
    (run.project / "lnk").symlink_to("inside")
    run.prepare("init")
    (run.project / "lnk").unlink()
    (run.project / "lnk").symlink_to(outside)
    run("run", "--executor", "command", "--command", "echo done", code=1)
    assert "leads out of the project" in run.entry("T-01")["reason"]
