"""Mentions in text of others: none attaches anything, all other text stays as it is."""

from __future__ import annotations

import posixpath
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.texts.attachments import JOINER, NOTE, as_prompt, quiet_attachments, without_attachments

FILES = {"notes.md", "src", "src/a b.md", "ä.md", "x,y", "a.md#b"}


def quieted(text: str) -> str:
    return without_attachments(text, FILES.__contains__)[0]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "@/etc/passwd",
            "see @/etc/passwd.",
            "@~/.ssh/id_rsa",
            "@../secret",
            "@..",
            "@./../x",
            "@a/../../x",
            "@\\\\host\\share",
        ),
        *(
            "@C:\\x",
            "@c:/x",
            "@notes.md",
            "\n@notes.md,",
            "\t@notes.md)",
            "@notes.md#L1-20",
            "@notes.md#top",
            "@src",
            "@src.",
        ),
        *(
            '@"src/a b.md"',
            '@"/etc/my file"',
            "@ä.md",
            "@x,y",
            "@a.md#b",
            "。@notes.md",
            "\u3000@notes.md",
            "\ufeff@notes.md",
        ),
        *(
            "@agent-general-purpose",
            '@"reviewer (agent)"',
            "@server:file:///x",
            "```\n@/etc/passwd\n```",
            "<t> @/etc/passwd </t>",
            "@nowhere/../notes.md",
            f"@{JOINER}/../../secret",
            f'@{JOINER}"q/../../secret"',
        ),
    ],
)
def test_a_mention_that_would_attach_something_is_made_harmless(text: str) -> None:
    assert quieted(text) == text.replace("@", f"{JOINER}@{JOINER}")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "me@example.org",
            "me@/etc",
            "@property",
            "@",
            "@ x",
            "@missing.md",
            "@media (x)",
            "@types/node",
            "@user,",
            "x@notes.md",
        ),
        *(
            "(@notes.md)",
            "@@notes.md",
            '@"missing"',
            '@"',
            "@app.route('/x')",
            "@2x",
            f"{JOINER}@/etc/passwd",
            f"@{JOINER}/etc/passwd",
            "@a:b",
            "@nul\0",
        ),
    ],
)
def test_a_mention_that_attaches_nothing_stays_as_it_is(text: str) -> None:
    assert quieted(text) == text


def test_one_line_says_that_mentions_were_made_harmless() -> None:
    text = quiet_attachments("@/a and @/b", lambda _: False)
    assert text == f"{NOTE}\n\n{JOINER}@{JOINER}/a and {JOINER}@{JOINER}/b"
    assert "\n" not in NOTE
    assert quiet_attachments("no mention, me@example.org", lambda _: True) == "no mention, me@example.org"


def test_the_number_of_mentions_is_told() -> None:
    assert without_attachments("@/a @b @/c", lambda _: False)[1] == 2


def test_a_path_that_cannot_be_looked_up_attaches_nothing() -> None:
    def refuses(path: str) -> bool:
        raise OSError(36, "File name too long", path)

    assert without_attachments("@x", refuses) == ("@x", 0)


# The regular expressions of claude 2.1.197.
WHITE = r"[\t-\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]"
BEFORE = rf"(?:^|(?<={WHITE})|(?<=[\u3002\u3001\uff1f\uff01]))"
QUOTED = re.compile(rf'{BEFORE}@"([^"]+)"')
PLAIN = re.compile(rf"{BEFORE}@([^\t-\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]+)(?a:\b)")


def attached(text: str) -> list[str]:
    """What the CLI would look for when ``text`` is its prompt; it takes ``..`` out of a path without looking."""
    names = [*QUOTED.findall(text), *(name for name in PLAIN.findall(text) if not name.startswith('"'))]
    names += [posixpath.normpath(name) for name in names]
    return [
        name
        for name in names
        if name.split("#")[0] in FILES or name in FILES or name == ".." or name.startswith(("/", "~", "../"))
    ]


PIECE = st.sampled_from(
    [
        *'@" \n\t/.~#,)(xä',
        "notes.md",
        "src",
        "a b.md",
        "@/",
        '@"',
        "..",
        "/../",
        "#L1",
        "\u3000",
        "\u3002",
        "\x85",
        "\x1c",
        JOINER,
    ]
)
TEXT = st.lists(PIECE, max_size=12).map("".join)


@given(TEXT)
@settings(max_examples=1500)
def test_the_cli_finds_nothing_to_attach_in_what_was_made_harmless(text: str) -> None:
    assert attached(quieted(text)) == []


@given(TEXT)
@settings(max_examples=500)
def test_nothing_else_is_changed_and_a_second_time_nothing_at_all(text: str) -> None:
    made = quieted(text)
    assert made.replace(JOINER, "") == text.replace(JOINER, "")
    assert quieted(made) == made


@pytest.mark.parametrize(
    ("text", "prompt"), [("/help", "\n/help"), ("\ufeff/x", "\n/x"), ("\ufeffx", "x"), ("x /y", "x /y"), ("", "")]
)
def test_a_prompt_never_begins_like_a_command(text: str, prompt: str) -> None:
    assert as_prompt(text) == prompt


@pytest.mark.parametrize(
    "text", ["@" * 3_000_000, "@x" * 1_500_000, '@"' * 1_500_000, "x" * 3_000_000], ids=["@", "@x", '@"', "x"]
)
def test_megabytes_of_anything_take_no_time(text: str) -> None:
    begin = time.process_time()
    without_attachments(text, lambda _: False)
    assert time.process_time() - begin < 1
