"""A file that an editor saves at the very moment at which the program writes it: nobody's words are lost."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.system import saving

OLD, NEW, SAVED = b"old\n", b"new\n", b"saved by a person\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "master_plan.md"
    path.write_bytes(OLD)
    return path


@pytest.fixture
def around_the_rename(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let something happen just before, or just after, the first rename."""

    def arrange(before: Callable[[], None] = lambda: None, after: Callable[[], None] = lambda: None) -> None:
        real = os.replace

        def replace(source: str, target: str) -> None:
            monkeypatch.setattr(os, "replace", real)
            before()
            real(source, target)
            after()

        monkeypatch.setattr(os, "replace", replace)

    return arrange


def test_nobody_else_writes(file: Path) -> None:
    assert saving.write_over(str(file), NEW, OLD) is None
    assert file.read_bytes() == NEW and file.stat().st_mode & 0o077 == 0


def test_a_file_that_is_not_there_yet_is_made(file: Path) -> None:
    file.unlink()
    assert saving.write_over(str(file), NEW, None) is None
    assert file.read_bytes() == NEW


def test_a_save_before_the_write_is_left_alone_and_handed_back(file: Path) -> None:
    file.write_bytes(SAVED)
    assert saving.write_over(str(file), NEW, OLD) == SAVED
    assert file.read_bytes() == SAVED


def test_a_file_that_was_taken_away_is_not_made_again_unasked(file: Path) -> None:
    file.unlink()
    assert saving.write_over(str(file), NEW, OLD) == b""
    assert not file.exists()


def test_an_editor_that_had_truncated_the_old_file_is_waited_for(
    file: Path, around_the_rename: Callable[..., None]
) -> None:
    editor = open(file, "r+b", buffering=0)  # noqa: SIM115 - an editor holds its file open for long

    def finish() -> None:
        time.sleep(0.1)
        editor.write(SAVED[:5])
        time.sleep(0.2)
        editor.write(SAVED[5:])
        editor.close()

    editing = threading.Thread(target=finish)

    def truncate() -> None:
        editor.truncate(0)
        editing.start()

    around_the_rename(before=truncate)
    assert saving.write_over(str(file), NEW, OLD) == SAVED
    editing.join()
    assert file.read_bytes() == SAVED


def test_no_temporary_file_is_left_whoever_was_first(file: Path) -> None:
    saving.write_over(str(file), NEW, OLD)
    saving.write_over(str(file), b"newer\n", OLD)
    assert [path.name for path in file.parent.iterdir()] == [file.name]
