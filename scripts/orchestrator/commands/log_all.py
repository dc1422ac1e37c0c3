"""``log --all``: the events of every run of the project and of its desk as one stream."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator

from orchestrator.commands.place import Place, answer
from orchestrator.errors import ExitCode, UsageError
from orchestrator.events import Event
from orchestrator.paths import DeskPaths
from orchestrator.store.journal import Journal

FOLLOW_S = 0.25


def log_all(place: Place, *, is_following: bool = False, limit: int | None = None) -> ExitCode:
    """All events in the order of their times; ``is_following`` goes on until interrupted, runs that begin included."""
    if limit is not None and limit < 0:
        raise UsageError(f"--limit is {limit}, expected 0 or more", "`--limit 20`")
    journals = _Journals(DeskPaths.of(place.paths))
    events = journals.news()
    shown = events if limit is None else events[len(events) - min(limit, len(events)) :]
    if not is_following:
        text = "" if place.as_json else "\n\n".join(entry for event in shown for entry in _entries(event))
        answer(place, {"events": [*shown]}, text)
        return ExitCode.DONE
    while True:
        for event in shown:
            for line in [json.dumps(event, ensure_ascii=False)] if place.as_json else _entries(event):
                print(line, flush=True)
        time.sleep(FOLLOW_S)
        shown = journals.news()


def _entries(event: Event) -> list[str]:
    """What the execution log says of an event, with the run that it is of."""
    from orchestrator.render.master_plan import log_entries

    run = event.get("orchestration_id")
    return [entry.replace("\n", f" · {run}\n", 1) if run else entry for entry in log_entries(event)]


class _Journals:
    """Every journal of the project, read from where it was left; one that does not change costs a ``stat``."""

    def __init__(self, desk: DeskPaths) -> None:
        self._desk = desk
        self._known: dict[str, tuple[Journal, int]] = {}

    def news(self) -> list[Event]:
        """What was written since the last call, in the order of times."""
        found: list[Event] = []
        for path, torn in self._paths():
            try:
                size = os.stat(path).st_size
            except OSError:
                continue
            journal, before = self._known.get(path) or (Journal(path, torn), -1)
            if size == before:
                continue
            found += [event for event in journal.news_or_all() if event is not None]
            self._known[path] = journal, size
        return sorted(found, key=lambda event: str(event.get("timestamp")))

    def _paths(self) -> Iterator[tuple[str, str]]:
        own = self._desk.own_run
        yield own.journal, own.torn
        yield self._desk.journal, self._desk.torn
        try:
            with os.scandir(self._desk.runs) as entries:
                names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        except OSError:
            return
        for name in names:
            paths = self._desk.run(name)
            yield paths.journal, paths.torn
