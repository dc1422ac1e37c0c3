"""`doctor`: everything that may be missing is named, with what needs it and how to get it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from orchestrator.commands import launch
from runfolders import RunFolder


@pytest.fixture
def tools(tmp_path: Path, environment: dict[str, str]) -> Path:
    """The only folder in which programs are found; empty."""
    folder = tmp_path / "tools"
    folder.mkdir()
    environment["PATH"] = str(folder)
    return folder


def test_what_is_missing_is_named_with_what_needs_it_and_how_to_get_it(run: RunFolder, tools: Path) -> None:
    findings = {entry["name"]: entry for entry in run("doctor", "--json", code=1).json["findings"]}
    assert {name for name, entry in findings.items() if not entry["ok"]} == {
        *("claude", "git", "parallel", "ssh", "rsync", "PowerShell"),
    }
    assert [name for name, entry in findings.items() if entry["required"] and not entry["ok"]] == ["claude"]
    assert findings["PowerShell"]["needed_for"] == "launch/run.ps1"
    assert "run.sh" in findings["PowerShell"]["try"]
    assert findings["parallel"]["needed_for"] == "launch/run.sh"
    assert all(entry["try"] for entry in findings.values() if not entry["ok"])


@pytest.mark.parametrize("name", ["pwsh", "powershell"])
def test_either_powershell_is_found_and_its_version_told(run: RunFolder, tools: Path, name: str) -> None:
    shell = shutil.which("sh")
    (tools / name).write_text(f"#!{shell}\n[ $# = 3 ] && echo 7.6.5\n")
    (tools / name).chmod(0o755)
    findings = {entry["name"]: entry for entry in run("doctor", "--json", code=1).json["findings"]}
    assert findings["PowerShell"]["ok"] and findings["PowerShell"]["detail"] == "7.6.5"


def test_a_program_of_windows_is_started_by_its_whole_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "orchestrate.exe").touch()
    monkeypatch.setattr("sys.argv", [str(tmp_path / "orchestrate"), "launch"])
    assert launch.own_words() == [str(tmp_path / "orchestrate.exe")]
    (tmp_path / "orchestrate").touch()
    assert launch.own_words() == [str(tmp_path / "orchestrate")]
