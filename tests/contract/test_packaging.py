"""What is shipped, by which way: the wheel, the copy that `make install` makes, the plugin; and that they agree."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from orchestrator import __version__
from orchestrator.setup import installation, libraries
from programs import Program

REPOSITORY = Path(__file__).resolve().parents[2]
PROJECT_TEXT = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
PROJECT: dict[str, Any] = tomllib.loads(PROJECT_TEXT)["project"]
NAME = "distributed-task-orchestrator"

# Libraries that are imported and come with one that is required.
COMES_WITH = {
    "jsonschema_specifications": "jsonschema",
    "pydantic_core": "pydantic",
    "referencing": "jsonschema",
    "rich": "typer",
}


# --- requirements


def test_the_entry_point_reads_the_requirements_as_tomllib_does() -> None:
    read = [f"{name}>={versions}" for name, versions in libraries.requirements(PROJECT_TEXT).items()]
    assert read == PROJECT["dependencies"]


def foreign_forms(dependencies: Iterable[str]) -> list[str]:
    """The requirements that the entry point would misread."""
    return [
        one for one in dependencies if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*>=\d+(\.\d+)+(,<\d+(\.\d+)*)?", one)
    ]


def test_requirements_have_a_form_that_the_entry_point_understands() -> None:
    assert PROJECT["dependencies"]
    assert foreign_forms(PROJECT["dependencies"]) == []


@pytest.mark.parametrize(
    "form", ["typer", "PyYAML>=6.0", "typer>=0.12, <1", "rich[extra]>=1.0", "x>=1.0; os_name=='nt'"]
)
def test_the_check_of_requirements_refuses_any_other_form(form: str) -> None:
    assert foreign_forms([form]) == [form]


def test_every_library_that_the_package_imports_is_required_and_the_other_way_round() -> None:
    imported: set[str] = set()
    for file in (REPOSITORY / "scripts" / "orchestrator").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").partition(".")[0])
    foreign = imported - sys.stdlib_module_names - {"orchestrator"}
    required = {installation.IMPORT_NAMES.get(name, name) for name in libraries.requirements(PROJECT_TEXT)}
    assert {COMES_WITH.get(name, name) for name in foreign} == required


def test_the_entry_point_and_the_package_ask_for_the_same_python() -> None:
    script = (REPOSITORY / "scripts" / "orchestrate.py").read_text(encoding="utf-8")
    (found,) = re.findall(r"sys\.version_info < \((\d+), (\d+)\)", script)
    assert PROJECT["requires-python"] == f">={'.'.join(found)}"


# --- the wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names of the files in a wheel, built from a copy without any download."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("README.md", "LICENSE", "pyproject.toml", "scripts", "tests"):
        original = REPOSITORY / name
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
        shutil.copytree(original, source / name, ignore=ignored) if original.is_dir() else shutil.copy2(
            original, source
        )
    build = "from setuptools import build_meta; import sys; build_meta.build_wheel(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", build, folder], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = folder.glob("*.whl")
    assert file.name == f"distributed_task_orchestrator-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(file) as archive:
        return archive.namelist()


def test_the_wheel_has_every_file_of_the_package_and_no_other(wheel: list[str]) -> None:
    scripts = REPOSITORY / "scripts"
    package = {
        file.relative_to(scripts).as_posix()
        for file in (scripts / "orchestrator").rglob("*")
        if file.is_file() and not re.search(r"__pycache__|/\.\w", file.as_posix())
    }
    assert any(name.endswith(".j2") for name in package)
    assert {name for name in wheel if ".dist-info/" not in name} == package


def test_the_wheel_gives_the_command_and_its_licence(wheel: list[str]) -> None:
    assert PROJECT["scripts"] == {"orchestrate": "orchestrator.cli:main"}
    ends = [name.partition(".dist-info/")[2] for name in wheel]
    assert "entry_points.txt" in ends
    assert "licenses/LICENSE" in ends


# --- make


@pytest.mark.parametrize("target", ["demo", "test", "lint", "bench", "install", "chaos", "clean", "help"])
def test_make_has_the_target(target: str, require: Callable[[str], Path]) -> None:
    done = subprocess.run(
        [require("make"), "--dry-run", "--silent", target], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_make_names_the_python_that_it_needs(require: Callable[[str], Path]) -> None:
    command = [require("make"), "--silent", "install", "PYTHON="]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "Python 3.11 or newer is needed" in done.stderr


# --- the installed copy


@pytest.fixture
def install(program: Callable[..., Program]) -> Callable[..., Any]:
    """Runs what `make install` runs."""
    return program(sys.executable, REPOSITORY / "scripts" / "install_skill.py")


def test_the_skill_is_copied_into_the_home_folder_without_tests_and_caches(
    install: Callable[..., Any], home: Path
) -> None:
    done = install()
    target = home / ".claude" / "skills" / NAME
    assert (done.code, done.stdout) == (0, f"installed {target}\n"), done.stderr
    for name in (
        "SKILL.md",
        "pyproject.toml",
        "LICENSE",
        "scripts/orchestrate.py",
        "scripts/orchestrator/bootstrap.py",
    ):
        assert (target / name).read_bytes() == (REPOSITORY / name).read_bytes()
    assert {entry.name for entry in target.iterdir()}.isdisjoint({"tests", "bench", ".git", ".ci", ".venv", "Makefile"})
    names = {entry.name for entry in target.rglob("*")}
    assert not {name for name in names if name == "__pycache__" or name.endswith((".pyc", ".egg-info"))}
    assert [entry.name for entry in target.parent.iterdir()] == [NAME]


def test_what_is_linked_from_a_shipped_document_is_shipped_too(install: Callable[..., Any], home: Path) -> None:
    install()
    target = home / ".claude" / "skills" / NAME
    documents = [*target.glob("*.md"), *(target / "docs").rglob("*.md")]
    links = [(file, link) for file in documents for link in local_links(file.read_text(encoding="utf-8"))]
    assert links
    assert [(str(file), link) for file, link in links if not (file.parent / link).exists()] == []


def local_links(markdown: str) -> list[str]:
    """The files that a document links to, its examples left aside."""
    prose = re.sub(r"^(`{3,}).*?^\1", "", markdown, flags=re.MULTILINE | re.DOTALL)
    links = (link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", prose))
    return [link for link in links if link and not re.match(r"[a-z]+:", link)]


def test_only_links_to_files_outside_of_examples_are_looked_at() -> None:
    text = "[a](a.md#part) [b](https://b) [c](#c) [d](mailto:d)\n```md\n[e](e.md)\n```\n[f](docs/f.md)"
    assert local_links(text) == ["a.md", "docs/f.md"]


def test_an_older_copy_is_replaced_as_a_whole(install: Callable[..., Any], tmp_path: Path) -> None:
    skills = tmp_path / "skills"
    old = skills / NAME
    old.mkdir(parents=True)
    for name in ("SKILL.md", "gone.md"):
        (old / name).write_text("old")
    assert install(environment={"SKILLS_DIR": str(skills)}).code == 0
    assert (old / "SKILL.md").read_bytes() == (REPOSITORY / "SKILL.md").read_bytes()
    assert not (old / "gone.md").exists()


def test_what_is_not_a_copy_of_the_skill_is_left_alone(install: Callable[..., Any], tmp_path: Path) -> None:
    skills = tmp_path / "skills"
    other = skills / NAME
    other.mkdir(parents=True)
    (other / "mine.txt").write_text("mine")
    done = install(environment={"SKILLS_DIR": str(skills)})
    assert done.code == 3
    assert "is not a copy of this skill" in done.stderr
    shutil.rmtree(other)
    other.symlink_to(REPOSITORY)
    assert install(environment={"SKILLS_DIR": str(skills)}).code == 3
    assert other.is_symlink()


def test_a_folder_of_skills_that_cannot_be_made_is_named(install: Callable[..., Any]) -> None:
    done = install(environment={"SKILLS_DIR": f"{os.devnull}/skills"})
    assert done.code == 3
    assert os.devnull in done.stderr
    assert "Traceback" not in done.stderr


def test_an_incomplete_checkout_leaves_the_older_copy_in_place(tmp_path: Path, program: Callable[..., Program]) -> None:
    checkout, skills = tmp_path / "checkout", tmp_path / "skills"
    (checkout / "scripts").mkdir(parents=True)
    shutil.copy2(REPOSITORY / "scripts" / "install_skill.py", checkout / "scripts")
    (skills / NAME).mkdir(parents=True)
    (skills / NAME / "SKILL.md").write_text("old")
    done = program(sys.executable, checkout / "scripts" / "install_skill.py")(environment={"SKILLS_DIR": str(skills)})
    assert done.code == 3
    assert "SKILL.md" in done.stderr
    assert (skills / NAME / "SKILL.md").read_text() == "old"
    assert [entry.name for entry in skills.iterdir()] == [NAME]


# --- the plugin


def manifest(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((REPOSITORY / ".claude-plugin" / name).read_text(encoding="utf-8"))
    return loaded


def test_the_plugin_is_this_folder_and_has_the_version_of_the_package() -> None:
    plugin = manifest("plugin.json")
    assert plugin["name"] == PROJECT["name"] == NAME
    assert plugin["version"] == __version__
    assert plugin["skills"] == ["./"]
    assert isinstance(plugin["author"], dict)


def test_the_marketplace_offers_the_plugin_from_this_folder() -> None:
    (offer,) = manifest("marketplace.json")["plugins"]
    assert (offer["name"], offer["source"]) == (NAME, "./")


def test_the_newest_version_of_the_changelog_is_that_of_the_package() -> None:
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(\d[^\]]*)\]", changelog, re.MULTILINE)
    assert versions[0] == __version__


@pytest.fixture
def claude(require: Callable[[str], Path], program: Callable[..., Program], environment: dict[str, str]) -> Program:
    """The real CLI, in an environment where it can reach nobody."""
    environment |= {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1"}
    return program(require("claude"))


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A folder with the manifests and the skill's front page."""
    folder = tmp_path / "plugin"
    shutil.copytree(REPOSITORY / ".claude-plugin", folder / ".claude-plugin")
    shutil.copy2(REPOSITORY / "SKILL.md", folder)
    return folder


def test_the_real_cli_accepts_the_manifests(claude: Program, plugin: Path) -> None:
    for what in (plugin, plugin / ".claude-plugin" / "plugin.json"):
        done = claude("plugin", "validate", "--strict", what)
        assert done.code == 0, done.stdout + done.stderr


def test_the_real_cli_refuses_a_broken_manifest(claude: Program, plugin: Path) -> None:
    file = plugin / ".claude-plugin" / "plugin.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "author": "somebody"}))
    assert claude("plugin", "validate", "--strict", file).code != 0


def test_the_real_cli_installs_the_skill_as_a_plugin(claude: Program, plugin: Path, home: Path) -> None:
    for words in (["marketplace", "add", plugin], ["install", f"{NAME}@{NAME}"]):
        done = claude("plugin", *words)
        assert done.code == 0, done.stdout + done.stderr
    assert list((home / ".claude" / "plugins").rglob(f"{NAME}/**/SKILL.md"))
