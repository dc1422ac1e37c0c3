"""A real Chromium, driven over the pipe of its DevTools protocol: what a page does, and what one sees of it.

https://chromedevtools.github.io/devtools-protocol/: JSON messages that end with a zero byte, on descriptors 3 and 4.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_GIVEN_ITS_PIPES = """\
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Starts a program with the pipes under the numbers that Chromium wants."""

DEADLINE_S = 60.0
"""How long any answer may take on a busy machine."""


class Browser:
    """A headless Chromium with a page, to be entered. ``happened`` are its events since `open`, as (method, params)."""

    def __init__(self, chromium: Path, environment: Mapping[str, str]) -> None:
        # Its sockets are here, and their path may have 107 characters only.
        self._folder = tempfile.mkdtemp(prefix="chromium-", dir="/tmp")
        self._command = (
            *(str(chromium), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *("--hide-scrollbars", f"--user-data-dir={self._folder}/profile", "--remote-debugging-pipe", "about:blank"),
        )
        self._environment = {**environment, "TMPDIR": self._folder}
        self._rest = b""
        self._number = 0
        self._session = ""
        self.happened: list[tuple[str, dict[str, Any]]] = []

    def __enter__(self) -> Browser:
        theirs, self._out = _pipe()
        self._in, theirs_out = _pipe()
        with open(os.devnull, "r+b") as nothing:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _GIVEN_ITS_PIPES, str(theirs), str(theirs_out), *self._command],
                env=self._environment,
                pass_fds=(theirs, theirs_out),
                stdin=nothing,
                stdout=nothing,
                stderr=nothing,
                start_new_session=True,
            )
        os.close(theirs)
        os.close(theirs_out)
        try:
            target = self("Target.createTarget", url="about:blank")["targetId"]
            self._session = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self(f"{domain}.enable")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()
        os.close(self._out)
        os.close(self._in)
        shutil.rmtree(self._folder, ignore_errors=True)

    def __call__(self, method: str, **params: object) -> dict[str, Any]:
        """Call a method of the protocol; its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                result: dict[str, Any] = answer["result"]
                return result
            self.happened.append((answer.get("method", ""), answer.get("params", {})))

    def open(self, page: Path) -> None:
        """Load ``page`` and wait until it is there, nothing of it being loaded any more."""
        self.happened.clear()
        self("Page.navigate", url=page.as_uri())
        deadline = time.monotonic() + DEADLINE_S
        while not any(method == "Page.loadEventFired" for method, _ in self.happened):
            assert time.monotonic() < deadline, "the page was not loaded"
            event = self._next()
            self.happened.append((event.get("method", ""), event.get("params", {})))
        self.value("1")

    def value(self, expression: str) -> Any:
        """What an expression of JavaScript gives in the page."""
        answer = self("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def events(self, *methods: str) -> list[dict[str, Any]]:
        """What happened of these kinds."""
        return [params for method, params in self.happened if method in methods]

    def picture(self, file: Path, width: int = 1280, scheme: str = "light") -> bytes:
        """The whole page as PNG, also written to ``file``."""
        self("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        png = base64.b64decode(self("Page.captureScreenshot", captureBeyondViewport=True)["data"])
        file.write_bytes(png)
        return png

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + DEADLINE_S
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._in], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "the browser does not answer"
            data = os.read(self._in, 1 << 20)
            assert data, "the browser has ended"
            self._rest += data
        message, _, self._rest = self._rest.partition(b"\0")
        read: dict[str, Any] = json.loads(message)
        return read


def _pipe() -> tuple[int, int]:
    """A pipe whose numbers are above those that Chromium wants."""
    ends = os.pipe()
    high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return high[0], high[1]
