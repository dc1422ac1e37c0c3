"""Where a command works, and its two voices: the answer on stdout, everything else on stderr."""

from __future__ import annotations

import json
import os
import sys

from orchestrator.dataclasses import dataclass
from orchestrator.paths import RunPaths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orchestrator.model import Json


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command works and how it answers: the folder of the run, JSON or text, ASCII or not."""

    paths: RunPaths
    as_json: bool = False

    @staticmethod
    def here(folder: str | None = None, as_json: bool = False) -> Place:
        """The place of the current folder."""
        return Place(RunPaths.of(os.getcwd(), folder), as_json)


def tell(message: str) -> None:
    """One line for a person, on stderr."""
    print(message, file=sys.stderr, flush=True)


def answer(place: Place, record: Json, text: str) -> None:
    """The answer of a command on stdout: one JSON document, or text."""
    if place.as_json:
        print(json.dumps(record, ensure_ascii=False), flush=True)
    elif text:
        print(text, flush=True)
