"""The syntax tree of a PowerShell script (tree-sitter-powershell's), and what its variables are."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache

import tree_sitter_powershell
from tree_sitter import Language, Node, Parser

BLOCKS = ("script_block", "program")


@cache
def parsed(text: str) -> Node:
    """The root of a script."""
    return Parser(Language(tree_sitter_powershell.language())).parse(text.encode()).root_node


def text_of(node: Node) -> str:
    return (node.text or b"").decode()


def at(node: Node, message: str) -> str:
    """A problem with its line and the begin of what it is about."""
    return f"line {node.start_point[0] + 1}: {message}: {text_of(node).partition(chr(10))[0][:80]}"


def every(node: Node, *types: str, without: Collection[str] = ()) -> Iterator[Node]:
    """The nodes below one, of these types if any are named; nothing inside nodes of the types in ``without``."""
    for child in node.children:
        if not types or child.type in types:
            yield child
        if child.type not in without:
            yield from every(child, *types, without=without)


def parents(node: Node) -> Iterator[Node]:
    """What a node is in, from the inside out."""
    while node.parent is not None:
        node = node.parent
        yield node


def is_only(node: Node, type: str) -> bool:
    """Whether an expression is nothing but a node of one type, through the levels of the grammar."""
    while node.type != type:
        if node.child_count != 1:
            return False
        node = node.children[0]
    return True


class Role(Enum):
    """What a variable is where it stands."""

    DECLARED = "a parameter"
    ASSIGNED = "assigned as a whole"
    USED = "used"


@dataclass(frozen=True)
class Variable:
    """A variable where it stands: its name in small letters, and the block in whose scope it is."""

    name: str
    role: Role
    scope: Node
    node: Node

    def is_seen_from(self, other: Variable) -> bool:
        """Whether the scope of ``other`` is this one's or inside it, and runs where this one is."""
        scope = other.scope
        while scope != self.scope:
            if scope.type == "program" or _is_kept(scope):
                return False
            scope = _scope(scope)
        return True


@cache
def variables(root: Node) -> tuple[Variable, ...]:
    """Every variable of a script; ``+=`` assigns and uses."""
    return tuple(
        Variable(name_of(node), role, _scope(node), node) for node in every(root, "variable") for role in _roles(node)
    )


def name_of(variable: Node) -> str:
    """Without the sign and braces, in small letters, because PowerShell does not tell them apart."""
    return text_of(variable).lstrip("$@").strip("{}").casefold()


def parameters(block: Node) -> list[Node]:
    """The variables in the ``param`` of a block."""
    found = every(block, "script_parameter", without=("script_block", "statement_list"))
    return [next(child for child in node.children if child.type == "variable") for node in found]


def _scope(node: Node) -> Node:
    """The block in whose scope a node is; what ForEach-Object runs is in the scope around it."""
    return next(parent for parent in parents(node) if parent.type in BLOCKS and not _is_inline(parent))


def _is_inline(block: Node) -> bool:
    command = next((node for node in parents(block) if node.type in ("command", "pipeline", "statement_list")), None)
    return command is not None and command.type == "command" and text_of(command).startswith("ForEach-Object")


def _is_kept(block: Node) -> bool:
    """Whether a block is assigned to a variable: then it runs elsewhere, where no variable of the script is."""
    inner = next(
        (node.type for node in parents(block) if node.type in ("command", "assignment_expression", *BLOCKS)), ""
    )
    return inner == "assignment_expression"


def _roles(node: Node) -> Iterator[Role]:
    above = [node, *parents(node)]
    types = [each.type for each in above]
    if node.parent is not None and node.parent.type == "script_parameter":
        yield Role.DECLARED
    elif node.parent is not None and node.parent.type == "foreach_statement":
        yield Role.ASSIGNED
    elif "left_assignment_expression" in types:
        left = types.index("left_assignment_expression")
        if {"member_access", "element_access", "statement_list"} & set(types[:left]):
            yield Role.USED
            return
        yield Role.ASSIGNED
        if any(text_of(child) == "+=" for child in above[left + 1].children):
            yield Role.USED
    else:
        yield Role.USED
