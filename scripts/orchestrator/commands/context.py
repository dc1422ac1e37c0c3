"""``context``: what a worker needs for one task, in a bounded number of tokens; and material gathered for it."""

from __future__ import annotations

import os
import sys

from orchestrator.commands.session import Place, answer, known_tasks, open_session, read_session, tell
from orchestrator.errors import CannotGoOnError, ExitCode, InvalidInputError, UsageError
from orchestrator.model import Json, Status
from orchestrator.render.prompt import Audience
from orchestrator.system import files
from orchestrator.workers import hand_over
from orchestrator.workers.gathering import LARGEST_BYTES, gathered_file, keep_gathered

DEFAULT_LIMIT_TOKENS = 50_000
"""About a quarter of a usual context window, as with prompts."""


def show(place: Place, task: str, limit_tokens: int | None = None) -> ExitCode:
    """Print the assignment, the files of its inputs, dependency results and gathered material of ``task``."""
    session = read_session(place)
    store = session.store
    name = known_tasks(session, [task])[0]
    limit = limit_tokens or DEFAULT_LIMIT_TOKENS
    record = store.state.records[name]
    made = hand_over.task_prompt(
        place.paths,
        store.state,
        name,
        audience=Audience.READER,
        attempt=max(record.attempt, 1),
        limit_tokens=limit,
    )
    shown: Json = {
        "task": name,
        "tokens": made.tokens,
        "limit": limit,
        "notes": list(made.notes),
        "context": made.text,
    }
    if place.as_json:
        answer(place, shown, "")
        return ExitCode.DONE
    print(made.text, end="")
    for note in made.notes:
        tell(f"{name}: {note}")
    return ExitCode.DONE


def add(place: Place, task: str, source: str) -> ExitCode:
    """Keep material that was gathered for ``task``, after what is there; what is there already is not added again."""
    text = _material(source)
    session = open_session(place)
    store, paths = session.store, session.store.paths
    name = known_tasks(session, [task])[0]
    shown = gathered_file(paths, name)
    is_new = keep_gathered(store, name, text, "stdin" if source == "-" else os.path.basename(source))
    hand_over.write_agent_file(paths, store.state, name)
    session.show()
    status = store.state.status(name)
    record: Json = {
        "task": name,
        "file": paths.context(name),
        "added": is_new,
        "characters": len(text) if is_new else 0,
    }
    lines = [f"{name}: {len(text):,} characters added to {shown}" if is_new else f"{name}: {shown} has this already"]
    if status is Status.RUNNING:
        lines.append(f"{name} is running: the attempt under way does not see it, the next one would")
    elif status in (Status.COMPLETED, Status.SKIPPED):
        lines.append(f"{name} is {status}: nobody reads it unless the task is opened again")
    answer(place, record, "\n".join(lines))
    return ExitCode.DONE


def _material(source: str) -> str:
    """What was gathered: the text of a file, or of stdin with ``-``."""
    if source == "-":
        data: bytes | None = sys.stdin.buffer.read(LARGEST_BYTES + 1)
    elif os.path.isdir(source):
        raise UsageError(f"{source} is a folder, expected a file", "`--add FILE`, once for each file")
    else:
        data = files.read_bytes_or_none(os.path.abspath(source))
    if data is None:
        raise CannotGoOnError(f"there is no file {source}", "`--add FILE`, or `--add -` for stdin")
    if len(data) > LARGEST_BYTES:
        raise InvalidInputError(
            f"the material has more than {LARGEST_BYTES:,} bytes", "gather what the task needs, and name files"
        )
    text = data.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n")
    if not text.strip():
        raise InvalidInputError("the material is blank", "give what was gathered")
    if "\ufffd" in text and b"\xef\xbf\xbd" not in data:
        tell("the material is not UTF-8; what could not be read stands as U+FFFD")
    return text
