"""Signals that ask a command to end, turned into a flag that it looks at."""

from __future__ import annotations

import signal
import threading
from _thread import start_new_thread
from types import FrameType


class interrupts:  # noqa: N801 (a context manager that reads as a word)
    """Ctrl-C, SIGTERM and a hang-up set ``flag`` instead of ending the process; the old ways come back at the end."""

    def __init__(self, flag: threading.Event) -> None:
        self._flag = flag
        self._old: dict[int, object] = {}

    def __enter__(self) -> None:
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self._old[number] = signal.signal(number, self._set)

    def __exit__(self, *_: object) -> None:
        for number, old in self._old.items():
            signal.signal(number, old)  # type: ignore[arg-type]

    def _set(self, number: int, frame: FrameType | None) -> None:
        # By another thread: the one that was interrupted may hold the lock of the flag, waiting or setting it, and a
        # second signal, such as a feed's after Ctrl-C, would wait here for ever.
        start_new_thread(self._flag.set, ())
