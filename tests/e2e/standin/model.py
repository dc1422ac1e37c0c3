"""Scripted models: which request gets which reply."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from standin.asked import Request
from standin.replies import Cut, Failure, Hang, Held, Message, Reply

Model: TypeAlias = Callable[[Request], "Reply | Model"]
Behaviour: TypeAlias = "Reply | Model"


class ScriptError(Exception):
    """The test's script says nothing about this request."""


@dataclass(frozen=True)
class Rule:
    """Requests whose prompt contains a match of `pattern` (dot matches newlines) are answered by `behaviour`."""

    pattern: str
    behaviour: Behaviour

    def is_for(self, request: Request) -> bool:
        """Does the rule speak of this request?"""
        return re.search(self.pattern, request.prompt, re.DOTALL) is not None


Script: TypeAlias = "Sequence[Rule] | Behaviour"


def script_model(script: Script) -> Behaviour:
    """A list of rules as a model; anything else as it is."""
    return follow(script) if isinstance(script, Sequence) else script


def follow(rules: Sequence[Rule]) -> Model:
    """The model that answers by the first fitting rule."""

    def choose(request: Request) -> Behaviour:
        for rule in rules:
            if rule.is_for(request):
                return rule.behaviour
        raise ScriptError(f"no rule fits the prompt {request.prompt[:200]!r}")

    return choose


def by_turn(*behaviours: Behaviour) -> Model:
    """First behaviour for the prompt, second when the results of the first one's tools are back, and so on."""

    def choose(request: Request) -> Behaviour:
        if request.turn >= len(behaviours):
            raise ScriptError(f"{len(behaviours)} turns are scripted, the CLI asks for turn {request.turn + 1}")
        return behaviours[request.turn]

    return choose


def by_request(*behaviours: Behaviour) -> Model:
    """First behaviour for the first request that comes here, and so on; the last one for all further requests."""
    return _by_order(behaviours, lambda order, _: order)


def by_session(*behaviours: Behaviour) -> Model:
    """First behaviour for all requests of the first session (one start of the CLI, one attempt at a task), and so on;
    the last one for all further sessions."""
    seen: dict[str, int] = {}
    return _by_order(behaviours, lambda _, request: seen.setdefault(request.session, len(seen)))


def answer_to(request: Request, behaviour: Behaviour) -> Reply:
    """The reply that `behaviour` comes down to for this request.

    Raises ScriptError when the script has none.
    """
    while not isinstance(behaviour, Message | Failure | Cut | Hang | Held):
        behaviour = behaviour(request)
    return behaviour


def _by_order(behaviours: Sequence[Behaviour], position: Callable[[int, Request], int]) -> Model:
    if not behaviours:
        raise ValueError("a script needs at least one behaviour")
    lock = threading.Lock()
    count = 0

    def choose(request: Request) -> Behaviour:
        nonlocal count
        with lock:
            place = position(count, request)
            count += 1
        return behaviours[min(place, len(behaviours) - 1)]

    return choose
