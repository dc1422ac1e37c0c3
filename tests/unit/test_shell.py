"""Shell commands taken apart, and the writes that they show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.executors.claude_events import ToolUse
from orchestrator.executors.shell import absolute, is_within, taken_apart
from orchestrator.executors.writes import writes_within, written_paths
from orchestrator.model import Json

PROJECT = "/p"
CLOSED = ["/p/.orchestrator"]


def words(text: str) -> list[tuple[str, ...]]:
    return [command.words for command in taken_apart(text, PROJECT).commands]


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("", []),
        ("ls -la src", [("ls", "-la", "src")]),
        ("a && b || c; d | e & f\ng", [("a",), ("b",), ("c",), ("d",), ("e",), ("f",), ("g",)]),
        ("echo 'a && b' \"c; d\" e\\ f", [("echo", "a && b", "c; d", "e f")]),
        ("grep '>' file", [("grep", ">", "file")]),
        ("if true; then rm x; fi", [("true",), ("rm", "x")]),
        ("for f in a b; do touch $f; done", [("touch", "$f")]),
        ("A=1 B=2 run x", [("run", "x")]),
        ("D=dir; ls $D ${D}/x", [("ls", "dir", "dir/x")]),
        ("timeout 5 nice -n 3 run x", [("run", "x")]),
        ("sudo -E run x", [("run", "x")]),
        ('echo "$(rm x)"', [("echo", "$(rm x)"), ("rm", "x")]),
        ("echo a # rm x", [("echo", "a")]),
        ("echo a\\\n  b", [("echo", "a", "b")]),
        ("cat <<EOF\nrm x\nEOF\nls", [("cat",), ("ls",)]),
        ("it's", [("it", "'", "s")]),
    ],
)
def test_a_command_line_is_taken_apart(text: str, commands: list[tuple[str, ...]]) -> None:
    assert words(text) == commands


def test_redirections_are_told_from_words_and_from_numbers() -> None:
    (command,) = taken_apart("run 2>&1 >out 2>>err.log <in &>all", PROJECT).commands
    assert command.words == ("run",)
    assert command.outputs == ("out", "err.log", "all")


def test_what_stands_before_a_program_is_kept_unless_it_changes_nothing() -> None:
    (command,) = taken_apart("A=1 sudo -n timeout 5 run x", PROJECT).commands
    assert (command.before, command.words) == (("A=1", "sudo", "-n"), ("run", "x"))


def test_the_working_directory_is_followed() -> None:
    script = taken_apart("cd src && a; (cd ..; b); c; cd /x; cd - ; d", PROJECT)
    folders = {command.words[0]: command.folder for command in script.commands if command.words[0] != "cd"}
    assert folders == {"a": "/p/src", "b": "/p", "c": "/p/src", "d": "/x"}
    assert script.folder == "/x"


@pytest.mark.parametrize(
    ("text", "is_plain"),
    [
        ("npm test && ls | head", True),
        ('python3 -c "print((1))"', True),
        ("echo $(x)", False),
        ("echo `x`", False),
        ('echo "$(x)"', False),
        ("(a; b)", False),
        ("cat <<E\nE", False),
    ],
)
def test_a_line_with_something_nested_is_not_plain(text: str, is_plain: bool) -> None:
    assert taken_apart(text, PROJECT).is_plain is is_plain


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("a/b", "/p/a/b"),
        ("./a/../b", "/p/b"),
        ("../../../x", "/x"),
        ("/a//b/", "/a/b"),
        ("C:\\Users\\x", "/c/Users/x"),
        ("c:/Users/x", "/c/Users/x"),
        ("a\\b", "/p/a/b"),
        ("", "/p"),
    ],
)
def test_a_path_is_seen_from_a_folder(path: str, place: str) -> None:
    assert absolute(path, PROJECT) == place


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("/p/.orchestrator", True),
        ("/p/.orchestrator/a/b", True),
        ("/p/.Orchestrator/a", True),
        ("/p/.orch*/a", True),
        ("/p/.orchestrator-old", False),
        ("/p/*", False),
        ("/p", False),
        ("/q/.orchestrator", False),
    ],
)
def test_what_lies_in_a_directory_is_known(path: str, inside: bool) -> None:
    assert is_within(path, "/p/.orchestrator") is inside


WRITES = [
    "cp src/a.txt .orchestrator/x",
    "echo x | tee .orchestrator/x",
    "sed -i s/{/X/ .orchestrator/events.jsonl",
    "mv src/a.txt .orchestrator/x",
    "mv .orchestrator/results/a.md .",
    "cd .orchestrator && echo hi > x",
    "(cd .orchestrator; touch x)",
    "python3 -c \"open('.orchestrator/x','w').write('x')\"",
    "python3 - <<EOF\nfrom pathlib import Path\nPath('.orchestrator/x').write_text('y')\nEOF",
    "node -e \"require('fs').writeFileSync('.orchestrator/x','y')\"",
    "python3 -c \"import shutil; shutil.copy('a.md', '.orchestrator/results/a.md')\"",
    "python3 -c \"import os; os.replace('a.md', '.orchestrator/results/a.md')\"",
    "python3 -c \"import os; os.remove('/p/.orchestrator/events.jsonl')\"",
    "perl -e 'open(F,\">.orchestrator/x\")'",
    "bash -c 'echo hi > .orchestrator/x'",
    "bash <<EOF\nrm .orchestrator/x\nEOF",
    "echo hi > /p/.orchestrator/x",
    "echo hi >> src/../.orchestrator/x",
    "echo a 2>&1 > .orchestrator/x",
    "echo a &> .orchestrator/x",
    "D=.orchestrator; echo hi > $D/x",
    "cat > .orchestrator/x <<'EOF'\nhi\nEOF",
    "touch .orchestrator/x",
    "mkdir -p .orchestrator/d",
    "ln -s ../src/a.txt .orchestrator/l",
    "dd if=src/a.txt of=.orchestrator/x",
    "install src/a.txt .orchestrator/x",
    "rsync -a src/ .orchestrator/x",
    "truncate -s 0 .orchestrator/x",
    "curl -o .orchestrator/x http://a",
    "tar xf a.tar -C .orchestrator",
    "unzip a.zip -d .orchestrator",
    "git clone http://a .orchestrator/g",
    "find .orchestrator -name '*.md' -delete",
    "find .orchestrator -type f -exec rm {} +",
    "rm .orchestrator/events.jsonl",
    "rm -rf .orch*",
    "rm -rf /p",
    "rm -r .",
    "sudo rm -f .orchestrator/x",
    "FOO=1 timeout 5 touch .orchestrator/x",
    "ls | xargs -I{} cp {} .orchestrator/",
    "for f in a b; do echo $f >> .orchestrator/x; done",
    "if true; then rm .orchestrator/x; fi",
    "x=$(echo hi > .orchestrator/x)",
    'echo "$(rm .orchestrator/x)"',
]
NO_WRITES = [
    "cat .orchestrator/results/a.md",
    "ls -la .orchestrator",
    "grep '>' .orchestrator/results/a.md",
    "cp .orchestrator/results/a.md out.md",
    "cat .orchestrator/results/a.md > out.md",
    "cd .orchestrator/results && cat a.md > /p/out.md",
    "wc -l < .orchestrator/x",
    "diff .orchestrator/a b > d.txt",
    "sed -n 1,3p .orchestrator/x",
    "find .orchestrator -name '*.md'",
    "tar cf a.tar .orchestrator",
    "git add .orchestrator",
    "echo '.orchestrator/x > y'",
    "# rm .orchestrator/x",
    "cat > notes.md <<EOF\nrm .orchestrator/x\necho > .orchestrator/y\nEOF",
    "python3 -c \"d=open('.orchestrator/results/a.md').read(); print(len(d) > 3, d.replace('a','b'))\"",
    "python3 -c \"print(Path('.orchestrator/results/a.md').read_text().replace('a', 'b'))\"",
    "python3 -c \"shutil.copy('.orchestrator/results/a.md', 'out.md')\"",
    "python3 -c \"print(name.replace('.orchestrator/', ''))\"",
    "node -e \"console.log(require('fs').readFileSync('.orchestrator/results/a.md', 'utf8').length > 3)\"",
    "python3 script.py .orchestrator/results/a.md",
    "rm -rf build/* ./*",
    "mv build/x .",
    "mkdir x && cd x && echo y > z",
    "echo hi > orchestrator/x",
    "echo hi 2>&1 | grep x > /dev/null",
]


@pytest.mark.parametrize("text", WRITES)
def test_a_write_into_a_closed_directory_is_found(text: str) -> None:
    assert written_paths(text, PROJECT, CLOSED)[0]


@pytest.mark.parametrize("text", NO_WRITES)
def test_reading_from_a_closed_directory_is_no_write(text: str) -> None:
    assert written_paths(text, PROJECT, CLOSED)[0] == []


@given(st.text(alphabet=st.sampled_from("ab ./'\"\\$(){}<>|&;\n#=-`*~%"), max_size=60))
def test_no_command_line_fails(text: str) -> None:
    taken_apart(text, PROJECT)
    written_paths(text, PROJECT, CLOSED)


def bash(id: str, command: str) -> ToolUse:
    return ToolUse(id, "Bash", {"command": command})


def test_a_shell_keeps_its_folder_from_one_call_to_the_next() -> None:
    uses = [bash("1", "cd .orchestrator"), bash("2", "echo x > y"), bash("3", "cd .."), bash("4", "echo x > y")]
    assert writes_within(uses, PROJECT, CLOSED) == ["Bash: y"]
    assert writes_within(uses[2:], PROJECT, CLOSED) == []


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("Write", {"file_path": "/p/.orchestrator/x", "content": "y"}),
        ("Edit", {"file_path": ".orchestrator/x"}),
        ("MultiEdit", {"file_path": ".orchestrator/x"}),
        ("NotebookEdit", {"notebook_path": "/p/.orchestrator/x.ipynb"}),
        ("mcp__files__write_file", {"path": "/p/.orchestrator/x"}),
        ("mcp__files__move_file", {"source": "a", "destination": "/p/.orchestrator/x"}),
        ("PowerShell", {"command": "Set-Content -Path .orchestrator\\x -Value y"}),
        ("PowerShell", {"command": "'y' > .orchestrator\\x"}),
    ],
)
def test_every_tool_that_writes_is_watched(name: str, inputs: dict[str, Json]) -> None:
    assert writes_within([ToolUse("1", name, inputs)], PROJECT, CLOSED)
    assert writes_within([ToolUse("1", name, inputs)], PROJECT, ["/q/.orchestrator"]) == []


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("Read", {"file_path": "/p/.orchestrator/x"}),
        ("Grep", {"path": "/p/.orchestrator"}),
        ("Glob", {"path": "/p/.orchestrator"}),
        ("mcp__files__read_file", {"path": "/p/.orchestrator/x"}),
        ("Write", {"file_path": "/p/notes.md", "content": "/p/.orchestrator/x"}),
        ("Bash", {}),
        ("PowerShell", {"command": "Get-Content .orchestrator\\x"}),
    ],
)
def test_reading_is_no_write_whatever_the_tool(name: str, inputs: dict[str, Json]) -> None:
    assert writes_within([ToolUse("1", name, inputs)], PROJECT, CLOSED) == []
