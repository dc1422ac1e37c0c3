"""Which libraries are wanted, whether this Python has them, and where else a set of them may be.

Nothing here installs anything. All of it is on the way of every start, so it asks the cheapest question that settles
the matter, and paths are `str`: pathlib alone would cost twice as much as all of it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.machinery import EXTENSION_SUFFIXES
from stat import S_ISDIR
from zlib import crc32

CACHE_NAME = "distributed-task-orchestrator"

STAMP = "complete.txt"
"""Written last into a set of libraries: the names of everything at its top."""


def requirements(project: str) -> dict[str, str]:
    """Versions by name, from the text of pyproject.toml: ``{"typer": "0.16,<0.29", "jinja2": "3.1"}``.

    Read by line, because tomllib alone costs a fifth of a start; the lines are ``"name>=version",`` or
    ``"name>=version,<version",`` and nothing else, which tests/contract/test_packaging.py holds them to.
    """
    block = project.partition("\ndependencies = [\n")[2].partition("\n]")[0]
    pairs = (line.strip(' ",').partition(">=") for line in block.splitlines())
    return {name: versions for name, _, versions in pairs}


def are_met(wanted: Mapping[str, str], folders: Iterable[str]) -> bool:
    """Whether each requirement is installed, in a version that fits, in the first of the folders that has it.

    Goes by the names of the metadata folders (``name-version.dist-info``, PEP 376): one listing answers for all
    libraries and tells the versions, and a stray folder called ``yaml`` is not taken for the library.
    """
    found: dict[str, str] = {}
    for folder in folders:
        for entry in entries_of(folder):
            stem, _, kind = entry.rpartition(".")
            if kind in ("dist-info", "egg-info"):
                name, _, version = stem.partition("-")
                found.setdefault(name.lower().replace("_", "-"), version)
    return all(is_within(found.get(name, ""), versions) for name, versions in wanted.items())


def entries_of(folder: str) -> list[str]:
    """The names in a folder, none where it is not one."""
    try:
        return os.listdir(folder or ".")
    except OSError:
        return []


def is_within(version: str, versions: str) -> bool:
    """Whether a version is at least the first of ``0.16,<0.29`` and below the second, where there is one."""
    least, _, below = versions.partition(",<")
    return release(version) >= release(least) and (not below or release(version) < release(below))


def release(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: ``2.14.3`` is ``(2, 14, 3)``, ``6.1rc1`` is ``(6, 1)``."""
    numbers: list[int] = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if digits:
            numbers.append(int(digits))
        if digits != part:
            break
    return tuple(numbers)


def set_name(wanted: Mapping[str, str]) -> str:
    """The folder name of one set of libraries: binary interface of this Python, machine, requirements."""
    interface = EXTENSION_SUFFIXES[0].split(".")[1]
    machine = f"-{os.uname().machine}" if sys.platform == "darwin" else ""  # elsewhere the interface names it
    lines = "\n".join(f"{name}>={versions}" for name, versions in sorted(wanted.items()))
    return f"{interface}{machine}-{crc32(lines.encode()):08x}"


def cache_roots() -> Iterator[str]:
    """The folders that may hold sets of libraries, best first.

    ``ORCHESTRATE_CACHE`` alone when it is set; else the user's cache folder as the platform has it, then a folder of
    the user's own among the temporary files, for a home that is missing or read-only.
    """
    chosen = os.environ.get("ORCHESTRATE_CACHE")
    if chosen:
        yield os.path.abspath(chosen)
        return
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME", "")
        base = base if base.startswith("/") else "~/.cache"  # the XDG specification: a relative path is ignored
    root = os.path.expanduser(base)
    if os.path.isabs(root):
        yield os.path.join(root, CACHE_NAME)
    root = temporary_root()
    if is_private(root):
        yield root


def temporary_root() -> str:
    """The user's own folder among the temporary files, made if nothing of that name is there."""
    from tempfile import gettempdir

    root = os.path.join(gettempdir(), CACHE_NAME if sys.platform == "win32" else f"{CACHE_NAME}-{os.getuid()}")
    try:
        os.mkdir(root, 0o700)
    except OSError:
        pass  # whether it can be used is asked next, whoever made it
    return root


def is_private(folder: str) -> bool:
    """Whether the folder is a real one, of this user and closed to others, so that nobody else can have filled it."""
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    if sys.platform == "win32":
        return True  # the temporary folder of Windows is the user's own
    return S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077


def is_whole(folder: str) -> bool:
    """Whether the folder is a set of libraries that was finished and has lost nothing at its top since."""
    try:
        with open(os.path.join(folder, STAMP), encoding="utf-8") as file:
            names = set(file.read().splitlines())
    except (OSError, UnicodeDecodeError):
        return False
    return bool(names) and names <= set(entries_of(folder))
