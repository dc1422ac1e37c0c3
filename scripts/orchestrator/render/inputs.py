"""Files of the project as an agent is told of them: those that the ``inputs`` of a task name, or all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.dataclasses import dataclass
from orchestrator.render.summary import counted, size_text

MOST_SHOWN = 40
"""Files named one by one in one prompt, over all inputs of the task."""


@dataclass(frozen=True, slots=True)
class InputFiles:
    """What the project has for one entry of ``inputs`` that is written as a path or a glob.

    ``files`` are paths with their bytes, in order, and may be fewer than the ``count`` files of ``size`` bytes in all;
    ``is_all`` is false where the search was given up before its end.
    """

    files: tuple[tuple[str, int], ...] = ()
    count: int = 0
    size: int = 0
    is_all: bool = True

    @property
    def amount(self) -> str:
        """How much there is: ``not there``, ``4.2 KB``, ``12 files, 48 KB``."""
        if not self.count:
            return "not there"
        if self.count == 1:
            return size_text(self.size)
        more = "" if self.is_all else "more than "
        return f"{more}{counted(self.count, 'file')}, {size_text(self.size)}"


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a project: paths, or folders with how many files they have; ``count`` files in all."""

    lines: tuple[str, ...] = ()
    count: int = 0
    is_all: bool = True


@dataclass(frozen=True, slots=True)
class Input:
    """One entry of ``inputs`` as it is shown: its text, how much it is, and files with what each has."""

    text: str
    amount: str = ""
    files: tuple[tuple[str, str], ...] = ()
    more: int = 0


def shown_inputs(inputs: Sequence[str], found: Mapping[str, InputFiles], most: int = MOST_SHOWN) -> list[Input]:
    """``inputs`` with the files of those that ``found`` has, at most ``most`` of them named one by one."""
    result = []
    for text in inputs:
        given = found.get(text)
        if given is None:
            result.append(Input(text))
            continue
        is_itself = given.count == 1 and given.files[:1] and given.files[0][0] == text.strip("/")
        named = () if is_itself else given.files[: max(most, 0)]
        most -= len(named)
        more = 0 if is_itself else given.count - len(named)
        result.append(Input(text, given.amount, tuple((path, size_text(size)) for path, size in named), more))
    return result
