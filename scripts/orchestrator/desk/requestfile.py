"""One request in the queue: what its file ``queue/<id>.json`` says, and everything that is wrong with one. Pure."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import TypeVar

from orchestrator import clock
from orchestrator.dataclasses import dataclass, field, replace
from orchestrator.errors import InvalidInputError, Problem
from orchestrator.ids import is_task_id
from orchestrator.model import Json, Priority
from orchestrator.wording import excerpt, found, listed, nearest

LONGEST_REQUEST = 200_000
"""Characters of a request; long material belongs into a file of the project."""

LARGEST_FILE = 4 * LONGEST_REQUEST + 65_536
"""Bytes of one request's file: the longest request in the widest letters, and everything else."""

MOST_IMPORTED = 10_000
"""Requests in one list."""

DEFAULT_PRIORITY = Priority.P2

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_Choice = TypeVar("_Choice", bound=StrEnum)
_KEYS = (
    *("id", "request", "status", "orchestration_required", "priority", "assigned_to"),
    *("orchestration_id", "created_at", "reason"),
)


class RequestStatus(StrEnum):
    """Where a request stands; it follows its run."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    BLOCKED = "blocked"
    CANCELLED = "cancelled"


ENDED = frozenset({RequestStatus.COMPLETED, RequestStatus.FAILED, RequestStatus.CANCELLED})
"""Statuses from which the desk takes nothing up by itself."""


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody wants. ``created_at`` is unix seconds.

    ``orchestration_required``: true is a plan, false one task, None is decided by triage. ``assigned_to`` is the role
    of one task. ``orchestration_id`` names the run under ``runs/`` once there is one. ``other`` are keys of the
    program that put the request here; they stay as they are.
    """

    id: str
    request: str
    status: RequestStatus = RequestStatus.PENDING
    orchestration_required: bool | None = None
    priority: Priority = DEFAULT_PRIORITY
    assigned_to: str | None = None
    orchestration_id: str | None = None
    created_at: float = 0.0
    reason: str | None = None
    other: Mapping[str, Json] = field(default_factory=dict)

    @property
    def turn(self) -> tuple[Priority, float, str]:
        """What puts requests in the order to take them: priority, then age."""
        return self.priority, self.created_at, self.id

    def record(self) -> dict[str, Json]:
        """Its JSON: the content of its file, and what ``queue show --json`` prints."""
        return {
            "id": self.id,
            "request": self.request,
            "status": str(self.status),
            "orchestration_required": self.orchestration_required,
            "priority": str(self.priority),
            "assigned_to": self.assigned_to,
            "orchestration_id": self.orchestration_id,
            "created_at": clock.utc_text(self.created_at),
            "reason": self.reason,
            **self.other,
        }

    def text(self) -> str:
        """The content of its file."""
        return json.dumps(self.record(), ensure_ascii=False, indent=2) + "\n"


@dataclass(frozen=True, slots=True)
class RequestReading:
    """What one file gave: a request, or everything that is wrong with it."""

    request: Request | None
    problems: tuple[Problem, ...] = ()


def text_problem(text: str) -> Problem | None:
    """What is wrong with the words of a request; None where nothing is."""
    if not text.strip():
        return Problem("the request is blank", "say what is to be done")
    if control := _CONTROL.search(text):
        return Problem(f"the request has the control character U+{ord(control[0]):04X}", "remove it")
    if len(text) > LONGEST_REQUEST:
        return Problem(
            f"the request has {len(text):,} characters, at most {LONGEST_REQUEST:,} are read",
            "put long material into a file of the project, and name the file",
        )
    return None


def read_request(name: str, data: bytes, changed_at: float) -> RequestReading:
    """The request in ``queue/<name>.json``; never raises.

    Only ``request`` is needed: the id is the name of the file, the age that of the file (``changed_at``, unix seconds).
    """
    if len(data) > LARGEST_FILE:
        message = f"the file has {len(data):,} bytes, at most {LARGEST_FILE:,} are read"
        return RequestReading(None, (Problem(message, "put long material into a file of the project"),))
    try:
        value = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return RequestReading(None, (Problem("the file is not UTF-8 text", "write JSON in UTF-8"),))
    except RecursionError:
        return RequestReading(None, (Problem("the file is nested too deeply", "write one object"),))
    except ValueError as error:
        line = getattr(error, "lineno", None)
        problem = Problem(f"the file is not JSON: {error}", "write one object, whole, then rename it here", line)
        return RequestReading(None, (problem,))
    return request_of(value, name, changed_at)


def request_of(value: Json, name: str, created_at: float) -> RequestReading:
    """The request that ``value`` says, with the id ``name`` where it gives none."""
    if not isinstance(value, dict):
        problem = Problem(f"a request is an object, found {found(value)}", 'write {"request": "WHAT IS TO BE DONE"}')
        return RequestReading(None, (problem,))
    fields = _Fields(value)
    id = fields.text("id") or name
    if not is_task_id(id):
        fields.add(f"the id {excerpt(id)} cannot name a file", "use letters, digits and . _ -, at most 64")
    elif id != name:
        fields.add(f"the id {excerpt(id)} is not the name of the file", f"call the file {id}.json, or the id {name}")
    said = fields.text("request")
    words = (said or "").replace("\r\n", "\n").strip()
    if "request" not in value and (near := nearest("request", (str(key) for key in value))):
        fields.add(f"there is no `request`, but {excerpt(near)}", "call it `request`")
    elif (said is not None or value.get("request") is None) and (fault := text_problem(words)):
        fields.problems.append(fault)
    required = value.get("orchestration_required")
    if required is not None and not isinstance(required, bool):
        fields.add(f"`orchestration_required` must be true, false or null, found {found(required)}", "write null")
    request = Request(
        id=id,
        request=words,
        status=fields.choice("status", RequestStatus, RequestStatus.PENDING),
        orchestration_required=required if isinstance(required, bool) else None,
        priority=fields.choice("priority", Priority, DEFAULT_PRIORITY),
        assigned_to=fields.word("assigned_to"),
        orchestration_id=fields.word("orchestration_id"),
        created_at=fields.moment("created_at", created_at),
        reason=fields.text("reason"),
        other={key: each for key, each in value.items() if key not in _KEYS},
    )
    return RequestReading(None if fields.problems else request, tuple(fields.problems))


def requests_of(data: bytes, named: Callable[[str], str], created_at: float) -> tuple[list[Request], list[Problem]]:
    """The requests of a JSON list, each a text or an object, and everything that is wrong with any of them.

    ``named`` gives the id of one that has none, from its words.
    """
    try:
        items = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        problem = Problem(f"it is not JSON: {error}", "write a list of requests", getattr(error, "lineno", None))
        return [], [problem]
    if not isinstance(items, list) or not items or len(items) > MOST_IMPORTED:
        told = f"a list of {len(items):,}" if isinstance(items, list) else found(items)
        problem = Problem(f"expected a list of 1 to {MOST_IMPORTED:,} requests, found {told}", 'write ["FIRST", …]')
        return [], [problem]
    requests, problems = list[Request](), list[Problem]()
    for at, item in enumerate(items, 1):
        value: Json = {"request": item} if isinstance(item, str) else item
        given = value.get("id") if isinstance(value, dict) else None
        words = value.get("request") if isinstance(value, dict) else None
        name = given if isinstance(given, str) and given else named(words if isinstance(words, str) else "")
        reading = request_of(value, name, created_at + at / 1000)
        problems += [replace(each, message=f"request {at}: {each.message}") for each in reading.problems]
        requests += [reading.request] if reading.request else []
    counts = Counter(request.id.casefold() for request in requests)
    problems += [
        Problem(f"{number} requests have the id {id}", "rename") for id, number in counts.items() if number > 1
    ]
    return requests, problems


def refused(what: str, problems: Sequence[Problem]) -> InvalidInputError:
    """The error for requests that cannot be taken."""
    return InvalidInputError(f"{what} is refused: {len(problems)} problem(s)", "mend what is named", problems)


class _Fields:
    """Reads the keys of one request, and collects what is wrong with them."""

    def __init__(self, value: Mapping[str, Json]) -> None:
        self.value = value
        self.problems: list[Problem] = []

    def add(self, message: str, advice: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(message, advice))

    def text(self, key: str) -> str | None:
        """A text; None where there is none."""
        value = self.value.get(key)
        if value is not None and not isinstance(value, str):
            self.add(f"`{key}` must be text, found {found(value)}", "put it in quotes")
            return None
        return value

    def word(self, key: str) -> str | None:
        """A name that can be a part of a file's name."""
        text = self.text(key)
        if text is not None and not is_task_id(text):
            self.add(f"`{key}` must be a name, found {excerpt(text)}", "use letters, digits and . _ -, or null")
            return None
        return text

    def choice(self, key: str, choices: type[_Choice], default: _Choice) -> _Choice:
        """One of an enumeration, in any case."""
        text = self.text(key)
        if text is None:
            return default
        for choice in choices:
            if choice.casefold() == text.strip().casefold():
                return choice
        near = nearest(text, choices)
        self.add(f"`{key}` must be one of {listed(list(choices))}, found {excerpt(text)}", f"write {near or default}")
        return default

    def moment(self, key: str, default: float) -> float:
        """A time in unix seconds; written as ISO 8601 with an offset."""
        text = self.text(key)
        if text is None:
            return default
        try:
            return clock.parse_utc(text)
        except ValueError:
            self.add(f"`{key}` must be a time, found {excerpt(text)}", "write 2026-01-31T09:00:00Z, or leave it out")
            return default
