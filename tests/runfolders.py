"""A run on disk as a test sees it: its files, what the command says of it, and what a person does to it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import BytesIO, StringIO, TextIOWrapper
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli import main
from orchestrator.store.statustable import COLUMNS, split_cells
from programs import Finished, Program

_saves = count(1)


def task(id: str, deps: Sequence[object] = (), **fields: object) -> dict[str, object]:
    """A task of plan.yaml that nothing is warned about."""
    return {
        "id": id,
        "name": f"Do {id}",
        "description": f"Do what {id} is about.",
        "success_criteria": ["it is done"],
        **({"deps": [*deps]} if deps else {}),
        **fields,
    }


class RunFolder:
    """The run in `.orchestrator` of a project; `folder` may name another place."""

    def __init__(self, project: Path, orchestrate: Program, folder: str = ".orchestrator") -> None:
        self.project = project
        self.folder = project / folder
        self.orchestrate = orchestrate

    # -- what the command says --------------------------------------------------------------------

    def __call__(self, *words: str | Path, code: int = 0, **how: Any) -> Finished:
        """What a command says; it must end with `code`."""
        done = self.orchestrate(*words, **how)
        assert done.code == code, (done.command[2:], done.code, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done

    def status(self) -> dict[str, Any]:
        """What `status --json` says, asked in this process."""
        answer: dict[str, Any] = json.loads(self.prepare("status", "--json"))
        return answer

    def statuses(self) -> dict[str, str]:
        return {entry["id"]: entry["status"] for entry in self.status()["tasks"]}

    def entry(self, id: str) -> dict[str, Any]:
        """What `status` says of one task."""
        return next(entry for entry in self.status()["tasks"] if entry["id"] == id)

    def prepare(self, *words: str | Path, stdin: str = "", code: int = 0) -> str:
        """What a test needs beside its point: by the same command but in this process, in a tenth of the time."""
        return self.here(*words, stdin=stdin, code=code).stdout

    def here(self, *words: str | Path, stdin: str = "", code: int = 0) -> Finished:
        """The same as a call, but in this process: for what the command says, not for how it starts and ends."""
        begun = time.monotonic()
        given = TextIOWrapper(BytesIO(stdin.encode()), encoding="utf-8")
        said, complained = StringIO(), StringIO()
        with (
            chdir(self.project),
            redirect_stdout(said),
            redirect_stderr(complained),
            pytest.MonkeyPatch.context() as patch,
        ):
            patch.setattr("sys.stdin", given)
            ended = main([*map(str, words)])
        assert ended == code, (words, said.getvalue(), complained.getvalue())
        assert "Traceback" not in complained.getvalue()
        taken = time.monotonic() - begun
        return Finished((*map(str, words),), ended, said.getvalue(), complained.getvalue(), taken)

    def complete(self, *ids: str) -> None:
        """Do tasks by hand, one after the other."""
        for id in ids:
            self.prepare("start", id)
            self.prepare("complete", id, "--result", "-", stdin=f"# Result of {id}\n")

    def give_up(self, id: str, reason: str = "broken") -> None:
        self.prepare("start", id)
        self.prepare("fail", id, "--final", "--reason", reason)

    # -- its files --------------------------------------------------------------------------------

    @property
    def table(self) -> Path:
        return self.folder / "master_plan.md"

    @property
    def plan(self) -> Path:
        return self.folder / "plan.yaml"

    @property
    def journal(self) -> Path:
        return self.folder / "events.jsonl"

    def events(self, type: str = "") -> list[dict[str, Any]]:
        """What the journal says, of one type or all of it."""
        lines = self.journal.read_text(encoding="utf-8").splitlines()
        return [event for event in map(json.loads, lines) if type in ("", event["type"])]

    def result(self, number: int) -> Path:
        return self.folder / "results" / f"agent-{number:02d}-result.md"

    def row(self, id: str) -> dict[str, str]:
        """The cells of one row of the table."""
        line = next(line for line in self.table.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {id} "))
        return dict(zip(COLUMNS, split_cells(line), strict=True))

    def log(self) -> str:
        """The execution log in the table."""
        return self.table.read_text(encoding="utf-8").partition("## Execution Log")[2]

    # -- what a person does to them ---------------------------------------------------------------

    def init(self, *tasks: Mapping[str, object], **keys: object) -> None:
        """Make a run of a plan with `tasks`."""
        self.write_plan(*tasks, **keys)
        self.prepare("init", self.project / "plan.yaml")

    def write_plan(self, *tasks: Mapping[str, object], to: Path | None = None, **keys: object) -> Path:
        """Write a plan; JSON is YAML."""
        path = to or self.project / "plan.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"version": 1, "title": "Test", "tasks": [*tasks], **keys}, indent=1, ensure_ascii=False)
        return self.save(path, text)

    def edit_plan(self, edit: Any) -> None:
        """Change the run's plan: `edit` gets what it says and changes that."""
        said = json.loads(self.plan.read_text(encoding="utf-8"))
        edit(said)
        self.save(self.plan, json.dumps(said, indent=1))

    def save(self, path: Path, data: str | bytes) -> Path:
        """Save a file as an editor does, some time ago, so that nobody waits whether more is to come."""
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        moment = time.time() - 3600 + next(_saves)
        os.utime(path, (moment, moment))
        return path

    def edit(self, id: str, text: str | None = None, **cells: str) -> None:
        """Change cells of one row, in the present table or in `text`, and save it: `edit("T-01", Status="⏭️")`."""
        lines = (text if text is not None else self.table.read_text(encoding="utf-8")).split("\n")
        at = next(at for at, line in enumerate(lines) if line.startswith(f"| {id} "))
        row = dict(zip(COLUMNS, split_cells(lines[at]), strict=True))
        row |= {name.replace("_", " "): cell for name, cell in cells.items()}
        assert [*row] == [*COLUMNS]
        lines[at] = f"| {' | '.join(row.values())} |" + "\r" * lines[at].endswith("\r")
        self.save(self.table, "\n".join(lines))

    def replace(self, old: str, new: str) -> None:
        """Replace some text of the table once, and save it."""
        text = self.table.read_bytes().decode()
        assert old in text
        self.save(self.table, text.replace(old, new, 1))
