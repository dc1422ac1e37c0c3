"""An act of a request while its parts are still being read: what each word says about it.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.desk.requesttext import Word
from orchestrator.desk.triagerules import Kind, Rules, Tag, Verb, stem

_EVERY_REACHES = 3
"""Words between "all" and what there are all of: "all of our older services"."""


class Draft:
    """An act while its parts are still being read. ``is_said``: there is a verb for it, or a line of a list."""

    def __init__(self, verb: Verb, order: int, *, is_said: bool) -> None:
        self.verb = verb
        self.order = order
        self.is_said = is_said
        self.weights: dict[str, float] = {}
        self.evidence: dict[str, dict[str, float]] = {}
        self.tags: dict[Tag, list[str]] = {}
        self.object_tags: set[Tag] = set()
        self.extra_minutes = 0.0
        self.items = 0
        self.count = 1
        self.has_file = False
        self.has_object = False
        self.is_wide = False

    @property
    def looks(self) -> bool:
        """Whether it only reads and answers."""
        return self.verb.kind is Kind.LOOKS

    def add(self, weights: Mapping[str, float], factor: float, text: str) -> None:
        """Count what the word ``text`` says."""
        for area, weight in weights.items():
            self.weights[area] = self.weights.get(area, 0) + weight * factor
            words = self.evidence.setdefault(area, {})
            words[text] = words.get(text, 0) + weight * factor

    def note(self, word: Word, *, is_object: bool) -> None:
        """Note what else a word says."""
        for tag in word.tags:
            self.tags.setdefault(tag, []).append(word.text)
            if is_object:
                self.object_tags.add(tag)

    def take_over(self, other: Draft, part: float) -> None:
        """Count as its own what ``other`` says, its areas by ``part``."""
        for area, words in other.evidence.items():
            for text, weight in words.items():
                self.add({area: weight}, part, text)
        for tag in {Tag.ASPECT, Tag.EXTERNAL, Tag.VAGUE, Tag.EVERY} & other.tags.keys():
            self.tags.setdefault(tag, []).extend(other.tags[tag])
        self.is_wide = self.is_wide or other.is_wide
        self.count = max(self.count, other.count)
        self.has_file = self.has_file or other.has_file

    def read_object(self, words: Sequence[Word], rules: Rules) -> None:
        """What the words after the verb say: first the object itself, then its place or purpose, which count less."""
        place = rules.amounts["place_part"]
        silent = rules.words["pronouns"] | rules.words["determiners"] | rules.words["fillers"]
        factor, is_object = 1.0, True
        last: tuple[Mapping[str, float], str] = ({}, "")
        number, every_at = 0, -_EVERY_REACHES - 1
        for at, word in enumerate(words):
            if _begins_place(word, self, rules):
                is_object = is_object and at == 0
                is_purpose = self.looks and word.stem in rules.words["purposes"]
                factor = 1.0 if is_object or is_purpose else place
            self.has_object = self.has_object or word.stem not in silent
            self.has_file = self.has_file or bool(word.path)
            weights = _said(word, self, rules)
            self.add(weights, 1 if word.path else factor, word.text)
            last = (weights, word.text) if weights and is_object and not word.path else last
            self.note(word, is_object=is_object)
            if word.is_phrase and {stem(each) for each in word.text.casefold().split()} & rules.words["prepositions"]:
                is_object, factor = False, place  # "list of", "overview of every"
            number = word.number or rules.numbers.get(word.stem, number)
            every_at = at if Tag.EVERY in word.tags else every_at
            self.is_wide = self.is_wide or Tag.REACH in word.tags
            if Tag.COUNTED in word.tags or Tag.LARGE in word.tags:
                self.is_wide = self.is_wide or at - every_at <= _EVERY_REACHES
                if number and Tag.COUNTED in word.tags and word.text.endswith("s"):
                    self.count = max(self.count, number)
                number = 0
        # The last word of "the deployment docs" is what it is.
        self.add(last[0], rules.amounts["head_part"], last[1])


def _begins_place(word: Word, draft: Draft, rules: Rules) -> bool:
    """Whether the object ends before ``word``; "into" leads to what a reshaped thing becomes."""
    is_result = draft.verb.kind is Kind.RESHAPES and word.stem in rules.words["results"]
    return word.stem in rules.words["prepositions"] and not word.is_phrase and not is_result


def _said(word: Word, draft: Draft, rules: Rules) -> Mapping[str, float]:
    """What a word or the path of a file says for each area, in an act of this kind."""
    if word.path:
        weights: Mapping[str, float] = next(
            ({area: weight} for part, area, weight in rules.files.areas if part in word.path), {}
        )
    else:
        weights = word.sense.weights if word.sense else {}
    return {
        area: weight * (rules.areas[area].looked_at if draft.looks else rules.areas[area].changed)
        for area, weight in weights.items()
    }
