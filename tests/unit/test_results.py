"""Result files: whatever bytes an agent left, all of their text is kept, and what could not be read is named."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import Severity
from orchestrator.texts.disclosure import Secret, secrets
from orchestrator.texts.results import Finding, Result, read_result

REVIEW = b"""\
---
summary: Two problems.
findings:
  - category: Security
    severity: high
    title: "SQL built by string concatenation: `find`"
    detail: |
      The query is built with `+`.

      Any user can read any row.
    file: app/db.py
  - category: Style
    severity: catastrophic
    title: Names
---
# Review

Text.
"""


def read(data: bytes | str) -> Result:
    return read_result("T-01", "Review", "Agent-01", data.encode() if isinstance(data, str) else data)


def messages(result: Result) -> list[str]:
    return [problem.text() for problem in result.problems]


def test_front_matter_becomes_summary_and_findings() -> None:
    result = read(REVIEW)
    assert result == Result(
        task="T-01",
        name="Review",
        agent="Agent-01",
        body="# Review\n\nText.\n",
        summary="Two problems.",
        findings=(
            Finding(
                "Security",
                "high",
                "SQL built by string concatenation: `find`",
                "The query is built with `+`.\n\nAny user can read any row.",
                "app/db.py",
            ),
            Finding("Style", "catastrophic", "Names"),
        ),
        has_findings=True,
    )
    assert result.source == "Agent-01 [T-01: Review]"


def test_a_byte_order_mark_and_windows_lines_change_nothing() -> None:
    assert read(b"\xef\xbb\xbf" + REVIEW.replace(b"\n", b"\r\n")) == read(REVIEW)


def test_old_line_ends_and_nul_are_read() -> None:
    assert read(b"a\rb\r\nc\0d").body == "a\nb\nc\ufffdd"


def test_a_result_without_front_matter_is_its_body() -> None:
    result = read("# Title\n\n---\n\ntext\n")
    assert (result.body, result.problems, result.has_findings) == ("# Title\n\n---\n\ntext\n", (), False)


@pytest.mark.parametrize(
    "text",
    [
        "---\n\nA rule, and prose.\n\n---\nmore",
        "---\ntext\n---\n",
        "----\na: b\n----\n",
        " ---\na: b\n---\n",
        "---\n- a\n---\n",
    ],
)
def test_a_rule_at_the_top_is_no_front_matter(text: str) -> None:
    assert read(text).body == text
    assert read(text).problems == ()


def test_bytes_that_are_not_utf8_are_named_with_their_line() -> None:
    result = read(b"one\ntwo \xff\xfe three\n")
    assert result.body == "one\ntwo \ufffd\ufffd three\n"
    assert "line 2: warning: T-01: the result is not UTF-8 (byte 0xff)" in messages(result)[0]
    assert result.problems[0].severity is Severity.WARNING


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_what_windows_powershell_writes_is_read_and_named(encoding: str) -> None:
    result = read("\ufeff# Überblick\r\n".encode(encoding))
    assert result.body == "# Überblick\n"
    assert "UTF-16" in messages(result)[0]


@pytest.mark.parametrize(
    ("front", "line", "reason"),
    [
        ("summary: [x", 2, "cannot be read"),
        ("summary: a\n\tb: c", 3, "cannot be read"),
        ("summary: a\nsummary: b", 3, "`summary` occurs twice"),
        ("a: &x [1]\nb: *x", 3, "YAML alias"),
        ("findings: " + "[" * 100_000, 2, "nested more than"),
        ("findings:\n  " + "- " * 100, 3, "nested more than"),
        ("? [a]\n: b\nx: y", 2, "not a plain text"),
    ],
)
def test_broken_front_matter_is_kept_as_text_and_named(front: str, line: int, reason: str) -> None:
    front = front if front.startswith("summary") or ":" in front.split("\n")[0] else f"k: v\n{front}"
    result = read(f"---\n{front}\n---\n# Body\n")
    assert result.body == f"```yaml\n{front}\n```\n\n# Body\n"
    assert reason in result.problems[0].message
    assert result.problems[0].line == line + front.startswith("k: v")
    assert not result.has_findings


def test_front_matter_that_never_ends_is_kept_as_text_and_named() -> None:
    text = "---\nsummary: x\n\n# Body\n"
    assert read(text).body == text
    assert messages(read(text)) == ["line 1: warning: T-01: the front matter has no closing `---` line"]


def test_scalars_stay_the_text_that_was_written() -> None:
    result = read("---\nsummary: on\ndate: 2024-01-01\nid: 001\nnone: ~\nfindings: [{title: yes, file: null}]\n---\n")
    assert result.summary == "on"
    assert result.notes == (("date", "2024-01-01"), ("id", "001"), ("none", ""))
    assert result.findings == (Finding("General", "", "yes"),)


def test_other_keys_are_kept_as_notes() -> None:
    result = read("---\nSummary: s\nreviewed:\n  - a.py\n  - {b: 1}\n---\n")
    assert (result.summary, result.notes) == ("s", (("reviewed", "- a.py\n-\n  - b: 1"),))


@pytest.mark.parametrize(
    ("item", "finding", "reason"),
    [
        ("just text", Finding("General", "", "just text"), "is not a mapping"),
        ("{detail: 'first\n\n  second'}", Finding("General", "", "first", "first\nsecond"), "has no title"),
        ("{file: a.py}", Finding("General", "", "a.py", "", "a.py"), "has no title"),
        ("{title: t, file: a.py, line: 7}", Finding("General", "", "t", "", "a.py:7"), ""),
        ("{title: t, file: 'a.py:3', line: 7}", Finding("General", "", "t", "- line: 7", "a.py:3"), ""),
        ("{TITLE: t, Severity: HIGH}", Finding("General", "HIGH", "t"), ""),
        ("{title: t, fix: [a, b]}", Finding("General", "", "t", "- fix:\n  - a\n  - b"), ""),
        ("{title: t, detail: d, why: w}", Finding("General", "", "t", "d\n\n- why: w"), ""),
    ],
)
def test_a_finding_is_kept_however_odd(item: str, finding: Finding, reason: str) -> None:
    result = read(f"---\nfindings:\n- {item}\n---\n")
    assert result.findings == (finding,)
    assert messages(result) == ([f"line 2: warning: T-01: finding 1 {reason}"] if reason else [])


def test_findings_that_are_no_list_are_kept_as_a_note_and_named() -> None:
    result = read("---\nfindings: none\n---\n")
    assert (result.findings, result.has_findings, result.notes) == ((), False, (("findings", "none"),))
    assert "`findings` is not a list" in messages(result)[0]


@pytest.mark.parametrize("front", ["findings: []", "findings:"])
def test_an_empty_list_of_findings_is_not_the_same_as_none(front: str) -> None:
    assert read(f"---\n{front}\n---\n").has_findings
    assert not read("---\nsummary: x\n---\n").has_findings


STRUCTURED = {
    "summary": "s",
    "findings": [{"category": "Style", "severity": "low", "title": "t", "line": 3, "file": "a.py"}],
    "confidence": 0.5,
}


def test_json_is_shown_as_code_and_its_findings_are_used() -> None:
    text = json.dumps(STRUCTURED)
    result = read(text)
    assert result.body == f"```json\n{text}\n```"
    assert result.findings == (Finding("Style", "low", "t", "", "a.py:3"),)
    assert (result.summary, result.notes, result.is_data) == ("s", (("confidence", "0.5"),), True)


def test_half_a_surrogate_pair_in_json_is_replaced() -> None:
    result = read('{"findings": [{"title": "a\\ud800b"}], "\\udfff": "\\ud83d\\ude80"}')
    assert result.findings[0].title == "a\ufffdb"
    assert result.notes == (("\ufffd", "🚀"),)


def test_json_in_the_only_json_fence_is_used_and_the_text_around_it_kept() -> None:
    text = f"Done.\n\n```json\n{json.dumps(STRUCTURED)}\n```\n"
    result = read(text)
    assert (result.body, result.is_data, len(result.findings)) == (text, False, 1)
    assert read(text.removeprefix("Done.\n\n")).is_data


def test_json_without_findings_is_shown_as_code() -> None:
    result = read('{"a": [1, 2]}\n')
    assert (result.body, result.findings, result.is_data) == ('```json\n{"a": [1, 2]}\n```', (), False)


def test_findings_of_the_front_matter_outrank_those_of_json() -> None:
    result = read('---\nfindings: [{title: a}]\n---\n```json\n{"findings": [{"title": "b"}]}\n```\n')
    assert [finding.title for finding in result.findings] == ["a"]


@pytest.mark.parametrize(
    "text", ['{"findings": ' + "[" * 500 + "]" * 500 + "}", "[" * 100_000, '{"findings": [', "{}" * 9]
)
def test_json_that_is_hostile_or_broken_is_only_text(text: str) -> None:
    result = read(text)
    assert text in result.body
    assert result.findings == ()


@given(st.binary(max_size=200))
def test_no_bytes_at_all_raise_or_lose_text(data: bytes) -> None:
    result = read(data)
    text = data.decode("utf-8", "replace")
    if result.problems == () and not text.startswith(("---", "{", "[")):
        assert result.body == text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").replace(
            "\0", "\ufffd"
        )


FRONT_TEXT = st.sampled_from(
    [
        *"abc:-[]{}&*?|>'\"#%@!,",
        "\n",
        "\n  ",
        "- ",
        "summary: ",
        "findings:",
        "title: ",
        "detail: |",
        "---",
        "שלום",
        "🚀",
        "\t",
    ]
)


@given(st.lists(FRONT_TEXT, max_size=20).map("".join), st.text("ab#\n", max_size=10))
def test_no_front_matter_raises_or_loses_a_word(front: str, body: str) -> None:
    result = read(f"---\nsummary: x\n{front}\n---\n{body}")
    shown = repr(result)
    for word in ("שלום", "🚀"):
        assert (word in shown) == (word in front) or "#" in front
    assert body.strip("\n") in result.body or body.startswith("\n")


def test_an_empty_result_is_blank_and_no_error() -> None:
    for data in (b"", b"\n \n", b"\xef\xbb\xbf", b"---\n---\n"):
        assert read(data).is_blank
        assert read(data).problems == ()
    assert not read(REVIEW).is_blank


# Put together here, so that no scanner takes this file for a leak.
LETTERS = "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zAbCdEfGhIjKlMnOpQrStUvWxYz"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("AKIA" + "IOSFODNN7EXAMPLE", "AWS access key"),
        ("x ASIA" + "QWERTYUIOPASDFGH.", "AWS access key"),
        ("-----BEGIN " + "PRIVATE KEY-----", "private key"),
        ("-----BEGIN OPENSSH " + "PRIVATE KEY-----", "private key"),
        ("-----BEGIN PGP " + "PRIVATE KEY BLOCK-----", "private key"),
        ("ghp_" + LETTERS[:36], "GitHub token"),
        ("github_pat_" + LETTERS[:22] + "_" + LETTERS, "GitHub token"),
        ("glpat-" + LETTERS[:20], "GitLab token"),
        ("sk-ant-" + "api03-" + LETTERS, "Anthropic key"),
        ("sk-proj-" + LETTERS, "OpenAI key"),
        ("sk-" + LETTERS[:48], "OpenAI key"),
        ("xoxb-" + LETTERS[:20], "Slack token"),
        ("sk_live_" + LETTERS[:24], "Stripe key"),
        ("AIza" + LETTERS[:35], "Google API key"),
        ("eyJ" + LETTERS + ".eyJ" + LETTERS + "." + LETTERS, "JSON web token"),
        ("postgres://user:" + "p4ssw0rd@host/db", "password in an address"),
        ("password=" + "correcthorse", "password or key"),
        ("DB_PASSWORD = " + "'correct horse'".replace(" ", ""), "password or key"),
        ('"api_key": ' + '"abcdef123"', "password or key"),
        ("passwd: " + "hunter22", "password or key"),
        ("export GITHUB_TOKEN=" + "abcdefgh", "password or key"),
    ],
)
def test_what_looks_like_a_secret_is_found(text: str, kind: str) -> None:
    assert secrets(f"one\n`{text}` three\n") == [Secret(2, kind)]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "password: required",
            "The password is stored hashed.",
            "password = os.environ['DB']",
            "password=form.password",
        ),
        *(
            "token = next(tokens)",
            "secret: ${SECRET}",
            "api_key=<your key>",
            "password=********",
            "password: str",
            "pwd=/home/u1",
        ),
        *("password=changeme1", "api_key = get_key(1)", "PASSWORD == other", "ghp_" + "x" * 36, "sk-ant-" + "x" * 30),
        *(
            "https://example.org:8080/a@b",
            "http://user:<password>@host",
            "sk-loading-spinner",
            "task-ant-hill",
            "AKIA",
            "eyJ.eyJ.x",
        ),
        *("secret_name: my-secret", "Password:\n\nsomething1", "password=getenv(1234)"),
    ],
)
def test_what_only_speaks_of_secrets_is_not(text: str) -> None:
    assert secrets(text) == []


def test_each_line_is_named_once_for_each_kind_and_never_with_its_value() -> None:
    key = "ghp_" + LETTERS[:36]
    found = secrets(f"{key} {key}\n\npassword={key}\nAKIA" + "QWERTYUIOPASDFGH")
    assert found == [Secret(1, "GitHub token"), Secret(3, "GitHub token"), Secret(4, "AWS access key")]
    assert key not in repr(found)
