"""Which template fits a request: by the words that each template gives points to, and nothing else.

The score of a template is the sum of the points of those of its words that the request has, each counted once; behind
"with" stands what else is wanted ("with tests and documents"), and a word that is only there counts half.
A word ending in ``*`` is the beginning of words; a phrase is words that follow each other. Case, accents of letters
and punctuation do not count.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from orchestrator.dataclasses import dataclass
from orchestrator.plans.plantemplates import PlanTemplate

MOST_GENERAL = "research"
"""What is taken where no template fits: gather, analyse and synthesize is possible with any request."""

LEAST_SCORE = 3
"""Points that a template needs to fit: one word that is almost only said of it, or several that hint at it."""

LEAST_SCORE_ALONE = 2
"""Points that are enough where no other template has more than half as many."""

_AND_ALSO = frozenset({"including", "plus", "with"})

_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Fit:
    """How well one template fits: its words that the request has, with their points."""

    template: str
    found: tuple[tuple[str, int], ...]

    @property
    def score(self) -> int:
        """The sum of the points."""
        return sum(points for _, points in self.found)

    @property
    def why(self) -> str:
        """The words with their points: ``competitors 5, prices 1``."""
        return ", ".join(f"{word} {points}" for word, points in self.found) or "none of its words"


@dataclass(frozen=True, slots=True)
class Choice:
    """The template that was picked, and how well all of them fit, the best first.

    ``is_general``: none fits, so the most general one was taken.
    """

    template: str
    fits: tuple[Fit, ...]
    is_general: bool = False

    @property
    def fit(self) -> Fit:
        """How well the picked one fits."""
        return next(fit for fit in self.fits if fit.template == self.template)

    @property
    def why(self) -> str:
        """One sentence for a person: what was picked, with which score, and what came next."""
        best = self.fits[0]
        if self.is_general:
            nearest = f"the nearest is {best.template} with {best.score}" if best.score else "no word of any is in it"
            takes = f"a fit takes {LEAST_SCORE} points, or {LEAST_SCORE_ALONE} without a rival"
            return (
                f"no template fits the request ({takes}; {nearest}), so the most general one is taken: {self.template}"
            )
        others = [f"{fit.template} {fit.score}" for fit in self.fits if fit.template != self.template and fit.score][:2]
        after = f"; next: {', '.join(others)}" if others else ""
        return f"{self.template} fits best: {self.fit.score} points ({self.fit.why}){after}"


def choice(request: str, templates: Mapping[str, PlanTemplate]) -> Choice:
    """The template of ``templates`` to begin with for ``request``.

    Among equal scores the one whose strongest word is stronger, then the first by name.
    """
    words = words_of(request)
    also = next((at for at, word in enumerate(words) if word in _AND_ALSO), len(words))
    fits = [_fit(template, words, also) for template in templates.values()]
    fits.sort(key=lambda fit: (-fit.score, -max((points for _, points in fit.found), default=0), fit.template))
    has_rival = any(2 * fit.score > fits[0].score for fit in fits[1:])
    least = LEAST_SCORE if has_rival else LEAST_SCORE_ALONE
    if fits[0].score >= least or MOST_GENERAL not in templates:
        return Choice(fits[0].template, tuple(fits), is_general=fits[0].score < least)
    return Choice(MOST_GENERAL, tuple(fits), is_general=True)


def words_of(text: str) -> list[str]:
    """The words of ``text``, folded so that equal ones are equal."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return _WORD.findall("".join(character for character in plain if not unicodedata.combining(character)))


def _fit(template: PlanTemplate, words: Sequence[str], also: int) -> Fit:
    """How well ``template`` fits ``words``, of which those from ``also`` on say what else is wanted."""
    found = []
    for phrase, points in template.words.items():
        worth = points if _has(words[:also], phrase) else points // 2
        if worth and _has(words, phrase):
            found.append((phrase, worth))
    return Fit(template.name, tuple(sorted(found, key=lambda each: -each[1])))


def _has(words: Sequence[str], phrase: str) -> bool:
    """Whether ``words`` has those of ``phrase`` one after the other; only the last may be a beginning."""
    wanted = words_of(phrase)
    if not wanted:
        return False
    is_beginning = phrase.rstrip().endswith("*")
    for at in range(len(words) - len(wanted) + 1):
        last = words[at + len(wanted) - 1]
        is_last = last.startswith(wanted[-1]) if is_beginning else last == wanted[-1]
        if is_last and list(words[at : at + len(wanted) - 1]) == wanted[:-1]:
            return True
    return False
