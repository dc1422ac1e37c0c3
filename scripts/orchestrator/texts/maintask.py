"""``MAIN_TASK``: the four lines that one invocation of the stateless loop leaves behind for the next one.

    STATUS: continue
    NEXT: Review security.
    TASK: T-03
    FOCUS: Begin with the login.

A person may write it too: names and the status in any case, the signs of ``main-task read`` before them, a byte order
mark, CRLF and blank lines are no problem. Pure: bytes in, values and problems out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from orchestrator.dataclasses import dataclass
from orchestrator.errors import Problem
from orchestrator.model import TASK_ID
from orchestrator.store.records import LoopStatus, MainTask
from orchestrator.texts.tokens import estimated_tokens
from orchestrator.wording import excerpt, nearest

MOST_WORDS = 15
MOST_TOKENS = 100
"""Under so many tokens for the whole file, as ``estimated_tokens`` counts them: a quarter of its characters."""

LARGEST_BYTES = 4096
"""What is read of the file; nothing within its limits is longer."""

FIELDS = ("STATUS", "NEXT", "TASK", "FOCUS")
_NEEDED = ("STATUS", "NEXT")
_SIGNS = {LoopStatus.CONTINUE: "▶️", LoopStatus.BLOCKED: "⏸️", LoopStatus.COMPLETED: "✅"}
_LINE = re.compile(r"(?P<sign>[^\w:]*)(?P<name>[\w -]*?)\s*:\s*(?P<value>.*)")
_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s+\S)|[。！？](?=\S)")
_ABBREVIATIONS = frozenset({"e.g", "i.e", "etc", "vs", "cf", "fig", "dr", "mr", "ms", "mrs", "approx"})


@dataclass(frozen=True, slots=True)
class MainTaskReading:
    """What a file says, or every problem with it; ``value`` is None when there is one."""

    value: MainTask | None
    problems: tuple[Problem, ...] = ()


def read_main_task(data: bytes) -> MainTaskReading:
    """What ``data`` says; every problem with its line, what was expected and what to try."""
    if len(data) > LARGEST_BYTES:
        problem = Problem(
            f"it has more than {LARGEST_BYTES:,} bytes, which is all that is read",
            "four short lines: STATUS, NEXT, TASK, FOCUS",
        )
        return MainTaskReading(None, (problem,))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        return MainTaskReading(None, (Problem("it is not UTF-8", "save it as UTF-8", line=line),))
    fields: dict[str, tuple[int, str]] = {}
    problems = [*_taken_apart(text, fields)]
    problems += [
        Problem(f"{name} is missing", f"a line `{name}: {_example(name)}`") for name in _NEEDED if name not in fields
    ]
    status = _status(fields, problems)
    if problems or status is None:
        return MainTaskReading(None, tuple(problems))
    values = {name: value for name, (_, value) in fields.items()}
    main = MainTask(status, values["NEXT"], values.get("TASK"), values.get("FOCUS"))
    lines = {name: line for name, (line, _) in fields.items()}
    problems = [Problem(each.message, each.advice, line=lines.get(name)) for name, each in _limits(main)]
    return MainTaskReading(None if problems else main, tuple(problems))


def main_task_problems(main: MainTask) -> list[Problem]:
    """What is wrong with ``main`` by the limits of its parts, with the counts."""
    return [problem for _, problem in _limits(main)]


def main_task_text(main: MainTask) -> str:
    """``main`` as the file has it."""
    values = (str(main.status), main.next, main.task, main.focus)
    return "".join(f"{name}: {value}\n" for name, value in zip(FIELDS, values, strict=True) if value)


def shown_main_task(main: MainTask) -> str:
    """``main`` for a person and for the model, up to four lines."""
    lines = [f"{_SIGNS[main.status]} STATUS: {main.status.upper()}", f"📋 NEXT: {main.next}"]
    lines += [f"🎯 CURRENT TASK: {main.task}"] * bool(main.task)
    return "\n".join(lines + [f"💡 FOCUS: {main.focus}"] * bool(main.focus))


def one_sentence(text: str, most_words: int = MOST_WORDS, most_characters: int = 100) -> str:
    """``text`` cut to one sentence within the limits; for texts of the plan that go into a sentence of ours."""
    line = " ".join(text.split())
    end = _second_sentence(line)
    line = line[:end] if end else line
    words = line.split()
    short = " ".join(words[:most_words])
    short = short if len(short) <= most_characters else short[: most_characters - 1].rstrip() + "…"
    return short.rstrip(" .,;:")


def _taken_apart(text: str, fields: dict[str, tuple[int, str]]) -> Iterator[Problem]:
    """The problems of the lines of ``text``; what they say goes into ``fields``, with the numbers of the lines."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.strip())
        name = _field(match["name"]) if match else None
        if match is None:
            yield Problem(
                f"{excerpt(line.strip())} is no field", "one of " + ", ".join(FIELDS) + ", as `NEXT: …`", number
            )
        elif name is None:
            near = nearest(match["name"], FIELDS)
            advice = f"write {near}" if near else "one of " + ", ".join(FIELDS)
            yield Problem(f"there is no field {excerpt(match['name'])}", advice, number)
        elif name in fields:
            yield Problem(f"{name} is there twice, first in line {fields[name][0]}", "leave one of them", number)
        elif not match["value"].strip() and name in _NEEDED:
            yield Problem(f"{name} is empty", f"`{name}: {_example(name)}`", number)
            fields[name] = number, ""
        elif match["value"].strip():
            fields[name] = number, match["value"].strip()


def _field(name: str) -> str | None:
    folded = " ".join(name.upper().split())
    folded = "TASK" if folded == "CURRENT TASK" else folded
    return folded if folded in FIELDS else None


def _example(name: str) -> str:
    return "continue" if name == "STATUS" else "Review security."


def _status(fields: dict[str, tuple[int, str]], problems: list[Problem]) -> LoopStatus | None:
    line, said = fields.get("STATUS", (None, ""))
    word = re.sub(r"[^a-z]", "", said.lower())
    if word in list(LoopStatus):
        return LoopStatus(word)
    if said:
        near = nearest(word, list(LoopStatus))
        advice = f"write {near}" if near else "continue, blocked or completed"
        problems.append(Problem(f"there is no status {excerpt(said)}", advice, line))
    return None


def _limits(main: MainTask) -> Iterator[tuple[str, Problem]]:
    for name, text in (("NEXT", main.next), ("FOCUS", main.focus)):
        if text is not None:
            yield from ((name, problem) for problem in _sentence_problems(name, text))
    if main.task is not None and not TASK_ID.fullmatch(main.task):
        yield (
            "TASK",
            Problem(f"TASK is {excerpt(main.task)}, which is no id of a task", "`orchestrate list` shows the ids"),
        )
    tokens = estimated_tokens(main_task_text(main))
    if tokens >= MOST_TOKENS:
        message = f"the whole takes about {tokens} tokens (a quarter of its characters), expected under {MOST_TOKENS}"
        yield "NEXT", Problem(message, "use shorter words; what is long goes into a file of the project")


def _sentence_problems(name: str, text: str) -> Iterator[Problem]:
    if not text.strip():
        yield Problem(f"{name} is empty", "one sentence")
    elif re.search(r"[\x00-\x1f\x7f\u2028\u2029]", text):
        yield Problem(f"{name} has a line break or a control character", "one sentence on one line")
    words = len(text.split())
    if words > MOST_WORDS:
        yield Problem(f"{name} has {words} words, at most {MOST_WORDS} are allowed", "say only what comes next")
    if _second_sentence(text):
        sentences = 1 + sum(1 for _ in _sentence_ends(text))
        yield Problem(
            f"{name} has {sentences} sentences, expected one", "one step; the one after it is set when it is done"
        )


def _sentence_ends(text: str) -> Iterator[int]:
    """Where sentences end that are followed by more; the dot of an abbreviation or an initial ends none."""
    for match in _SENTENCE_END.finditer(text):
        word = text[: match.start()].rpartition(" ")[2].strip("(\"'“‘[").casefold()
        is_short = match[0] == "." and (word in _ABBREVIATIONS or (len(word) == 1 and word.isalpha()))
        if not is_short:
            yield match.end()


def _second_sentence(text: str) -> int | None:
    """Where the first sentence of ``text`` ends when another one follows."""
    return next(_sentence_ends(text), None)
