"""What a role file says, which roles a project has, and what a task takes from its role."""

from __future__ import annotations

import typing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.dataclasses import replace
from orchestrator.desk.projectroles import BUNDLED
from orchestrator.desk.rolefields import PERMISSION_MODES, Limits
from orchestrator.desk.rolefiles import (
    READ_ONLY_TYPES,
    Origin,
    Role,
    RoleReading,
    Roles,
    Source,
    assembled,
    proposed_role,
    read_role,
    role_permission_mode,
    role_prompt,
    role_tools,
    with_role,
)
from orchestrator.desk.rolesource import LARGEST_BYTES
from orchestrator.desk.roletools import KNOWN, READING, granted, tool_names
from orchestrator.errors import InvalidInputError, Severity
from orchestrator.model import Task
from orchestrator.plans import fieldtypes

NAMES = ["cicd", "development", "docs", "inventory", "research", "review", "security"]
TYPES = ["planner", "implementation", "test", "audit", "documentation"]
OWN = Source(".orchestrator/roles/data.md")
AGENT = Source(".claude/agents/reviewer.md", Origin.AGENT)

DATA = """\
---
name: data
description: Writes queries
tools: [Read, Edit, "Bash(psql:*)"]
permission_mode: acceptEdits
model: haiku
limits:
  max_turns: 40
  timeout: 20m
  budget_usd: 1.5
---
You write queries.

## How

With care.

## worker_type: planner

Plan the queries.

## worker_type: migration

One step at a time.
"""


def reading_of(text: str, source: Source = OWN) -> RoleReading:
    return read_role(text.encode(), source)


def role_of(text: str = DATA, source: Source = OWN) -> Role:
    role = reading_of(text, source).role
    assert role is not None, reading_of(text, source).problems
    return role


def front(*lines: str, body: str = "Do it well.") -> str:
    return "\n".join(["---", *lines, "---", body, ""])


def told(reading: RoleReading) -> list[str]:
    return [problem.text() for problem in reading.problems]


class TestReading:
    def test_a_whole_role_is_read(self) -> None:
        assert role_of() == Role(
            name="data",
            when="Writes queries",
            tools=("Read", "Edit", "Bash(psql:*)"),
            permission_mode="acceptEdits",
            model="haiku",
            limits=Limits(40, 1200.0, 1.5),
            prompt="You write queries.\n\n## How\n\nWith care.",
            sections={"planner": "Plan the queries.", "migration": "One step at a time."},
            source=OWN,
        )
        assert reading_of(DATA).problems == ()

    def test_a_name_and_a_prompt_are_enough(self) -> None:
        reading = reading_of(front("name: data"))
        assert reading.role == Role("data", "", None, None, None, Limits(), "Do it well.", {}, OWN)
        assert told(reading) == [
            "line 1: warning: the front matter has no description (try: say when it is to be used)"
        ]

    @pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
    def test_line_ends_and_a_byte_order_mark_do_not_matter(self, ending: str) -> None:
        assert role_of("\ufeff" + DATA.replace("\n", ending)) == role_of()

    @pytest.mark.parametrize(
        "tools",
        [
            "tools: Read, Edit, Bash(git log:*)",
            "tools: Read Edit Bash(git log:*)",
            "tools: [Read, Edit, 'Bash(git log:*)']",
            "tools:\n  - Read\n  - Edit, Bash(git log:*)",
            "allowed-tools: Read,Edit,Bash(git log:*)",
            "tools: Read, Edit, Write, Bash(git log:*)\ndisallowed_tools: Write",
        ],
    )
    def test_tools_are_written_in_several_ways(self, tools: str) -> None:
        assert role_of(front("name: data", "description: x", tools)).tools == ("Read", "Edit", "Bash(git log:*)")

    @pytest.mark.parametrize("tools", ["", "tools: '*'", "tools: Read, *"])
    def test_all_tools_are_the_same_as_none_named(self, tools: str) -> None:
        assert role_of(front("name: data", "description: x", tools)).tools is None

    def test_a_model_to_inherit_is_none(self) -> None:
        assert role_of(front("name: data", "model: inherit")).model is None
        assert role_of(front("name: data", "model: claude-opus-4-1[1m]")).model == "claude-opus-4-1[1m]"

    def test_a_heading_in_a_fence_begins_no_section(self) -> None:
        body = "Write this:\n\n```\n## worker_type: audit\n```\n\n## worker_type: test\n\nTest it."
        role = role_of(front("name: data", body=body))
        assert role.sections == {"test": "Test it."}
        assert "## worker_type: audit" in role.prompt

    def test_a_role_may_be_all_sections(self) -> None:
        assert role_of(front("name: data", body="## worker_type: test\nTest it.")).prompt == ""


class TestBadFiles:
    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("", "line 1: error: there is no front matter (try: begin the file with the lines `---`, `name: …`"),
            ("You are a data role.\n", "line 1: error: there is no front matter"),
            ("---\nname: data\n", "line 1: error: the front matter has no closing `---` line"),
            ("---\nname: [data\n---\nx\n", "line 2: error: "),
            (front("description: x"), "line 1: error: the front matter has no name (try: add a line such as `name:"),
            (
                front("name: two words"),
                "line 2: error: name must be one word of letters, digits and . _ -, found the te",
            ),
            (front("name: ../x"), "line 2: error: name must be one word"),
            (front("name: 7"), "line 2: error: name must be one word of letters, digits and . _ -, found the number 7"),
            (front("name: data", "name: data"), "line 3: error: "),
            (front("name: data", "description: [x]"), "line 3: error: description must be a text, found a list"),
            (front("name: data", "tools: 7"), "line 3: error: tools must be names of tools, found the number 7"),
            (front("name: data", "tools: Bash(x"), 'line 3: error: "Bash(x" is no tool'),
            (front("name: data", "tools: Bash()"), 'line 3: error: "Bash()" is no tool'),
            (front("name: data", "tools: --help"), 'line 3: error: "--help" is no tool'),
            (front("name: data", "permission_mode: acceptEdit"), "line 3: error: permission_mode has no mode like the"),
            (front("name: data", "model: --help"), "line 3: error: model must be the name of a model"),
            (front("name: data", "limits: 5"), "line 3: error: limits must be a mapping, found the number 5"),
            (front("name: data", "limits: {turns: 5}"), "line 3: error: there is no limit `turns`"),
            (front("name: data", "limits: {max_turns: 0}"), "line 3: error: max_turns must be a whole number from 1"),
            (front("name: data", "limits: {timeout: soon}"), "line 3: error: timeout must be a duration"),
            (front("name: data", "limits: {timeout: 0}"), "line 3: error: timeout must be longer than 0"),
            (front("name: data", "limits: {budget_usd: -1}"), "line 3: error: budget_usd must be US dollars above 0"),
            (front("name: data", body=""), "line 4: error: there is no prompt after the front matter"),
            (DATA + "\n## worker_type: planner\n\nAgain.\n", "line 26: error: the section for planner stands twice"),
            (
                front("name: data", body="x\n\n## worker_type: two words\n"),
                'line 6: error: "two words" cannot be a work',
            ),
            ("---\nname: data\n---\n\x00\n", "line 4: error: the control character U+0000 is not allowed"),
            ("---\nname: data\n---\n" + "x" * LARGEST_BYTES, "error: the file has 256 KiB; a role has at most 256"),
        ],
    )
    def test_a_role_file_that_is_wrong_is_refused_with_its_line(self, text: str, problem: str) -> None:
        reading = reading_of(text)
        assert reading.role is None
        assert any(line.startswith(problem) for line in told(reading)), told(reading)

    def test_bytes_that_are_no_text_are_refused(self) -> None:
        assert read_role(b"---\nname: \xff\n---\n", OWN).problems[0].message.startswith("the file is not UTF-8")

    def test_all_problems_are_told_at_once(self) -> None:
        text = front("name: data", "model: -x", "permission_mode: no", "tools: Reed", "colour: red")
        assert [line.partition(" (try")[0] for line in told(reading_of(text))] == [
            "line 1: warning: the front matter has no description",
            'line 3: error: model must be the name of a model, found the text "-x"',
            'line 4: error: permission_mode has no mode like the text "no"',
            'line 5: warning: there is no tool "Reed"',
            "line 6: warning: `colour` means nothing in a role",
        ]

    def test_an_unknown_tool_is_a_warning_that_says_what_was_meant(self) -> None:
        reading = reading_of(front("name: data", "description: x", "tools: Reed, Grep"))
        assert reading.role is not None
        assert told(reading) == ['line 4: warning: there is no tool "Reed" (try: did you mean Read?)']

    def test_a_tool_of_a_server_is_known(self) -> None:
        assert told(reading_of(front("name: data", "description: x", "tools: mcp__github__*, mcp__db"))) == []

    @given(st.binary(max_size=300))
    def test_any_bytes_give_a_role_or_a_problem(self, data: bytes) -> None:
        for source in (OWN, AGENT):
            reading = read_role(b"---\n" + data, source)
            assert reading.role is not None or reading.problems

    @given(
        st.dictionaries(st.sampled_from(["name", "tools", "model", "limits", "maxTurns", "x"]), st.text(max_size=20))
    )
    def test_any_entries_give_a_role_or_a_problem(self, entries: dict[str, str]) -> None:
        text = front(*(f"{key}: {value}" for key, value in entries.items()))
        for source in (OWN, AGENT):
            reading = read_role(text.encode("utf-8", "surrogatepass"), source)
            assert reading.role is not None or reading.problems


CLAUDE_AGENT = r"""---
name: code-reviewer
description: Use this after code was written. Examples:\n\n<example>\nContext: done.\nuser: "check it"</example>
tools: Read, Grep, Bash
model: inherit
permissionMode: plan
maxTurns: 12
color: purple
hooks:
  Stop: []
---

You are a reviewer.

## Documentation

## worker_type: audit

It belongs to the prompt.
"""


class TestClaudeAgents:
    def test_an_agent_is_read_as_it_is(self) -> None:
        role = role_of(CLAUDE_AGENT, AGENT)
        assert role.name == "code-reviewer"
        assert role.tools == ("Read", "Grep", "Bash")
        assert (role.model, role.permission_mode, role.limits) == (None, "plan", Limits(max_turns=12))
        assert role.sections == {}
        assert role.prompt.endswith("## worker_type: audit\n\nIt belongs to the prompt.")
        assert reading_of(CLAUDE_AGENT, AGENT).problems == ()

    def test_its_description_may_have_colons_that_yaml_does_not_allow(self) -> None:
        role = role_of(CLAUDE_AGENT, AGENT)
        assert role.when.startswith("Use this after code was written. Examples:\n\n<example>\nContext: done.")
        assert role.summary == "Use this after code was written."
        assert reading_of(CLAUDE_AGENT).role is None

    def test_its_description_may_run_over_lines_that_are_not_indented(self) -> None:
        text = front(
            "name: helper",
            "description: Use when: needed",
            "<example>",
            "user: x: y",
            "</example>",
            "tools:",
            "  - Read",
        )
        role = role_of(text, AGENT)
        assert role.when == "Use when: needed\n<example>\nuser: x: y\n</example>"
        assert role.tools == ("Read",)

    @pytest.mark.parametrize(
        ("entry", "problem"),
        [
            ("permissionMode: wild", "permission_mode has no mode like"),
            ("maxTurns: many", "max_turns must be a whole number"),
            ("tools: Frobnicate", 'there is no tool "Frobnicate"'),
        ],
    )
    def test_what_claude_code_overlooks_is_a_warning(self, entry: str, problem: str) -> None:
        reading = reading_of(front("name: helper", "description: x", entry), AGENT)
        assert reading.role is not None
        assert [each.severity for each in reading.problems] == [Severity.WARNING]
        assert reading.problems[0].message.startswith(problem)
        assert reading.role.permission_mode is None

    def test_a_readme_among_the_agents_is_passed_over_with_a_warning(self) -> None:
        reading = reading_of("# Our agents\n", AGENT)
        assert reading.role is None
        assert [each.severity for each in reading.problems] == [Severity.WARNING]


def own(name: str, path: str) -> RoleReading:
    return reading_of(front(f"name: {name}", "description: x"), Source(path))


class TestRoles:
    BUNDLED_DOCS = reading_of(front("name: docs", "description: x"), Source("roles/docs.md", Origin.BUNDLED))

    def test_the_users_own_hides_the_bundled_one(self) -> None:
        for order in ([self.BUNDLED_DOCS, own("Docs", "a.md")], [own("Docs", "a.md"), self.BUNDLED_DOCS]):
            roles = assembled(order)
            assert roles.role("docs").source.path == "a.md"
            assert [role.source.origin for role in roles.hidden] == [Origin.BUNDLED]
            assert roles.problems == ()

    def test_two_own_ones_of_one_name_are_an_error_and_neither_is_used(self) -> None:
        roles = assembled([self.BUNDLED_DOCS, own("docs", "a.md"), own("DOCS", "b.md")])
        [(source, problem)] = roles.problems
        assert (source.path, problem.severity) == ("b.md", Severity.ERROR)
        assert problem.message == 'the role "docs" is also in a.md'
        with pytest.raises(InvalidInputError, match=r'the role "docs" is unclear: a\.md and b\.md have that name'):
            roles.role("docs")

    def test_an_unknown_role_is_refused_with_the_nearest(self) -> None:
        with pytest.raises(InvalidInputError, match='there is no role "doc"') as refused:
            assembled([self.BUNDLED_DOCS]).role("doc")
        assert refused.value.advice == "did you mean docs?"

    def test_an_unknown_role_is_refused_with_the_file_that_could_not_be_read(self) -> None:
        broken = reading_of("no front matter", Source("data.md"))
        with pytest.raises(
            InvalidInputError, match=r"a role file could not be read: data\.md:1: error: there is no front"
        ):
            assembled([self.BUNDLED_DOCS, broken]).role("data")

    def test_problems_of_all_files_are_kept_with_their_file(self) -> None:
        roles = assembled([own("x", "a.md"), reading_of("", Source("b.md")), reading_of("", AGENT)])
        assert [source.path for source, _ in roles.problems] == ["b.md", AGENT.path]

    @given(st.lists(st.tuples(st.sampled_from("abAB"), st.sampled_from(list(Origin))), max_size=8))
    def test_each_name_has_one_role_or_is_unclear(self, files: list[tuple[str, Origin]]) -> None:
        readings = [
            reading_of(front(f"name: {name}", "description: x"), Source(f"{at}.md", origin))
            for at, (name, origin) in enumerate(files)
        ]
        roles = assembled(readings)
        names = {name.casefold() for name, _ in files}
        assert set(roles.by_name) | set(roles.unclear) == names
        assert not set(roles.by_name) & set(roles.unclear)
        for name in roles.unclear:
            assert sum(each == name and origin is not Origin.BUNDLED for each, origin in folded(files)) > 1


def folded(files: list[tuple[str, Origin]]) -> list[tuple[str, Origin]]:
    return [(name.casefold(), origin) for name, origin in files]


class TestPrompt:
    def test_it_is_the_prompt_and_the_section_of_the_kind_of_work(self) -> None:
        assert role_prompt(role_of(), "planner") == (
            "## Your role: data\n\nYou write queries.\n\n## How\n\nWith care.\n\n"
            "### The kind of work: planner\n\nPlan the queries."
        )

    def test_a_kind_of_ones_own_has_its_section(self) -> None:
        assert role_prompt(role_of(), "migration").endswith("### The kind of work: migration\n\nOne step at a time.")

    @pytest.mark.parametrize("worker_type", [None, "implementation", "unheard-of"])
    def test_without_a_section_it_is_the_prompt_alone(self, worker_type: str | None) -> None:
        assert role_prompt(role_of(), worker_type) == "## Your role: data\n\nYou write queries.\n\n## How\n\nWith care."

    def test_who_only_reads_is_told_so_where_the_role_does_not_say_it(self) -> None:
        assert role_prompt(role_of(), "audit").endswith("You read and answer, and change nothing.")


class TestTools:
    def test_a_bare_file_tool_is_granted_for_the_project(self) -> None:
        tools = ["Read", "Grep", "Glob", "Edit", "Write", "NotebookEdit", "Bash(npm test:*)", "WebSearch"]
        assert granted(tools) == (
            "Read(./**)",
            "Grep(./**)",
            "Glob(./**)",
            "Edit(./**)",
            "Bash(npm test:*)",
            "WebSearch",
        )

    def test_a_path_stays_and_what_writes_it_is_edit(self) -> None:
        assert granted(["Read(//etc/**)", "Write(docs/**)"]) == ("Read(//etc/**)", "Edit(docs/**)")

    @pytest.mark.parametrize("worker_type", sorted(READ_ONLY_TYPES))
    def test_planner_and_audit_only_read(self, worker_type: str) -> None:
        role = replace(
            role_of(), tools=("Read", "Edit", "Write", "Bash", "Bash(rm:*)", "Task", "WebFetch(domain:x.org)")
        )
        assert role_tools(role, worker_type) == ("Read(./**)", "WebFetch(domain:x.org)")
        assert role_permission_mode(role, worker_type) == "dontAsk"

    def test_other_work_has_the_tools_of_the_role(self) -> None:
        assert role_tools(role_of()) == role_tools(role_of(), "test") == ("Read(./**)", "Edit(./**)", "Bash(psql:*)")
        assert role_permission_mode(role_of(), "test") == "acceptEdits"

    def test_a_role_that_says_nothing_grants_nothing(self) -> None:
        assert role_tools(role_of(front("name: data", "tools: '*'"))) == ()

    @given(st.lists(st.sampled_from(sorted(KNOWN)), max_size=6), st.sampled_from(sorted(READ_ONLY_TYPES)))
    def test_nothing_that_changes_is_ever_granted_to_who_only_reads(self, tools: list[str], worker_type: str) -> None:
        names = {tool.partition("(")[0] for tool in role_tools(replace(role_of(), tools=tuple(tools)), worker_type)}
        assert names <= READING
        assert not names & {"Edit", "Write", "Bash", "PowerShell", "Task", "Agent", "Skill"}

    @given(
        st.lists(st.sampled_from(["Read", "Bash(git log:*)", "Edit(a, b/**)", "mcp__x__y"])),
        st.sampled_from([",", " ", ", "]),
    )
    def test_a_list_is_parted_outside_of_parentheses(self, tools: list[str], sign: str) -> None:
        assert tool_names(sign.join(tools)) == tools


class TestTask:
    TASK = Task("T-01", "Add an index", "Add an index to orders", role="data")

    def test_a_task_takes_from_its_role_what_it_does_not_say(self) -> None:
        task = with_role(self.TASK, role_of())
        assert task.model == "haiku"
        assert task.allowed_tools == ("Read(./**)", "Edit(./**)", "Bash(psql:*)")
        assert (task.permission_mode, task.max_turns, task.budget_usd, task.timeout_s) == ("acceptEdits", 40, 1.5, 1200)

    def test_what_a_task_says_itself_holds(self) -> None:
        said = replace(
            self.TASK,
            model="opus",
            allowed_tools=("Read",),
            permission_mode="plan",
            max_turns=3,
            budget_usd=0.0,
            timeout_s=60.0,
        )
        assert with_role(said, role_of()) == said

    def test_the_kind_of_work_decides_the_tools(self) -> None:
        task = with_role(replace(self.TASK, worker_type="audit"), role_of())
        assert (task.allowed_tools, task.permission_mode) == (("Read(./**)",), "dontAsk")

    @pytest.mark.parametrize(
        ("name", "role"),
        [
            ("Audit the login for injection", "security"),
            ("Implement the search endpoint", "development"),
            ("List all services with their owners", "inventory"),
            ("Deploy to staging", "cicd"),
            ("Write the user guide", "docs"),
            ("Compare three queue libraries", "research"),
            ("Review the pull request", "review"),
        ],
    )
    def test_a_role_is_proposed_by_the_words_of_the_task(self, name: str, role: str) -> None:
        proposed, why = proposed_role(replace(self.TASK, name=name))
        assert proposed == role
        assert why.startswith('it says "')


def bundled() -> Roles:
    return assembled(
        read_role(path.read_bytes(), Source(path.name, Origin.BUNDLED)) for path in sorted(BUNDLED.glob("*.md"))
    )


class TestBundledRoles:
    def test_there_are_seven_without_a_problem(self) -> None:
        assert bundled().problems == ()
        assert list(bundled().by_name) == NAMES

    @pytest.mark.parametrize("name", NAMES)
    def test_each_is_complete(self, name: str) -> None:
        role = bundled().role(name)
        assert Path(role.source.path).stem == role.name
        assert list(role.sections) == TYPES
        assert all(len(section.split()) > 30 for section in (role.prompt, *role.sections.values()))
        assert len(role.prompt.split()) < 600
        assert ". Use " in role.when
        assert role.permission_mode == "dontAsk"
        assert role.limits.max_turns
        assert role.limits.timeout_s

    @pytest.mark.parametrize("name", NAMES)
    def test_each_tells_planner_and_audit_to_change_nothing(self, name: str) -> None:
        for worker_type in sorted(READ_ONLY_TYPES):
            assert "change nothing" in bundled().role(name).sections[worker_type]

    @pytest.mark.parametrize("name", NAMES)
    def test_none_may_run_everything_or_leave_the_project(self, name: str) -> None:
        for tool in role_tools(bundled().role(name)):
            assert tool not in ("Bash", "Edit", "Read", "Write")
            assert not tool.startswith(("Edit(/", "Read(/", "Bash(*", "Bash(git push", "Bash(rm"))

    @pytest.mark.parametrize("name", ["inventory", "research", "review"])
    def test_those_who_answer_cannot_write(self, name: str) -> None:
        assert not any(tool.startswith(("Edit", "Bash")) for tool in role_tools(bundled().role(name)))

    def test_the_record_is_plain(self) -> None:
        record = bundled().role("inventory").record()
        assert record["origin"] == "bundled"
        assert record["tools"] == ["Read", "Grep", "Glob"]
        assert record["limits"] == {"max_turns": 60, "timeout_s": 1200.0, "budget_usd": None}
        assert record["worker_types"] == TYPES


def test_the_permission_modes_are_those_of_the_plan() -> None:
    assert typing.get_args(fieldtypes.PermissionMode) == PERMISSION_MODES
