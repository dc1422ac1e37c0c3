"""The files of the project: those that a task's inputs name, and a list of all of them for somebody who plans.

Reads names and sizes only. Links that lead out of the project, hidden folders and folders of tools are left out, unless
an input names them.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from orchestrator.plans.globs import covers
from orchestrator.plans.pathrules import is_path, outside
from orchestrator.render.inputs import MOST_SHOWN, InputFiles, Listing
from orchestrator.system import files

MOST_SEEN = 20_000
"""Files looked at for one input, or for the list of all; a search that takes longer costs more than it says."""

MOST_LISTED = 400
"""Lines of the list of all files; with more, folders stand for what is in them."""

_TOOL_FOLDERS = frozenset(["__pycache__", "node_modules", "site-packages", "venv", "target", "dist", "build"])
_WILD = re.compile(r"[*?\[]")
# A word without a separator is a file's name when it ends like a document or like data. Not ``.js``: think of Node.js.
_FILE_NAME = re.compile(
    r"[\w][\w.-]*\.(?:md|rst|txt|csv|tsv|json|jsonl|ya?ml|toml|ini|cfg|xml|html?|pdf|sql|py|ts|tsx|go|rs|java|rb|sh|ps1)"
)


def names_file(text: str) -> bool:
    """Whether an entry of ``inputs`` is written as a path, a glob or the name of a file, rather than as prose."""
    return is_path(text) or _FILE_NAME.fullmatch(text) is not None


def input_files(project: str, inputs: Sequence[str]) -> dict[str, InputFiles]:
    """What the project has for each of ``inputs`` that is written as a path."""
    return {text: _matching(project, text) for text in dict.fromkeys(inputs) if _is_inside(text)}


def missing_inputs(project: str, inputs: Sequence[str]) -> list[str]:
    """Those of ``inputs`` that are written as paths and name nothing that is there."""
    return [text for text, found in input_files(project, inputs).items() if not found.count]


def project_listing(project: str, most: int = MOST_LISTED) -> Listing:
    """All files of ``project``: those that git knows or would know, where there is git, else what is in its folders."""
    names = _git_names(project)
    if names is None:
        names = [name for name, _ in _walked(project, "")]
    is_all = len(names) < MOST_SEEN
    names = sorted(name for name in names[:MOST_SEEN] if not name.startswith(".orchestrator"))
    return Listing(tuple(_folded(names, most)), len(names), is_all)


def _is_inside(text: str) -> bool:
    return names_file(text) and outside(text, may_name_run=True) is None


def _matching(project: str, glob: str) -> InputFiles:
    """The files that ``glob`` covers. The search begins in its last folder without a wildcard."""
    parts = [part for part in glob.split("/") if part not in ("", ".")]
    literal = parts[: next((at for at, part in enumerate(parts) if _WILD.search(part)), len(parts))]
    start = os.path.join(project, *literal)
    if len(literal) == len(parts) and os.path.isfile(start) and files.is_inside(project, start):
        size = os.path.getsize(start)
        return InputFiles((("/".join(literal), size),), 1, size)
    found: list[tuple[str, int]] = []
    count = size = seen = 0
    for name, entry in _walked(project, "/".join(literal)):
        seen += 1
        if not covers(glob, name):
            continue
        length = _size(entry)
        count, size = count + 1, size + length
        if len(found) <= MOST_SHOWN:
            found.append((name, length))
    return InputFiles(tuple(sorted(found)), count, size, seen < MOST_SEEN)


def _walked(project: str, folder: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """The files below ``folder`` of ``project`` with their paths in the project, at most ``MOST_SEEN``."""
    open_folders, seen = [folder], 0
    while open_folders:
        inside = open_folders.pop()
        try:
            with os.scandir(os.path.join(project, inside) if inside else project) as entries:
                ordered = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            continue
        below = []
        for entry in ordered:
            name = f"{inside}/{entry.name}" if inside else entry.name
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith(".") and entry.name not in _TOOL_FOLDERS:
                    below.append(name)
            elif entry.is_file() and (not entry.is_symlink() or files.is_inside(project, entry.path)):
                seen += 1
                if seen > MOST_SEEN:
                    return
                yield name, entry
        open_folders += reversed(below)


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except OSError:
        return 0


def _git_names(project: str) -> list[str] | None:
    """The files that git tracks or would track; None without git."""
    from orchestrator.workers.git import git_entries  # only here: every prompt is made with the rest of this module

    names = git_entries(project, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if names is None:
        return None
    return list(dict.fromkeys(name for name in names if os.path.lexists(os.path.join(project, name))))


def _folded(names: Sequence[str], most: int) -> list[str]:
    """``names``, or as many levels of folders as fit into ``most`` lines, each with the number of its files."""
    if len(names) <= most:
        return list(names)
    best: list[str] = []
    for depth in range(1, max(name.count("/") for name in names) + 2):
        counts = Counter("/".join(name.split("/")[:depth]) + "/" * (name.count("/") >= depth) for name in names)
        lines = [f"{name} ({count} files)" if name.endswith("/") else name for name, count in counts.items()]
        if len(lines) > most:
            return best or [*lines[: most - 1], f"… and {len(lines) - most + 1} more"]
        best = lines
    return best
