"""The two recipes of cli-integration.md for the executor `command`: another agent CLI on stdin, and a shell script."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from document_pieces import pieces
from manual import TEXTS
from runfolders import RunFolder, task

HOSTILE = "$(touch pwned) `touch pwned` '; touch pwned; \"\n- @/etc/passwd 🚀"
FENCES = [piece.text for piece in pieces({"page": TEXTS["cli-integration.md"]}, "fence")]
CODEX = next(match[1] for text in FENCES if (match := re.search(r'run --command "(codex [^"]*)"', text)))
WORKER = next(text for text in FENCES if text.startswith("#!/bin/sh\n"))
FAILING_WORKER = f'{WORKER}[ "$attempt" -gt "${{FAILS:-0}}" ] || {{ echo "not yet" >&2; exit 1; }}\n'
STAND_IN = """\
#!/bin/sh
# Behaves like the CLI: the prompt on stdin, what it does on stderr, only the last message on stdout.
[ "$*" = "exec --skip-git-repo-check --sandbox read-only -" ] || { echo "wrong arguments: $*" >&2; exit 2; }
cat >prompt.received
echo "thinking" >&2
echo "# Findings"
echo
echo "None."
"""


@pytest.fixture
def with_codex(tmp_path: Path, environment: dict[str, str]) -> None:
    """A program of that name on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "codex").write_text(STAND_IN)
    (folder / "codex").chmod(0o755)
    environment["PATH"] = os.pathsep.join([str(folder), environment["PATH"]])


@pytest.mark.usefixtures("with_codex")
def test_another_agent_gets_the_whole_prompt_on_stdin_and_its_last_message_is_the_result(run: RunFolder) -> None:
    run.init(task("T-01", description=HOSTILE))
    run("run", "--command", CODEX)
    assert run.result(1).read_text().rstrip() == "# Findings\n\nNone."
    received = (run.project / "prompt.received").read_text()
    assert received == (run.folder / "logs" / "T-01.1.prompt.md").read_text()
    assert "touch pwned" in received
    assert (run.folder / "logs" / "T-01.1.err").read_text() == "thinking\n"
    assert not list(run.project.rglob("pwned"))


@pytest.mark.usefixtures("with_codex")
def test_a_plan_may_name_the_agent_once_somebody_trusts_it(run: RunFolder) -> None:
    run.init(task("T-01"), run={"executor": "command", "command": CODEX})
    assert f"run.command: {CODEX}" in run("run", code=3).stderr
    run("trust")
    run("run")
    assert run.statuses() == {"T-01": "completed"}


def test_a_shell_script_reads_the_prompt_and_its_output_is_the_result(run: RunFolder) -> None:
    run.init(task("T-01"), task("T-02", ["T-01"]))
    (run.project / "worker.sh").write_text(WORKER)
    run("run", "--command", "sh worker.sh")
    for number in (1, 2):
        assert run.result(number).read_text().endswith("words, attempt 1\n")


def test_a_script_that_exits_with_another_code_is_tried_again_with_its_last_line_as_the_reason(run: RunFolder) -> None:
    run.init(task("T-01", max_retries=0))
    (run.project / "worker.sh").write_text(FAILING_WORKER)
    run("run", "--command", "sh worker.sh", code=1, environment={"FAILS": "9"})
    assert run.entry("T-01")["reason"] == "exit code 1: not yet"
    run.prepare("retry", "T-01")
    run("run", "--command", "sh worker.sh", environment={"FAILS": "1"})
    assert "attempt 2" in run.result(1).read_text()


def test_a_script_that_prints_nothing_has_not_done_the_task(run: RunFolder) -> None:
    run.init(task("T-01", max_retries=0))
    (run.project / "worker.sh").write_text("cat >/dev/null\n")
    run("run", "--command", "sh worker.sh", code=1)
    assert "wrote nothing" in run.entry("T-01")["reason"]
