"""Machines to run tasks on: real sshd on loopback, each with its own port, host key, home and copy of the project.

One can be killed, so that its connections break, or frozen, so that they stay open and silent. Client and servers use
keys and configurations of their own and touch neither the user's nor the system's.
"""

from __future__ import annotations

import getpass
import os
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

STARTS_WITHIN_S = 30.0


@dataclass
class Machine:
    """One sshd. `home` is where its sessions begin, `project` the folder of the tasks there."""

    name: str
    folder: Path
    port: int
    sshd: Path
    config: Path
    process: subprocess.Popen[bytes] | None = None
    stopped: list[psutil.Process] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def project(self) -> Path:
        return self.folder / "project"

    def line(self, slots: int = 1, destination: str = "") -> str:
        """Its line in a hosts file: a connection is given up after two silent seconds."""
        quick = "-o ServerAliveInterval=1 -o ServerAliveCountMax=2 -o ConnectTimeout=2"
        return f"{slots}/ssh -F {shlex.quote(str(self.config))} {quick} {destination or self.name}"

    def start(self) -> None:
        """Begin to listen."""
        log = self.folder / "sshd.log"
        self.process = subprocess.Popen(
            [self.sshd, "-D", "-f", self.folder / "sshd_config", "-E", log],
            env={"PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + STARTS_WITHIN_S
        while time.monotonic() < end:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.02)
        raise AssertionError(f"{self.name} does not listen: {log.read_text() if log.exists() else ''}")

    def logins(self) -> int:
        """How often somebody has logged in."""
        return (self.folder / "sshd.log").read_text().count("Accepted publickey")

    def kill(self) -> None:
        """The machine dies: every sshd at once, with what it carries."""
        for process in self._sshds():
            with suppress(psutil.Error):
                process.kill()
        if self.process is not None:
            self.process.wait()

    def freeze(self) -> None:
        """The machine stands still: its connections stay open, and nothing answers."""
        self.stopped = self._sshds()
        for process in self.stopped:
            with suppress(psutil.Error):
                process.send_signal(signal.SIGSTOP)

    def change_key(self) -> None:
        """Come back with another host key, as somebody else in its place would."""
        self.kill()
        make_key(self.folder / "host_key")
        self.start()

    def end(self) -> None:
        """The end of the test."""
        for process in self.stopped:
            with suppress(psutil.Error):
                process.send_signal(signal.SIGCONT)
        self.kill()

    def _sshds(self) -> list[psutil.Process]:
        if self.process is None or self.process.poll() is not None:
            return []
        first = psutil.Process(self.process.pid)
        found = [first]
        for each in first.children(recursive=True):
            with suppress(psutil.Error):
                if each.name().startswith("sshd"):
                    found.append(each)
        return found


class Machines:
    """All machines of one test, and what the client needs to reach them."""

    def __init__(self, folder: Path, require: Callable[[str], Path]) -> None:
        self.folder = folder
        self._sshd = require("sshd")
        for program in ("ssh", "rsync", "parallel"):
            require(program)
        folder.mkdir()
        self.config = folder / "ssh_config"
        self.known_hosts = folder / "known_hosts"
        self._key = folder / "key"
        make_key(self._key)
        self.made: list[Machine] = []

    def make(self, name: str) -> Machine:
        """A machine that listens, and whose key the client knows."""
        folder = self.folder / name
        machine = Machine(name, folder, free_port(), self._sshd, self.config)
        machine.home.mkdir(parents=True)
        machine.project.mkdir()
        make_key(folder / "host_key")
        (folder / "sshd_config").write_text(
            f"""
Port {machine.port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {self._key}.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 100
SetEnv HOME={folder}/home MACHINE={name}
ForceCommand cd "$HOME"; eval "$SSH_ORIGINAL_COMMAND"
"""
        )
        with self.config.open("a") as config:
            config.write(
                f"""
Host {name}
  HostName 127.0.0.1
  Port {machine.port}
  HostKeyAlias {name}
  User {getpass.getuser()}
Host 127.0.0.1
  Port 9
  User nobody-of-that-name
Host {name} 127.0.0.1
  IdentityFile {self._key}
  IdentitiesOnly yes
  UserKnownHostsFile {self.known_hosts}
"""
            )
        key = " ".join((folder / "host_key.pub").read_text().split()[:2])
        with self.known_hosts.open("a") as known:
            known.write(f"{name} {key}\n[127.0.0.1]:{machine.port} {key}\n")
        machine.start()
        self.made.append(machine)
        return machine

    def end(self) -> None:
        for machine in self.made:
            machine.end()


def make_key(path: Path) -> None:
    """A new pair of keys without a passphrase."""
    for old in (path, path.with_suffix(".pub")):
        old.unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path], check=True)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
