"""Signals that ask a command to end: noted, however many come and whatever the command is doing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from orchestrator.commands.interrupts import interrupts

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"

# A command that waits for its flag, as `feed` does, while another process sends what a terminal and a feed send.
STORM = """
import os, signal, subprocess, sys, threading
from orchestrator.commands.interrupts import interrupts
flag = threading.Event()
send = "import os, sys\\nfor n in range(20000): os.kill(int(sys.argv[1]), (15, 2, 1)[n % 3])"
with interrupts(flag):
    sender = subprocess.Popen([sys.executable, "-c", send, str(os.getpid())])
    while sender.poll() is None:
        flag.wait(0.001)
        flag.clear()
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_sets_the_flag_and_the_old_ways_come_back(name: str) -> None:
    number = signal.Signals[name]
    old, flag = signal.getsignal(number), threading.Event()
    with interrupts(flag):
        os.kill(os.getpid(), number)
        assert flag.wait(5)
    assert signal.getsignal(number) == old


def test_a_storm_of_signals_stops_nobody_for_ever() -> None:
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", STORM], env=environment, timeout=60, check=False)
        assert done.returncode == 0
