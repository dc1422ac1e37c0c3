"""The template environment: strict, literal for Markdown and shell, escaping for pages."""

from __future__ import annotations

import pytest
from jinja2 import UndefinedError
from jinja2.loaders import DictLoader

from orchestrator.render.templates import FOLDER, environment, rendered, template

VALUE = "<b>&\"'"


def made_of(name: str, source: str, **values: object) -> str:
    """What a template of that name and source would render, in an environment set up like the real one."""
    return environment().overlay(loader=DictLoader({name: source})).get_template(name).render(values)


@pytest.mark.parametrize("name", ["page.md.j2", "run.sh.j2", "run.ps1.j2", "plan.yaml.j2"])
def test_values_stay_as_they_are_outside_of_pages(name: str) -> None:
    assert made_of(name, "{{ value }}", value=VALUE) == VALUE


@pytest.mark.parametrize("name", ["report.html.j2", "report.html"])
def test_values_are_escaped_in_pages(name: str) -> None:
    assert made_of(name, "{{ value }}", value=VALUE) == "&lt;b&gt;&amp;&#34;&#39;"


def test_a_value_that_was_not_given_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="'value' is undefined"):
        made_of("x.md.j2", "{{ value }}")


def test_block_tags_leave_no_trace_and_the_last_newline_stays() -> None:
    assert made_of("x.md.j2", "a\n  {% if true %}\nb\n  {% endif %}\nc\n") == "a\nb\nc\n"


@pytest.mark.parametrize("name", sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.glob("**/*.j2")))
def test_every_template_of_the_package_compiles(name: str) -> None:
    assert template(name).name == name


def test_a_template_is_compiled_once() -> None:
    assert template("prompt.md.j2") is template("prompt.md.j2")


def test_a_template_of_the_package_is_strict_as_well() -> None:
    with pytest.raises(UndefinedError):
        rendered("prompt.md.j2", nonce="")
