"""Install the libraries into a folder of their own: once, whole, and however many ask at the same time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from orchestrator.errors import CannotGoOnError
from orchestrator.setup.libraries import STAMP, is_whole
from orchestrator.system.locks import FileLock

IMPORT_NAMES = {"markdown-it-py": "markdown_it", "pyyaml": "yaml"}
"""Libraries that are imported under another name than they are installed under."""

ABANDONED_S = 3600
"""Seconds after which what an installation left behind belongs to nobody: one that lives is far quicker."""


def install(roots: Iterable[str], name: str, wanted: Mapping[str, str]) -> str:
    """Install the requirements into ``ROOT/name`` under the first root that can be written, and return that folder.

    Whoever comes while it is being installed waits for it and shares it. It is built beside its place and renamed
    into it, so that it is there as a whole or not at all.
    Raises CannotGoOnError where there is no place, no installer, or no library to be had.
    """
    root = writable(roots)
    target = root / name
    with hold_lock(root / f"{name}.lock"):
        if is_whole(str(target)):
            return str(target)
        try:
            build(target, wanted)
        except OSError as error:
            if not is_whole(str(target)):  # where a file system has no locks, another process may have been first
                raise CannotGoOnError(
                    f"its libraries could not be put into {target}: {error}.",
                    "make room there, end what uses that folder, or set ORCHESTRATE_CACHE to another one",
                ) from error
    return str(target)


def build(target: Path, wanted: Mapping[str, str]) -> None:
    """Install into a temporary folder beside the target and rename that into place, over a damaged one too."""
    for remnant in target.parent.glob(f"{target.name}.*-*"):
        if time.time() - remnant.lstat().st_mtime > ABANDONED_S:
            shutil.rmtree(remnant, ignore_errors=True)
    part = Path(tempfile.mkdtemp(prefix=f"{target.name}.part-", dir=target.parent))
    try:
        made = made_in(part, wanted)
        if target.exists() and not is_whole(str(target)):
            target.rename(part / "damaged")
        made.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def writable(roots: Iterable[str]) -> Path:
    """The first of the folders that can be written, made where it was missing."""
    tried: list[str] = []
    for name in roots:
        root = Path(name)
        with suppress(OSError):
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.access(root, os.W_OK | os.X_OK):
            return root
        tried.append(name)
    raise CannotGoOnError(
        f"its libraries are not installed, and there is no place for them: cannot write to {' or '.join(tried)}.",
        "set ORCHESTRATE_CACHE to a folder that can be written",
    )


def made_in(folder: Path, wanted: Mapping[str, str]) -> Path:
    """A whole set of libraries in a new folder within the one given, by the first installer that can make it."""
    failures: list[str] = []
    for installer, command in installers():
        say(f"installing its libraries once with {installer} into {folder.parent}")
        made = folder / installer
        what = ["--target", str(made), *(f"{name}>={versions}" for name, versions in wanted.items())]
        failure = failure_of([*command, *what]) or failure_of(trial(made, wanted))
        if failure is None:
            names = sorted(entry.name for entry in made.iterdir())
            (made / STAMP).write_text("\n".join(names), encoding="utf-8")
            return made
        failures.append(f"\n  {installer}: {failure}")
    if not failures:
        raise CannotGoOnError(
            f"its libraries are not installed, and {sys.executable} has neither uv nor pip to install them.",
            "apt install python3-pip, dnf install python3-pip, or brew install uv",
        )
    raise CannotGoOnError(
        "its libraries could not be installed." + "".join(failures),
        "start it once with a connection to a package index; for a proxy or a mirror set up uv or pip as usual",
    )


def installers() -> Iterator[tuple[str, list[str]]]:
    """Name and command line of each installer there is, the fastest first."""
    uv = shutil.which("uv")
    if uv:
        yield "uv", [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", sys.executable]
    if find_spec("pip"):
        # -P: a file of the user's project that is called like a module of Python must not be imported.
        yield (
            "pip",
            [sys.executable, "-P", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"],
        )


def trial(folder: Path, wanted: Mapping[str, str]) -> list[str]:
    """A command line that fails unless the folder alone gives every library to this Python."""
    modules = ", ".join(IMPORT_NAMES.get(name, name) for name in wanted)
    code = f"import sys; sys.path.insert(0, sys.argv[1]); import {modules}"
    return [sys.executable, "-I", "-S", "-c", code, str(folder)]


def failure_of(command: list[str]) -> str | None:
    """Run a command in silence; None when it went well, else the line of its output that says most."""
    # With either of these in its configuration pip would refuse --target.
    environment = {**os.environ, "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace"
        )
    except OSError as error:
        return str(error)
    if done.returncode == 0:
        return None
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    telling = [line for line in lines if line.lower().startswith(("error", "×"))] or lines
    return telling[-1] if telling else f"ended with {done.returncode}"


def say(sentence: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"orchestrate: {sentence}\n")
    sys.stderr.flush()


@contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Hold a lock, waiting for whoever has it.

    Where the file system grants none, go on without: the rename keeps the result right, only work is done twice.
    """
    lock = FileLock(str(path))
    with suppress(CannotGoOnError):
        if not lock.try_acquire():
            say("waiting for another process that is installing its libraries")
            lock.acquire()
    try:
        yield
    finally:
        lock.release()
