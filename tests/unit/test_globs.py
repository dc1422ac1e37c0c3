"""Path globs: what they cover, and when two of them may mean the same path."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from orchestrator.plans.globs import covers, literal_names, names, overlap

NAMES = st.sampled_from(["a", "b", "ab", "*", "a*", "*b", "?", "[ab]", "[!a]", "[a", "**", "[id]", "A", "?id?"])
GLOBS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
PATHS = st.lists(st.sampled_from(["a", "b", "ab", "[id]", "[a", "B", "aab"]), min_size=1, max_size=4).map("/".join)
WORDS = st.text("ab", min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("glob", "path"),
    [
        ("src/a.py", "src/a.py"),
        ("src", "src/deep/a.py"),
        ("src/", "src/a.py"),
        ("./src//a.py", "src/a.py"),
        ("src/*.py", "src/a.py"),
        ("src/**", "src/deep/er/a.py"),
        ("**/*.md", "README.md"),
        ("**/*.md", "docs/deep/x.md"),
        ("a/**/z", "a/z"),
        ("a/**/z", "a/b/c/z"),
        ("file?.txt", "file1.txt"),
        ("[a-c]x", "bx"),
        ("[!a-c]x", "dx"),
        ("[]]x", "]x"),
        ("a[", "a["),
        ("app/[id]/page.tsx", "app/[id]/page.tsx"),
        ("Docs/Übersicht.md", "docs/übersicht.md"),
        ("conf.d", "conf.d/x.conf"),
        (".github", ".github/workflows/ci.yml"),
        ("app.bundle/", "app.bundle/Info.plist"),
        ("docs/u\u0308.md", "docs/\u00fc.md"),
        (".", "anything"),
    ],
)
def test_a_glob_covers_what_it_matches_and_everything_below(glob: str, path: str) -> None:
    assert covers(glob, path)
    assert overlap(glob, path)
    assert overlap(path, glob)


@pytest.mark.parametrize(
    ("glob", "path"),
    [
        ("src/a.py", "src/b.py"),
        ("src", "srcs/a.py"),
        ("*.md", "docs/x.md"),
        ("src/*.py", "src/deep/a.py"),
        ("docs/*.md", "docs/x.py"),
        ("[!a-c]x", "ax"),
        ("file?.txt", "file10.txt"),
        ("a/**/z", "a/b/c"),
        ("src/a.py", "src"),
        ("src/a.py", "src/a.py/b"),
        ("**/*.md", "src/a.py"),
    ],
)
def test_a_glob_does_not_cover_other_paths(glob: str, path: str) -> None:
    assert not covers(glob, path)


@pytest.mark.parametrize(
    ("glob", "other"),
    [
        ("a*c", "ab*"),
        ("*a*", "b*b"),
        ("**/x", "a/**"),
        ("src/**/test_*.py", "src/unit/*_a.py"),
        ("a?", "*b"),
        ("[ab]", "?"),
        ("My.app", "My.app/x"),
        ("docs", "**/*.md"),
    ],
)
def test_globs_that_share_a_path_overlap(glob: str, other: str) -> None:
    assert overlap(glob, other)
    assert overlap(other, glob)


@pytest.mark.parametrize(
    ("glob", "other"),
    [
        ("*.py", "*.md"),
        ("src/*.py", "docs/**"),
        ("a*b", "*c"),
        ("src/a/*", "src/b/*"),
        ("[!a]", "a"),
        ("x/?", "x/ab"),
        ("**/*.md", "src/a.py"),
        ("*/x.md", "y.md"),
    ],
)
def test_globs_without_a_common_path_do_not_overlap(glob: str, other: str) -> None:
    assert not overlap(glob, other)
    assert not overlap(other, glob)


@st.composite
def globs_for(draw: st.DrawFn, path: str) -> str:
    """A glob made from ``path`` by putting wildcards for parts of it, or leaving its end away."""
    result = []
    for name in path.split("/")[: draw(st.integers(1, path.count("/") + 1))]:
        at = draw(st.integers(0, len(name)))
        other = name.swapcase() if draw(st.booleans()) else name
        ways = [other, "*", "?" * len(name), "**"]
        if name.isalpha():
            ways += [f"{name[:at]}*", f"*{name[at:]}", f"{name[:at]}*{name[at:]}", f"[{name[0]}x]{name[1:]}"]
        result += draw(st.sampled_from([[way] for way in ways] + [["**", name], [name, "**"]]))
    return "/".join(result)


@given(PATHS, st.data())
def test_two_globs_that_cover_one_path_always_overlap(path: str, data: st.DataObject) -> None:
    glob, other = data.draw(globs_for(path)), data.draw(globs_for(path))
    assert covers(glob, path)
    assert covers(other, path)
    assert overlap(glob, other)


@given(GLOBS, GLOBS)
def test_overlap_does_not_depend_on_the_order(glob: str, other: str) -> None:
    assert overlap(glob, other) == overlap(other, glob)


@given(GLOBS, GLOBS)
def test_literal_names_of_globs_that_overlap_begin_each_other(glob: str, other: str) -> None:
    assume(overlap(glob, other))
    shorter, longer = sorted((literal_names(glob), literal_names(other)), key=len)
    assert longer[: len(shorter)] == shorter


@given(st.sampled_from(["*", "a*", "*b", "a?b", "?", "[ab]", "[!b]a", "a*b*a"]), WORDS)
def test_one_name_is_matched_as_the_standard_library_does(glob: str, name: str) -> None:
    assert covers(glob, name) == fnmatchcase(name, glob)


@given(st.text("ab*?", min_size=1, max_size=5), st.text("ab*?", min_size=1, max_size=5))
def test_names_with_stars_overlap_only_where_a_short_name_shows_it(glob: str, other: str) -> None:
    assume("**" not in (glob, other))
    length = len(glob) + len(other)
    words = [""]
    for _ in range(min(length, 7)):
        words += [word + letter for word in words[-(2 ** len(words[-1])) :] for letter in "ab"]
    shown = any(fnmatchcase(word, glob) and fnmatchcase(word, other) for word in words[1:])
    assert overlap(glob, other) or not shown
    if length <= 7:
        assert overlap(glob, other) == shown


def test_names_leave_out_what_says_nothing() -> None:
    assert names("./a//b/.") == ("a", "b")


def test_many_stars_take_no_exponential_time() -> None:
    assert not overlap("a*" * 100 + "b", "*a" * 100 + "c")
