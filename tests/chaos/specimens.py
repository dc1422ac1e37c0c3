"""Programs broken on purpose, in the process of an experiment and all that it forks: the suite must notice."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any


def lossy() -> None:
    """The store says that it recorded a change, and every seventh time it did not."""
    from orchestrator.store.journal import Journal

    append, count = Journal.append, 0

    def forget(self: Journal, events: Any) -> str:
        nonlocal count
        count += 1
        return "" if count % 7 == 0 else append(self, events)

    Journal.append = forget  # type: ignore[method-assign]


def hasty() -> None:
    """A result gets its name before all of it was written."""
    from orchestrator.system import files

    publish_all = files.publish_all

    def publish(pairs: Any) -> None:
        for temp, _ in pairs:
            with open(temp, "r+b") as file:
                file.truncate(file.seek(0, 2) // 2)
        publish_all(pairs)

    files.publish_all = publish


def careless() -> None:
    """A table with a mistake in it is replaced by a new one, and the work of a person with it."""
    from orchestrator.store.table import Table

    def overwrite(self: Table, digest: str, problems: Any, shown: Any) -> None:
        with open(self.paths.table, "a") as file:
            file.write("\n")

    Table._refuse = overwrite  # type: ignore[method-assign]


def shelled() -> None:
    """Commands of the plan go through a shell."""
    from orchestrator.workers import checks, options

    by_shell = SimpleNamespace(split=lambda text: ["sh", "-c", text])
    checks.shlex = options.shlex = by_shell  # type: ignore[assignment]


SPECIMENS: dict[str, Callable[[], None]] = {each.__name__: each for each in (lossy, hasty, careless, shelled)}
