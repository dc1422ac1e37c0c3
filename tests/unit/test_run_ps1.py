"""`run.ps1`: pure ASCII whatever the paths, sound for Windows PowerShell 5.1 and for PowerShell 7."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion
from tree_sitter import Node

from artefacts import PowerShellFile
from orchestrator.render.launch import run_ps1
from orchestrator.render.powershell import command_line, is_lost_by_windows_powershell, literal
from powershell_rules import CHECKERS, problems
from powershell_tree import at, every, parents, parsed, text_of

PROJECT = "/home/anna/shop"
HOSTILE_PROJECT = '/home/jörg/-it\'s [x] "q" `b` $(touch pwned) {{ 7 * 7 }} %PATH% ‘ 🚀'


def plain_script(**changes: object) -> str:
    settings: dict[str, object] = {
        "project": PROJECT,
        "folder": f"{PROJECT}/.orchestrator",
        "jobs": 4,
        "command": ["/usr/bin/python3", "/opt/skills/orchestrator/scripts/orchestrate.py"],
        "options": [],
    }
    return run_ps1(**{**settings, **changes})  # type: ignore[arg-type]


PLAIN = plain_script()
HOSTILE = plain_script(
    project=HOSTILE_PROJECT,
    folder="/srv/Läufe/[1]",
    jobs=8,
    command=[f"{HOSTILE_PROJECT}/.venv/bin/python", f"{HOSTILE_PROJECT}/orchestrate.py"],
    options=["--executor", "command", "--command", "agent 'a b' \"c\" \\ ~ * ü\n{% raw %}", "--scale", "0.5"],
)
SCRIPTS = pytest.mark.parametrize("script", [PLAIN, HOSTILE], ids=["plain", "hostile"])


# The scripts


def test_the_script_of_a_plain_project(snapshot: SnapshotAssertion) -> None:
    script = plain_script()
    assert script == snapshot(extension_class=PowerShellFile)


def test_the_script_of_a_hostile_project(snapshot: SnapshotAssertion) -> None:
    script = HOSTILE
    assert script == snapshot(extension_class=PowerShellFile)


@SCRIPTS
def test_the_script_is_sound_for_both_versions(script: str) -> None:
    assert problems(script) == []


def test_only_a_few_lines_differ_between_projects() -> None:
    plain, hostile = PLAIN.splitlines(), HOSTILE.splitlines()
    differing = set(hostile) - set(plain)
    texts = [line for line in differing if "Unescape" in line]
    assert len(texts) == 6  # files, words, three parts of a line, project
    assert all("pwned" not in line for line in set(hostile) - set(texts))


@pytest.mark.parametrize(
    ("folder", "place", "steps"),
    [
        (f"{PROJECT}/.orchestrator", ".orchestrator", 1),
        (f"{PROJECT}/build/runs/a b", "build/runs/a b", 3),
        (PROJECT, ".", 0),
    ],
)
def test_a_script_inside_its_project_finds_it_from_its_own_place(folder: str, place: str, steps: int) -> None:
    script = plain_script(folder=folder)
    assert PROJECT not in script
    assert f"Given = @('--dir', '{place}')" in script
    assert script.count("$project = Split-Path -Path $project -Parent") == steps


@pytest.mark.parametrize("folder", ["/srv/runs/1", "/home/anna/shop-2", "/home/anna"])
def test_a_script_outside_its_project_names_both(folder: str) -> None:
    script = plain_script(folder=folder)
    assert f"$project = '{PROJECT}'" in script
    assert f"Given = @('--dir', '{folder}')" in script


def test_a_program_without_further_words_is_started_as_it_is() -> None:
    script = plain_script(command=["/usr/bin/orchestrate"])
    assert problems(script) == []
    assert '& "$($launch.Files[0])" @Word' in script


@pytest.mark.parametrize("options", [["--command", 'agent "a b"'], ["--command", "agent \\"]])
def test_windows_powershell_refuses_what_it_would_hand_on_wrongly(options: list[str]) -> None:
    refusal = "Windows PowerShell would hand an option on wrongly"
    assert refusal in plain_script(options=options)
    assert refusal not in plain_script(options=["--command", "agent 'a b'"])
    assert [is_lost_by_windows_powershell(word) for word in options] == [False, True]


# What the engine Jobs uses works in constrained language mode

CORE_TYPES = {"[hashtable]", "[int]", "[regex]", "[string]", "[string[]]", "[switch]"}
FULL_FUNCTIONS = {"Get-StartInfo", "Initialize-Ending", "Write-State", "Invoke-Pool"}
FULL_ALONE = ("$isFull", "$Engine -eq 'Pool'", "$null -ne $state.Ending", "$null -ne $encoding")


def not_for_constrained_language(script: str) -> Iterator[str]:
    """Calls of methods and uses of types that are refused there, where the engine Jobs would come across them."""
    for node in every(parsed(script), "type_literal", "invokation_expression"):
        if text_of(node) in CORE_TYPES or text_of(node).startswith("[regex]::"):
            continue
        if not any(_keeps_out(parent) for parent in parents(node)):
            yield at(node, "refused in constrained language mode")


def _keeps_out(parent: Node) -> bool:
    if parent.type == "function_statement":
        return any(text_of(name) in FULL_FUNCTIONS for name in every(parent, "function_name"))
    return parent.type == "if_statement" and text_of(parent).split("{")[0].removeprefix("if (").startswith(FULL_ALONE)


@SCRIPTS
def test_the_engine_jobs_does_with_what_constrained_language_mode_leaves(script: str) -> None:
    assert list(not_for_constrained_language(script)) == []
    calls = [text_of(node) for node in every(parsed(script), "command") if text_of(node).startswith("Get-StartInfo")]
    assert len(calls) == 5


def test_a_method_on_the_way_of_the_engine_jobs_is_noticed() -> None:
    for broken in (
        PLAIN.replace("Push-Location -LiteralPath $project", "[IO.Directory]::SetCurrentDirectory($project)"),
        PLAIN.replace("if ($isFull) {\n        [Console]", "if ($true) {\n        [Console]"),
    ):
        assert list(not_for_constrained_language(broken)) != []


# The rules themselves

SOUND = """\
#Requires -Version 5.1

<#
.SYNOPSIS
    Nothing.

.DESCRIPTION
    Nothing at all.

.PARAMETER Jobs
    How many.

.EXAMPLE
    x.ps1
#>
[CmdletBinding(SupportsShouldProcess = $true)]
param(
    [int] $Jobs = 4
)
$ErrorActionPreference = 'Stop'
$found = @()
function Get-Thing {
    param([string] $Name)
    "$Name $found"
}
$work = {
    param($Id)
    Start-Sleep -Milliseconds $Id
}
try {
    if ($PSCmdlet.ShouldProcess('x')) {
        & '/bin/x' exec --fed "$Jobs" 'a b' | ForEach-Object -Process { $found += $_ }
    }
    Get-Thing -Name $work
}
catch {
    Write-Warning -Message "$_"
}
finally {
    $found.Kill()
}
exit 0
"""
LINE = "    Get-Thing -Name $work\n"

BROKEN = [
    ("grammar", LINE, "    $a ? 1 : 2\n"),
    ("grammar", LINE, "    $found = $work ?? 2\n"),
    ("grammar", LINE, "    $work?.Length\n"),
    ("grammar", LINE, "    if ($work {\n"),
    ("characters", "Nothing.", "Nothing – ."),
    ("characters", "exit 0\n", "exit 0 \n"),
    ("characters", "exit 0\n", "exit 0"),
    ("characters", "    Nothing.", "\tNothing."),
    ("version", "#Requires -Version 5.1\n", "#Requires -Version 7.0\n"),
    ("too new", LINE, LINE.rstrip() + " && Get-Date\n"),
    ("too new", LINE, LINE.rstrip() + " || Get-Date\n"),
    ("too new", LINE, "    $PSStyle.Reset\n"),
    ("too new", LINE, "    if ($IsWindows) { exit 1 }\n"),
    ("too new", LINE, "    Write-Warning -Message utf8NoBOM\n"),
    ("too new", LINE, "    $work.ArgumentList.Add('x')\n"),
    ("too new", "$found.Kill()", "$found.Kill($true)"),
    ("too new", "$found.Kill()", "if ($PSVersionTable.PSVersion.Major -ge 7) { } else { $found.Kill($true) }"),
    ("types", LINE, "    [Management.Automation.PSStyle]::new()\n"),
    ("commands", LINE, "    dir\n"),
    ("commands", LINE, "    $work | % { $_ }\n"),
    ("commands", LINE, "    Write-Host -Object $work\n"),
    ("commands", LINE, "    Invoke-Expression -Command $work\n"),
    ("grammar", LINE, "    ForEach-Object -Parallel $work\n"),
    ("commands", LINE, "    Start-Job -ScriptBlock $work -WorkingDirectory x\n"),
    ("commands", LINE, "    Set-Location x\n"),
    ("commands", LINE, "    Get-Thing -Nam $work\n"),
    ("commands", LINE, "    Get-Thing -Name $work 2>&1\n"),
    ("commands", LINE, "    Write-Warning -Message\n"),
    ("programs", '"$Jobs"', "$Jobs"),
    ("programs", "'/bin/x'", "$Jobs"),
    ("programs", "'a b' |", "'a b' 2>&1 |"),
    ("programs", "'a b' |", "*.md |"),
    ("functions", "Get-Thing", "Fetch-Thing"),
    ("functions", "Get-Thing", "Remove-Thing"),
    ("functions", "Get-Thing", "Get-Things"),
    ("assignments", LINE, LINE + "    $unused = 1\n"),
    ("assignments", LINE, LINE + "    $input = 1\n"),
    ("assignments", '"$Name $found"', '$inner = 1; "$Name"'),
    ("parameters", "Start-Sleep -Milliseconds $Id", "Start-Sleep -Milliseconds 10"),
    ("parameters", '"$Name $found"', '1 | ForEach-Object -Process { "$Name $found" }'),
    ("uses", LINE, "    Get-Thing -Name $wrok\n"),
    ("uses", "-Milliseconds $Id", "-Milliseconds $Jobs"),
    ("uses", LINE, '    Get-Thing -Name "$work: done"\n'),
    ("comparisons", LINE, "    if ($work -eq $null) { exit 1 }\n"),
    ("comparisons", LINE, "    if ($found = $work) { exit 1 }\n"),
    ("comparisons", LINE, "    if ($work > 3) { exit 1 }\n"),
    ("errors", '    Write-Warning -Message "$_"\n', ""),
    ("errors", "$found.Kill()", "Write-Warning -Message x"),
    ("errors", "$found.Kill()", "foreach ($one in $found) { break }"),
    ("endings", "exit 0\n", ""),
    ("endings", LINE, "    return\n"),
    ("endings", LINE, "    exit\n"),
    ("endings", LINE, "    throw 'x'\n"),
    ("endings", '"$Name $found"', "exit 3"),
    ("should process", "$PSCmdlet.ShouldProcess('x')", "$work"),
    ("should process", "SupportsShouldProcess = $true", ""),
    ("help", ".SYNOPSIS", ".Synopsys"),
    ("help", ".PARAMETER Jobs", ".PARAMETER Job"),
    ("help", "<#\n", "<##\n"),
]


def test_a_sound_script_passes() -> None:
    assert problems(SOUND) == []


@pytest.mark.parametrize(("rule", "sound", "broken"), BROKEN, ids=range(len(BROKEN)))
def test_every_rule_refuses_its_broken_specimen(rule: str, sound: str, broken: str) -> None:
    assert SOUND.count(sound) >= 1
    assert rule in {problem.partition(":")[0] for problem in problems(SOUND.replace(sound, broken))}


def test_every_rule_has_a_broken_specimen() -> None:
    assert {rule for rule, _, _ in BROKEN} == set(CHECKERS)


def test_nothing_to_look_at_is_a_problem() -> None:
    found = {problem.partition(":")[0] for problem in problems("")}
    assert {"grammar", "commands", "endings", "help", "version", "should process"} <= found


# Words


def test_an_ascii_text_stands_as_it_is() -> None:
    assert literal("C:\\Users\\it's [x] $(y) `z") == "'C:\\Users\\it''s [x] $(y) `z'"


def test_other_letters_stand_as_codes() -> None:
    assert literal("C:\\Jörg\n🚀") == "[regex]::Unescape('C:\\\\J\\u00f6rg\\u000a\\ud83d\\ude80')"


def value_of(expression: str) -> str:
    """What PowerShell makes of a literal."""
    match = re.fullmatch(r"(\[regex\]::Unescape\()?'((?:[^']|'')*)'(?(1)\))", expression)
    assert match is not None, expression
    text = match[2].replace("''", "'")
    if match[1] is None:
        return text
    units = re.sub(r"\\(?:u([0-9a-f]{4})|\\)", lambda code: chr(int(code[1], 16)) if code[1] else "\\", text)
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le")


TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.text(st.sampled_from("a \\'\"`$u0{}‘’\n\té🚀*[]"))


@given(TEXTS)
def test_a_literal_is_ascii_and_means_its_text(text: str) -> None:
    expression = literal(text)
    assert expression.isascii()
    assert expression.isprintable()
    assert value_of(expression) == text
    assert problems(SOUND.replace("'Stop'", expression)) == []


def split_by_dotnet(line: str) -> list[str]:
    """The arguments as ``Process.Start`` takes them apart on Unix (ParseArgumentsIntoList), and Windows' C runtime."""
    arguments: list[str] = []
    at = 0
    while True:
        while at < len(line) and line[at] in " \t":
            at += 1
        if at == len(line):
            return arguments
        word, is_quoted = "", False
        while at < len(line):
            backslashes = len(line[at:]) - len(line[at:].lstrip("\\"))
            at += backslashes
            if backslashes and line[at : at + 1] == '"':
                word += "\\" * (backslashes // 2)
                if backslashes % 2:
                    word += '"'
                    at += 1
                continue
            word += "\\" * backslashes
            letter = line[at : at + 1]
            if letter == '"':
                is_quoted = not is_quoted
            elif not letter or (letter in " \t" and not is_quoted):
                break
            else:
                word += letter
            at += 1
        arguments.append(word)


@given(st.lists(TEXTS))
def test_dotnet_takes_a_line_of_arguments_apart_as_it_was_meant(texts: list[str]) -> None:
    assert split_by_dotnet(command_line(texts)) == texts
