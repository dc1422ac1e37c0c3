"""What a run on several machines asks of a host itself: has it what a task needs, end that attempt.

Each is one command that a POSIX shell understands, the same for all; what it is about goes in by standard input. Keys
of hosts are always checked, and no question waits for a key press.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from orchestrator.launchers.hosts import Host

OPTIONS = (
    "-o",
    "BatchMode=yes",
    "-o",
    "StrictHostKeyChecking=yes",
    "-o",
    "ConnectTimeout=10",
    "-o",
    "ServerAliveInterval=5",
    "-o",
    "ServerAliveCountMax=3",
)
"""Of each connection, behind the options of the host's own line, which win. A host that is frozen without closing its
connections is given up after 15 s."""

ANSWER_S = 30.0
"""How long a host may take to answer one question, connecting included."""

_PROBE = (
    'IFS= read -r folder; cd -- "$folder" 2>/dev/null || echo "the folder $folder"; '
    'for each in rsync perl; do command -v $each >/dev/null 2>&1 || echo "the program $each"; done; '
    'IFS= read -r program; command -v "$program" >/dev/null 2>&1 || echo "the program $program"; echo ready'
)
_END = (
    "IFS= read -r mark; IFS= read -r grace; own=$$; "
    "marked() { if [ -d /proc/self ]; then "
    'for file in $(grep -lsaF "ORCHESTRATE_ATTEMPT=$mark" /proc/[0-9]*/environ 2>/dev/null); do '
    'tr "\\000" "\\n" <$file 2>/dev/null | grep -qxF "ORCHESTRATE_ATTEMPT=$mark" && '
    '! tr "\\000" "\\n" <$file 2>/dev/null | grep -q "^ORCHESTRATE_SSH=" && '
    "{ file=${file#/proc/}; echo ${file%/environ}; }; done; "
    'else ps -axEww -o pid= -o command= | grep -F " ORCHESTRATE_ATTEMPT=$mark " | grep -v grep | '
    "while read -r pid rest; do echo $pid; done; fi; }; "
    'for number in TERM KILL; do left=$(marked); [ -n "$left" ] || break; kill -s $number $left 2>/dev/null; '
    'while [ $grace -gt 0 ] && [ -n "$(marked)" ]; do sleep 1; grace=$((grace - 1)); done; done; echo ready'
)


def words(host: Host) -> tuple[str, ...]:
    """What ``ssh`` takes before the command."""
    *options, target = host.words
    return (*options, *OPTIONS, target)


def lacks(host: Host, folder: str, program: str) -> str:
    """What keeps ``host`` from running ``program`` in ``folder``, for a person; empty when nothing does."""
    said, complaint = _ask(host, _PROBE, [folder, program])
    if not said or said[-1] != "ready":
        return complaint
    return f"it lacks {', '.join(said[:-1])}" if len(said) > 1 else ""


def is_key_changed(complaint: str) -> bool:
    """Whether ``complaint`` says that a host has another key than the one that is known."""
    return complaint.startswith(_CHANGED)


def end_marked(host: Host, mark: str, grace_s: float) -> bool:
    """End every process on ``host`` that carries ``mark``: SIGTERM, up to ``grace_s``, SIGKILL; whether it answered.

    Processes are found by their environment, where the system of the host shows it.
    """
    said, _ = _ask(host, _END, [mark, str(max(1, round(grace_s)))], ANSWER_S + grace_s)
    return said == ["ready"]


_CHANGED = "its host key has changed"


def _ask(host: Host, script: str, lines: Sequence[str], timeout_s: float = ANSWER_S) -> tuple[list[str], str]:
    """The lines that ``script`` prints on ``host``, given ``lines`` to read; and why, where there are none."""
    command = ["ssh", "-T", *words(host), f"exec sh -c '{script}'"]
    try:
        done = subprocess.run(
            command,
            input="".join(f"{line}\n" for line in lines).encode(),
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [], f"it did not answer within {timeout_s:g} s"
    except OSError as error:
        return [], f"ssh cannot be started: {error.strerror}"
    complaint = done.stderr.decode("utf-8", "replace")
    if "REMOTE HOST IDENTIFICATION HAS CHANGED" in complaint:
        return [], f"{_CHANGED}, and somebody else may answer in its place"
    if "Host key verification failed" in complaint:
        return [], "its host key is not known here; connect once by hand and compare it"
    said = done.stdout.decode("utf-8", "replace").splitlines()
    return said, " ".join(complaint.split())[-300:] or f"ssh ended with {done.returncode}"
