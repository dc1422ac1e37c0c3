"""The templates that ship with the package, and the one environment that renders them.

Text of plans and results is only ever a value of a template, never its source.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import BytecodeCache, Environment, Template

FOLDER = Path(__file__).resolve().parent.parent / "templates"

# A template that ends so makes a page for a browser, and its values are escaped for one.
ESCAPED_ENDINGS = ("html", "html.j2", "htm", "svg.j2", "xml.j2")


def rendered(name: str, /, **values: object) -> str:
    """The text of the template ``name`` (``agent_task.md.j2``) with ``values``.

    Raises ``jinja2.UndefinedError`` where the template uses a value that was not given.
    """
    return template(name).render(values)


@cache
def template(name: str) -> Template:
    """The compiled template ``name``, compiled once for all processes where its cache can be written."""
    return environment().get_template(name)


@cache
def environment() -> Environment:
    """The environment of all templates, with the filters that make text of others safe in ours.

    Made when first asked for, because importing jinja2 costs a command more than reading its state.
    """
    import shlex

    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    from orchestrator.durations import duration_text
    from orchestrator.render import markdown, powershell, summary

    made = Environment(
        loader=FileSystemLoader(FOLDER, encoding="utf-8"),
        undefined=StrictUndefined,
        autoescape=select_autoescape(enabled_extensions=ESCAPED_ENDINGS, default_for_string=True, default=False),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
        bytecode_cache=_compiled(),
    )
    made.filters.update(
        cell=markdown.cell,
        code=markdown.inline_code,
        fenced=markdown.fenced,
        inline=markdown.inline,
        one_line=markdown.one_line,
        printable=markdown.printable,
        quoted=markdown.quoted,
        sh=shlex.quote,
        ps1=powershell.literal,
        command_line=powershell.command_line,
        counted=summary.counted,
        duration=duration_text,
        money=summary.money_text,
        times=summary.times_text,
        tokens=summary.tokens_text,
    )
    return made


def _compiled() -> BytecodeCache:
    """Compiled templates are kept where Python keeps compiled modules, and looked up by a hash of their source.

    A worker is started for each task, and to compile its prompt's template would take a seventh of that.
    """
    from jinja2 import FileSystemBytecodeCache
    from jinja2.bccache import Bucket

    class BesideTheTemplates(FileSystemBytecodeCache):
        def dump_bytecode(self, bucket: Bucket) -> None:
            if sys.dont_write_bytecode:
                return
            with suppress(OSError):  # a folder that cannot be written, a full disk
                Path(self.directory).mkdir(exist_ok=True)
                super().dump_bytecode(bucket)

    return BesideTheTemplates(str(FOLDER / "__pycache__"), f"%s.{sys.implementation.cache_tag}.jinja")
