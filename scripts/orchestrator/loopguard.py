"""What an invocation of the stateless loop may not ask of this program, however it is spelled.

The permission rules of ``claude`` compare words as they are written, so that quotes inside a word get past them; here
the words are as the shell made them. What an invocation starts is known by the mark that all of it carries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

MARK_VARIABLE = "ORCHESTRATE_ATTEMPT"
"""The variable that a worker and all that it starts carry: ``<run>/<task>/<attempt>``."""

LOOP = "_loop"
"""The place of the task in the mark of an invocation, and in the names of its files; no task has such an id."""

BARRED_COMMANDS = ("trust", "approve", "accept", "run", "exec", "feed", "queue", "loop")
"""A person's word, and whatever starts agents."""

BARRED_OPTIONS = ("--trust", "--command", "--claude", "--output")
"""A person's word, programs to start, and files anywhere on the disk."""


def barred_word(words: Sequence[str], environ: Mapping[str, str]) -> str | None:
    """The one of ``words`` that is a person's, in a command that an invocation gives; None for all others."""
    if f"/{LOOP}/" not in environ.get(MARK_VARIABLE, ""):
        return None
    if words and words[0] in BARRED_COMMANDS:
        return words[0]
    return next((word for word in words if word.partition("=")[0] in BARRED_OPTIONS), None)
