"""A real disk that fills up, and a real folder that becomes read-only, at every kind of write."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos.ledger import Laboratory
from chaos.worlds import TWELVE, World

FULL = "a file system that is full, in the middle of a run (tmpfs)"
NEARLY = "a file system on which a result does not fit (tmpfs)"
READ_ONLY = "a file system that becomes read-only, in the middle of a run"
READING = "a read-only file system: status, list, next and log"
CLOSED = "a folder of the run that may not be written, without the privileges of root"
REFUSED = "a run whose folders may not be written: every command refuses with advice, nothing changed"
FAULTS = (FULL, NEARLY, READ_ONLY, READING, CLOSED, REFUSED)

FOLDERS = ("store", "workers", "logs", "results", "agent_tasks", ".")
READERS = (("status",), ("status", "--json"), ("list",), ("next",), ("log",), ("estimate",), ("graph",), ("validate",))
WRITING = (
    ("start", "T-01"), ("complete", "T-01", "--result", "given.md"), ("fail", "T-01"), ("skip", "T-02"), ("pause",),
    ("add", "Another", "--description", "d"), ("repair",), ("launch",), ("merge",),
    ("context", "T-01", "--add", "given.md"),
    ("run", "--executor", "rehearse"), ("exec", "T-02", "--executor", "rehearse"), ("feed",),
    ("check", "--retry"),
)  # fmt: skip


class NotPermittedError(Exception):
    """This process may not mount file systems."""


def attempt(laboratory: Laboratory) -> None:
    """Fill and close disks under a run, let it go, and run it to its end."""
    try:
        with _disk(12) as disk:
            for _ in range(laboratory.count(6, 1)):
                laboratory.note(FULL, _fill(laboratory, disk))
            for _ in range(laboratory.count(4, 1)):
                laboratory.note(NEARLY, _fill(laboratory, disk, leaving=laboratory.chance.randint(4_096, 60_000)))
            for _ in range(laboratory.count(5, 1)):
                laboratory.note(READ_ONLY, _close(laboratory, disk))
            for words in laboratory.chance.sample(READERS, laboratory.count(len(READERS), 2)):
                laboratory.note(READING, _read(disk, words))
    except NotPermittedError as error:
        for fault in (FULL, NEARLY, READ_ONLY, READING):
            laboratory.skip(fault, str(error))
    for folder in laboratory.chance.sample(FOLDERS, laboratory.count(len(FOLDERS), 2)):
        laboratory.note(CLOSED, _deny(folder))
    for words in laboratory.chance.sample(WRITING, laboratory.count(len(WRITING), 3)):
        laboratory.note(REFUSED, _refused(words))


@contextmanager
def _disk(size_mb: int) -> Iterator[Path]:
    """A small file system of its own."""
    world = World.empty()
    mounted = _run("mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "chaos", str(world.project))
    if mounted:
        world.remove()
        raise NotPermittedError(f"a tmpfs cannot be mounted here: {mounted}")
    try:
        yield world.project
    finally:
        _run("mount", "-o", "remount,rw", str(world.project))
        _run("umount", "--lazy", str(world.project))
        world.remove()


def _run(*words: str) -> str:
    """What went wrong with a program; empty when nothing did."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return "" if not done.returncode else (done.stderr.strip() or f"exit code {done.returncode}")


@contextmanager
def _world_on(disk: Path) -> Iterator[World]:
    world = World.make(TWELVE, disk)
    try:
        yield world
    finally:
        world.remove()


def _fill(laboratory: Laboratory, disk: Path, leaving: int = 0) -> list[str]:
    """Fill the disk while the run goes on, all but ``leaving`` bytes; free it again after the run has ended."""
    with _world_on(disk) as world:
        world.environment["PAUSE_S"] = "0.1"
        running = world.start(*world.run_words())
        time.sleep(laboratory.chance.uniform(0.05, 0.6))
        filler = disk / "filler"
        _fill_up(filler, leaving)
        status = world.call("status")
        problems = [*status.defects(), *_sound_code(status.code, status.stderr, {0})]
        time.sleep(laboratory.chance.uniform(0.5, 1.0))  # a shorter shortage may pass between two looks of the run
        filler.unlink()
        ended = running.wait()
        problems += [*ended.defects(), *_sound_code(ended.code, ended.stderr, {0, 1, 3})]
        return [*problems, *_well_again(world)]


def _fill_up(filler: Path, leaving: int) -> None:
    with open(filler, "wb", buffering=0) as file:
        for size in (65_536, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                continue
        if leaving:
            file.truncate(max(0, file.tell() - leaving))


def _close(laboratory: Laboratory, disk: Path) -> list[str]:
    """Make the disk read-only while the run goes on, as the kernel does after a fault of the hardware."""
    with _world_on(disk) as world:
        world.environment["PAUSE_S"] = "0.1"
        running = world.start(*world.run_words())
        time.sleep(laboratory.chance.uniform(0.05, 0.6))
        # Workers hold files open for writing, which a remount waits for; a second mount on the same place does not.
        with _read_only(world.folder):
            ended = running.wait()
            problems = [*ended.defects(), *_sound_code(ended.code, ended.stderr, {0, 1, 3})]
            status = world.call("status")
            problems += [*status.defects(), *_sound_code(status.code, status.stderr, {0})]
        return [*problems, *_well_again(world)]


@contextmanager
def _read_only(folder: Path) -> Iterator[None]:
    for _ in range(50):
        failed = _run("mount", "--bind", str(folder), str(folder))
        if failed:
            raise NotPermittedError(f"a folder cannot be mounted on itself here: {failed}")
        failed = _run("mount", "-o", "remount,bind,ro", str(folder))
        if not failed:
            break
        _run("umount", "--lazy", str(folder))  # somebody opened a file for writing in between
    else:
        raise NotPermittedError(f"a bind mount cannot be made read-only here: {failed}")
    try:
        yield
    finally:
        _run("umount", "--lazy", str(folder))


def _read(disk: Path, words: tuple[str, ...]) -> list[str]:
    with _world_on(disk) as world, _read_only(world.folder):
        done = world.call(*words)
        return [*done.defects(), *_sound_code(done.code, done.stderr, {0})]


def _deny(name: str) -> list[str]:
    """A folder without write permission: what needs it is told, with advice, and chmod mends it."""
    world = World.make(TWELVE)
    folder = world.folder / name
    try:
        folder.chmod(0o500)
        ended = world.call_plainly(*world.run_words())
        problems = [*ended.defects(), *_sound_code(ended.code, ended.stderr, {0, 3})]
        if ended.code and "try:" not in ended.stderr:
            problems.append(f"no advice: {ended.stderr[-300:]}")
        folder.chmod(0o700)
        again = world.call_plainly(*world.run_words())
        problems += [*again.defects(), *_sound_code(again.code, again.stderr, {0}), *world.damage()]
        return [f"{name}: {problem}" for problem in problems]
    finally:
        folder.chmod(0o700)
        world.remove()


def _refused(words: tuple[str, ...]) -> list[str]:
    """Nothing may be written in any folder of the run, by nobody."""
    world = World.make(TWELVE)
    folders = [folder for folder in (world.folder, *world.folder.rglob("*")) if folder.is_dir()]
    try:
        (world.project / "given.md").write_text("Given.\n")
        world.call("start", "T-01", "T-03")
        world.call("complete", "T-03", "--result", "given.md")
        before = {path: path.read_bytes() for path in world.folder.rglob("*") if path.is_file()}
        for file in before:
            file.chmod(0o400)
        for folder in folders:
            folder.chmod(0o500)
        done = world.call_plainly(*words)
        after = {path: path.read_bytes() for path in world.folder.rglob("*") if path.is_file()}
        problems = [*done.defects(), *_sound_code(done.code, done.stderr, {3})]
        problems += ["no advice"] * ("try:" not in done.stderr)
        changed = [path.name for path in before.keys() | after.keys() if before.get(path) != after.get(path)]
        return [f"{' '.join(words)}: {problem}" for problem in [*problems, *[f"changed: {changed}"] * bool(changed)]]
    finally:
        for folder in folders:
            folder.chmod(0o700)
        world.remove()


def _sound_code(code: int, stderr: str, sound: set[int]) -> list[str]:
    return [] if code in sound else [f"exit code {code}: {stderr[-300:]}"]


def _well_again(world: World) -> list[str]:
    """The cause is gone: the run goes to its end, and nothing was lost."""
    problems = world.damage()
    world.call("resume")
    for name, task in world.status().items():
        if task["status"] == "failed":
            world.call("retry", name)
    ended = world.call(*world.run_words(8))
    problems += [*ended.defects(), *_sound_code(ended.code, ended.stderr, {0})]
    return [*problems, *world.damage(), *world.unfinished()]
