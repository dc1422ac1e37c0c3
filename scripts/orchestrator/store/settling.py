"""Files that people edit while the program reads them."""

from __future__ import annotations

import os
import time

SETTLE_S = 1.0
"""A file that changed less than this many seconds ago may still be being written."""

_LOOK_AGAIN_S = 0.05


def wait_until_settled(path: str) -> None:
    """Wait until nobody has touched the file at ``path`` for ``SETTLE_S`` seconds; at most twice as long.

    An editor that truncates and writes shows half a file in between, and half a plan may well be a valid one.
    """
    until = time.monotonic() + 2 * SETTLE_S
    while time.monotonic() < until and 0 <= time.time() - changed_at(path) / 1e9 < SETTLE_S:
        time.sleep(_LOOK_AGAIN_S)


def changed_at(path: str) -> int:
    """When the file at ``path`` was changed, in nanoseconds of the file system's clock; 0 when there is none."""
    try:
        return os.stat(path).st_mtime_ns
    except FileNotFoundError:
        return 0
