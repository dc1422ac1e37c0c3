"""`roles`, and what the role of a task does: its words in the prompt, its trust, its proposals at `init`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from runfolders import RunFolder, task

ECHO = "cat"
"""The agent of the executor `command` that answers with its prompt."""

ROLE = """\
---
name: data
description: Use it for queries.
tools: Read, Edit
---
You write queries.

## worker_type: audit

Look at the plan of each query.
"""


@pytest.fixture
def role_file(run: RunFolder) -> Path:
    """A role of the user, under a file name that is not its own."""
    file = run.folder / "roles" / "queries.md"
    file.parent.mkdir(parents=True)
    file.write_text(ROLE, encoding="utf-8")
    return file


class TestList:
    def test_roles_are_listed_with_where_they_come_from(self, run: RunFolder, role_file: Path) -> None:
        agent = run.project / ".claude" / "agents" / "helper.md"
        agent.parent.mkdir(parents=True)
        agent.write_text("---\nname: docs\ndescription: Mine.\nmodel: opus\n---\nWrite.\n", encoding="utf-8")
        listed = json.loads(run.prepare("roles", "--json"))
        origins = {role["name"]: (role["origin"], role["path"]) for role in listed["roles"]}
        assert origins["data"] == ("own", ".orchestrator/roles/queries.md")
        assert origins["docs"] == ("claude agent", ".claude/agents/helper.md")
        assert origins["security"] == ("bundled", "roles/security.md")
        assert [(role["name"], role["origin"]) for role in listed["hidden"]] == [("docs", "bundled")]
        assert listed["problems"] == []
        said = run.prepare("roles")
        assert "data (own, .orchestrator/roles/queries.md)\n  Use it for queries.\n  tools: Read, Edit" in said
        assert "docs in roles/docs.md is not used: another hides it" in said

    def test_one_role_is_shown_with_its_whole_prompt(self, run: RunFolder, role_file: Path) -> None:
        said = run.prepare("roles", "DATA")
        assert said.endswith("You write queries.\n\n## worker_type: audit\n\nLook at the plan of each query.\n")
        assert json.loads(run.prepare("roles", "data", "--json"))["sections"] == {
            "audit": "Look at the plan of each query."
        }
        assert "did you mean data?" in run("roles", "date", code=1).stderr

    def test_every_file_that_is_wrong_is_told_and_hides_no_other(self, run: RunFolder, role_file: Path) -> None:
        folder = role_file.parent
        (folder / "bare.md").write_text("Do it.\n")
        (folder / "tool.md").write_text("---\nname: tool\ndescription: x\ntools: Reed\n---\nDo it.\n")
        (folder / "twin.md").write_text(ROLE.replace("name: data", "name: Data"))
        done = run("roles", "--json", code=1)
        problems = {entry["file"].rpartition("/")[2]: entry for entry in done.json["problems"]}
        assert problems.keys() == {"bare.md", "tool.md", "twin.md"}
        assert "front matter" in problems["bare.md"]["message"]
        assert (problems["tool.md"]["severity"], problems["tool.md"]["try"]) == ("warning", "did you mean Read?")
        assert problems["twin.md"]["message"] == 'the role "data" is also in .orchestrator/roles/queries.md'
        names = [role["name"] for role in done.json["roles"]]
        assert "tool" in names and "data" not in names
        assert len(done.stderr.splitlines()) == 3


class TestUse:
    def test_the_words_of_the_role_and_of_the_kind_of_work_begin_the_prompt(self, run: RunFolder) -> None:
        run.init(task("T-01", role="Security", worker_type="audit"), task("T-02"))
        prompt = run.prepare("prompt", "T-01")
        assert "## Your role: security\n\nYou work as a security engineer" in prompt
        assert "### The kind of work: audit" in prompt and "### The kind of work: test" not in prompt
        assert "Your role" not in run.prepare("prompt", "T-02")
        assert "Your role" not in run.prepare("context", "T-01"), "context is for somebody who knows that"
        said = (run.folder / "agent_tasks" / "agent-01.md").read_text(encoding="utf-8")
        assert "WebSearch" in said, "the tools of the role"
        assert "Edit" not in said, "an audit changes nothing"

    def test_a_role_of_the_user_is_used_once_it_is_trusted_as_it_is(self, run: RunFolder, role_file: Path) -> None:
        run.write_plan(task("T-01", role="data"), task("T-02", deps=["T-01"], role="docs"))
        told = run("init").stderr
        assert "role data in .orchestrator/roles/queries.md: sha256:" in told
        assert "roles/docs.md" not in told, "what ships with the program needs no trust"
        for words in (["run", "--command", ECHO], ["exec", "T-01", "--command", ECHO], ["prompt", "T-01"]):
            assert "queries.md" in run(*words, code=3).stderr
        assert run.statuses()["T-01"] == "pending"
        run.prepare("trust")
        role_file.write_text(ROLE.replace("You write queries.", "You drop tables."))
        assert "not trusted" in run("run", "--command", ECHO, code=3).stderr
        run.prepare("trust")
        run("run", "--command", ECHO)
        assert "## Your role: data\n\nYou drop tables." in run.result(1).read_text(encoding="utf-8")
        assert "## Your role: docs" in run.result(2).read_text(encoding="utf-8")

    def test_a_role_that_is_changed_during_the_run_ends_it_before_it_is_used(
        self, run: RunFolder, role_file: Path
    ) -> None:
        run.init(task("T-01"), task("T-02", deps=["T-01"], role="data"))
        run.prepare("trust")
        change = f"sh -c 'cat >/dev/null; echo Rob them. >> {role_file}; echo done'"
        done = run("run", "--command", change, code=3)
        assert "not trusted" in done.stderr
        assert run.statuses() == {"T-01": "completed", "T-02": "pending"}
        assert run.entry("T-02")["retries"] == 0

    def test_an_agent_of_claude_code_is_a_role_as_it_is_and_needs_trust_too(self, run: RunFolder) -> None:
        agent = run.project / ".claude" / "agents" / "a.md"
        agent.parent.mkdir(parents=True)
        agent.write_text("---\nname: reviewer\ndescription: use: when asked\n---\nYou review.\n", encoding="utf-8")
        run.init(task("T-01", role="reviewer"))
        assert "role reviewer in .claude/agents/a.md" in run("prompt", "T-01", code=3).stderr
        run.prepare("trust")
        assert "## Your role: reviewer\n\nYou review." in run.prepare("prompt", "T-01")

    def test_a_role_that_is_not_there_is_warned_about_and_refused_before_anything_starts(self, run: RunFolder) -> None:
        tasks = (task("T-01", role="secruity"), task("T-02", fallback={"role": "nobody"}, on_failure="fallback"))
        run.write_plan(*tasks)
        warned = json.loads(run.prepare("validate", "--json"))
        assert warned["valid"]
        named = [(each["task"], each["severity"]) for each in warned["problems"] if "no role" in each["message"]]
        assert named == [("T-01", "warning"), ("T-02", "warning")]
        assert "did you mean security?" in run("init").stderr
        refused = run("run", "--command", ECHO, code=3).stderr
        assert 'there is no role "secruity"' in refused and 'there is no role "nobody"' in refused
        assert set(run.statuses().values()) == {"pending"}
        assert 'there is no role "secruity"' in run("prompt", "T-01", code=1).stderr

    def test_a_task_that_is_added_with_a_role_that_is_not_there_is_warned_about(self, run: RunFolder) -> None:
        run.init(task("T-01"))
        assert "did you mean docs?" in run("add", "More text", "--role", "dosc").stderr
        assert run.entry("T-02")["role"] == "dosc"

    def test_a_role_that_is_gone_by_the_time_fails_its_task_for_good(self, run: RunFolder, role_file: Path) -> None:
        run.init(task("T-01"), task("T-02", deps=["T-01"], role="data"))
        run.prepare("trust")
        run("run", "--command", f"sh -c 'cat >/dev/null; rm {role_file}; echo done'", code=1)
        assert run.statuses() == {"T-01": "completed", "T-02": "failed"}
        assert 'there is no role "data"' in run.entry("T-02")["reason"]

    def test_the_fallback_goes_on_with_its_own_role_and_words(self, run: RunFolder) -> None:
        fallback = {"description": "Write a note instead.", "role": "docs"}
        run.init(task("T-01", role="security", on_failure="fallback", fallback=fallback, max_retries=0))
        script = "sh -c 'cat > prompt.txt; grep -q \"Your role: docs\" prompt.txt && cat prompt.txt'"
        assert "T-01 Retrying: now, with the fallback\n" in run("run", "--command", script).stderr
        prompt = run.result(1).read_text(encoding="utf-8")
        assert "## Your role: docs" in prompt and "Write a note instead." in prompt
        assert "security engineer" not in prompt
        (retrying,) = run.events("task_retrying")
        assert retrying["retry_modifications"] == "fallback: another instruction, role docs"


class TestProposals:
    def test_init_proposes_a_role_for_each_task_without_one_and_says_why(self, run: RunFolder) -> None:
        audit = task("T-01") | {"name": "Audit the login", "description": "Look for holes."}
        run.write_plan(audit, task("T-02", role="review"))
        said = run.prepare("init")
        assert '  T-01: security, it says "Audit" and "login"' in said.splitlines()
        assert run.entry("T-01")["role"] is None, "it only proposes"
        assert "T-02:" not in said

    def test_with_roles_they_are_written_into_the_plan_of_the_run(self, run: RunFolder) -> None:
        text = "# mine\ntitle: x\ntasks:\n"
        text += "  - {name: Write the user manual, description: All}\n  - {name: A, description: B}\n"
        (run.project / "plan.yaml").write_text(text)
        answered = json.loads(run.prepare("init", "--roles", "--json"))
        assert [entry["role"] for entry in answered["proposed_roles"]] == ["docs", "development"]
        written = run.plan.read_text(encoding="utf-8")
        assert written.startswith("# mine\n")
        assert [entry["role"] for entry in yaml.safe_load(written)["tasks"]] == ["docs", "development"]
        assert (run.project / "plan.yaml").read_text() == text
        assert run.entry("T-01")["role"] == "docs"

    def test_a_task_with_two_roles_is_refused(self, run: RunFolder) -> None:
        run.write_plan(task("T-01", role=["docs", "review"]))
        assert "`role` names 2 roles" in run("init", code=1).stderr
