"""Files that are whole or not there, on a real disk; what a disk may refuse is played by failing system calls."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import resource
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.errors import CannotGoOnError
from orchestrator.system import file_steps, files
from orchestrator.system.file_steps import failure

REFUSALS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "your disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EIO: "the disk reports an input/output error",
}


def failing_with(number: int) -> Callable[..., int]:
    def fail(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    return fail


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


@pytest.mark.parametrize("flush", [True, False])
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_a_file_is_written_whole_and_private(tmp_path: Path, flush: bool, umask: int) -> None:
    target = tmp_path / "master_plan.md"
    before = os.umask(umask)
    try:
        files.write_whole(str(target), "old", flush)
        files.write_whole(str(target), "zwei\r\nZeilen ✅\n", flush)
    finally:
        os.umask(before)
    assert target.read_bytes() == "zwei\r\nZeilen ✅\n".encode()
    assert mode(target) == 0o600 & ~umask
    assert names(tmp_path) == ["master_plan.md"]


def test_bytes_are_written_as_they_are_and_half_a_character_as_a_question_mark(tmp_path: Path) -> None:
    files.write_whole(str(tmp_path / "raw"), b"\xff\x00\r\n")
    assert files.read_bytes_or_none(str(tmp_path / "raw")) == b"\xff\x00\r\n"
    files.write_whole(str(tmp_path / "text"), "a\ud800b")
    assert files.read_bytes_or_none(str(tmp_path / "text")) == b"a?b"


def test_a_name_of_the_greatest_length_can_be_written(tmp_path: Path) -> None:
    for name in ("x" * 255, "é" * 127, "🤖" * 63):
        files.write_whole(str(tmp_path / name), name)
        assert (tmp_path / name).read_text(encoding="utf-8") == name


def test_a_relative_name_is_written_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files.write_whole("plain.txt", "here")
    assert names(tmp_path) == ["plain.txt"]


def test_a_disk_that_takes_only_parts_gets_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, write = os.urandom(300_000), os.write
    monkeypatch.setattr(os, "write", lambda fd, part: write(fd, bytes(part[:7001])))
    files.write_whole(str(tmp_path / "large"), data)
    assert (tmp_path / "large").read_bytes() == data


def test_with_flush_the_data_is_on_disk_before_the_rename_and_the_rename_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(fd: int) -> None:
        order.append("flush folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "flush file")
        fsync(fd)

    def noted_replace(source: str, target: str) -> None:
        order.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    files.write_whole(str(tmp_path / "a"), "1", flush=True)
    assert order == ["flush file", "rename", "flush folder"]
    order.clear()
    files.write_whole(str(tmp_path / "a"), "2", flush=False)
    assert order == ["rename"]
    order.clear()
    files.publish(str(tmp_path / "a"), str(tmp_path / "b"))
    assert order == ["flush file", "rename", "flush folder"]


@pytest.mark.parametrize("step", ["open", "write", "fsync", "replace", "close"])
@pytest.mark.parametrize("number", REFUSALS)
def test_when_writing_fails_the_old_file_stays_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: int
) -> None:
    target = tmp_path / "plan"
    target.write_text("old")
    real_close = os.close

    def close_and_fail(fd: int) -> None:  # a network disk may tell only here that the quota is used up
        real_close(fd)
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, step, close_and_fail if step == "close" else failing_with(number))
        with pytest.raises(CannotGoOnError, match=re.escape(f"cannot write {target}: {REFUSALS[number]}")) as caught:
            files.write_whole(str(target), "new")
    assert caught.value.advice
    assert target.read_text() == "old"
    assert names(tmp_path) == ["plan"]


def test_an_interruption_leaves_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            files.write_whole(str(tmp_path / "plan"), "new")
    assert names(tmp_path) == []


def test_a_write_that_the_system_really_cuts_short_leaves_the_old_file(tmp_path: Path) -> None:
    """A limit of the file size: the first part is written, the next refused, as on a disk that fills up."""
    target = tmp_path / "plan"
    target.write_text("old")
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
            try:
                files.write_whole(str(target), b"x" * 300_000)
            except CannotGoOnError as error:
                code = 0 if "larger than is allowed" in error.message and error.advice else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert target.read_text() == "old"
    assert names(tmp_path) == ["plan"]


def test_a_reader_sees_the_old_or_the_new_file_and_a_kill_leaves_one_of_them(tmp_path: Path) -> None:
    target = tmp_path / "plan"
    versions = [bytes([letter]) * 200_000 for letter in b"abc"]
    target.write_bytes(versions[0])
    for _ in range(4):
        pid = os.fork()
        if pid == 0:
            try:
                while True:
                    for version in versions:
                        files.write_whole(str(target), version, flush=False)
            finally:
                os._exit(1)
        end = time.monotonic() + 0.15
        while time.monotonic() < end:
            assert files.read_bytes_or_none(str(target)) in versions
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        assert files.read_bytes_or_none(str(target)) in versions
    files.remove_leftovers(str(tmp_path), older_than_s=-1)
    assert names(tmp_path) == ["plan"]


def test_only_old_temporary_files_are_tidied_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def kill(*_: object) -> None:
        raise SystemError

    for name in ("old", "young"):
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", kill)
            patch.setattr(files, "remove_quietly", lambda path: False)
            with pytest.raises(SystemError):
                files.write_whole(str(tmp_path / name), "half")
    for other in ("plan.yaml", ".hidden", "notes.tmp-1"):
        (tmp_path / other).touch()
    long_ago = time.time() - 7200
    for each in tmp_path.iterdir():
        if "young" not in each.name:
            os.utime(each, (long_ago, long_ago))
    assert files.remove_leftovers(str(tmp_path)) == 1
    assert len(names(tmp_path)) == 4
    assert not any(".old" in name for name in names(tmp_path))
    assert files.remove_leftovers(str(tmp_path / "missing")) == 0


def test_a_folder_in_the_place_of_the_file_or_a_missing_one_above_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(CannotGoOnError, match="there is a folder in its place"):
        files.write_whole(str(tmp_path / "folder"), "x")
    with pytest.raises(CannotGoOnError, match="a folder on the way to it does not exist"):
        files.write_whole(str(tmp_path / "missing" / "x"), "x")
    (tmp_path / "file").touch()
    with pytest.raises(CannotGoOnError, match="something on the way to it is a file"):
        files.write_whole(str(tmp_path / "file" / "x"), "x")
    assert names(tmp_path) == ["file", "folder"]


def test_a_missing_file_is_none_and_an_unreadable_one_an_error(tmp_path: Path) -> None:
    assert files.read_bytes_or_none(str(tmp_path / "missing")) is None
    assert files.read_bytes_or_none(str(tmp_path / "missing" / "deeper")) is None
    (tmp_path / "empty").touch()
    assert files.read_bytes_or_none(str(tmp_path / "empty")) == b""
    with pytest.raises(CannotGoOnError, match=r"cannot read .*: there is a folder in its place"):
        files.read_bytes_or_none(str(tmp_path))


def test_a_result_is_published_in_one_step(tmp_path: Path) -> None:
    temp, target = tmp_path / "attempt.2", tmp_path / "result.md"
    target.write_text("of attempt 1")
    temp.write_text("of attempt 2")
    files.publish(str(temp), str(target))
    assert target.read_text() == "of attempt 2"
    assert names(tmp_path) == ["result.md"]
    with pytest.raises(CannotGoOnError, match="cannot publish"):
        files.publish(str(temp), str(target))
    assert target.read_text() == "of attempt 2"


def test_a_result_that_cannot_be_published_stays_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "attempt").write_text("new")
    monkeypatch.setattr(os, "replace", failing_with(errno.EXDEV))
    with pytest.raises(CannotGoOnError, match="another file system"):
        files.publish(str(tmp_path / "attempt"), str(tmp_path / "result.md"))
    assert names(tmp_path) == ["attempt"]


def test_the_output_of_a_program_goes_into_an_empty_private_file_and_through_no_link(tmp_path: Path) -> None:
    target = tmp_path / "T-01.1.jsonl"
    target.write_text("earlier")
    target.chmod(0o600)
    fd = files.open_output(str(target))
    os.write(fd, b"now")
    assert not os.get_inheritable(fd)
    os.close(fd)
    assert target.read_text() == "now"
    os.close(files.open_output(str(tmp_path / "new")))
    assert mode(tmp_path / "new") == 0o600
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    with pytest.raises(CannotGoOnError, match="symbolic link"):
        files.open_output(str(tmp_path / "link"))
    assert not (tmp_path / "victim").exists()


def test_a_digest_names_its_method() -> None:
    assert files.digest(b"abc") == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert files.digest(b"") == f"sha256:{hashlib.sha256().hexdigest()}"


def test_a_folder_is_made_private_also_when_it_was_there(tmp_path: Path) -> None:
    new = tmp_path / "a" / ".orchestrator"
    files.make_private_folder(str(new))
    assert mode(new) == 0o700
    open_one = tmp_path / "open"
    open_one.mkdir(mode=0o755)
    open_one.chmod(0o755)
    files.make_private_folder(str(open_one))
    assert mode(open_one) == 0o700
    strict = tmp_path / "strict"
    strict.mkdir(mode=0o500)
    files.make_private_folder(str(strict))
    assert mode(strict) == 0o500
    (tmp_path / "file").touch()
    with pytest.raises(CannotGoOnError, match="something else in its place"):
        files.make_private_folder(str(tmp_path / "file"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with links, a neighbour whose name begins like its own, and a link to itself."""
    project = tmp_path / "work"
    (project / "src" / "deep").mkdir(parents=True)
    outside = tmp_path / "work-of-others"
    outside.mkdir()
    (outside / "secret").touch()
    (tmp_path / "alias").symlink_to(project)
    links = {
        "out": outside,
        "out-file": outside / "secret",
        "dangling": outside / "not-yet",
        "in": project / "src",
        "src/up": Path("../.."),
        "src/round": Path("../src/deep"),
        "twice": Path("out"),
    }
    for name, target in links.items():
        (project / name).symlink_to(target)
    return project


@pytest.mark.parametrize(
    "path", [".", "", "src", "src/a.py", "new/deep/file", "in", "in/a.py", "src/round/x", "src/../a", "a..b", "..a/b",
             "src/up/work/x"]
)  # fmt: skip
def test_what_lies_in_the_project_is_inside(project: Path, path: str) -> None:
    assert files.is_inside(str(project), path)
    assert files.is_inside(str(project), str(project / path))
    assert files.is_inside(str(project.parent / "alias"), path)


@pytest.mark.parametrize(
    "path", ["..", "../x", "../work-of-others/secret", "/etc/passwd", "/", "out", "out/secret", "out-file", "dangling",
             "twice/x", "src/up", "src/up/x", "src/../../x", "nul\0byte"]
)  # fmt: skip
def test_what_leads_out_of_the_project_is_not_inside(project: Path, path: str) -> None:
    assert not files.is_inside(str(project), path)
    assert not files.is_inside(str(project.parent / "alias"), path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["..", ".", "src", "deep", "x", "in", "out", "up", "round", "twice", ""]), max_size=7))
def test_inside_means_that_following_the_path_ends_in_the_project(project: Path, parts: list[str]) -> None:
    path = "/".join(["src", *parts])
    expected = (project / path).resolve().is_relative_to(project.resolve())
    assert files.is_inside(str(project), path) is expected


def test_on_windows_a_file_that_somebody_has_open_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_steps, "sys", SimpleNamespace(platform="win32"))
    replace, refusals = os.replace, [errno.EACCES] * 3

    def shared(source: str, target: str) -> None:
        if refusals:
            raise PermissionError(refusals.pop(), "sharing violation")
        replace(source, target)

    monkeypatch.setattr(os, "replace", shared)
    files.write_whole(str(tmp_path / "plan"), "new")
    assert (tmp_path / "plan").read_text() == "new"
    refusals[:] = [errno.EACCES] * 1000
    monkeypatch.setattr(file_steps, "_SHARING_WAIT_S", 0.1)
    with pytest.raises(CannotGoOnError, match="permission denied"):
        files.write_whole(str(tmp_path / "plan"), "newer")
    assert (tmp_path / "plan").read_text() == "new"
    assert names(tmp_path) == ["plan"]


def test_an_unusual_error_keeps_the_words_of_the_system() -> None:
    error = failure("write", "x", OSError(errno.ETXTBSY, "Text file busy"))
    assert (error.message, bool(error.advice)) == ("cannot write x: Text file busy", True)


@pytest.mark.parametrize("before", ["", "short", "much longer than what follows"])
def test_a_page_is_written_over_what_it_said(tmp_path: Path, before: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(before)
    files.write_page(str(page), "what it says now")
    assert page.read_text() == "what it says now"


def test_a_new_page_is_private_and_a_link_in_its_place_is_refused(tmp_path: Path) -> None:
    page, link = tmp_path / "page.md", tmp_path / "link.md"
    files.write_page(str(page), "text")
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    link.symlink_to(page)
    with pytest.raises(CannotGoOnError):
        files.write_page(str(link), "elsewhere")
    assert page.read_text() == "text"
