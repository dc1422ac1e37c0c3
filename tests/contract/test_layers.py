"""The import graph of the package: every module has its layer, and imports only from its own layer or a lower one."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "scripts" / "orchestrator"

# From the ground up, each with its modules; a package stands for all its modules that are not named themselves.
# A new module goes into the lowest layer that has what it imports.
LAYERS: Mapping[str, tuple[str, ...]] = {
    "errors": ("orchestrator", "orchestrator.dataclasses", "orchestrator.errors"),
    "model": (
        "orchestrator.clock",
        "orchestrator.events",
        "orchestrator.loopguard",
        "orchestrator.model",
        "orchestrator.plans.globs",
        "orchestrator.store.records",
        "orchestrator.wording",
        # the packages themselves, which are empty
        "orchestrator.desk",
        "orchestrator.plans",
        "orchestrator.render",
        "orchestrator.store",
        "orchestrator.system",
        "orchestrator.texts",
    ),
    "document, graph": (
        "orchestrator.durations",
        "orchestrator.graph",
        "orchestrator.ids",
        "orchestrator.launchers.hosts",
        "orchestrator.planrecords",
        "orchestrator.plans.decomposition",
        "orchestrator.plans.fieldtypes",
        "orchestrator.plans.formproblems",
        "orchestrator.plans.planfile",
        "orchestrator.plans.planschema",
        "orchestrator.plans.subtasks",
        "orchestrator.plans.templateform",
        "orchestrator.plans.yamledits",
        "orchestrator.plans.yamlfile",
        "orchestrator.plans.yamlsource",
        "orchestrator.plans.yamlspans",
        "orchestrator.plans.yamlsyntax",
        "orchestrator.plans.yamltext",
        "orchestrator.render.markdown",  # escaping, which reading and writing share
        "orchestrator.store.state",
        "orchestrator.store.statustable",
        "orchestrator.texts.*",
    ),
    "render, rules": (
        "orchestrator.desk.*",
        "orchestrator.merge",
        "orchestrator.merge.*",
        "orchestrator.plans.*",
        "orchestrator.render.*",
        "orchestrator.report",
        "orchestrator.report.*",
        "orchestrator.store.change",
        "orchestrator.store.journal_lines",
        "orchestrator.store.consequences",
        "orchestrator.store.edits",
        "orchestrator.store.failing",
        "orchestrator.store.loopcourse",
        "orchestrator.store.moves",
        "orchestrator.store.nextaction",
        "orchestrator.store.reducer",
        "orchestrator.store.schedule",
        "orchestrator.store.snapshot",
    ),
    "disk": (  # whatever is above may touch it, nothing below may
        "orchestrator.paths",
        "orchestrator.store.settling",
        "orchestrator.system.*",
    ),
    "store": (
        "orchestrator.desk.projectroles",
        "orchestrator.desk.queuefolder",
        "orchestrator.store.*",
    ),
    "executors": ("orchestrator.executors", "orchestrator.executors.*"),
    "workers": ("orchestrator.workers", "orchestrator.workers.*"),
    "launchers": ("orchestrator.launchers", "orchestrator.launchers.*"),
    "commands": ("orchestrator.commands", "orchestrator.commands.*"),
    "cli": ("orchestrator.cli", "orchestrator.cli.*"),
    "start": ("orchestrator.bootstrap", "orchestrator.setup", "orchestrator.setup.*"),
}

# What decides and what writes text is a pure function of its arguments: no file, process, socket or clock.
PURE_LAYERS = ("errors", "model", "document, graph", "render, rules")
IMPURE_LIBRARIES = {"shutil", "socket", "subprocess", "tempfile", "threading", "time"}
IMPURE_ALLOWED = {("orchestrator.clock", "time")}  # the one seam


def modules_of(package: Path) -> dict[str, Path]:
    """The files of a package by module name."""
    found: dict[str, Path] = {}
    for file in sorted(package.rglob("*.py")):
        parts = file.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imports_of(file: Path, modules: Mapping[str, Path]) -> Iterator[str]:
    """Every module that a file imports, inside functions too; `from package import module` means the module."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = node.module or ""  # ruff bans relative imports, so there is one
            for alias in node.names:
                inner = f"{package}.{alias.name}"
                yield inner if inner in modules else package


def layer_of(module: str, layers: Mapping[str, tuple[str, ...]]) -> int | None:
    """The number of the layer that names the module, else of the one that names its package with a star."""
    for name in (module, f"{module.rpartition('.')[0]}.*"):
        for number, members in enumerate(layers.values()):
            if name in members:
                return number
    return None


def violations(package: Path, layers: Mapping[str, tuple[str, ...]]) -> list[str]:
    """What is wrong with the import graph of a package, each in one sentence."""
    modules = modules_of(package)
    if not modules:
        return [f"no module in {package}"]
    found = [f"{module} has no layer: give it one in LAYERS" for module in modules if layer_of(module, layers) is None]
    graph: dict[str, set[str]] = {}
    for module, file in modules.items():
        graph[module] = {name for name in imports_of(file, modules) if name in modules} - {module}
        here = layer_of(module, layers)
        for imported in sorted(graph[module]):
            there = layer_of(imported, layers)
            if here is not None and there is not None and there > here:
                found.append(f"{module} imports {imported}, which is above it")
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found.append("cycle: " + " → ".join(error.args[1]))
    return found


def impurities(package: Path, layers: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The modules of a pure layer that import something with effects."""
    modules = modules_of(package)
    pure = {number for number, name in enumerate(layers) if name in PURE_LAYERS}
    return [
        f"{module} imports {imported}"
        for module, file in modules.items()
        if layer_of(module, layers) in pure
        for imported in sorted(set(imports_of(file, modules)))
        if imported.partition(".")[0] in IMPURE_LIBRARIES and (module, imported) not in IMPURE_ALLOWED
    ]


def test_every_module_has_a_layer_and_imports_only_downwards() -> None:
    assert violations(PACKAGE, LAYERS) == []


def test_what_decides_and_what_writes_text_has_no_effects() -> None:
    assert impurities(PACKAGE, LAYERS) == []


def test_the_layers_name_no_module_that_is_gone() -> None:
    modules = modules_of(PACKAGE)
    named = [name.removesuffix(".*") for members in LAYERS.values() for name in members]
    assert [name for name in named if name not in modules] == []


@pytest.fixture
def specimen(tmp_path: Path) -> Path:
    """A small package that is in order."""
    package = tmp_path / "orchestrator"
    (package / "commands").mkdir(parents=True)
    for name, text in {
        "__init__.py": "",
        "errors.py": "import time",
        "store.py": "from orchestrator import errors",
        "commands/__init__.py": "",
        "commands/status.py": "def status():\n    from orchestrator.store import Store",
    }.items():
        (package / name).write_text(text, encoding="utf-8")
    return package


SPECIMEN_LAYERS = {
    "errors": ("orchestrator", "orchestrator.errors"),
    "store": ("orchestrator.store",),
    "commands": ("orchestrator.commands", "orchestrator.commands.*"),
}


def test_the_checker_accepts_a_package_that_is_in_order(specimen: Path) -> None:
    assert violations(specimen, SPECIMEN_LAYERS) == []


@pytest.mark.parametrize(
    "text",
    [
        "from orchestrator import store",
        "from orchestrator.store import Store",
        "import orchestrator.store",
        "def late():\n    import orchestrator.store as s",
        "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from orchestrator.store import Store",
    ],
)
def test_the_checker_finds_an_upward_import(specimen: Path, text: str) -> None:
    (specimen / "errors.py").write_text(text, encoding="utf-8")
    assert "orchestrator.errors imports orchestrator.store, which is above it" in violations(specimen, SPECIMEN_LAYERS)


def test_the_checker_finds_a_cycle_within_a_layer(specimen: Path) -> None:
    (specimen / "commands" / "next.py").write_text("import orchestrator.commands.status", encoding="utf-8")
    (specimen / "commands" / "status.py").write_text("import orchestrator.commands.next", encoding="utf-8")
    (problem,) = violations(specimen, SPECIMEN_LAYERS)
    assert problem.startswith("cycle: orchestrator.commands.")


def test_the_checker_finds_a_module_without_a_layer(specimen: Path) -> None:
    (specimen / "stray.py").write_text("", encoding="utf-8")
    assert violations(specimen, SPECIMEN_LAYERS) == ["orchestrator.stray has no layer: give it one in LAYERS"]


def test_the_checker_finds_an_effect_in_a_pure_layer(specimen: Path) -> None:
    assert impurities(specimen, SPECIMEN_LAYERS) == ["orchestrator.errors imports time"]


def test_a_checker_that_inspects_no_module_fails(tmp_path: Path) -> None:
    assert violations(tmp_path, SPECIMEN_LAYERS) == [f"no module in {tmp_path}"]
