"""The rules of ``triage`` as they are read from ``triage.yaml``: what each word says, and what each finding is worth.

Words are compared by their stems, so that ``vulnerabilities`` finds ``vulnerability`` and ``scanning`` finds ``scan``.
Named tuples instead of dataclasses: making a class of the latter takes a millisecond, and this is on the way of a
command that a person waits for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import cache
from itertools import chain
from typing import Any, NamedTuple
from zlib import crc32

FILE = os.path.join(os.path.dirname(__file__), "triage.yaml")
QUICK_FILE = os.path.join(os.path.dirname(__file__), "triage.json")
"""The same values, which are read in a tenth of the time; ``scripts/documents.py`` writes it."""

_VOWELS = frozenset("aeiouy")
_NEVER_BEFORE_E = frozenset("aeiouwxy")


class Kind(StrEnum):
    """What an act does to its object."""

    LOOKS = "looks"
    MAKES = "makes"
    CHANGES = "changes"
    RESHAPES = "reshapes"


class Tag(StrEnum):
    """What a word can say besides which kind of work it belongs to; see the lists of this name in the rules."""

    LARGE = "large"
    SMALL = "small"
    REACH = "reach"
    EVERY = "every"
    COUNTED = "counted"
    LESS = "less"
    MORE = "more"
    ASPECT = "aspects"
    VAGUE = "vague"
    EXTERNAL = "external"
    THEN = "then"
    FIRST = "first"
    AND = "and"
    WITHOUT = "without"
    NOT = "not"
    NEUTRAL = "neutral"


class Area(NamedTuple):
    """A kind of work: the domain it counts as (None: that of its subject), who does it, when in the usual order.

    ``looked_at`` and ``changed`` are how much its words still say in an act that only looks, and in any other;
    ``reads``: such work changes nothing.
    """

    domain: str | None
    role: str
    stage: int
    looked_at: float
    changed: float
    reads: bool


class Verb(NamedTuple):
    """An act: minutes for one such act on one thing, and how much it speaks for an area.

    A light one says nothing by itself; its object does, as in "perform an audit".
    """

    kind: Kind
    minutes: float
    area: str
    weight: float
    is_light: bool


class Sense(NamedTuple):
    """Everything that one word or phrase says: as a verb, for which areas and how much, and what else."""

    verb: Verb | None
    weights: Mapping[str, float]
    tags: frozenset[Tag]


_NO_WEIGHTS: Mapping[str, float] = {}
_NO_TAGS: frozenset[Tag] = frozenset()


class Lexicon(NamedTuple):
    """Phrases by their stems; ``longest`` is the most words that a phrase with this first stem has."""

    senses: Mapping[tuple[str, ...], Sense]
    longest: Mapping[str, int]

    def longest_match(self, stems: Sequence[str], at: int) -> tuple[int, Sense] | None:
        """How many of ``stems`` from ``at`` on make the longest known phrase, and what it says."""
        for length in range(min(self.longest.get(stems[at], 0), len(stems) - at), 0, -1):
            sense = self.senses.get(tuple(stems[at : at + length]))
            if sense is not None:
                return length, sense
        return None


class FileRules(NamedTuple):
    """How a file is told from other words, and (part of its path, area, weight) of what it speaks for."""

    extensions: frozenset[str]
    not_files: frozenset[str]
    folders: frozenset[str]
    areas: tuple[tuple[str, str, float], ...]


class Rules(NamedTuple):
    """All of ``triage.yaml`` under the names and in the order that the file gives; words are stems."""

    areas: Mapping[str, Area]
    lexicon: Lexicon
    files: FileRules
    limits: Mapping[str, float]
    points: Mapping[str, int]
    amounts: Mapping[str, float]
    numbers: Mapping[str, int]
    words: Mapping[str, frozenset[str]]
    fallback: Mapping[str, str]
    unsaid: Verb
    named: Verb


@cache
def bundled_rules() -> Rules:
    """The rules that ship with the package; read once in a process."""
    return compiled(_record(_bytes_of(FILE), _bytes_of(QUICK_FILE)))


def quick_text() -> str:
    """What ``QUICK_FILE`` has to be: the values of ``FILE`` as JSON, and which version of that file they are."""
    data = _bytes_of(FILE)
    values = {"of": _version(data), "rules": _yaml_values(data)}
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")) + "\n"


def _record(data: bytes, quick: bytes) -> Mapping[str, Any]:
    """The values of ``data``, which is YAML; from ``quick``, the same as JSON, while that is of the same version."""
    try:
        values = json.loads(quick)
        if values["of"] == _version(data):
            rules: Mapping[str, Any] = values["rules"]
            return rules
    except (ValueError, KeyError, TypeError):
        pass  # it only saves time
    return _yaml_values(data)


def _yaml_values(data: bytes) -> Mapping[str, Any]:
    import yaml

    # The file is ours, so it is read in the fastest way; what users write goes through ``yamlfile``.
    values: Mapping[str, Any] = yaml.load(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return values


def _version(data: bytes) -> int:
    # As Git may have written the lines on Windows.
    return crc32(data.replace(b"\r\n", b"\n"))


def _bytes_of(file: str) -> bytes:
    try:
        with open(file, "rb") as opened:
            return opened.read()
    except FileNotFoundError:
        return b""


def compiled(record: Mapping[str, Any]) -> Rules:
    """The rules in the values of a file such as ``triage.yaml``; raises KeyError or ValueError where one is missing."""
    parts, files, amounts = record["parts"], record["files"], record["amounts"]
    return Rules(
        areas={name: _area(area) for name, area in record["areas"].items()},
        lexicon=_lexicon(record),
        files=FileRules(
            frozenset(files["extensions"].split()),
            frozenset(files["not_files"].split(", ")),
            frozenset(files["folders"].split(", ")),
            tuple(
                (part, area, entry["weight"])
                for area, entry in files["areas"].items()
                for part in entry["parts"].split(", ")
            ),
        ),
        limits=record["limits"],
        points=record["points"],
        amounts={key: value for key, value in amounts.items() if isinstance(value, (int, float))},
        numbers={stem(word): number for word, number in amounts["numbers"].items()},
        words={name: frozenset(chain.from_iterable(_phrases(words))) for name, words in parts.items()},
        fallback=record["fallback"],
        unsaid=_verb(record["unsaid"]),
        named=_verb(record["named"]),
    )


def stem(word: str) -> str:
    """``word``, in lower case, without the ending of a plural, ``-ed`` or ``-ing``: the same for all its forms.

    A light form of the first steps of Porter's algorithm (1980), with ``-ise`` and ``-ize`` as one.
    """
    word = word.removesuffix("'s")
    if len(word) < 4 or word[-1] not in "degs":
        return word
    if len(word) > 4 and word.endswith(("ies", "ied")):
        return word[:-3] + "y"
    if word[-1] == "s":
        if word.endswith(("sses", "xes", "ches", "shes", "zzes")):
            word = word[:-2]
        elif word[-2] not in "sui":
            word = word[:-1]
    rest = word[:-3] if word.endswith("ing") else word[:-2] if word.endswith("ed") else ""
    if len(rest) > 2 and not _VOWELS.isdisjoint(rest):
        if len(rest) == 3 and rest[0] not in _VOWELS and rest[1] in _VOWELS and rest[2] not in _NEVER_BEFORE_E:
            return rest + "e"
        is_doubled = len(rest) > 3 and rest[-1] == rest[-2] and rest[-1] not in "aeiouylsz"
        return rest[:-1] if is_doubled else _american(rest.removesuffix("e"))
    return _american(word[:-1]) if word[-1] == "e" and len(word) > 4 else word


def _american(stripped: str) -> str:
    """``organis`` as ``organiz``."""
    return stripped[:-1] + "z" if len(stripped) > 4 and stripped.endswith(("is", "ys")) else stripped


def _phrases(text: str) -> Iterator[tuple[str, ...]]:
    """The phrases of a list separated by commas, as stems; a hyphen parts words."""
    for phrase in text.replace("-", " ").split(","):
        if stems := tuple([stem(word) for word in phrase.split()]):
            yield stems


def _area(record: Mapping[str, Any]) -> Area:
    return Area(
        record.get("domain"),
        record["role"],
        record["stage"],
        record.get("looked_at", 1),
        record.get("changed", 1),
        record.get("reads", False),
    )


def _verb(record: Mapping[str, Any]) -> Verb:
    return Verb(
        Kind(record["kind"]),
        record["minutes"],
        record.get("area", ""),
        record.get("weight", 0),
        record.get("light", False),
    )


def _lexicon(record: Mapping[str, Any]) -> Lexicon:
    verbs: dict[tuple[str, ...], Verb] = {}
    weights: dict[tuple[str, ...], dict[str, float]] = {}
    tags: dict[tuple[str, ...], frozenset[Tag]] = {}
    for entry in record["verbs"]:
        verb = _verb(entry)
        for phrase in _phrases(entry["words"]):
            verbs.setdefault(phrase, verb)
    for name, area in record["areas"].items():
        for weight, words in area["words"].items():
            for phrase in _phrases(words):
                weights.setdefault(phrase, {}).setdefault(name, float(weight))  # a key of JSON is a text
    for tag, words in _tagged(record):
        alone = frozenset({tag})
        for phrase in _phrases(words):
            tags[phrase] = tags[phrase] | alone if phrase in tags else alone
    senses = {
        key: Sense(verbs.get(key), weights.get(key, _NO_WEIGHTS), tags.get(key, _NO_TAGS))
        for key in {**verbs, **weights, **tags}
    }
    longest: dict[str, int] = {}
    for key in senses:
        longest[key[0]] = max(longest.get(key[0], 0), len(key))
    return Lexicon(senses, longest)


def _tagged(record: Mapping[str, Any]) -> Iterable[tuple[Tag, str]]:
    places = (record["objects"], record["amounts"], record["parts"], record)
    return [(tag, next(place[tag] for place in places if tag in place)) for tag in Tag]
