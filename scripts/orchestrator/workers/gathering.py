"""Material gathered for a task beforehand: kept under ``context/``, and given to every later prompt of the task."""

from __future__ import annotations

from orchestrator.errors import InvalidInputError
from orchestrator.events import EventType
from orchestrator.paths import RunPaths
from orchestrator.store.store import Store
from orchestrator.system import files
from orchestrator.workers.hand_over import shown_path

LARGEST_BYTES = 8 * 1024 * 1024
"""What is gathered for one task at most: no prompt could hold more."""


def gathered(paths: RunPaths, task: str) -> str:
    """What was gathered for ``task``; empty where nothing was."""
    return (files.read_own_or_none(paths.context(task)) or b"").decode("utf-8", "replace")


def gathered_file(paths: RunPaths, task: str) -> str:
    """Where that is, as an agent in the project would open it."""
    return shown_path(paths, "context", f"{task}.md")


def keep_gathered(store: Store, task: str, text: str, source: str) -> bool:
    """Add ``text``, which came from ``source``, to what was gathered for ``task``; whether it was not there already.

    Raises ``InvalidInputError`` where it is too much.
    """
    paths = store.paths
    files.make_private_folder(paths.inside("context"))
    with store.change() as change:
        before = gathered(paths, task)
        if f"\n\n{text.strip()}\n\n" in f"\n\n{before.strip()}\n\n":
            return False
        whole = f"{before.rstrip()}\n\n{text}" if before.strip() else text
        data = whole.encode("utf-8", "replace")
        if len(data) > LARGEST_BYTES:
            raise InvalidInputError(
                f"with this {gathered_file(paths, task)} would have {len(data):,} bytes,"
                f" at most {LARGEST_BYTES:,} are kept",
                "gather what the task needs, and name files instead of quoting them",
            )
        files.write_whole(paths.context(task), data)
        change.record(
            EventType.CONTEXT_ADDED,
            task,
            file=gathered_file(paths, task),
            source=source,
            characters=len(text),
            hash=files.digest(data),
        )
    return True
