"""`scripts/orchestrate.py` from a bare copy of the skill: what it does about libraries that are not there.

Most tests put a small library in the place of the real ones, and a program in the place of pip, so that they need no
network; the last one installs the real libraries.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from components import REQUIRE_REAL
from orchestrator.setup import libraries
from programs import Finished, Program, Running

REPOSITORY = Path(__file__).resolve().parents[2]

PROJECT = """
[project]
dependencies = [
  "tinylib>=1.2",
]
"""

# It does what a command does: imports its libraries, prints on stdout, ends with a code.
COMMAND = """
import json, sys
from tinylib.part import VERSION

def main(argv=None):
    import tinydep
    print(json.dumps({"version": VERSION, "arguments": sys.argv[1:], "modules": sorted(sys.modules)}))
    return 7
"""

PIP = """
import json, os, sys, time
from pathlib import Path

with open(os.environ["CALLS"], "a") as calls:
    settings = {name: os.environ.get(name) for name in ("PIP_USER", "PIP_REQUIRE_VIRTUALENV")}
    calls.write(json.dumps({"words": sys.argv[1:], **settings}) + "\\n")
print("Collecting tinylib")
time.sleep(float(os.environ.get("PIP_SECONDS", "0")))
behaviour = os.environ.get("PIP_BEHAVIOUR", "good")
target = Path(sys.argv[sys.argv.index("--target") + 1])
if behaviour == "offline":
    print("WARNING: Retrying after connection broken", file=sys.stderr)
    sys.exit("ERROR: No matching distribution found for tinylib>=1.2")
(target / "tinylib").mkdir(parents=True)
(target / "tinylib" / "__init__.py").write_text("import tinydep")
(target / "tinylib" / "part.py").write_text("VERSION = '1.2'")
(target / "tinylib-1.2.dist-info").mkdir()
if behaviour != "incomplete":
    (target / "tinydep.py").write_text("")
"""


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with nothing but its standard library."""
    return make_python(tmp_path_factory.mktemp("bare"))


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A Python that has pip, and a folder of its own for what a test adds."""
    made = make_python(tmp_path / "python")
    pip = site_packages(made) / "pip"
    pip.mkdir()
    (pip / "__init__.py").write_text("")
    (pip / "__main__.py").write_text(PIP)
    return made


def make_python(folder: Path) -> Path:
    """A virtual environment without pip."""
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def site_packages(python: Path) -> Path:
    """Where a Python looks for libraries."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip())


@dataclass
class Skill:
    """A bare copy of the skill whose command needs one small library."""

    root: Path
    cache: Path
    calls_file: Path
    environment: dict[str, str]
    program: Callable[..., Program]

    def start(self, python: Path, **environment: str) -> Running:
        """Begin the command with a Python, in the background."""
        return self.program(python, self.root / "scripts" / "orchestrate.py").start(
            "status", "--json", environment=environment
        )

    def run(self, python: Path, **environment: str) -> Finished:
        """Run the command to its end."""
        return self.start(python, **environment).wait()

    @property
    def calls(self) -> list[dict[str, object]]:
        """What pip was called with, each time."""
        text = self.calls_file.read_text() if self.calls_file.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    @property
    def sets(self) -> list[Path]:
        """The folders in the cache."""
        return [entry for entry in self.cache.iterdir() if entry.is_dir()] if self.cache.exists() else []


@pytest.fixture
def skill(tmp_path: Path, environment: dict[str, str], program: Callable[..., Program]) -> Skill:
    root = tmp_path / "a skill's folder"
    without = shutil.ignore_patterns("__pycache__", "cli", "cli.py")
    shutil.copytree(REPOSITORY / "scripts", root / "scripts", ignore=without)
    (root / "scripts" / "orchestrator" / "cli.py").write_text(COMMAND)
    (root / "pyproject.toml").write_text(PROJECT)
    cache, calls, tools = tmp_path / "cache", tmp_path / "calls", tmp_path / "tools"
    tools.mkdir()
    environment |= {"ORCHESTRATE_CACHE": str(cache), "CALLS": str(calls), "PATH": str(tools)}
    return Skill(root, cache, calls, environment, program)


def test_missing_libraries_are_installed_with_one_line_on_stderr_and_the_command_goes_on(
    skill: Skill, python: Path
) -> None:
    done = skill.run(python)
    assert done.stderr.splitlines() == [f"orchestrate: installing its libraries once with pip into {skill.cache}"]
    assert done.code == 7
    assert done.json["arguments"] == ["status", "--json"]
    assert len(skill.sets) == 1


def test_the_second_start_installs_nothing_and_says_nothing(skill: Skill, python: Path) -> None:
    skill.run(python)
    done = skill.run(python)
    assert (done.code, done.stderr) == (7, "")
    assert len(skill.calls) == 1


def test_a_start_with_a_filled_cache_imports_nothing_that_only_installing_needs(skill: Skill, python: Path) -> None:
    assert "orchestrator.setup.installation" in skill.run(python).json["modules"]
    modules = set(skill.run(python).json["modules"])
    assert not modules & {
        "orchestrator.setup.installation",
        "orchestrator.system.locks",
        "subprocess",
        "tempfile",
        "tomllib",
    }


def test_libraries_that_python_has_are_used_as_they_are(skill: Skill, python: Path) -> None:
    add_library(site_packages(python), "2.0")
    done = skill.run(python)
    assert (done.code, done.stderr, done.json["version"]) == (7, "", "2.0")
    assert skill.sets == []


def test_a_version_that_is_too_old_is_passed_over_and_left_alone(skill: Skill, python: Path) -> None:
    add_library(site_packages(python), "1.1.9")
    assert skill.run(python).json["version"] == "1.2"
    assert skill.run(python).json["version"] == "1.2"
    assert (site_packages(python) / "tinylib" / "part.py").read_text() == "VERSION = '1.1.9'"


def add_library(folder: Path, version: str) -> None:
    (folder / "tinylib").mkdir()
    (folder / "tinylib" / "__init__.py").write_text("")
    (folder / "tinylib" / "part.py").write_text(f"VERSION = '{version}'")
    (folder / "tinydep.py").write_text("")
    (folder / f"tinylib-{version}.dist-info").mkdir()


def test_twenty_that_start_at_once_install_once_and_all_go_on(skill: Skill, python: Path) -> None:
    started = [skill.start(python, PIP_SECONDS="0.5") for _ in range(20)]
    ended = [one.wait() for one in started]
    assert [one.code for one in ended] == [7] * 20
    assert len(skill.calls) == 1
    assert sum("installing its libraries once" in one.stderr for one in ended) == 1
    assert all(len(one.stderr.splitlines()) <= 1 for one in ended)
    assert len(skill.sets) == 1


@pytest.mark.parametrize("to_group", [True, False], ids=["with pip", "and pip lives on"])
def test_an_installation_that_was_killed_does_not_hinder_the_next(skill: Skill, python: Path, to_group: bool) -> None:
    first = skill.start(python, PIP_SECONDS="30")
    deadline = time.monotonic() + 30
    while not skill.calls:
        assert time.monotonic() < deadline, first.stderr
        time.sleep(0.02)
    first.send(signal.SIGKILL, to_group=to_group)
    first.wait()
    (left,) = skill.sets
    os.utime(left, (0, 0))
    assert skill.run(python).code == 7
    (made,) = skill.sets
    assert made != left


@pytest.mark.parametrize("lost", ["tinydep.py", "tinylib-1.2.dist-info", libraries.STAMP])
def test_a_set_that_lost_something_is_made_anew(skill: Skill, python: Path, lost: str) -> None:
    skill.run(python)
    victim = skill.sets[0] / lost
    victim.unlink() if victim.is_file() else victim.rmdir()
    done = skill.run(python)
    assert (done.code, len(skill.calls), len(skill.sets)) == (7, 2, 1)


def test_a_set_that_lost_a_file_inside_a_library_is_made_anew_in_the_same_start(skill: Skill, python: Path) -> None:
    skill.run(python)
    (skill.sets[0] / "tinylib" / "part.py").unlink()
    shutil.rmtree(skill.sets[0] / "tinylib" / "__pycache__", ignore_errors=True)
    done = skill.run(python)
    assert done.code == 7
    assert done.json["arguments"] == ["status", "--json"]
    assert len(skill.calls) == 2


def test_a_missing_module_of_our_own_is_shown_and_not_taken_for_a_damaged_library(skill: Skill, python: Path) -> None:
    (skill.root / "scripts" / "orchestrator" / "cli.py").write_text("from orchestrator import nowhere")
    done = skill.run(python)
    assert "nowhere" in done.stderr
    assert len(skill.calls) == 1


def test_a_library_that_does_not_import_is_not_accepted(skill: Skill, python: Path) -> None:
    done = skill.run(python, PIP_BEHAVIOUR="incomplete")
    assert done.code == 3
    assert "No module named 'tinydep'" in done.stderr
    assert skill.sets == []


def test_without_a_network_it_says_so_and_leaves_nothing_half_done(skill: Skill, python: Path) -> None:
    done = skill.run(python, PIP_BEHAVIOUR="offline")
    assert (done.code, done.stdout, skill.sets) == (3, "", [])
    assert "pip: ERROR: No matching distribution found for tinylib>=1.2" in done.stderr
    assert "Try: start it once with a connection" in done.stderr
    assert "Traceback" not in done.stderr
    assert skill.run(python).code == 7


def test_without_uv_and_pip_it_names_both(skill: Skill, bare_python: Path) -> None:
    done = skill.run(bare_python)
    assert (done.code, done.stdout) == (3, "")
    assert "neither uv nor pip" in done.stderr
    assert "apt install python3-pip" in done.stderr
    assert "installing" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="the program in the place of uv is a shell script")
@pytest.mark.parametrize(("code", "installers"), [(0, ["uv"]), (2, ["uv", "pip"])])
def test_uv_is_preferred_and_pip_takes_over_when_it_fails(
    skill: Skill, python: Path, tmp_path: Path, code: int, installers: list[str]
) -> None:
    uv = tmp_path / "tools" / "uv"
    uv.write_text(f'#!/bin/sh\n[ {code} = 0 ] || exit {code}\nexec "{python}" -m pip "$@"\n')
    uv.chmod(0o755)
    done = skill.run(python)
    assert done.code == 7
    assert [line.split()[6] for line in done.stderr.splitlines()] == installers
    assert len(skill.calls) == 1


def test_settings_that_would_make_pip_refuse_are_overruled(skill: Skill, python: Path) -> None:
    assert skill.run(python, PIP_USER="1", PIP_REQUIRE_VIRTUALENV="1").code == 7
    assert (skill.calls[0]["PIP_USER"], skill.calls[0]["PIP_REQUIRE_VIRTUALENV"]) == ("0", "0")


def test_files_of_the_project_that_are_called_like_modules_are_not_imported(
    skill: Skill, python: Path, project: Path
) -> None:
    for name in ("pip", "tinylib", "orchestrator", "typing", "subprocess"):
        (project / f"{name}.py").write_text("raise SystemExit('a file of the project was run')")
    done = skill.run(python)
    assert (done.code, len(skill.calls)) == (7, 1), done.stderr


@pytest.mark.parametrize("setting", [{"PYTHONSAFEPATH": "1"}, {"PYTHONDONTWRITEBYTECODE": "1"}])
def test_settings_of_python_do_not_hinder_it(skill: Skill, python: Path, setting: dict[str, str]) -> None:
    assert [skill.run(python, **setting).code, skill.run(python, **setting).code] == [7, 7]


def test_a_link_to_the_script_finds_the_skill(skill: Skill, python: Path, tmp_path: Path) -> None:
    link = tmp_path / "orchestrate"
    link.symlink_to(skill.root / "scripts" / "orchestrate.py")
    assert skill.program(python, link)().code == 7


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="where the cache is there, is asked below")
def test_the_cache_is_in_the_home_folder(skill: Skill, python: Path, home: Path) -> None:
    del skill.environment["ORCHESTRATE_CACHE"]
    assert skill.run(python).code == 7
    assert [entry.is_dir() for entry in (home / ".cache" / libraries.CACHE_NAME).glob("cpython-*-linux-*")].count(True)


@pytest.mark.skipif(os.name == "nt", reason="/dev/null")
def test_without_a_writable_home_the_cache_is_a_private_folder_among_the_temporary_files(
    skill: Skill, python: Path, tmp_path: Path
) -> None:
    del skill.environment["ORCHESTRATE_CACHE"]
    assert [skill.run(python, HOME="/dev/null").code, skill.run(python, HOME="/dev/null").code] == [7, 7]
    assert len(skill.calls) == 1
    folder = tmp_path / "tmp" / f"{libraries.CACHE_NAME}-{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.name == "nt", reason="the temporary folder of Windows is the user's own")
def test_a_temporary_folder_that_others_can_fill_is_not_used(skill: Skill, python: Path, tmp_path: Path) -> None:
    del skill.environment["ORCHESTRATE_CACHE"]
    folder = tmp_path / "tmp" / f"{libraries.CACHE_NAME}-{os.getuid()}"
    for make in (lambda: folder.mkdir(), lambda: folder.symlink_to(tmp_path)):
        make()
        if not folder.is_symlink():
            folder.chmod(0o777)
        done = skill.run(python, HOME="/dev/null")
        assert done.code == 3
        assert "set ORCHESTRATE_CACHE" in done.stderr
        folder.unlink() if folder.is_symlink() else folder.rmdir()
    assert skill.calls == []


def test_a_chosen_cache_that_cannot_be_written_is_named(skill: Skill, python: Path) -> None:
    done = skill.run(python, ORCHESTRATE_CACHE=os.devnull)
    assert (done.code, skill.calls) == (3, [])
    assert f"cannot write to {os.devnull}" in done.stderr


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"])
def test_a_copy_without_its_project_file_says_what_to_copy(skill: Skill, python: Path, content: bytes | None) -> None:
    file = skill.root / "pyproject.toml"
    file.unlink() if content is None else file.write_bytes(content)
    done = skill.run(python)
    assert done.code == 3
    assert str(file) in done.stderr
    assert "copy the whole folder" in done.stderr


def test_a_python_that_is_too_old_is_told_so() -> None:
    script = REPOSITORY / "scripts" / "orchestrate.py"
    code = "import runpy, sys; sys.version_info = (3, 8, 10); runpy.run_path(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", code, script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert "Python 3.11 or newer is needed, and this one is 3.8" in done.stderr


def test_an_old_python_can_read_the_script() -> None:
    tree = ast.parse((REPOSITORY / "scripts" / "orchestrate.py").read_text(), feature_version=(3, 4))
    newer = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.Match)
    assert [node for node in ast.walk(tree) if isinstance(node, newer)] == []
    future = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    assert future == []


@pytest.mark.parametrize(
    ("version", "numbers"),
    [
        ("2.14.3", (2, 14, 3)),
        ("6", (6,)),
        ("6.1rc1", (6, 1)),
        ("1.10.4-py3.11", (1, 10, 4)),
        ("2.0.post1", (2, 0)),
        ("unknown", ()),
        ("", ()),
    ],
)
def test_a_version_is_compared_by_its_numbers(version: str, numbers: tuple[int, ...]) -> None:
    assert libraries.release(version) == numbers


def test_a_library_is_found_by_its_metadata_under_any_spelling(tmp_path: Path) -> None:
    for name in ("Markdown_It_Py-3.0.0.dist-info", "PyYAML-6.0.1.egg-info", "typer"):
        (tmp_path / name).mkdir()
    folders = [str(tmp_path / "missing"), str(tmp_path)]
    assert libraries.are_met({"markdown-it-py": "3.0", "pyyaml": "6.0"}, folders)
    assert not libraries.are_met({"pyyaml": "6.1"}, folders)
    assert not libraries.are_met({"typer": "0.12"}, folders), "a folder of that name is not the library"


@pytest.mark.parametrize(
    ("version", "versions", "fits"),
    [
        ("0.15.9", "0.16,<0.29", False),
        ("0.16", "0.16,<0.29", True),
        ("0.28.7", "0.16,<0.29", True),
        ("0.29.0", "0.16,<0.29", False),
        ("1.0", "0.16", True),
        ("", "0.16,<0.29", False),
    ],
)
def test_a_version_fits_from_the_lower_bound_to_below_the_upper(version: str, versions: str, fits: bool) -> None:
    assert libraries.is_within(version, versions) is fits


def test_the_first_folder_that_has_a_library_decides_as_it_does_for_imports(tmp_path: Path) -> None:
    for folder, version in (("first", "1.0"), ("second", "3.0")):
        (tmp_path / folder / f"typer-{version}.dist-info").mkdir(parents=True)
    assert not libraries.are_met({"typer": "2.0"}, [str(tmp_path / "first"), str(tmp_path / "second")])
    assert libraries.are_met({"typer": "2.0"}, [str(tmp_path / "second"), str(tmp_path / "first")])


def test_sets_of_libraries_are_told_apart_by_their_requirements() -> None:
    assert libraries.set_name({"a": "1", "b": "2"}) == libraries.set_name({"b": "2", "a": "1"})
    assert libraries.set_name({"a": "1"}) != libraries.set_name({"a": "2"})


@pytest.mark.parametrize(
    ("platform", "settings", "folder"),
    [
        ("linux", {}, "/home/ada/.cache"),
        ("linux", {"XDG_CACHE_HOME": "/fast"}, "/fast"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "/home/ada/.cache"),
        ("darwin", {"XDG_CACHE_HOME": "/fast"}, "/home/ada/Library/Caches"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local"),
        ("win32", {}, "/home/ada/AppData/Local"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="the folders are written as POSIX has them")
def test_the_cache_is_where_the_platform_keeps_caches(
    platform: str, settings: dict[str, str], folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "ORCHESTRATE_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/ada", **settings}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert next(libraries.cache_roots()) == f"{folder}/{libraries.CACHE_NAME}"


@pytest.mark.network
def test_a_bare_copy_installs_the_real_libraries_and_answers(
    tmp_path: Path, program: Callable[..., Program], environment: dict[str, str]
) -> None:
    root, python = tmp_path / "skill", tmp_path / "python"
    for name in ("scripts", "pyproject.toml"):
        source = REPOSITORY / name
        shutil.copytree(source, root / name) if source.is_dir() else shutil.copy2(source, root)
    # The settings by which this machine reaches a package index; everything else of it stays out.
    names = ("PIP_", "UV_", "SSL_CERT_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    environment |= {name: value for name, value in os.environ.items() if name.upper().startswith(names)}
    venv.create(python, with_pip=shutil.which("uv") is None, symlinks=os.name != "nt")
    executable = python / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    orchestrate = program(executable, root / "scripts" / "orchestrate.py")
    first = orchestrate("schema", timeout_s=300)
    if "could not be installed" in first.stderr and os.environ.get(REQUIRE_REAL) != "1":
        pytest.skip(f"no package index can be reached here: {first.stderr}")
    assert first.code == 0, first.stderr
    assert "tasks" in first.json["properties"]
    second = orchestrate("--help")
    assert (second.code, second.stderr) == (0, "")
    assert "status" in second.stdout
