"""The hosts file: what people write in it, and what is said when they err."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.launchers.hosts import Host, read_hosts


def hosts(text: str, slots: int = 4) -> list[Host]:
    found, problems = read_hosts(text, slots)
    assert problems == []
    return found


def test_a_line_gives_slots_user_host_and_port() -> None:
    (host,) = hosts("3/anna@build-2:2222\n")
    assert (host.name, host.slots, host.words) == ("anna@build-2:2222", 3, ("-p", "2222", "anna@build-2"))


def test_a_line_without_a_number_has_as_many_slots_as_jobs() -> None:
    assert [host.slots for host in hosts("a\n2/b\n", slots=7)] == [7, 2]


def test_comments_and_blank_lines_say_nothing_and_lines_keep_their_numbers() -> None:
    found = hosts("\ufeff# the machines\r\n\r\n  2/a  \r\n   # b\r\nc\r\n")
    assert [(host.name, host.line) for host in found] == [("a", 3), ("c", 5)]


def test_options_of_ssh_are_words_as_a_shell_splits_them() -> None:
    (host,) = hosts("""4/ssh -i "/keys/my key" -oConnectTimeout=5 -4 build-3""")
    assert host.words == ("-i", "/keys/my key", "-oConnectTimeout=5", "-4", "build-3")


def test_an_address_of_version_six_stands_in_brackets() -> None:
    (host,) = hosts("[fe80::1]:22")
    assert host.words == ("-p", "22", "fe80::1")


def test_every_host_has_a_label_of_its_own_that_gnu_parallel_takes_for_a_host() -> None:
    found = hosts("a_b@x\na-b@x\n[::1]\nä.example\n")
    labels = [host.label for host in found]
    assert len(set(labels)) == 4
    assert all(
        set(label) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") for label in labels
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("0/a", "0 slots"),
        ("5000/a", "5000 slots"),
        (":", "without ssh"),
        ("a b", "more than a host"),
        ("-oProxyCommand=x", "no host"),
        ("a;rm", "no host"),
        ("$(x)", "no host"),
        ("a:port", "no host"),
        ("@a", "no host"),
        ("ssh", "no host"),
        ("ssh x y", "no option of ssh"),
        ("ssh -p", "no host"),
        ("'a", "cannot be split"),
        ("ssh -o StrictHostKeyChecking=no a", "switch the check of host keys off"),
        ("ssh -oStrictHostKeyChecking=accept-new a", "switch the check of host keys off"),
        ('ssh -o "stricthostkeychecking off" a', "switch the check of host keys off"),
        ("ssh -o UserKnownHostsFile=/dev/null a", "switch the check of host keys off"),
        ("ssh -o NoHostAuthenticationForLocalhost=yes a", "switch the check of host keys off"),
    ],
)
def test_a_wrong_line_is_named_with_its_number_and_what_to_try(line: str, words: str) -> None:
    found, (problem,) = read_hosts(f"2/good\n\n{line}\n3/fine\n", 4)
    assert [host.name for host in found] == ["good", "fine"]
    assert problem.line == 3
    assert words in problem.message
    assert problem.advice


def test_a_host_that_is_named_twice_is_refused() -> None:
    _, problems = read_hosts("2/a\na\n", 4)
    assert [(problem.line, problem.message) for problem in problems] == [(2, "a is named twice")]


def test_every_wrong_line_is_named_at_once() -> None:
    _, problems = read_hosts("0/a\n:\n", 4)
    assert [problem.line for problem in problems] == [1, 2]


@pytest.mark.parametrize("text", ["", "# nothing\n\n"])
def test_a_file_without_a_host_is_refused(text: str) -> None:
    _, problems = read_hosts(text, 4)
    assert [problem.message for problem in problems] == ["the file names no host"]


@given(st.text())
def test_whatever_stands_there_no_word_becomes_an_option_by_itself(text: str) -> None:
    for host in read_hosts(text, 4)[0]:
        assert not host.words[-1].startswith("-")
        assert not any("\n" in word for word in host.words)
