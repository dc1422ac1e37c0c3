"""The commands that agents and launch scripts give again and again, without the library that reads command lines: it
takes longer to load than they take themselves.

Only what is plainly right is understood here: whole names of options, a value behind its option. Anything else, help
and mistakes among it, is left to ``program``, whose declarations are the ones that hold; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from orchestrator.commands.place import Place
from orchestrator.errors import ExitCode

Given = dict[str, object]
"""The parameters of a command by name, as its declaration in ``cli`` calls them."""


class Form:
    """How a command is written: what takes its ids (``one`` or ``many``; neither: it has none), and its options.

    Every command has ``--dir``, ``--json`` and ``--debug`` too.
    """

    __slots__ = ("decimals", "flags", "lists", "many", "numbers", "one", "perform", "texts")

    def __init__(
        self,
        perform: Callable[..., ExitCode],
        *,
        one: str = "",
        many: str = "",
        flags: Sequence[str] = (),
        texts: Sequence[str] = (),
        lists: Sequence[str] = (),
        numbers: Sequence[str] = (),
        decimals: Sequence[str] = (),
    ) -> None:
        self.perform = perform
        self.one = one
        self.many = many
        self.flags = (*flags, "--json", "--debug")
        self.texts = (*texts, "--dir")
        self.lists = lists
        self.numbers = numbers
        self.decimals = decimals

    def read(self, words: Sequence[str]) -> Given | None:
        """The parameters that ``words`` give; None when they are not plainly right."""
        given: Given = {}
        ids: list[str] = []
        left = iter(words)
        for word in left:
            if not word.startswith("-"):
                ids.append(word)
            elif word in self.flags:
                given[_parameter(word)] = True
            else:
                value = next(left, "--")
                if (value.startswith("-") and value != "-") or not self._take(given, word, value):
                    return None
        if self.many and ids:
            return {**given, self.many: ids}
        if self.one and len(ids) == 1:
            return {**given, self.one: ids[0]}
        return given if not (ids or self.one or self.many) else None

    def _take(self, given: Given, option: str, value: str) -> bool:
        name = _parameter(option)
        if option in self.texts:
            given[name] = value
        elif option in self.lists:
            given.setdefault(name, []).append(value)  # type: ignore[attr-defined]
        elif option in self.numbers and value.isascii() and value.isdecimal():
            given[name] = int(value)
        elif option in self.decimals and value.isascii() and value.replace(".", "", 1).isdecimal():
            given[name] = float(value)
        else:
            return False
        return True


def understood(words: Sequence[str]) -> Callable[[], ExitCode] | None:
    """The command that ``words`` plainly are; None for any other."""
    form = FORMS.get(words[0]) if words else None
    given = form.read(words[1:]) if form is not None else None
    if form is None or given is None:
        return None
    perform = form.perform
    return lambda: perform(**given)


def _parameter(option: str) -> str:
    return "as_json" if option == "--json" else option[2:].replace("-", "_")


def status(full: bool = False, dir: str | None = None, as_json: bool = False, debug: bool = False) -> ExitCode:
    """``status``."""
    from orchestrator.commands import show

    return show.status(Place.here(dir, as_json), is_full=full)


def next_tasks(ascii: bool = False, dir: str | None = None, as_json: bool = False, debug: bool = False) -> ExitCode:
    """``next``."""
    from orchestrator.commands import show

    return show.next_tasks(Place.here(dir, as_json), is_ascii=ascii)


def start(
    tasks: Sequence[str],
    renew: bool = False,
    ascii: bool = False,
    dir: str | None = None,
    as_json: bool = False,
    debug: bool = False,
) -> ExitCode:
    """``start``."""
    from orchestrator.commands.start import start

    return start(Place.here(dir, as_json), tasks, is_renewal=renew, is_ascii=ascii)


def complete(
    task: str,
    result: str | None = None,
    step: Sequence[str] | None = None,
    summary: Sequence[str] | None = None,
    attempt: int | None = None,
    ascii: bool = False,
    dir: str | None = None,
    as_json: bool = False,
    debug: bool = False,
) -> ExitCode:
    """``complete``."""
    from orchestrator.commands.complete import complete

    return complete(
        Place.here(dir, as_json),
        task,
        result=result,
        attempt=attempt,
        steps=step or [],
        summary=summary or [],
        is_ascii=ascii,
    )


def fail(
    task: str,
    reason: str = "failed by hand",
    final: bool = False,
    attempt: int | None = None,
    dir: str | None = None,
    as_json: bool = False,
    debug: bool = False,
) -> ExitCode:
    """``fail``."""
    from orchestrator.commands import act

    return act.fail(Place.here(dir, as_json), task, reason=reason, attempt=attempt, is_final=final)


def exec_task(
    task: str,
    jobs: int | None = None,
    executor: str | None = None,
    command: str | None = None,
    claude: str | None = None,
    scale: float | None = None,
    fed: bool = False,
    tied: bool = False,
    dir: str | None = None,
    as_json: bool = False,
    debug: bool = False,
) -> ExitCode:
    """``exec``, which the launch scripts start once for every attempt."""
    from orchestrator.commands import execute
    from orchestrator.workers.options import Wishes

    wishes = Wishes(jobs, executor, command, claude, scale)
    return execute.exec_task(Place.here(dir, as_json), task, wishes, is_fed=fed, is_tied=tied)


FORMS: Mapping[str, Form] = {
    "status": Form(status, flags=["--full"]),
    "next": Form(next_tasks, flags=["--ascii"]),
    "start": Form(start, many="tasks", flags=["--renew", "--ascii"]),
    "complete": Form(
        complete,
        one="task",
        flags=["--ascii"],
        texts=["--result"],
        lists=["--step", "--summary"],
        numbers=["--attempt"],
    ),
    "exec": Form(
        exec_task,
        one="task",
        flags=["--fed", "--tied"],
        texts=["--executor", "--command", "--claude"],
        numbers=["--jobs"],
        decimals=["--scale"],
    ),
    "fail": Form(fail, one="task", flags=["--final"], texts=["--reason"], numbers=["--attempt"]),
}
