"""Values that look like secrets in a text that is about to be shown to others.

Conservative: what is found gives a warning, so a key that is missed does less harm than a page of false alarms.
The forms of keys are those that their issuers document for secret scanning.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Final

from orchestrator.dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Secret:
    """A line, counted from 1, with a value that looks like a secret of this kind; never the value itself."""

    line: int
    kind: str


_WORD: Final = "A-Za-z0-9_-"
# Each token begins where no longer run of its own characters does, so that every run is read once.
_TOKENS: Final = {
    "AWS access key": r"A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}(?![A-Z0-9])",
    "GitHub token": r"gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}",
    "GitLab token": r"glpat-[A-Za-z0-9_-]{20,255}",
    "Anthropic key": r"sk-ant-[A-Za-z0-9_-]{20,255}",
    "OpenAI key": r"sk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{20,255}|sk-[A-Za-z0-9]{32,255}",
    "Slack token": r"xox[abeoprs]-[A-Za-z0-9-]{10,255}",
    "Stripe key": r"[rs]k_live_[A-Za-z0-9]{16,255}",
    "Google API key": r"AIza[A-Za-z0-9_-]{35}",
    "npm token": r"npm_[A-Za-z0-9]{36}",
    "PyPI token": r"pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,255}",
    "Hugging Face token": r"hf_[A-Za-z0-9]{34}",
    "JSON web token": r"eyJ[A-Za-z0-9_-]{10,4000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,1000}",
}
_TOKEN: Final = re.compile(
    f"(?<![{_WORD}])(?:{'|'.join(f'(?P<k{n}>{form})' for n, form in enumerate(_TOKENS.values()))})"
)
_PIECES: Final = re.compile("[-_]")
_TOKEN_KINDS: Final = tuple(_TOKENS)
_PRIVATE_KEY: Final = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_ADDRESS: Final = re.compile(r"(?<=://)[^\s/:@\"'<>`]{1,100}:(?P<value>[^\s/:@\"'<>`]{3,200})@")
_ASSIGNED: Final = re.compile(
    r"(?:password|passwd|passphrase|pwd|secret|api[_-]?key|access[_-]?key|[_-]token|authtoken)"
    r"(?:_?[A-Za-z0-9]{0,20})[\"']?[ \t]{0,8}(?P<sign>:=|=>|=(?!=)|:)[ \t]{0,8}"
    r"(?:(?P<quote>[\"'])(?P<quoted>[^\"'\s]{6,200})(?P=quote)|(?P<bare>[^\s\"'`,;<>|&]{6,200}))",
    re.IGNORECASE,
)
_ASSIGNED_WORDS: Final = ("passw", "passphrase", "pwd", "secret", "api_key", "api-key", "apikey", "key", "token")
# What stands for a value instead of being one.
_PLACEHOLDER: Final = re.compile(
    r"[<\[{(*$%/.~…]|x{4}|env|getenv|example|placeholder|your|changeme|redacted|hidden|secret\b|dummy|"
    r"none\b|null\b|true\b|false\b|undefined\b",
    re.IGNORECASE,
)


def secrets(text: str) -> list[Secret]:
    """Where ``text`` has what looks like a secret: one entry for each line and kind, in the order of the lines."""
    found: set[tuple[int, str]] = set()
    for match in _TOKEN.finditer(text):
        kind = _TOKEN_KINDS[int((match.lastgroup or "k0")[1:])]
        # A drawing of a token: `ghp_xxxxxxxx`.
        if len(set(max(_PIECES.split(match[0]), key=len))) > 4:
            found.add((match.start(), kind))
    found.update((match.start(), "private key") for match in _PRIVATE_KEY.finditer(text))
    if "://" in text:
        found.update(
            (match.start("value"), "password in an address")
            for match in _ADDRESS.finditer(text)
            if not _is_placeholder(match["value"])
        )
    starts = [match.end() for match in re.finditer("\n", text)] if found or _may_assign(text) else []
    lines = {(bisect_right(starts, at) + 1, kind) for at, kind in found}
    taken = {line for line, _ in lines}
    if _may_assign(text):
        for match in _ASSIGNED.finditer(text):
            line = bisect_right(starts, match.start()) + 1
            if line not in taken and _is_assignment(match):
                lines.add((line, "password or key"))
    return [Secret(line, kind) for line, kind in sorted(lines)]


def _may_assign(text: str) -> bool:
    lowered = text.lower()
    return any(word in lowered for word in _ASSIGNED_WORDS)


def _is_assignment(match: re.Match[str]) -> bool:
    """Whether a name is given a value, and not explained: prose has ``password: required``."""
    value = match["quoted"] or match["bare"]
    if _is_placeholder(value):
        return False
    if match["quoted"]:
        return True
    has_digit = any(character.isdigit() for character in value)
    is_tight = match["sign"] == "=" and match[0].endswith(f"={value}")
    # `password=form.password` and `token = next(tokens)` are code.
    is_code = re.fullmatch(r"[A-Za-z_][\w]*(?:\.[A-Za-z_]\w*)+[.,)]*|.*\(.*", value) is not None
    return not is_code and (has_digit or is_tight)


def _is_placeholder(value: str) -> bool:
    return _PLACEHOLDER.match(value) is not None or len(set(value)) < 3
