"""What a task changes outside its `writes` is reported, or fails it; what others may change is theirs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from programs import Program
from runfolders import RunFolder, task

INSIDE = "mkdir -p src && echo x > src/new.py && echo more >> src/old.py"


@pytest.fixture
def git(git_project: Path, program: Callable[..., Program], require: Callable[[str], Path]) -> Program:
    """git in a repository with `src/old.py`, `kept.md` and `dirty.md`, the last of them edited since."""
    run_git = program(require("git"), "-c", "user.name=Test", "-c", "user.email=test@example.org")
    (git_project / "src").mkdir()
    for name in ("src/old.py", "kept.md", "dirty.md"):
        (git_project / name).write_text("old\n")
    assert run_git("add", "--all").code == 0
    assert run_git("commit", "--quiet", "-m", "Files").code == 0
    (git_project / "dirty.md").write_text("edited by somebody before\n")
    return run_git


def works(run: RunFolder, script: str, code: int = 0, **fields: object) -> str:
    """Run a task that may write in `src` with a worker that does `script`; its reason, empty where all is well."""
    run.init(task("T-01", writes=["src/**"], max_retries=0, **fields))
    (run.project / "src").mkdir(exist_ok=True)
    worker = run.project.parent / "worker.sh"
    worker.write_text(f"set -e\n{script}\necho done\n")
    run("run", "--command", f"sh {worker}", code=code)
    return run.entry("T-01")["reason"] or ""


@pytest.mark.usefixtures("git")
def test_what_stays_inside_is_not_spoken_of(run: RunFolder) -> None:
    assert works(run, INSIDE) == ""


@pytest.mark.usefixtures("git")
@pytest.mark.parametrize(
    ("script", "named"),
    [
        ("echo x > 'a b.md'", "a b.md"),
        ("echo more >> kept.md", "kept.md"),
        ("rm kept.md", "kept.md"),
        ("echo more >> dirty.md", "dirty.md"),
        ("git mv kept.md moved.md", "kept.md, moved.md"),
        ("echo x > made.md && git add . && git -c user.name=W -c user.email=w@x commit -qm work", "made.md"),
        ("echo more >> kept.md && git -c user.name=W -c user.email=w@x commit -qam work", "kept.md"),
    ],
    ids=["new", "changed", "gone", "dirty before", "moved", "new and committed", "changed and committed"],
)
def test_what_goes_beyond_is_named(run: RunFolder, script: str, named: str) -> None:
    assert works(run, f"{INSIDE}; {script}") == f"changed files outside its writes: {named}"


@pytest.mark.usefixtures("git")
def test_it_fails_the_task_where_the_plan_says_so(run: RunFolder) -> None:
    reason = works(run, "echo more >> kept.md", code=1, writes_policy="fail")
    assert reason == "changed files outside its writes: kept.md"
    assert run.statuses() == {"T-01": "failed"} and not run.result(1).exists()


@pytest.mark.usefixtures("git")
def test_many_are_counted(run: RunFolder) -> None:
    assert works(run, "for n in 10 11 12 13 14 15 16 17 18 19 20 21; do echo x > $n.md; done").endswith(", and 2 more")


def test_a_project_in_a_folder_of_a_repository_is_looked_at_alone(
    git: Program, git_project: Path, program: Callable[..., Program], orchestrate: Program
) -> None:
    inner = git_project / "services" / "[shop]"
    inner.mkdir(parents=True)
    run = RunFolder(inner, orchestrate)

    def within(*words: str | Path, **how: object) -> object:
        return orchestrate(*words, cwd=inner, **how)

    run.orchestrate = within  # type: ignore[assignment]
    reason = works(run, f"{INSIDE}; echo x > beside.md; echo x > ../elsewhere.md")
    assert reason == "changed files outside its writes: beside.md"


def test_a_repository_without_a_commit_will_do(git: Program, run: RunFolder) -> None:
    shutil.rmtree(run.project / ".git")
    assert git("init", "--quiet").code == 0
    assert works(run, "echo more >> kept.md") == "changed files outside its writes: kept.md"


def test_without_git_nothing_is_said(run: RunFolder) -> None:
    assert works(run, "echo x > made.md", writes_policy="fail") == ""


@pytest.mark.usefixtures("git")
def test_a_task_that_may_write_nothing_named_is_looked_at_where_that_fails_it(run: RunFolder) -> None:
    run.init(task("T-01", writes_policy="fail", max_retries=0))
    worker = run.project.parent / "worker.sh"
    worker.write_text("echo x > stray.txt\necho done\n")
    run("run", "--command", f"sh {worker}", code=1)
    assert "changed files outside its writes: stray.txt" in run.entry("T-01")["reason"]


@pytest.mark.usefixtures("git")
def test_what_a_failed_attempt_changed_elsewhere_is_named_too(run: RunFolder) -> None:
    assert (
        works(run, "echo x > stray.txt; exit 3", code=1) == "exit code 3; changed files outside its writes: stray.txt"
    )
