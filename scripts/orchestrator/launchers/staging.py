"""``remote/``: what goes to other machines and what comes back, and the notes that GNU parallel's ssh leaves there.

For attempt 1 of T-03: ``T-03.1.in/`` travels there (the prompt, the command, files of the project that it builds on,
the outputs to bring back), ``T-03.1.out/`` comes back (what the command printed, and these outputs) and
``T-03.1.exit`` last. ``jobs/N`` is the mark of the attempt that line N of the feed gave out, ``jobs/N.host`` where it
runs, ``jobs/N.broken`` that a connection of it broke, ``jobs/N.withdrawn`` that it must not begin any more,
``jobs/N.settled`` that nothing of it is left. ``sshlogins`` is GNU parallel's list of hosts, ``ssh/HOST`` what ssh
takes to reach one, and ``gone/HOST`` says that it is used no more.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from orchestrator.errors import CannotGoOnError
from orchestrator.executors.execution import Job
from orchestrator.launchers import ssh
from orchestrator.launchers.hosts import Host
from orchestrator.paths import RunPaths
from orchestrator.render.templates import rendered
from orchestrator.system import files

SSH_PROGRAM = "orchestrate-ssh"


class Staging:
    """The folder of one run on several machines."""

    def __init__(self, paths: RunPaths) -> None:
        self.folder = paths.inside("remote")

    def place(self, *parts: str) -> str:
        """A file of the folder."""
        return os.path.join(self.folder, *parts)

    # -- the hosts -------------------------------------------------------------------------------

    def begin(self, hosts: Sequence[Host], source: str) -> None:
        """An empty folder for a run on ``hosts``, which come from the file with the digest ``source``."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in ("", "jobs", "ssh", "gone"):
            files.make_private_folder(self.place(name))
        for host in hosts:
            files.write_whole(self.place("ssh", host.label), _lines(ssh.words(host)), flush=False)
        files.write_whole(self.place(SSH_PROGRAM), rendered("ssh.sh.j2"), flush=False)
        os.chmod(self.place(SSH_PROGRAM), 0o700)
        self.list_hosts(hosts)
        record = {"source": source, "labels": [host.label for host in hosts]}
        files.write_whole(self.place("hosts.json"), json.dumps(record), flush=False)

    def labels(self, source: str) -> list[str]:
        """The hosts that ``begin`` was given for the file with the digest ``source``."""
        data = files.read_bytes_or_none(self.place("hosts.json"))
        record = json.loads(data) if data else {}
        if record.get("source") != source:
            raise CannotGoOnError(
                "the hosts were not looked at yet, or their file has changed since",
                "start the launch script again; it calls `orchestrate feed --hosts FILE --prepare` first",
            )
        labels: list[str] = record["labels"]
        return labels

    def left_behind(self) -> list[tuple[str, Host]]:
        """The marks of attempts that a feed which was killed never settled, each with the host it began on.

        Read before ``begin`` empties the folder.
        """
        found = []
        for note in sorted(Path(self.place("jobs")).glob("*.host")):
            words = files.read_bytes_or_none(self.place("ssh", note.read_text().strip()))
            mark = files.read_bytes_or_none(str(note.with_suffix("")))
            if words and mark and not note.with_suffix(".settled").exists():
                *options, target = words.decode().splitlines()
                found.append((mark.decode().strip(), Host(target, "", 1, (*options, target), 0)))
        return found

    def list_hosts(self, hosts: Iterable[Host]) -> None:
        """Tell GNU parallel which hosts it may use; it reads the list again while it runs."""
        text = "".join(f"{host.slots}/{host.label}\n" for host in hosts)
        files.write_whole(self.place("sshlogins"), text, flush=False)

    def note_gone(self, label: str) -> None:
        """Refuse every further connection to a host."""
        files.write_whole(self.place("gone", label), "", flush=False)

    # -- one attempt -----------------------------------------------------------------------------

    def send(self, name: str, line: int, job: Job, *, folder: str, argv: Sequence[str], carried: Iterable[str]) -> None:
        """Lay out what travels for ``job``, the attempt ``name``, whose line in the feed is ``line``.

        ``folder`` is where ``argv`` is run on the host; the files ``carried`` of the project are there by then. Each
        word is a line of a file, so that none meets a shell; one that holds a newline cannot travel.
        """
        mark, outputs = job.mark, job.task.outputs
        words = [mark, folder, *argv]
        if any("\n" in word for word in (*words, *outputs)):
            raise CannotGoOnError(
                f"{name}: a word of its command, or the name of an output, holds a line break and cannot travel",
                "leave the line break out, or run it on this machine",
            )
        files.make_private_folder(self.place(f"{name}.in"))
        shutil.copyfile(job.prompt, self.place(f"{name}.in", "prompt.md"))
        there = self.place(f"{name}.in", "files")
        for path in carried:
            _copy_inside(job.project, there, path, name)
        files.write_whole(self.place(f"{name}.in", "job"), _lines(words), flush=False)
        files.write_whole(self.place(f"{name}.in", "outputs"), _lines(outputs), flush=False)
        files.write_whole(self.place("jobs", str(line)), f"{mark}\n", flush=False)

    def host_of(self, line: int) -> str | None:
        """The label of the host on which the attempt of a line has begun; None before that."""
        data = files.read_bytes_or_none(self.place("jobs", f"{line}.host"))
        return data.decode("utf-8", "replace").strip() if data else None

    def is_broken(self, line: int) -> bool:
        """Whether a connection of the attempt of a line has broken."""
        return os.path.exists(self.place("jobs", f"{line}.broken"))

    def withdraw(self, line: int) -> None:
        """Refuse the attempt of a line, unless it has begun."""
        files.write_whole(self.place("jobs", f"{line}.withdrawn"), "", flush=False)

    def exit_code(self, name: str) -> int | None:
        """What the command ended with; None while that has not come back."""
        data = files.read_bytes_or_none(self.place(f"{name}.exit"))
        if data is None:
            return None
        try:
            return int(data)
        except ValueError:
            return 255

    def take_streams(self, name: str, output: str, errors: str) -> None:
        """Put what the command printed where the logs of an attempt are, as far as it came back."""
        for source, target in (("stdout", output), ("stderr", errors)):
            came = self.place(f"{name}.out", source)
            # Copied into the file that is there, which holds the lock of the attempt.
            with os.fdopen(files.open_output(target), "wb") as log:
                if os.path.isfile(came) and not os.path.islink(came):
                    with open(came, "rb") as read:
                        shutil.copyfileobj(read, log)

    def take_outputs(self, name: str, project: str, outputs: Sequence[str]) -> None:
        """Put the outputs that came back into the project; nothing outside either folder is read or written."""
        for output in outputs:
            _copy_inside(self.place(f"{name}.out", "files"), project, output, name)

    def settle(self, line: int) -> None:
        """Note that the attempt of a line is over on every machine."""
        files.write_whole(self.place("jobs", f"{line}.settled"), "", flush=False)

    def clear(self, name: str) -> None:
        """Take away what an attempt left here."""
        for folder in (f"{name}.in", f"{name}.out"):
            shutil.rmtree(self.place(folder), ignore_errors=True)
        with suppress(OSError):
            os.unlink(self.place(f"{name}.exit"))


def _copy_inside(source_root: str, target_root: str, path: str, name: str) -> None:
    """Copy the file or folder ``path`` of one folder to the same place in the other; whole, whoever reads there.

    What is not there, is a link, or lies outside either folder is passed over.
    """
    source, target = os.path.join(source_root, path), os.path.join(target_root, path)
    if not os.path.exists(source) or os.path.islink(source):
        return
    if not files.is_inside(source_root, source) or not files.is_inside(target_root, target):
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.isdir(source):
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
        return
    temp = f"{target}.{name}.tmp"
    shutil.copyfile(source, temp)
    os.chmod(temp, os.stat(source).st_mode & 0o777)
    os.replace(temp, target)


def _lines(words: Iterable[str]) -> str:
    return "".join(f"{word}\n" for word in words)
