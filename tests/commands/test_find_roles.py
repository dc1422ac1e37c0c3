"""Where the roles of a project are found on disk, and what a broken file among them does."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.desk.projectroles import find_role, find_roles, users_roles
from orchestrator.desk.rolefiles import Origin, Roles
from orchestrator.errors import InvalidInputError
from orchestrator.system import files

ROLE = "---\nname: {}\ndescription: Use it.\n---\nDo it.\n"


def found(project: Path) -> Roles:
    return find_roles(str(project), str(project / ".orchestrator"))


def write(project: Path, path: str, text: str) -> Path:
    file = project / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def test_a_project_without_roles_has_the_bundled_ones(project: Path) -> None:
    roles = found(project)
    assert list(roles.by_name) == ["cicd", "development", "docs", "inventory", "research", "review", "security"]
    assert {role.source.origin for role in roles.by_name.values()} == {Origin.BUNDLED}
    assert roles.problems == ()


def test_own_roles_and_agents_are_found_with_their_place_and_hash(project: Path) -> None:
    own = write(project, ".orchestrator/roles/any-file-name.md", ROLE.format("data"))
    write(project, ".claude/agents/team/helper.md", ROLE.format("helper"))
    roles = found(project)
    assert roles.role("data").source.path == ".orchestrator/roles/any-file-name.md"
    assert roles.role("data").source.digest == files.digest(own.read_bytes())
    assert roles.role("helper").source.origin is Origin.AGENT
    assert roles.role("helper").source.path == ".claude/agents/team/helper.md"


@pytest.mark.parametrize("folder", [".orchestrator/runs/R-1", "elsewhere", ".orchestrator"])
def test_a_run_in_another_folder_has_the_own_roles_of_the_project(project: Path, folder: str) -> None:
    write(project, ".orchestrator/roles/data.md", ROLE.format("data"))
    place = str(project / folder)
    assert find_role(str(project), place, "data").source.path == ".orchestrator/roles/data.md"
    assert [*users_roles(str(project), place).by_name] == ["data"]


def test_a_file_that_is_no_markdown_is_passed_over(project: Path) -> None:
    write(project, ".orchestrator/roles/notes.txt", "notes")
    write(project, ".orchestrator/roles/old/data.md", ROLE.format("data"))
    roles = found(project)
    assert "data" not in roles.by_name
    assert roles.problems == ()


def test_an_own_role_and_an_agent_of_one_name_are_unclear(project: Path) -> None:
    write(project, ".orchestrator/roles/docs.md", ROLE.format("docs"))
    write(project, ".claude/agents/docs.md", ROLE.format("Docs"))
    with pytest.raises(InvalidInputError, match='the role "docs" is unclear'):
        found(project).role("docs")


def test_a_broken_file_does_not_hide_the_others(project: Path) -> None:
    write(project, ".orchestrator/roles/broken.md", "no front matter\n")
    write(project, ".orchestrator/roles/good.md", ROLE.format("good"))
    roles = found(project)
    assert roles.role("good").prompt == "Do it."
    assert [(source.path, problem.line) for source, problem in roles.problems] == [(".orchestrator/roles/broken.md", 1)]


def test_a_file_that_cannot_be_read_is_a_problem_of_that_file(project: Path) -> None:
    link(project, "loop.md", "loop.md")
    [(source, problem)] = found(project).problems
    assert source.path == ".orchestrator/roles/loop.md"
    assert problem.message.startswith("cannot read ")


def test_a_folder_with_the_name_of_a_role_file_is_passed_over(project: Path) -> None:
    (project / ".orchestrator" / "roles" / "data.md").mkdir(parents=True)
    assert found(project).problems == ()


def test_a_link_to_nothing_is_passed_over(project: Path) -> None:
    link(project, "gone.md", "nowhere.md")
    assert found(project).problems == ()


def link(project: Path, name: str, target: str) -> None:
    folder = project / ".orchestrator" / "roles"
    folder.mkdir(parents=True)
    try:
        (folder / name).symlink_to(folder / target)
    except OSError:
        pytest.skip("symbolic links are not allowed here")
