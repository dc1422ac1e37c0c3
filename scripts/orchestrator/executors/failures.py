"""The classes of failure of ``claude``, told by the words of its own error messages.

These words are looked for only where the CLI itself reports an error: an answer may speak of limits and logins
as it likes. Measured on 2.1.197 or taken from its texts and its error reference; the order of the table counts,
because "temporarily limiting requests (not your usage limit)" is no usage limit and "you've hit your monthly spend
limit" none that time heals.
"""

from __future__ import annotations

import re
from enum import StrEnum


class FailureClass(StrEnum):
    """What kind of failure it is, and so who can do something about it."""

    BACK_OFF = "back_off"
    MONEY = "money"
    USAGE_LIMIT = "usage_limit"
    LOGIN = "login"
    TASK = "task"
    OTHER = "other"


_WORDS: tuple[tuple[FailureClass, tuple[str, ...]], ...] = (
    (
        FailureClass.BACK_OFF,
        (
            "not your usage limit",
            "temporarily limiting requests",
            "temporary network issue",
            "experiencing high load",
            "another claude code process is refreshing",
        ),
    ),
    (FailureClass.USAGE_LIMIT, (r"out of (?:extra )?usage\b.*\bresets\b",)),
    (
        FailureClass.MONEY,
        (
            "credit balance (?:is )?too low",
            "spend limit",
            "shared budget",
            "usage credits (?:are )?required",
            "requires usage credits",
            r"out of (?:extra )?usage\b",
            "seat type doesn't include",
            "usage allocation has been disabled",
            r"usage limit is set to \$0",
        ),
    ),
    (
        FailureClass.USAGE_LIMIT,
        (
            r"\b(?:hit|reached) your (?:[\w.'-]+ ){0,6}limits?\b",
            "usage limit reached",
            r"limit reached\s*\|",
            r"\blimit\b.{0,80}\bresets\b.{0,20}\d",
        ),
    ),
    (
        FailureClass.LOGIN,
        (
            "invalid api key",
            "run /login",
            "oauth (?:token|session)",
            "failed to authenticate",
            "not (?:logged|signed) in",
            "invalid auth(?:entication)?",
            "authentication[ _](?:error|required|method|failed)",
            "login (?:again|expired|not accepted)",
            "account is on hold",
            "apikeyhelper",
            "organization has (?:been )?disabled",
            "disabled organization",
            "disabled for your org",
            "credentials expired or invalid",
            r"could not load (?:\w+ ){1,4}credentials",
        ),
    ),
    (
        FailureClass.TASK,
        (
            "prompt is too long",
            "conversation too long",
            "request too large",
            "image was too large",
            "issue with the selected model",
            r"\bis not available (?:on|with)\b",
            "usage policy",
        ),
    ),
    (
        FailureClass.BACK_OFF,
        (
            r"request rejected \(429\)",
            "rate[ _]limit",
            "overloaded",
            r"api error:? \(?5\d\d",
            "internal server error",
            "request timed out",
            "no response from api",
            "unable to connect",
            "can't reach the api",
            "connection (?:to the api was )?(?:lost|error|refused|closed|dropped)",
            "internet route",
            "mid-response",
            "stalled",
        ),
    ),
)
_PATTERNS = tuple((kind, re.compile("|".join(words), re.IGNORECASE | re.DOTALL)) for kind, words in _WORDS)

_CATEGORIES = {
    "authentication_failed": FailureClass.LOGIN,
    "oauth_org_not_allowed": FailureClass.LOGIN,
    "billing_error": FailureClass.MONEY,
    "model_not_found": FailureClass.TASK,
    "rate_limit": FailureClass.BACK_OFF,
    "overloaded": FailureClass.BACK_OFF,
    "server_error": FailureClass.BACK_OFF,
}


def class_by_words(text: str) -> FailureClass:
    """The class of a failure that the CLI reported with ``text``; OTHER when the words are none of those known."""
    words = text.replace("’", "'")
    return next((kind for kind, pattern in _PATTERNS if pattern.search(words)), FailureClass.OTHER)


def class_by_code(category: str, status: int | None) -> FailureClass:
    """The class of a failure by the CLI's own ``category`` and the HTTP ``status``, for words that are not known."""
    if category in _CATEGORIES:
        return _CATEGORIES[category]
    if status == 401:
        return FailureClass.LOGIN
    if status == 413:
        return FailureClass.TASK
    return FailureClass.BACK_OFF if status is not None and (status == 429 or status >= 500) else FailureClass.OTHER
