"""What is checked of a PowerShell script without PowerShell: pure functions from its text to the problems found.

The rules are those that Windows PowerShell 5.1 and PSScriptAnalyzer's default
set would apply, as far as this project's scripts can break them, and what was measured of both versions. What a script
uses beyond the tables here is refused until somebody has looked it up for 5.1 and 7.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator

from tree_sitter import Node

from powershell_tree import Role, at, every, is_only, name_of, parameters, parents, parsed, text_of, variables

# The cmdlets that a script may call: their parameters that both versions have, and whether each takes a value.
CMDLETS: dict[str, dict[str, bool]] = {
    "ForEach-Object": {"Process": True},
    "Get-Date": {},
    "New-Object": {"TypeName": True, "ArgumentList": True},
    "Pop-Location": {},
    "Push-Location": {"LiteralPath": True},
    "Remove-Job": {"Job": True, "Force": False},
    "Set-Location": {"LiteralPath": True, "ErrorAction": True},
    "Set-Variable": {"Name": True, "Value": True, "WhatIf": True},
    "Sort-Object": {},
    "Split-Path": {"Path": True, "Parent": False},
    "Start-Job": {"Name": True, "ScriptBlock": True, "ArgumentList": True},
    "Start-Sleep": {"Milliseconds": True},
    "Test-Path": {"LiteralPath": True, "PathType": True},
    "Wait-Job": {"Job": True},
    "Write-Progress": {"Activity": True, "Status": True, "PercentComplete": True, "Completed": False},
    "Write-Verbose": {"Message": True},
    "Write-Warning": {"Message": True},
}
NOT_IN_5_1 = {"PSStyle", "IsWindows", "IsLinux", "IsMacOS", "IsCoreCLR", "EnabledExperimentalFeatures"}
AUTOMATIC = {
    *("_", "true", "false", "null", "LASTEXITCODE", "PID", "PSScriptRoot", "PSCmdlet", "PSVersionTable"),
    *("ExecutionContext", "WhatIfPreference"),
}
# Variables that PowerShell reads: to assign them is to use them.
SETTINGS = {"ErrorActionPreference", "OutputEncoding"}
ASSIGNED_BY_POWERSHELL = {
    *("_", "args", "Error", "event", "EventArgs", "EventSubscriber", "ExecutionContext", "false", "ForEach", "Home"),
    *("Host", "input", "matches", "MyInvocation", "NestedPromptLevel", "PID", "Profile", "PSBoundParameters"),
    *("PSCmdlet", "PSCommandPath", "PSCulture", "PSEdition", "PSHome", "PSScriptRoot", "PSUICulture"),
    *("PSVersionTable", "Sender", "ShellId", "StackTrace", "Switch", "This", "true"),
}
# Approved, and none of those that would need ShouldProcess (New, Set, Remove, Start, Stop, Restart, Reset, Update).
VERBS = {"Get", "Initialize", "Invoke", "Read", "Show", "Test", "Wait", "Write"}
TYPES = {
    *("Console", "Diagnostics.Process", "IO.Directory", "Math", "powershell", "runspacefactory"),
    *("CmdletBinding", "hashtable", "int", "regex", "string", "string[]", "switch"),
}

Checker = Callable[[Node, str], Iterator[str]]


def problems(text: str) -> list[str]:
    """Everything that is wrong with a script, each with its line."""
    root = parsed(text)
    return [f"{name}: {problem}" for name, checker in CHECKERS.items() for problem in checker(root, text)]


def folded(names: Collection[str]) -> set[str]:
    """Names as they compare."""
    return {name.casefold() for name in names}


# --- the checkers


def grammar(root: Node, text: str) -> Iterator[str]:
    """It parses; ``??``, ``?.`` and ``?:`` are not in the grammar at all."""
    if not root.child_count:
        yield "there is nothing to look at"
    for node in (root, *every(root)):
        if node.type == "ERROR" or node.is_missing:
            yield at(node, "does not parse")


def characters(root: Node, text: str) -> Iterator[str]:
    """Pure ASCII, because 5.1 reads a file without a byte order mark as ANSI; nothing at the end of a line."""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.isascii() or "\t" in line or line != line.rstrip():
            yield f"line {number}: not ASCII, a tab, or blanks at its end: {line!r}"
    if not text.endswith("\n"):
        yield "the last line has no end"


def version(root: Node, text: str) -> Iterator[str]:
    if not text.startswith("#Requires -Version 5.1\n"):
        yield "the first line does not say which version it requires"


def too_new(root: Node, text: str) -> Iterator[str]:
    """What 5.1 lacks, unless an ``if`` on the version is around it."""
    for node in every(root, "pipeline_chain_tail"):
        yield at(node, "5.1 has no such operator")
    for variable in variables(root):
        if variable.name in folded(NOT_IN_5_1):
            yield at(variable.node, "5.1 has no such variable")
    for node in every(root, "generic_token", "string_literal"):
        if text_of(node).strip("'\"").casefold() in ("utf8nobom", "utf8bom"):
            yield at(node, "5.1 has no such encoding")
    for node in every(root, "member_access", "invokation_expression"):
        member = next((text_of(child) for child in node.children if child.type == "member_name"), "")
        has_arguments = any(True for _ in every(node.children[-1], "argument_expression"))
        is_new = member == "ArgumentList" or (member == "Kill" and has_arguments)
        if is_new and not _is_behind_version(node):
            yield at(node, "the .NET of 5.1 has no such member")


def _is_behind_version(node: Node) -> bool:
    """Whether a node is in what an ``if`` runs on 7 alone, not in its ``else``."""
    inside = node
    for parent in parents(node):
        condition = text_of(parent).split("{")[0] if parent.type == "if_statement" else ""
        if "$PSVersionTable.PSVersion.Major -ge 7" in condition and inside.type == "statement_block":
            return True
        inside = parent
    return False


def types(root: Node, text: str) -> Iterator[str]:
    """Types that both versions have under this name."""
    for node in every(root, "type_literal"):
        if text_of(node).strip()[1:-1] not in TYPES:
            yield at(node, "an unknown type")


def commands(root: Node, text: str) -> Iterator[str]:
    """Known cmdlets and own functions by their full names, each argument with its parameter."""
    own = {text_of(node): _own_parameters(node.parent) for node in every(root, "function_name") if node.parent}
    known = {**CMDLETS, **own}
    inspected = 0
    for node in every(root, "command"):
        name = node.child_by_field_name("command_name")
        if name is None or name.type != "command_name":
            continue
        inspected += 1
        parameters = known.get(text_of(name))
        if parameters is None:
            yield at(node, "neither a known cmdlet nor a function of the script")
            continue
        yield from _arguments(node, parameters)
    if not inspected:
        yield "there is no command to look at"


def _own_parameters(function: Node) -> dict[str, bool]:
    return {text_of(node).lstrip("$"): True for node in parameters(function.children[-2])}


def _arguments(command: Node, parameters: dict[str, bool]) -> Iterator[str]:
    takes_value = False
    for node in _elements(command):
        if node.type == "command_parameter":
            name = text_of(node).lstrip("-")
            if takes_value or name not in parameters:
                yield at(command, f"-{name} is not known, or the parameter before it has no value")
            takes_value = parameters.get(name, False)
        elif node.type == "redirection":
            yield at(command, "a redirection")
        elif not takes_value:
            yield at(command, "an argument without its parameter")
        else:
            takes_value = False
    if takes_value:
        yield at(command, "the last parameter has no value")


def _elements(command: Node) -> Iterator[Node]:
    for elements in (node for node in command.children if node.type == "command_elements"):
        yield from (node for node in elements.children if node.type != "command_argument_sep")


def programs(root: Node, text: str) -> Iterator[str]:
    """Programs get quoted words: on Unix a bare variable is expanded like a file pattern. No stderr in a stream."""
    for node in every(root, "command"):
        if node.children[0].type != "command_invokation_operator":
            continue
        name = node.children[1]
        if not text_of(name).startswith(("'", '"')):
            yield at(name, "the program is not quoted")
        for word in _elements(node):
            is_quoted = is_only(word, "string_literal")
            is_splat = is_only(word, "variable") and text_of(word).startswith("@")
            is_plain = word.type in ("generic_token", "command_parameter") and re.fullmatch(r"[a-z-]+", text_of(word))
            if not (is_quoted or is_splat or is_plain):
                yield at(word, "an argument that is not quoted, or a redirection")


def functions(root: Node, text: str) -> Iterator[str]:
    """Approved verbs that change nothing by the analyzer's book, and singular nouns."""
    for node in every(root, "function_name"):
        verb, _, noun = text_of(node).partition("-")
        if verb not in VERBS:
            yield at(node, "a verb that is not approved, or that would need ShouldProcess")
        if not re.fullmatch(r"([A-Z][a-z]+)+", noun) or noun.endswith("s"):
            yield at(node, "not a singular noun")


def assignments(root: Node, text: str) -> Iterator[str]:
    """Nothing is assigned in vain, and nothing that belongs to PowerShell."""
    used = [variable for variable in variables(root) if variable.role is Role.USED]
    for variable in variables(root):
        if variable.role is not Role.ASSIGNED or variable.name == "null":
            continue
        if variable.name in folded(ASSIGNED_BY_POWERSHELL):
            yield at(variable.node, "PowerShell assigns this variable")
        is_read = any(each.name == variable.name and variable.is_seen_from(each) for each in used)
        if not is_read and variable.name not in folded(SETTINGS) and not variable.name.startswith("env:"):
            yield at(variable.node, "assigned and never used")


def own_parameters(root: Node, text: str) -> Iterator[str]:
    """Each parameter is used in its own block; the analyzer does not look into blocks inside."""
    for block in (root, *every(root, "script_block")):
        inside = every(block, "variable", without=("script_block", "param_block"))
        used = {name_of(node) for node in inside}
        for node in parameters(block):
            if name_of(node) not in used:
                yield at(node, "a parameter that its block does not use")


def uses(root: Node, text: str) -> Iterator[str]:
    """What is used was assigned, in its block or around it; a block that runs elsewhere has only what it is given."""
    given = [variable for variable in variables(root) if variable.role is not Role.USED]
    for variable in variables(root):
        if variable.role is not Role.USED or variable.name in folded(AUTOMATIC) or variable.name.startswith("env:"):
            continue
        if not any(each.name == variable.name and each.is_seen_from(variable) for each in given):
            yield at(variable.node, "used and never assigned")
    for node in every(root, "expandable_string_literal"):
        if re.search(r"\$(?!env:)\w+:", text_of(node)):
            yield at(node, "a variable before a colon, which would be its drive")


def comparisons(root: Node, text: str) -> Iterator[str]:
    """``$null`` stands on the left, and no condition assigns."""
    for node in every(root, "comparison_expression"):
        if node.child_count == 3 and text_of(node.children[2]) == "$null":
            yield at(node, "$null on the right")
    for node in every(root, "if_statement", "elseif_clause", "while_statement"):
        condition = next(child for child in node.children if child.type in ("pipeline", "while_condition"))
        if any(True for _ in every(condition, "assignment_expression", "redirection")):
            yield at(node, "a condition that assigns or redirects")


def errors(root: Node, text: str) -> Iterator[str]:
    """No empty ``catch``; in a ``finally`` nothing that leaves it, and no cmdlet: after Ctrl-C it would not run."""
    for node in every(root, "catch_clause"):
        if not any(child.type == "statement_list" for child in node.children[-1].children):
            yield at(node, "an empty catch")
    for node in every(root, "finally_clause"):
        for inner in every(node, "command", "flow_control_statement"):
            if not text_of(inner).startswith("exit "):
                yield at(inner, "does not run in a finally, or leaves it")


def endings(root: Node, text: str) -> Iterator[str]:
    """Every end of the script is an explicit ``exit`` with its code."""
    for node in every(root, "flow_control_statement", without=("function_statement", "script_block_expression")):
        if not text_of(node).startswith(("exit ", "continue")):
            yield at(node, "not an exit with a code")
    for node in every(root, "function_statement"):
        for inner in every(node, "flow_control_statement"):
            if text_of(inner).startswith(("exit", "throw")):
                yield at(inner, "a function does not end the script")
    last = list(every(root, "statement_list", without=("statement_list",)))[-1:]
    if not last or not text_of(last[0].children[-1]).startswith("exit "):
        yield "the last statement is no exit"


def should_process(root: Node, text: str) -> Iterator[str]:
    declared = "SupportsShouldProcess" in text
    if declared != bool(re.search(r"\$PSCmdlet\.ShouldProcess\(", text)) or not declared:
        yield "SupportsShouldProcess and ShouldProcess do not go together"


def help_page(root: Node, text: str) -> Iterator[str]:
    """Comment-based help before everything else, with each parameter and an example."""
    page = re.match(r"#[^\n]*\n\n<#\n(.*?)\n#>\n\[CmdletBinding", text, re.DOTALL)
    if page is None:
        yield "no help in front"
        return
    keywords = re.findall(r"^\.(\w+)(?: (\w+))?$", page[1], re.MULTILINE)
    for wanted in ("SYNOPSIS", "DESCRIPTION", "EXAMPLE"):
        if (wanted, "") not in keywords:
            yield f"the help has no {wanted}"
    told = {name for keyword, name in keywords if keyword == "PARAMETER"}
    if told != {text_of(node).lstrip("$") for node in parameters(root)}:
        yield "the help has other parameters than the script"


CHECKERS: dict[str, Checker] = {
    "grammar": grammar,
    "characters": characters,
    "version": version,
    "too new": too_new,
    "types": types,
    "commands": commands,
    "programs": programs,
    "functions": functions,
    "assignments": assignments,
    "parameters": own_parameters,
    "uses": uses,
    "comparisons": comparisons,
    "errors": errors,
    "endings": endings,
    "should process": should_process,
    "help": help_page,
}
