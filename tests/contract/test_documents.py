"""The documents against the repository: what they name exists, what is generated is up to date, their form is right.

Each checker of `document_rules` is asked twice: about the documents, and about a broken specimen that it must refuse.
`.venv/bin/python scripts/documents.py` writes the generated parts anew.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

import document_rules as rules
import documents
from document_pieces import pieces, tables
from manual import (
    DECLARED,
    FRONT,
    MISSING_FLAGS,
    OPTIONS,
    OTHER_FLAGS,
    REFERENCES,
    REPOSITORY,
    TEXTS,
    one,
    passed_flags,
)
from orchestrator.cli.table import COMMANDS, HELP
from orchestrator.loopguard import LOOP
from orchestrator.paths import DeskPaths, RunPaths
from transcripts import File, sessions

NAME = "distributed-task-orchestrator"
SKILL = {name: TEXTS[name] for name in (FRONT, *REFERENCES)}
SCRIPTS = {
    name: (REPOSITORY / f"scripts/orchestrator/templates/{name}.j2").read_text()
    for name in ("run.sh", "run.ps1", "loop.sh", "loop.ps1")
}
"""The launch scripts, as they are before their paths are filled in."""


def test_the_documents_of_the_skill_are_all_there() -> None:
    assert {FRONT, *REFERENCES, "README.md", "CHANGELOG.md", "CONTRIBUTING.md"} <= set(TEXTS)
    assert any(name.startswith("docs/decisions/") for name in TEXTS)


# --- generated parts


def test_every_generated_part_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    code = documents.main(["--check"])
    assert (code, capsys.readouterr().out) == (0, "")


def test_every_generated_part_stands_in_a_document() -> None:
    used = {match["name"] for text in TEXTS.values() for match in documents.MARKED.finditer(text)}
    assert used == set(documents.PARTS)


STALE = "# Page\n\n<!-- generated: statuses -->\nold\n<!-- /generated -->\n\nProse.\n"


def test_a_stale_part_is_named_by_the_check_and_written_without_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text(STALE, encoding="utf-8")
    assert documents.main(["--check"], tmp_path) == 1
    assert capsys.readouterr().out == "page.md: is out of date\n"
    assert page.read_text(encoding="utf-8") == STALE
    assert documents.main([], tmp_path) == 0
    text = page.read_text(encoding="utf-8")
    assert documents.status_table() in text
    assert text.startswith("# Page\n\n<!-- generated: statuses -->\n")
    assert text.endswith("<!-- /generated -->\n\nProse.\n")
    capsys.readouterr()
    assert documents.main(["--check"], tmp_path) == 0


@pytest.mark.parametrize(
    "text",
    [
        STALE.replace("statuses", "statutes"),
        STALE.replace("<!-- /generated -->", ""),
        STALE.replace("<!-- gen", "See <!-- gen"),
    ],
)
def test_a_part_that_cannot_be_made_is_an_error(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "page.md").write_text(text, encoding="utf-8")
    assert documents.main(["--check"], tmp_path) == 3
    assert "page.md" in capsys.readouterr().err


# --- commands and options


def test_every_command_of_the_table_can_be_called() -> None:
    assert [name for name in COMMANDS if name not in DECLARED] == []


def test_every_command_and_option_that_a_document_names_exists() -> None:
    assert rules.unknown_calls(TEXTS, OPTIONS) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Run `orchestrate fly`.", "page.md:1: there is no command fly"),
        ("Run `orchestrate run --fast`.", "page.md:1: run has no option --fast"),
        ("`orchestrate next && orchestrate run --fast=2`", "page.md:1: run has no option --fast"),
        ('`python3 "${X}/scripts/orchestrate.py" fly`', "page.md:1: there is no command fly"),
        ("Text.\n\n```console\n$ orchestrate fly T-01\n```", "page.md:3: there is no command fly"),
        ("| a |\n|---|\n| x `orchestrate run -x` |", "page.md:3: run has no option -x"),
    ],
)
def test_a_command_or_option_that_does_not_exist_is_found(text: str, problem: str) -> None:
    assert rules.unknown_calls(one(text), OPTIONS) == [problem]


def test_commands_that_exist_are_no_problem() -> None:
    text = '`orchestrate COMMAND`, `orchestrate fail ID --reason "no --why" --final | tail -n 3`, `orchestrate --help`'
    assert rules.unknown_calls(one(text), OPTIONS) == []


def test_every_command_has_a_sentence_every_option_a_help_and_the_skill_a_row_for_each() -> None:
    helps = {name: {each.written: each.help for each in parameters} for name, parameters in DECLARED.items()}
    assert rules.unsaid_commands(HELP, helps, {FRONT: TEXTS[FRONT]}) == []


def test_the_reference_has_a_heading_for_each_command() -> None:
    headings = {piece.text for piece in pieces(one(TEXTS["cli-integration.md"]), "heading")}
    assert [name for name in COMMANDS if f"`{name}`" not in headings] == []


def test_a_command_without_a_sentence_a_help_or_a_row_is_found() -> None:
    table = one("| command | what |\n|---|---|\n| `go ID` | Go. |")
    assert rules.unsaid_commands({"go": "Go."}, {"go": {"--far": "How far."}}, table) == []
    assert rules.unsaid_commands({"go": ""}, {}, table) == ["go: no sentence"]
    assert rules.unsaid_commands({"go": "Go"}, {}, table) == ["go: no sentence"]
    assert rules.unsaid_commands({"go": "Go."}, {"go": {"--far": ""}}, table) == ["go: --far has no help"]
    assert rules.unsaid_commands({"stop": "Stop."}, {}, table) == ["page.md: no row for stop"]


def test_every_flag_that_stands_alone_is_known() -> None:
    known = {"--help", *(name for names in OPTIONS.values() for name in names)}
    known |= set(re.findall(r"^  (--[a-z-]+)", SCRIPTS["run.sh"], re.MULTILINE))
    assert rules.unknown_flags(TEXTS, {*known, *passed_flags(), *MISSING_FLAGS, *OTHER_FLAGS}) == []


def test_a_flag_that_nobody_has_is_found() -> None:
    assert rules.unknown_flags(one("Use `--fast=N`."), {"--slow"}) == ["page.md:1: nobody has the flag --fast"]


def test_every_make_target_that_a_document_names_exists() -> None:
    assert rules.unknown_targets(TEXTS, (REPOSITORY / "Makefile").read_text("utf-8")) == []


def test_a_make_target_that_does_not_exist_is_found() -> None:
    assert rules.unknown_targets(one("`make tea`, `make test X=1`"), "test: x\n") == [
        "page.md:1: there is no target tea"
    ]


# --- files and links


def run_files() -> set[str]:
    """The files of a run as a document names them, with the first agent and task."""
    paths = RunPaths.of("/project")
    made = {
        *(paths.plan, paths.table, paths.journal, paths.torn, paths.final_output, paths.run_lock, paths.store),
        *(paths.report, paths.report_page),
        *(
            paths.context("T-01"),
            paths.worker("T-01"),
            paths.handoff("docs", "T-01"),
            paths.inside("roles", "data.md"),
            paths.inside("T-01.split.yaml"),
        ),
        *(paths.inside("launch", script) for script in SCRIPTS),
        f"{paths.templates}/paint.yaml",
        paths.main_task,
        *(of(task, 1) for task in ("T-01", LOOP) for of in (paths.prompt, paths.output, paths.errors)),
        *(paths.agent_task("Agent-01", "T-01", shared) for shared in (False, True)),
        *(paths.inside(paths.result_name("Agent-01", "T-01", shared)) for shared in (False, True)),
    }
    desk = DeskPaths.of(paths)
    made |= {desk.settings, desk.queue, desk.request("R-1"), desk.refused, desk.journal, desk.runs, desk.current}
    made |= {desk.archived_runs, desk.archived_requests, os.path.dirname(desk.log("R-1"))}
    inside = {name.removeprefix(f"{paths.folder}/") for name in made}
    return {*inside, *(name.split("/")[0] for name in inside), *(name.rpartition("/")[2] for name in inside)}


WRITTEN = {step.name for each in sessions(TEXTS["examples.md"]) for step in each.steps if isinstance(step, File)}
"""The files that the sessions of examples.md write."""


FOREIGN = {
    name
    for table in tables({"cli-integration.md": TEXTS["cli-integration.md"]})
    if table.head == ("if your notes say", "use")
    for row in table.rows
    for name in row[0].split(", ")
} | {".claude/agents/"}
"""Names of other programs' files, for people who look for them here, and where Claude Code keeps its agents."""


def is_known_file(name: str) -> bool:
    if name in FOREIGN:
        return True
    if name.endswith(f"/{NAME}"):  # a place where the skill or its cache is installed
        return True
    plain = re.sub(r"(?<=T-)\d+", "01", re.sub(r"(?<=agent-)\d+", "01", name)).rstrip("/")
    inside = plain.removeprefix(".orchestrator").lstrip("/")
    return (REPOSITORY / name).exists() or inside == "" or inside in run_files() or name in WRITTEN


def test_every_file_that_a_document_names_exists() -> None:
    assert rules.unknown_files(TEXTS, is_known_file) == []


@pytest.mark.parametrize(
    "name", ["scripts/orchestrator/utils.py", "manual.md", "results/agent-01.md", ".orchestrator/table.md", "tests/ui/"]
)
def test_a_file_that_does_not_exist_is_found(name: str) -> None:
    assert rules.unknown_files(one(f"# Page\n\nSee `{name}`."), is_known_file) == [f"page.md:3: there is no {name}"]


def test_every_link_resolves() -> None:
    assert rules.broken_links(TEXTS, lambda name: (REPOSITORY / name).exists()) == []


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("other.md", "page.md:1: there is no other.md"),
        ("#nowhere", "page.md:1: page.md has no heading #nowhere"),
        ("page.md#in-code", "page.md:1: page.md has no heading #in-code"),
    ],
)
def test_a_link_that_leads_nowhere_is_found(link: str, problem: str) -> None:
    text = f"[a]({link}) [b](#a-heading) [c](https://c)\n\n# A `heading`\n\n```\n# In code\n```\n"
    assert rules.broken_links(one(text), lambda name: name == "page.md") == [problem]


def test_the_skill_says_when_to_open_each_reference() -> None:
    assert rules.unlinked(TEXTS, FRONT, REFERENCES) == []
    links = {piece.info for piece in pieces({FRONT: TEXTS[FRONT]}, "link")}
    assert set(REFERENCES) <= links


def test_a_reference_that_the_skill_does_not_offer_is_found() -> None:
    page = one("| open | when |\n|---|---|\n| [a.md](a.md) | always |\n| [b.md](b.md) | |")
    assert rules.unlinked(page, "page.md", ["a.md"]) == []
    assert rules.unlinked(page, "page.md", ["b.md", "c.md"]) == [
        "page.md does not say when to open b.md",
        "page.md does not say when to open c.md",
    ]


# --- form


def test_headings_leave_out_no_level() -> None:
    assert rules.heading_problems(TEXTS) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("# A\n\n### B\n", "page.md:3: level 3 after level 1"),
        ("## A\n", "page.md:1: level 2 after level 0"),
        ("# A\n\n# B\n", "page.md:3: a second title"),
    ],
)
def test_a_heading_out_of_order_is_found(text: str, problem: str) -> None:
    assert problem in rules.heading_problems(one(text))
    assert rules.heading_problems({"other.md": "# Fine\n", "page.md": "Text\n"}) == ["page.md: no heading"]


def test_references_over_a_hundred_lines_list_their_contents() -> None:
    assert rules.contents_problems({name: TEXTS[name] for name in REFERENCES}) == []


@pytest.mark.parametrize("contents", ["", "[A](#a)", "[B](#b) [A](#a)"])
def test_a_list_of_contents_that_is_not_the_headings_is_found(contents: str) -> None:
    text = "# T\n\n{}\n\n## A\n\n## B\n" + "\n" * 100
    assert rules.contents_problems(one(text.format("[A](#a) [B](#b)"))) == []
    assert len(rules.contents_problems(one(text.format(contents)))) == 1


def test_the_front_matter_is_what_every_validator_takes() -> None:
    assert rules.front_matter_problems(TEXTS[FRONT], NAME) == []


GOOD_FRONT = "---\nname: a-skill\ndescription: Does it. Use when it is to be done.\nlicense: MIT\n---\n\n# A skill\n"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("---\nname", "\n---\nname", "no front matter"),
        ("---\nname", "\ufeff---\nname", "no front matter"),
        ("a-skill", "A-Skill", "the name is"),
        ("a-skill", "other", "the name is"),
        ("license: MIT", "version: 1", "the key version is not portable"),
        ("license: MIT", "metadata: {a: b}", "flow style"),
        ("license: MIT", "allowed-tools: Bash", "deny the skill"),
        ("license: MIT", f"compatibility: {'x' * 501}", "compatibility has more"),
        ("Does it.", "Does it: all of it.", "an unquoted colon"),
        ("Does it.", "Does <it>.", "the description has"),
        ("Does it.", "x" * 1025, "the description has"),
        ("description: Does it. Use when it is to be done.\n", "", "the description has"),
    ],
)
def test_front_matter_that_a_validator_refuses_is_found(old: str, new: str, problem: str) -> None:
    assert rules.front_matter_problems(GOOD_FRONT, "a-skill") == []
    assert any(problem in found for found in rules.front_matter_problems(GOOD_FRONT.replace(old, new, 1), "a-skill"))


def test_the_skill_comes_back_whole_after_a_compaction_with_its_rules_first() -> None:
    assert rules.size_problems(TEXTS[FRONT]) == []
    headings = [piece.text for piece in pieces({FRONT: TEXTS[FRONT]}, "heading") if piece.info == "2"]
    assert headings[0] == "Standing rules"


def test_a_skill_that_is_too_large_is_found() -> None:
    assert rules.size_problems("x\n" * 251) == ["251 lines, at most 250"]
    assert rules.size_problems("x" * 15_000) == ["about 5000 tokens, fewer than 5000 come back after a compaction"]
    assert rules.size_problems("") == ["there is no text to look at"]


def test_nothing_is_substituted_but_the_folder_of_the_skill_and_only_in_the_skill() -> None:
    assert rules.substitution_problems(SKILL, FRONT) == []
    assert "${CLAUDE_SKILL_DIR}/scripts/orchestrate.py" in TEXTS[FRONT]


@pytest.mark.parametrize("text", ["costs $1", "with $ARGUMENTS", "!`date`"])
def test_a_substitution_is_found(text: str) -> None:
    assert len(rules.substitution_problems({FRONT: text}, FRONT)) == 1
    assert rules.substitution_problems({"other.md": text}, FRONT) == []
    assert len(rules.substitution_problems({"other.md": "${CLAUDE_SKILL_DIR}"}, FRONT)) == 1


# --- a checker that looks at nothing


@pytest.mark.parametrize(
    "problems",
    [
        rules.unknown_calls(one("Prose."), OPTIONS),
        rules.unknown_flags(one("Prose."), ["--x"]),
        rules.unknown_targets(one("Prose."), "x: y\n"),
        rules.unsaid_commands({}, {}, one("Prose.")),
        rules.unknown_files(one("Prose."), lambda name: True),
        rules.broken_links(one("Prose."), lambda name: True),
        rules.unlinked(one("Prose."), "page.md", []),
        rules.heading_problems({}),
        rules.contents_problems(one("Short.")),
        rules.substitution_problems({}, FRONT),
        rules.flags_in_use({}, MISSING_FLAGS),
    ],
)
def test_a_checker_that_inspects_nothing_fails(problems: list[str]) -> None:
    assert len(problems) == 1
    assert problems[0].startswith("there is no ")


# --- decisions


def test_each_decision_has_its_number_its_decision_and_its_reasons() -> None:
    pages = {name: text for name, text in TEXTS.items() if name.startswith("docs/decisions/")}
    numbers = [int(Path(name).name[:4]) for name in pages]
    assert numbers == list(range(1, len(pages) + 1))
    for number, text in zip(numbers, pages.values(), strict=True):
        headings = [piece.text for piece in pieces(one(text), "heading")]
        assert headings[0].startswith(f"{number}. ")
        assert headings[1:3] == ["Decision", "Why"]
        assert "What it costs" in headings
