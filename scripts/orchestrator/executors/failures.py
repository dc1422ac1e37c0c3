"""The classes of failure of ``claude``, told by the words of its own error messages.

These words are looked for only where the CLI itself reports an error: an answer may speak of limits and logins
as it likes. Measured on 2.1.197 or taken from its texts and its error reference; the order of the table counts,
because "temporarily limiting requests (not your usage limit)" is no usage limit and "you've hit your monthly spend
limit" none that time heals.
"""

from __future__ import annotations

import re

from orchestrator.executors.outcome import OutcomeKind

_WORDS: tuple[tuple[OutcomeKind, tuple[str, ...]], ...] = (
    (
        OutcomeKind.BACK_OFF,
        (
            "not your usage limit",
            "temporarily limiting requests",
            "temporary network issue",
            "experiencing high load",
            "another claude code process is refreshing",
        ),
    ),
    (OutcomeKind.USAGE_LIMIT, (r"out of (?:extra )?usage\b.*\bresets\b",)),
    (
        OutcomeKind.MONEY,
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
        OutcomeKind.USAGE_LIMIT,
        (
            r"\b(?:hit|reached) your (?:[\w.'-]+ ){0,6}limits?\b",
            "usage limit reached",
            r"limit reached\s*\|",
            r"\blimit\b.{0,80}\bresets\b.{0,20}\d",
        ),
    ),
    (
        OutcomeKind.LOGIN,
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
        OutcomeKind.FINAL,
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
        OutcomeKind.BACK_OFF,
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

_LONGEST_READ = 2000
"""Characters of an error message that are looked at; the CLI's own are far shorter."""

_CATEGORIES = {
    "authentication_failed": OutcomeKind.LOGIN,
    "oauth_org_not_allowed": OutcomeKind.LOGIN,
    "billing_error": OutcomeKind.MONEY,
    "model_not_found": OutcomeKind.FINAL,
    "rate_limit": OutcomeKind.BACK_OFF,
    "overloaded": OutcomeKind.BACK_OFF,
    "server_error": OutcomeKind.BACK_OFF,
}


def kind_by_words(text: str) -> OutcomeKind:
    """The kind of failure that the CLI reported with ``text``; FAILURE when the words are none of those known."""
    words = text[:_LONGEST_READ].replace("’", "'")
    return next((kind for kind, pattern in _PATTERNS if pattern.search(words)), OutcomeKind.FAILURE)


def kind_by_code(category: str, status: int | None) -> OutcomeKind:
    """The kind of failure by the CLI's own ``category`` and the HTTP ``status``, for words that are not known."""
    if category in _CATEGORIES:
        return _CATEGORIES[category]
    if status == 401:
        return OutcomeKind.LOGIN
    if status == 413:
        return OutcomeKind.FINAL
    return OutcomeKind.BACK_OFF if status is not None and (status == 429 or status >= 500) else OutcomeKind.FAILURE
