"""What is checked of the documents: pure functions from texts and facts to the problems found.

Every checker names each problem with its document and line, and finds one too when there was nothing to look at:
a checker that inspects nothing must fail, not pass.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from document_pieces import Texts, anchor, anchors, pieces, tables

_CALL = re.compile(r"(?<![\w/.-])(?:orchestrate|\S*/orchestrate\.py\"?)[ \t]+(?=(?P<words>[^\n]*))")
_NUMBERED_KEY = re.compile(r"T-\d+|stage_\d+")
_SHELL_ENDS = frozenset({"&&", "||", "|", ";", ">", ">>", "<", "#", "→"})
_PLACEHOLDERS = frozenset({"COMMAND", "COMMAND:", "--help", "--version"})


def _or_nothing(inspected: int, problems: list[str], what: str) -> list[str]:
    return problems if inspected else [f"there is no {what} to look at"]


# --- commands and options


@dataclass(frozen=True)
class Call:
    """A command of the program as a document names it."""

    place: str
    command: str
    options: tuple[str, ...]


def calls(texts: Texts) -> list[Call]:
    """Every ``orchestrate COMMAND`` in code spans and fenced blocks."""
    found = []
    for piece in pieces(texts, "code", "fence"):
        for match in _CALL.finditer(piece.text):
            words = list(_words(match["words"]))
            if words:
                options = tuple(word.partition("=")[0] for word in words[1:] if re.match(r"--?[a-zA-Z]", word))
                found.append(Call(piece.place, words[0].rstrip(".,:;`)"), options))
    return found


def _words(text: str) -> Iterator[str]:
    try:
        words = shlex.split(text.partition("`")[0])
    except ValueError:
        words = text.split()
    for word in words:
        if word in _SHELL_ENDS:
            return
        yield word.rstrip(";,`)")
        if word.endswith(";"):
            return


def unknown_calls(texts: Texts, options: Mapping[str, Collection[str]]) -> list[str]:
    """Commands and options that the program does not have; ``options`` are those of each command."""
    found = calls(texts)
    problems = []
    for call in found:
        if call.command in _PLACEHOLDERS:
            continue
        if call.command not in options:
            problems.append(f"{call.place}: there is no command {call.command}")
            continue
        known = {*options[call.command], "--help"}
        problems += [
            f"{call.place}: {call.command} has no option {option}" for option in call.options if option not in known
        ]
    return _or_nothing(len(found), problems, "command")


def unknown_flags(texts: Texts, known: Collection[str]) -> list[str]:
    """Code spans that are an option by itself and are in no program that we know."""
    spans = [piece for piece in pieces(texts, "code") if re.match(r"--[a-z]", piece.text)]
    flags = [(piece, re.split(r"[ =]", piece.text)[0]) for piece in spans]
    return _or_nothing(
        len(flags), [f"{piece.place}: nobody has the flag {flag}" for piece, flag in flags if flag not in known], "flag"
    )


def unknown_targets(texts: Texts, makefile: str) -> list[str]:
    """``make`` targets that the Makefile does not have."""
    there = set(re.findall(r"^([a-z]+):(?!=)", makefile, re.MULTILINE))
    named = [
        (piece, target)
        for piece in pieces(texts, "code", "fence")
        for target in re.findall(r"(?:^|[`\n])make ([a-z]+)", piece.text)
    ]
    problems = [f"{piece.place}: there is no target {target}" for piece, target in named if target not in there]
    return _or_nothing(len(named), problems, "make target")


def unsaid_commands(sentences: Mapping[str, str], helps: Mapping[str, Mapping[str, str]], texts: Texts) -> list[str]:
    """Commands without a sentence, parameters without a help text, commands that no document shows in a table."""
    problems = [f"{name}: no sentence" for name, sentence in sentences.items() if not re.search(r"\S\.$", sentence)]
    problems += [f"{name}: {each} has no help" for name, all in helps.items() for each, help in all.items() if not help]
    for document, text in texts.items():
        shown = {row[0].split(" ")[0] for table in tables({document: text}) for row in table.rows if row}
        problems += [f"{document}: no row for {name}" for name in sentences if name not in shown]
    return _or_nothing(len(sentences) * len(texts), problems, "command")


# --- files and links


def unknown_files(texts: Texts, is_there: Callable[[str], bool]) -> list[str]:
    """Code spans that name a file or folder which neither the repository nor a run has."""
    named = [piece for piece in pieces(texts, "code") if _is_path(piece.text)]
    problems = [f"{piece.place}: there is no {piece.text}" for piece in named if not is_there(piece.text)]
    return _or_nothing(len(named), problems, "file")


def _is_path(text: str) -> bool:
    if not re.fullmatch(r"~?[\w.][\w./-]*|~/[\w./-]*", text):
        return False
    return "/" in text or PurePosixPath(text).suffix in {
        *(".md", ".py", ".yaml", ".toml", ".json", ".jsonl", ".j2", ".sh", ".ps1", ".html", ".torn", ".lock", ".err"),
    }


def broken_links(texts: Texts, exists: Callable[[str], bool]) -> list[str]:
    """Links to files that are not there, or to headings that no document has."""
    links = [piece for piece in pieces(texts, "link") if not re.match(r"[a-z]+:", piece.info)]
    problems = []
    for link in links:
        path, _, place = link.info.partition("#")
        target = str(PurePosixPath(link.document).parent / path) if path else link.document
        if not exists(target):
            problems.append(f"{link.place}: there is no {target}")
        elif place and place not in anchors(texts.get(target, "")):
            problems.append(f"{link.place}: {target} has no heading #{place}")
    return _or_nothing(len(links), problems, "link")


def unlinked(texts: Texts, front: str, references: Collection[str]) -> list[str]:
    """References that the front page does not offer in its table "open … when …"."""
    offers = [table for table in tables({front: texts[front]}) if table.head == ("open", "when")]
    offered = {row[0] for table in offers for row in table.rows if row[1]}
    return _or_nothing(
        len(references),
        [f"{front} does not say when to open {name}" for name in references if name not in offered],
        "reference",
    )


# --- form


def heading_problems(texts: Texts) -> list[str]:
    """One heading of the first level, which comes first; no level left out; no heading twice in one place."""
    headings = pieces(texts, "heading")
    problems = []
    before: dict[str, int] = {}
    for piece in headings:
        level, last = int(piece.info), before.get(piece.document, 0)
        if level > last + 1:
            problems.append(f"{piece.place}: level {level} after level {last}")
        if level == 1 and last:
            problems.append(f"{piece.place}: a second title")
        before[piece.document] = level
    problems += [f"{name}: no heading" for name in texts if name not in before]
    return _or_nothing(len(headings), problems, "heading")


LONGEST_WITHOUT_CONTENTS = 100


def contents_problems(texts: Texts) -> list[str]:
    """Documents over a hundred lines whose list of contents is not their headings of the second level."""
    long = {name: text for name, text in texts.items() if text.count("\n") > LONGEST_WITHOUT_CONTENTS}
    problems = []
    for name, text in long.items():
        head = text.partition("\n## ")[0]
        listed = [piece.info.removeprefix("#") for piece in pieces({name: head}, "link") if piece.info.startswith("#")]
        there = [anchor(piece.text) for piece in pieces({name: text}, "heading") if piece.info == "2"]
        if listed != there:
            problems.append(f"{name}: contents are {listed}, headings are {there}")
    return _or_nothing(len(long), problems, "document over a hundred lines")


PORTABLE_KEYS = ("name", "description", "license", "compatibility", "metadata", "allowed-tools")


def front_matter_problems(text: str, folder: str) -> list[str]:
    """What the validators of skills refuse in the front matter of SKILL.md, and what a session would not load."""
    match = re.match(r"---\n(?P<lines>.*?)^---\n", text, re.DOTALL | re.MULTILINE)
    if match is None:
        return ["there is no front matter at the very beginning"]
    import yaml

    lines = match["lines"].splitlines()
    problems = [f"flow style: {line}" for line in lines if re.match(r"[\w-]+:\s*[\[{]", line)]
    problems += [f"an unquoted colon: {line}" for line in lines if re.match(r"[\w-]+:\s+[^'\"|>].*: ", line)]
    try:
        values = yaml.safe_load(match["lines"])
    except yaml.YAMLError as error:
        return [*problems, f"no YAML: {error}"]
    problems += [f"the key {key} is not portable" for key in values if key not in PORTABLE_KEYS]
    if "allowed-tools" in values:
        problems.append("allowed-tools makes a session without a person deny the skill")
    name, description = str(values.get("name", "")), str(values.get("description", ""))
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) or len(name) > 64 or name != folder:
        problems.append(f"the name is {name!r}, expected {folder!r}")
    if not 0 < len(description) <= 1024 or re.search("[<>]", description):
        problems.append("the description has no text, more than 1,024 characters, or < or >")
    if len(str(values.get("compatibility", ""))) > 500:
        problems.append("compatibility has more than 500 characters")
    return problems


MOST_LINES = 250
MOST_TOKENS = 5_000
BYTES_PER_TOKEN = 3
"""Fewer than Markdown in English takes, so that the estimate errs to the safe side."""


def size_problems(text: str) -> list[str]:
    """Whether SKILL.md is small enough to come back whole after a compaction."""
    problems = []
    if not text.strip():
        return ["there is no text to look at"]
    if (lines := text.count("\n")) > MOST_LINES:
        problems.append(f"{lines} lines, at most {MOST_LINES}")
    if (tokens := len(text.encode()) // BYTES_PER_TOKEN) >= MOST_TOKENS:
        problems.append(f"about {tokens} tokens, fewer than {MOST_TOKENS} come back after a compaction")
    return problems


def substitution_problems(texts: Texts, front: str) -> list[str]:
    """Texts that a session would replace or run when it loads SKILL.md, and variables that only SKILL.md has."""
    problems = []
    for name, text in texts.items():
        for number, line in enumerate(text.splitlines(), 1):
            if name != front and "${CLAUDE_SKILL_DIR}" in line:
                problems.append(f"{name}:{number}: only {front} expands ${{CLAUDE_SKILL_DIR}}")
            if name == front and re.search(r"\$\d|\$ARGUMENTS|!`", line):
                problems.append(f"{name}:{number}: would be substituted or run")
    return _or_nothing(len(texts), problems, "document")


# --- facts in tables


def table_problems(texts: Texts, expected: Mapping[str, Collection[str]]) -> list[str]:
    """Tables whose first column, named by its head, does not list exactly what the code has."""
    found = tables(texts)
    problems = []
    for head, values in expected.items():
        mine = [table for table in found if table.head[0].strip("`") == head]
        problems += [f"there is no table of {head}"] * (not mine)
        for table in mine:
            listed = [row[0] for row in table.rows]
            if sorted(listed) != sorted(values):
                odd = sorted(set(listed).symmetric_difference(values)) or "a repetition"
                problems.append(f"{table.document}:{table.line}: {head} differs from the code in {odd}")
    return problems


def shape_problems(shown: object, answer: object, place: str = "$") -> list[str]:
    """How the JSON that a document shows differs in keys and types from what the program answered.

    Null fits everything, an empty list fits every list; of lists and of maps by task the first entries are compared.
    """
    if shown is None or answer is None:
        return []
    if isinstance(shown, dict) and isinstance(answer, dict):
        if shown and answer and all(_NUMBERED_KEY.fullmatch(key) for key in (*shown, *answer)):
            return shape_problems(next(iter(shown.values())), next(iter(answer.values())), f"{place}.ID")
        problems = [f"{place}: {key} is not in the answer" for key in shown if key not in answer]
        problems += [f"{place}: {key} is not in the document" for key in answer if key not in shown]
        for key in shown:
            if key in answer:
                problems += shape_problems(shown[key], answer[key], f"{place}.{key}")
        return problems
    if isinstance(shown, list) and isinstance(answer, list):
        return shape_problems(shown[0], answer[0], f"{place}[0]") if shown and answer else []
    numbers = (int, float)
    alike = type(shown) is type(answer) or all(type(each) in numbers for each in (shown, answer))
    return [] if alike else [f"{place}: {type(shown).__name__} in the document, {type(answer).__name__} in the answer"]


def flags_in_use(sources: Texts, flags: Collection[str]) -> list[str]:
    """Where a source uses a flag of ``claude`` that does not exist."""
    problems = [
        f"{name}:{number}: uses {flag}"
        for name, text in sources.items()
        for number, line in enumerate(text.splitlines(), 1)
        for flag in flags
        if re.search(rf"{flag}(?![\w-])", line)
    ]
    return _or_nothing(len(sources) * len(flags), problems, "source or flag")
