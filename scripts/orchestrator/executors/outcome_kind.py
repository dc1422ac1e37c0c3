"""The kinds of ends that an attempt can have, for what judges an answer and what judges its words alike."""

from __future__ import annotations

from enum import StrEnum


class OutcomeKind(StrEnum):
    """What follows from an attempt. All but the good ones leave the task undone."""

    SUCCESS = "success"
    NEEDS_ATTENTION = "needs_attention"
    FAILURE = "failure"
    BACK_OFF = "back_off"
    FINAL = "final"
    USAGE_LIMIT = "usage_limit"
    MONEY = "money"
    LOGIN = "login"
    INTERRUPTED = "interrupted"
    WORKER_LOST = "worker_lost"
