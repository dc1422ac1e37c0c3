"""examples.md and the example of the desk in workflow.md are replayed: each session runs in a project of its own
and must print what the document says.

After a change that is meant, `pytest tests/contract/test_examples.py --snapshot-update` writes the new outputs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import transcripts
from orchestrator import graph
from orchestrator.plans.spec import checked_plan
from programs import Program
from transcripts import Command, File, Session

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENT = REPOSITORY / "examples.md"
SESSIONS = transcripts.sessions(DOCUMENT.read_text(encoding="utf-8"))
WORKFLOW = REPOSITORY / "workflow.md"
DESK = transcripts.sessions(WORKFLOW.read_text(encoding="utf-8"))

COMMAND = """\
#!{python}
import sys
sys.path.insert(0, {scripts!r})
from orchestrator.cli import main
sys.exit(main())
"""


@pytest.fixture
def shell(
    tmp_path: Path, project: Path, environment: dict[str, str], program: Callable[..., Program]
) -> Callable[[str], str]:
    """Runs a line in bash, in the project, with `orchestrate` on the path; the answer is all that it printed."""
    folder = tmp_path / "bin"
    folder.mkdir()
    command = folder / "orchestrate"
    command.write_text(COMMAND.format(python=sys.executable, scripts=str(REPOSITORY / "scripts")), encoding="utf-8")
    command.chmod(0o755)
    environment["PATH"] = os.pathsep.join([str(folder), environment["PATH"]])
    bash = program("bash", "-c")

    def run(line: str) -> str:
        done = bash(f"{{ {line}\n}} 2>&1")
        return done.stdout.replace(str(project.resolve()), "/project").replace(str(project), "/project")

    return run


def write_files(session: Session, project: Path) -> None:
    for step in session.steps:
        if isinstance(step, File):
            file = project / step.name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(step.text, encoding="utf-8")


def test_the_document_has_three_sessions_that_end_in_a_merged_result() -> None:
    assert len(SESSIONS) == 3
    for session in SESSIONS:
        words = [command.words for command in session.commands]
        assert any(line.startswith("orchestrate merge") for line in words), session.title


def test_the_desk_is_shown_by_a_plan_of_six_subtasks_in_five_stages() -> None:
    (session,) = DESK
    (plan,) = (step for step in session.steps if isinstance(step, File))
    tasks = checked_plan(plan.text.encode()).plan.tasks  # type: ignore[union-attr]
    assert len(tasks) == 6
    assert max(graph.stages(graph.dependencies(tasks)).values()) == 5
    assert {"security", "development", "docs"} == {task.role for task in tasks}


@pytest.mark.parametrize(
    ("document", "session"),
    [*((DOCUMENT, session) for session in SESSIONS), *((WORKFLOW, session) for session in DESK)],
    ids=lambda given: given.title if isinstance(given, Session) else given.name,
)
def test_a_session_prints_what_the_document_says(
    document: Path, session: Session, project: Path, shell: Callable[[str], str], request: pytest.FixtureRequest
) -> None:
    write_files(session, project)
    if request.config.getoption("update_snapshots"):
        text = document.read_text(encoding="utf-8")
        (current,) = (each for each in transcripts.sessions(text) if each.title == session.title)
        document.write_text(transcripts.rewritten(text, current, shell), encoding="utf-8", newline="\n")
        return
    problems = transcripts.differences(session, shell)
    assert not problems, "\n".join(problems)


# --- the checker itself

SPECIMEN = """\
# Examples

## One

The plan, `plan.yaml`:

```yaml
title: one
```

Then:

```console
$ first --word
at 12:00:01 on 2026-01-31
$ second
$ third
done in 1.5s
```

## Two

Nothing is run here.
"""


def test_a_session_is_its_files_and_commands_in_order() -> None:
    (one,) = transcripts.sessions(SPECIMEN)
    assert one.title == "One"
    assert one.steps == (
        File(8, "plan.yaml", "title: one\n"),
        Command(14, "first --word", "at 12:00:01 on 2026-01-31\n"),
        Command(16, "second", ""),
        Command(17, "third", "done in 1.5s\n"),
    )


NOW = {"first --word": "at 09:30:00 on 2027-06-30\n", "second": "", "third": "done in 0.3s\n"}


def test_what_differs_from_run_to_run_is_no_difference() -> None:
    (one,) = transcripts.sessions(SPECIMEN)
    assert transcripts.differences(one, NOW.__getitem__) == []
    assert transcripts.rewritten(SPECIMEN, one, NOW.__getitem__) == SPECIMEN


@pytest.mark.parametrize("now", ["undone in 0.3s\n", "", "done in 0.3s\nand more\n", "done in 2m\n"])
def test_anything_else_that_is_printed_is_a_difference(now: str) -> None:
    (one,) = transcripts.sessions(SPECIMEN)
    (problem,) = transcripts.differences(one, {**NOW, "third": now}.__getitem__)
    assert problem.startswith("line 17: $ third")
    changed = transcripts.rewritten(SPECIMEN, one, {**NOW, "third": now}.__getitem__)
    assert changed == SPECIMEN.replace("done in 1.5s\n", now)


def test_lines_of_progress_may_change_places_with_each_other_alone() -> None:
    first, second = "10:00:01 [Agent-01] T-01 Completed 0.3s", "10:00:01 [Agent-02] T-02 Completed 0.3s"
    assert transcripts.alike(f"{first}\n{second}\nend") == transcripts.alike(f"{second}\n{first}\nend")
    assert transcripts.alike(f"{first}\nend") != transcripts.alike(f"end\n{first}")
    assert transcripts.alike(f"{first}\n{second}") != transcripts.alike(f"{first}\n{first}")


def test_a_session_without_a_command_is_a_problem() -> None:
    assert transcripts.differences(Session("Empty", ()), lambda line: "") == ["Empty: no command"]
