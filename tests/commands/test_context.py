"""`context`: what is needed for one task within a number of tokens, and material that was gathered for it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runfolders import RunFolder, task


def results(run: RunFolder, count: int = 5, size: int = 50_000) -> None:
    """A task T-99 with ``count`` complete dependencies whose results are long."""
    ids = [f"T-{number:02d}" for number in range(1, count + 1)]
    run.init(*map(task, ids), task("T-99", ids))
    for id in ids:
        run.prepare("start", id)
        text = f"---\nsummary: In short, {id} is fine.\n---\n# Of {id}\n" + f"A line of {id}.\n" * (size // 15)
        run.prepare("complete", id, "--result", "-", stdin=text)


class TestWhatATaskNeeds:
    def test_assignment_results_and_material_are_there_without_how_to_end(self, run: RunFolder) -> None:
        run.init(task("T-01"), task("T-02", ["T-01"], inputs=["the words of the user"]))
        run.complete("T-01")
        run("context", "T-02", "--add", "-", stdin="GATHERED")
        text = run("context", "T-02").stdout
        assert "Do what T-02 is about." in text
        assert "- it is done" in text
        assert "# Result of T-01" in text
        assert "GATHERED" in text
        assert "the words of the user" in text
        assert "How to end" not in text

    def test_it_is_what_the_prompts_of_workers_and_subagents_begin_with(self, run: RunFolder) -> None:
        (run.project / "src").mkdir()
        (run.project / "src" / "a.py").write_text("x" * 1500)
        run.init(task("T-01"), task("T-02", ["T-01"], inputs=["src/**"]))
        run.complete("T-01")
        run.prepare("context", "T-02", "--add", "-", stdin="GATHERED")
        context = run.here("context", "T-02").stdout.split("\n")
        for audience in ("worker", "subagent"):
            prompt = run.here("prompt", "T-02", "--for", audience).stdout
            said = [line for line in context if "-" not in line or "<" not in line]
            assert all(line in prompt for line in said)
            assert "`src/a.py`, 1.5 KB" in prompt
            assert "GATHERED" in prompt

    def test_files_that_match_the_inputs_are_named_with_their_sizes(self, run: RunFolder) -> None:
        project = run.project
        for name, size in (("src/api/a.py", 10), ("src/api/deep/b.py", 2000), ("src/other.py", 5), ("docs/x.md", 30)):
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            (project / name).write_text("x" * size)
        (project / "src/api/node_modules").mkdir()
        (project / "src/api/node_modules/big.py").write_text("x")
        (project / "src/api/link.py").symlink_to("/etc/hostname")
        inputs = ["src/api/**/*.py", "docs/x.md", "docs/none.md", "prose about src/other.py", "notes.md"]
        run.init(task("T-01", inputs=inputs))
        text = run.here("context", "T-01").stdout
        assert "- src/api/**/*.py (2 files, 2 KB)\n  - `src/api/a.py`, 10 B\n  - `src/api/deep/b.py`, 2 KB\n" in text
        assert "- docs/x.md (30 B)\n" in text
        assert "- docs/none.md (not there)\n" in text
        assert "- notes.md (not there)\n" in text
        assert "- prose about src/other.py\n" in text

    def test_very_many_files_are_counted_and_some_named(self, run: RunFolder) -> None:
        folder = run.project / "data"
        folder.mkdir()
        for number in range(100):
            (folder / f"{number:03d}.csv").write_text("1,2")
        run.init(task("T-01", inputs=["data/*.csv", "data/"]))
        text = run.here("context", "T-01").stdout
        assert "- data/*.csv (100 files, 300 B)" in text
        assert "  - and 60 more files" in text
        assert text.count(".csv`") == 40

    @pytest.mark.parametrize("limit", [50_000, 20_000, 3_000, 1_200])
    def test_it_stays_under_its_limit_with_what_was_cut_announced(self, run: RunFolder, limit: int) -> None:
        results(run)
        done = run.here("context", "T-99", "--limit", str(limit), "--json")
        answer = done.json
        assert answer["tokens"] <= limit
        assert len(answer["context"]) <= 4 * limit
        assert answer["tokens"] > limit * 0.7 - 400
        assert len(answer["notes"]) == 5
        for number in range(1, 6):
            assert f".orchestrator/results/agent-{number:02d}-result.md" in answer["context"]
            assert f"In short, T-{number:02d} is fine." in answer["context"] or limit < 3_000
        assert "Read the whole in" in answer["context"]

    def test_small_results_stay_whole_beside_large_ones(self, run: RunFolder) -> None:
        run.init(task("T-01"), task("T-02"), task("T-03", ["T-01", "T-02"]))
        for id, text in (("T-01", "SMALL BUT WHOLE"), ("T-02", "long line\n" * 20_000)):
            run.prepare("start", id)
            run.prepare("complete", id, "--result", "-", stdin=text)
        answer = run.here("context", "T-03", "--limit", "5000", "--json").json
        assert "SMALL BUT WHOLE" in answer["context"]
        assert [note.split(" cut")[0] for note in answer["notes"]] == ["result of T-02"]

    def test_a_limit_that_the_assignment_alone_breaks_is_refused(self, run: RunFolder) -> None:
        run.init(task("T-01", description="word " * 4000))
        done = run.here("context", "T-01", "--limit", "1000", code=2)
        assert "the assignment of T-01 alone takes about" in done.stderr
        assert "--limit" in done.stderr

    def test_an_unknown_task_is_wrong_usage(self, run: RunFolder) -> None:
        run.init(task("T-01"))
        assert "there is no task" in run.here("context", "T-77", code=2).stderr


class TestWhatWasGathered:
    def test_it_is_kept_journalled_and_given_to_later_prompts(self, run: RunFolder) -> None:
        run.init(task("T-01"))
        (run.project / "notes.md").write_bytes("﻿# Notes\r\nfound\r\n".encode())
        done = run.here("context", "T-01", "--add", "notes.md")
        assert "T-01: 14 characters added to .orchestrator/context/T-01.md" in done.stdout
        kept = run.folder / "context" / "T-01.md"
        assert kept.read_text() == "# Notes\nfound\n"
        (event,) = run.events("context_added")
        assert (event["task"], event["source"], event["characters"]) == ("T-01", "notes.md", 14)
        assert event["file"] == ".orchestrator/context/T-01.md"
        assert event["hash"].startswith("sha256:")
        assert "### " in run.log()
        assert "Context Gathered" in run.log()
        assert "# Notes\nfound" in run.here("prompt", "T-01").stdout
        assert "context/T-01.md" in (run.folder / "agent_tasks" / "agent-01.md").read_text()

    def test_more_is_added_after_it_and_the_same_only_once(self, run: RunFolder) -> None:
        run.init(task("T-01"))
        run.here("context", "T-01", "--add", "-", stdin="one\n")
        run.here("context", "T-01", "--add", "-", stdin="two\n")
        again = run.here("context", "T-01", "--add", "-", "--json", stdin="one\n").json
        assert (again["added"], again["characters"]) == (False, 0)
        run.here("context", "T-01", "--add", "-", stdin="on\n")
        assert (run.folder / "context" / "T-01.md").read_text() == "one\n\ntwo\n\non\n"
        assert len(run.events("context_added")) == 3

    def test_who_is_at_it_already_does_not_see_it_and_that_is_said(self, run: RunFolder) -> None:
        run.init(task("T-01"))
        run.prepare("start", "T-01")
        done = run.here("context", "T-01", "--add", "-", stdin="late")
        assert "T-01 is running: the attempt under way does not see it" in done.stdout

    @pytest.mark.parametrize(
        ("words", "code", "message"),
        [
            (["--add", "nowhere.md"], 3, "there is no file nowhere.md"),
            (["--add", "."], 2, "is a folder"),
            (["--add", "-"], 1, "the material is blank"),
            (["--add", "-", "--limit", "5"], 2, "exclude each other"),
            (["--limit", "0"], 2, ""),
        ],
    )
    def test_what_cannot_be_added_is_refused(self, run: RunFolder, words: list[str], code: int, message: str) -> None:
        run.init(task("T-01"))
        before = run.events()
        assert message in run.here("context", "T-01", *words, code=code, stdin=" \n").stderr
        assert run.events() == before
        assert not (run.folder / "context" / "T-01.md").exists()

    def test_the_file_is_private(self, run: RunFolder) -> None:
        run.init(task("T-01"))
        run.here("context", "T-01", "--add", "-", stdin="x")
        assert os.stat(run.folder / "context" / "T-01.md").st_mode & 0o077 == 0

    def test_material_that_is_too_long_is_refused_and_what_is_there_stays(self, run: RunFolder, tmp_path: Path) -> None:
        run.init(task("T-01"))
        run.here("context", "T-01", "--add", "-", stdin="kept")
        (tmp_path / "long.md").write_text("x" * (8 * 1024 * 1024 + 1))
        assert (
            "more than 8,388,608 bytes"
            in run.here("context", "T-01", "--add", str(tmp_path / "long.md"), code=1).stderr
        )
        (tmp_path / "long.md").write_text("y" * (8 * 1024 * 1024))
        assert (
            "at most 8,388,608 are kept"
            in run.here("context", "T-01", "--add", str(tmp_path / "long.md"), code=1).stderr
        )
        assert (run.folder / "context" / "T-01.md").read_text() == "kept"
