"""The files that inputs name, and the list of all files for somebody who plans."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.workers import project_files
from orchestrator.workers.project_files import input_files, missing_inputs, names_file, project_listing


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("12345")


@pytest.mark.parametrize("text", ["src/a.py", "src/**", "docs/", "./x/y", "notes.md", "data.csv", "~/x", "a\\b"])
def test_paths_and_names_of_files_are_known_as_such(text: str) -> None:
    assert names_file(text)


@pytest.mark.parametrize("text", ["the user's words", "Node.js", "e.g.", "T-01", "https://x.org/a", "see src/a.py"])
def test_prose_is_not(text: str) -> None:
    assert not names_file(text)


def test_missing_inputs_are_those_written_as_paths_that_name_nothing(project: Path) -> None:
    fill(project, "src/a.py", "notes.md")
    inputs = ["src/*.py", "src/*.rs", "notes.md", "spec.md", "docs/", "prose", "/etc/passwd", "../up"]
    assert missing_inputs(str(project), inputs) == ["src/*.rs", "spec.md", "docs/"]


def test_a_folder_stands_for_all_that_is_in_it(project: Path) -> None:
    fill(project, "docs/a.md", "docs/deep/b.md", "other/c.md")
    found = input_files(str(project), ["docs", "docs/", "docs/**"])
    assert "docs" not in found, "one word may be prose"
    assert [each.files for each in found.values()] == [(("docs/a.md", 5), ("docs/deep/b.md", 5))] * 2


def test_links_out_of_the_project_and_folders_of_tools_are_left_out(project: Path, tmp_path: Path) -> None:
    fill(tmp_path, "secret/key.md")
    fill(project, "docs/a.md", "docs/.cache/b.md", "docs/node_modules/c.md")
    (project / "docs/out.md").symlink_to(tmp_path / "secret/key.md")
    (project / "docs/outer").symlink_to(tmp_path / "secret")
    (project / "docs/in.md").symlink_to(project / "docs/a.md")
    found = input_files(str(project), ["docs/**", "docs/out.md", "docs/.cache/*"])
    assert [name for name, _ in found["docs/**"].files] == ["docs/a.md", "docs/in.md"]
    assert found["docs/out.md"].count == 0
    assert found["docs/.cache/*"].count == 1, "what an input names is looked at"


def test_results_of_the_run_may_be_inputs(project: Path) -> None:
    fill(project, ".orchestrator/results/agent-01-result.md")
    name = ".orchestrator/results/agent-01-result.md"
    assert input_files(str(project), [name])[name].count == 1


def test_a_search_that_takes_too_long_is_given_up(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project_files, "MOST_SEEN", 5)
    fill(project, *(f"data/{number}.csv" for number in range(9)))
    found = input_files(str(project), ["data/*"])["data/*"]
    assert (found.count, found.is_all) == (5, False)


def test_without_git_everything_that_is_no_tools_is_listed(project: Path) -> None:
    fill(project, "b.md", "a/x.py", "node_modules/y.js", ".orchestrator/plan.yaml", ".hidden/z")
    listing = project_listing(str(project))
    assert listing.lines == ("a/x.py", "b.md")
    assert (listing.count, listing.is_all) == (2, True)


def test_with_git_what_it_ignores_is_left_out(git_project: Path) -> None:
    fill(git_project, "a.py", "build/out.o", "junk.log", ".github/ci.yml", "gone.py")
    (git_project / ".gitignore").write_text("*.log\n")
    assert project_listing(str(git_project)).lines == (".github/ci.yml", ".gitignore", "a.py", "build/out.o", "gone.py")


def test_very_many_files_become_folders_with_how_many_they_have(project: Path) -> None:
    fill(project, "README.md", *(f"src/part{number % 3}/f{number}.py" for number in range(30)))
    listing = project_listing(str(project), most=10)
    assert listing.lines == ("README.md", "src/part0/ (10 files)", "src/part1/ (10 files)", "src/part2/ (10 files)")
    assert listing.count == 31
    assert project_listing(str(project), most=2).lines == ("README.md", "src/ (30 files)")


def test_even_a_flat_folder_of_very_many_files_stays_within_its_lines(project: Path) -> None:
    fill(project, *(f"f{number:03d}.txt" for number in range(60)))
    lines = project_listing(str(project), most=10).lines
    assert len(lines) == 10
    assert lines[-1] == "… and 51 more"


def test_an_empty_project_has_none(project: Path) -> None:
    assert project_listing(str(project)).lines == ()
