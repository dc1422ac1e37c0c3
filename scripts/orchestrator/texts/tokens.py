"""How many tokens a text takes, about: good for a size, not for a bill."""

from __future__ import annotations

CHARACTERS_PER_TOKEN = 4
"""Common English and code take four characters a token or so, other scripts fewer."""


def estimated_tokens(text: str) -> int:
    """About how many tokens ``text`` takes: a quarter of its characters, rounded up."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)
