"""A desk on disk as a test sees it: its queue and runs, what the command says of them, and what other programs do."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from programs import Program, Running
from runfolders import RunFolder

QUICK = ("--executor", "rehearse", "--scale", "0.0001")
PATIENCE_S = 60.0


def wait_for(what: Callable[[], object], desk: Running | None = None) -> Any:
    """What it answers once that is true; the test fails when it takes too long."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.05)
    told = f"\n{desk.stdout}\n{desk.stderr}" if desk else ""
    raise AssertionError(f"waited {PATIENCE_S} s in vain{told}")


class DeskFolder:
    """The desk of a project, as a person and other programs see it."""

    def __init__(self, project: Path, orchestrate: Program) -> None:
        self.project = project
        self.folder = project / ".orchestrator"
        self.orchestrate = orchestrate
        self.call = RunFolder(project, orchestrate)

    def put(self, id: str, **fields: object) -> None:
        """Add a request as any program may: by rename."""
        queue = self.folder / "queue"
        queue.mkdir(parents=True, exist_ok=True)
        (queue / ".new").write_text(json.dumps({"request": f"Do {id}", **fields}))
        (queue / ".new").rename(queue / f"{id}.json")

    def prepare(self, id: str, *tasks: dict[str, object], **plan: object) -> None:
        """A request whose run is made already, of a plan that the test wants."""
        self.put(id, orchestration_id=id, status="blocked")  # so that no desk takes it before its run is there
        (self.folder / "runs").mkdir(exist_ok=True)
        text = json.dumps({"title": id, "request": f"Do {id}", "tasks": [*tasks], **plan})
        (self.project / f"{id}.yaml").write_text(text)
        self.call.prepare("init", f"{id}.yaml", "--dir", f".orchestrator/runs/{id}")
        self.put(id, orchestration_id=id)

    def request(self, id: str) -> dict[str, Any]:
        record: dict[str, Any] = json.loads((self.folder / "queue" / f"{id}.json").read_text())
        return record

    def status(self, id: str) -> str:
        return str(self.request(id).get("status", "pending"))

    def events(self, run: str) -> list[dict[str, Any]]:
        path = self.folder / ("runs" if run != "queue" else "") / run / "events.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]

    def once(self, *words: str, code: int = 0) -> Any:
        return self.call("queue", "run", "--once", *QUICK, *words, "--json", code=code, timeout_s=120).json

    def watch(self, *words: str) -> Running:
        """A desk that watches, once it is at work."""
        desk = self.orchestrate.start("queue", "run", "--watch", *(words or QUICK))
        wait_for(lambda: "Watching" in desk.stderr, desk)
        return desk
