"""Results merged by a model: what it is asked, in how many rounds, and what is checked of its answer. Starts nothing.

The model's answer is believed for its text and for nothing else: which agents had a result is known here, and one that
the answer does not mention is named at its end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Final, TypeAlias

from orchestrator.dataclasses import dataclass
from orchestrator.merge import Gap, document, gap_sections
from orchestrator.merge.parts import closed_note, whole_text
from orchestrator.render.markdown import inline, one_line
from orchestrator.render.templates import rendered
from orchestrator.texts.attachments import NOTE, as_prompt, without_attachments
from orchestrator.texts.openings import closed
from orchestrator.texts.outline import fitted, heading_line
from orchestrator.texts.results import Result

DEFAULT_LIMIT_CHARS: Final = 200_000
"""Characters in one prompt: about 50,000 tokens of English, a quarter of a usual context window."""

SMALLEST_LIMIT_CHARS: Final = 20_000
"""With less, the instructions would take more room than the results."""

LARGEST_LIMIT_CHARS: Final = 2_500_000
"""Even if each character takes four bytes, the CLI takes them: no more than 10 MiB on stdin."""

_SHORTEST_NONCE: Final = 12
_MOST_NONCES: Final = 100
_LABEL_LENGTH: Final = 300
_FRAME_SIZE: Final = _LABEL_LENGTH + 100
_FENCED_ANSWER: Final = re.compile(
    r"(?P<marks>`{3,}|~{3,})(?:markdown|md)?[ \t]*\n(?P<text>.*)\n(?P=marks)[ \t]*", re.DOTALL | re.IGNORECASE
)
# Where to cut a text that is too long, best first: before a heading, between paragraphs, lines, words.
_CUTS: Final = ("\n#", "\n\n", "\n", " ")


@dataclass(frozen=True, slots=True)
class Portion:
    """Text that goes into one prompt as a whole, and the results it comes from."""

    text: str
    results: tuple[Result, ...]
    part: int = 1
    parts: int = 1

    @property
    def label(self) -> str:
        """Whose it is, on one line that fits into the frame around it."""
        names = "; ".join(one_line(result.source, 120).replace('"', "'") for result in self.results)
        part = f", part {self.part} of {self.parts}" if self.parts > 1 else ""
        return f"{one_line(names, _LABEL_LENGTH)}{part}"


Batch: TypeAlias = tuple[Portion, ...]
Rounds: TypeAlias = Generator[tuple[str, ...], Sequence[str], str]


def no_file(_: str) -> bool:
    """Where no file is: what ``exists`` is when nobody said."""
    return False


def rounds(results: Sequence[Result], limit_chars: int = DEFAULT_LIMIT_CHARS) -> list[Batch]:
    """The batches of the first round, in the order of ``results``; one batch needs no second round.

    A batch has at most ``limit_chars`` characters of text with its frames. A result that is longer is cut into parts,
    which together are the whole of it.
    """
    return _batches([(whole_text(result), (result,)) for result in results], limit_chars)


def merging(
    title: str,
    results: Sequence[Result],
    gaps: Sequence[Gap] = (),
    *,
    nonce: Callable[[], str],
    exists: Callable[[str], bool] = no_file,
    limit_chars: int = DEFAULT_LIMIT_CHARS,
) -> Rounds:
    """The whole merge as a conversation: yields the prompts of a round, is sent their answers, returns the document.

    The prompts of one round may be asked at the same time; answers come in the order of the prompts. What is merged
    in one round is merged again in the next until all is in one prompt. Where a round makes nothing smaller, its
    answers follow each other in the document. ``nonce`` gives random text, a new one for each call; ``exists`` is that
    of ``attachments``.
    """
    batches = rounds(results, limit_chars)
    if not batches:
        return with_provenance(f"{heading_line(1, inline(title))}\n\nThere are no results.", (), gaps)
    while True:
        is_last = len(batches) == 1
        told = gaps if is_last else ()
        answers = yield tuple(
            prompt(title, batch, _unused(nonce, batch), is_last=is_last, gaps=told, exists=exists) for batch in batches
        )
        if len(answers) != len(batches):
            raise ValueError(f"{len(batches)} prompts need as many answers, not {len(answers)}")
        texts = [answer_text(answer) for answer in answers]
        if is_last:
            return with_provenance(texts[0], results, gaps)
        following = _batches(zip(texts, map(_results_of, batches), strict=True), limit_chars)
        if len(following) >= len(batches):
            return with_provenance(_in_parts(title, texts), results, gaps)
        batches = following


def prompt(
    title: str,
    batch: Batch,
    nonce: str,
    *,
    is_last: bool = True,
    gaps: Sequence[Gap] = (),
    exists: Callable[[str], bool] = no_file,
) -> str:
    """What the model is asked about ``batch``; no ``@`` in it attaches a file.

    ``nonce`` is random, at least 12 letters and digits, and names the frames. Raises ``ValueError`` where it is
    anything else or occurs in the batch: then a result could end its own frame.
    """
    if len(nonce) < _SHORTEST_NONCE or not nonce.isalnum() or _has(nonce, batch):
        raise ValueError("the nonce is too short, is not made of letters and digits, or occurs in a result")
    results = _results_of(batch)

    def text(note: str) -> tuple[str, int]:
        made = rendered(
            "merge_prompt.md.j2",
            title=title,
            portions=batch,
            sources=[one_line(result.source, 120) for result in results],
            example=f"{results[0].agent}, {results[0].task}",
            gaps=gaps,
            nonce=nonce,
            note=note,
            is_last=is_last,
        )
        return without_attachments(made, exists)

    made, quieted = text("")
    return as_prompt(text(NOTE)[0] if quieted else made)


def answer_text(answer: str) -> str:
    """The document in ``answer``, without a code fence around all of it."""
    answer = answer.replace("\r\n", "\n").strip("\n")
    around = _FENCED_ANSWER.fullmatch(answer)
    if around is None:
        return answer
    # A fence without a language would end the first one: then that one is not around all of it.
    inside = next((line for line in around["text"].split("\n") if line.startswith(around["marks"])), "")
    return answer if inside.strip() == around["marks"] else around["text"].strip("\n")


def with_provenance(merged_text: str, results: Sequence[Result], gaps: Sequence[Gap] = ()) -> str:
    """``merged_text`` as a document that names every result: those it mentions nowhere, and the gaps, at its end.

    A result is mentioned by its agent; where the agent has several, by its task.
    """
    text, left_open = closed(merged_text)
    blocks = [text, closed_note(left_open)]
    lines = [
        f"- {inline(result.source)}{': there is no text in it' if result.is_blank else ''}"
        for result in results
        if not _is_mentioned(result, results, text)
    ]
    if lines:
        blocks += [heading_line(2, "Results Mentioned Nowhere Above"), "\n".join(lines)]
    return document((*blocks, *gap_sections(gaps)))


def _batches(texts: Iterable[tuple[str, tuple[Result, ...]]], limit_chars: int) -> list[Batch]:
    """``texts`` packed in their order, each in one piece where it fits."""
    if not SMALLEST_LIMIT_CHARS <= limit_chars <= LARGEST_LIMIT_CHARS:
        span = f"{SMALLEST_LIMIT_CHARS:,} to {LARGEST_LIMIT_CHARS:,}"
        raise ValueError(f"the limit is {span} characters, not {limit_chars:,}")
    batches: list[Batch] = []
    batch: list[Portion] = []
    size = 0
    for text, results in texts:
        pieces = _pieces(text, limit_chars - _FRAME_SIZE)
        for number, piece in enumerate(pieces, 1):
            if batch and size + len(piece) + _FRAME_SIZE > limit_chars:
                batches.append(tuple(batch))
                batch, size = [], 0
            batch.append(Portion(piece, results, number, len(pieces)))
            size += len(piece) + _FRAME_SIZE
    return [*batches, tuple(batch)] if batch else batches


def _pieces(text: str, limit: int) -> list[str]:
    """``text`` cut into pieces of at most ``limit`` characters, which joined are ``text``."""
    pieces: list[str] = []
    begin = 0
    while len(text) - begin > limit:
        # A cut in the first half would make many small pieces.
        places = (text.rfind(cut, begin + limit // 2, begin + limit) for cut in _CUTS)
        end = next((place + 1 for place in places if place >= 0), begin + limit)
        pieces.append(text[begin:end])
        begin = end
    return [*pieces, text[begin:]]


def _in_parts(title: str, texts: Sequence[str]) -> str:
    """The answers of a round as one document, because merging them makes nothing smaller."""
    blocks = [
        heading_line(1, inline(title)),
        f"> Note: the results are too large to be merged into one text; {len(texts)} parts follow.",
    ]
    for number, text in enumerate(texts, 1):
        blocks += [heading_line(2, f"Part {number}"), fitted(text, 2).text]
    return document(blocks)


def _results_of(batch: Batch) -> tuple[Result, ...]:
    return tuple({result.task: result for portion in batch for result in portion.results}.values())


def _unused(nonce: Callable[[], str], batch: Batch) -> str:
    for _ in range(_MOST_NONCES):
        if not _has(made := nonce(), batch):
            return made
    raise ValueError("no nonce was found that occurs in no result")


def _has(nonce: str, batch: Batch) -> bool:
    return any(nonce in portion.text or nonce in portion.label for portion in batch)


def _is_mentioned(result: Result, results: Sequence[Result], text: str) -> bool:
    is_only_one = sum(other.agent == result.agent for other in results) == 1
    # A task id may be any word (`style`); only one with a digit in it is a mention beyond doubt.
    has_digit = any(character.isdigit() for character in result.task)
    is_named = (has_digit or not is_only_one) and _is_word_of(result.task, text)
    return is_named or (is_only_one and _is_word_of(result.agent, text))


def _is_word_of(word: str, text: str) -> bool:
    # Letters of other scripts may touch it: they write no spaces.
    form = rf"(?<![A-Za-z0-9.-]){re.escape(word)}(?![A-Za-z0-9-]|\.[A-Za-z0-9])"
    return re.search(form, text, re.IGNORECASE) is not None
