"""``doctor``: what is installed, and what is missing for what."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile

from orchestrator.commands.session import Place, answer
from orchestrator.dataclasses import dataclass
from orchestrator.errors import ExitCode
from orchestrator.executors.claude_argv import claude_program, worker_environment
from orchestrator.model import Json

_PROBE_TIMEOUT_S = 60.0
FLAGS = (
    "--output-format",
    "--permission-mode",
    "--allowedTools",
    "--max-budget-usd",
    "--json-schema",
    "--session-id",
    "--resume",
    "--settings",
    "--model",
)
"""Flags of ``claude`` that an attempt may use; ``--max-turns`` works but is hidden from its help."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked for. ``needed_for`` is what does not work without it."""

    name: str
    is_there: bool
    detail: str
    needed_for: str
    is_required: bool = False
    advice: str = ""


def doctor(place: Place, *, claude: str | None = None, with_login: bool = False) -> ExitCode:
    """Look for every program that some part needs; 1 when a required one is missing or the login does not work."""
    findings = [
        _python(),
        _libraries(),
        *_claude(claude_program(claude), with_login),
    ]
    findings += [
        _program("git", ["--version"], "what a task changed (writes_policy), results of several machines"),
        _program(
            "parallel",
            ["--version"],
            "launch/run.sh",
            "apt install parallel, dnf install parallel, brew install parallel",
        ),
        _program("ssh", ["-V"], "several machines"),
        _program("rsync", ["--version"], "several machines"),
        _powershell(),
        _place(place),
    ]
    is_well = all(finding.is_there for finding in findings if finding.is_required)
    record: Json = {
        "ok": is_well,
        "findings": [
            {
                "name": finding.name,
                "ok": finding.is_there,
                "detail": finding.detail,
                "needed_for": finding.needed_for,
                "required": finding.is_required,
                "try": finding.advice,
            }
            for finding in findings
        ],
    }
    answer(place, record, "\n".join(_line(finding) for finding in findings))
    return ExitCode.DONE if is_well else ExitCode.PROBLEMS


def _line(finding: Finding) -> str:
    sign = "✅" if finding.is_there else ("❌" if finding.is_required else "⚠️ ")
    need = "" if finding.is_there else f"; needed for {finding.needed_for}"
    advice = f" (try: {finding.advice})" if finding.advice and not finding.is_there else ""
    return f"{sign} {finding.name}: {finding.detail}{need}{advice}"


def _python() -> Finding:
    fits = sys.version_info >= (3, 11)
    return Finding("Python", fits, platform.python_version(), "everything", True, "install Python 3.11 or newer")


def _libraries() -> Finding:
    from importlib.util import find_spec

    names = ("typer", "jinja2", "markdown_it", "yaml", "pydantic", "jsonschema", "psutil", "rich")
    missing = [name for name in names if find_spec(name) is None]
    detail = f"missing: {', '.join(missing)}" if missing else "all there"
    return Finding("libraries", not missing, detail, "everything", True, "scripts/orchestrate.py installs them")


def _output(argv: list[str], timeout_s: float = 20.0, env: dict[str, str] | None = None) -> tuple[int, str]:
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
            env=env,
        )
    except subprocess.TimeoutExpired:
        return -1, f"no answer within {timeout_s:g} s"
    except OSError as error:
        return -1, error.strerror or "cannot be started"
    return done.returncode, done.stdout.decode("utf-8", "replace")


def _program(name: str, arguments: list[str], needed_for: str, advice: str = "") -> Finding:
    found = shutil.which(name)
    if found is None:
        return Finding(name, False, "not found", needed_for, False, advice or f"install {name}")
    _, said = _output([found, *arguments])
    return Finding(name, True, said.strip().split("\n")[0][:80], needed_for)


def _powershell() -> Finding:
    for name in ("pwsh", "powershell"):
        found = shutil.which(name)
        if found is not None:
            _, said = _output([found, "-NoProfile", "-Command", "$PSVersionTable.PSVersion.ToString()"])
            return Finding("PowerShell", True, said.strip()[:80], "launch/run.ps1")
    return Finding(
        "PowerShell",
        False,
        "not found",
        "launch/run.ps1",
        False,
        "winget install Microsoft.PowerShell, brew install powershell, or use run.sh",
    )


def _claude(program: str, with_login: bool) -> list[Finding]:
    found = shutil.which(program)
    advice = "install Claude Code (npm package @anthropic-ai/claude-code), or --claude PATH"
    if found is None:
        return [Finding("claude", False, f"{program} was not found", "the executor claude", True, advice)]
    environment = worker_environment(os.environ)
    code, said = _output([found, "--version"], env=environment)
    version = re.search(r"\d+\.\d+\.\d+", said)
    if code or version is None:
        return [Finding("claude", False, f"--version said: {said.strip()[:120]}", "the executor claude", True, advice)]
    _, help_text = _output([found, "--help"], env=environment)
    unknown = [flag for flag in FLAGS if flag not in help_text]
    findings = [Finding("claude", True, f"{version[0]} ({found})", "the executor claude", True)]
    flags = f"does not know {', '.join(unknown)}" if unknown else f"knows all {len(FLAGS)} that are used"
    findings.append(Finding("claude flags", not unknown, flags, "the executor claude", True, "update Claude Code"))
    if with_login:
        findings.append(_login(found, environment))
    else:
        detail = "not asked; `orchestrate doctor --login` makes one small request, which may cost a fraction of a cent"
        findings.append(Finding("claude login", True, detail, "the executor claude"))
    return findings


def _login(program: str, environment: dict[str, str]) -> Finding:
    """Ask for one word, without retries: a bad key fails within a second instead of minutes."""
    probe = {**environment, "CLAUDE_CODE_MAX_RETRIES": "0"}
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                [program, "-p", "--output-format=json", "--max-turns=1", "--no-session-persistence"],
                input=b"Answer with the word ok.",
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=_PROBE_TIMEOUT_S,
                check=False,
                env=probe,
            )
        except subprocess.TimeoutExpired:
            return Finding("claude login", False, f"no answer in {_PROBE_TIMEOUT_S:g} s", "the executor claude", True)
    from orchestrator.executors.stream import read_stream

    reading = read_stream(done.stdout)
    result = reading.result
    if done.returncode == 0 and result is not None and not result.is_error:
        return Finding("claude login", True, f"works (${result.cost_usd or 0.0:.4f})", "the executor claude", True)
    said = result.text if result is not None and result.text else done.stdout.decode("utf-8", "replace")
    return Finding("claude login", False, said.strip()[:160], "the executor claude", True, "run `claude` and /login")


def _place(place: Place) -> Finding:
    folder = place.paths.folder if os.path.isdir(place.paths.folder) else place.paths.project
    can_write = os.access(folder, os.W_OK)
    return Finding(
        "folder",
        can_write,
        f"{folder} can{'' if can_write else 'not'} be written",
        "every command that changes state",
        True,
        "restore write access",
    )
