"""Snapshots of what the program writes: one readable file for each, named after its test.

`assert text == snapshot(extension_class=MarkdownFile)`; `pytest --snapshot-update` writes the files, and the difference
is there to be read.
"""

from __future__ import annotations

from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode


class TextFile(SingleFileSnapshotExtension):
    """`__snapshots__/<test module>/<test>.txt`."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


class MarkdownFile(TextFile):
    """The same as `.md`."""

    file_extension = "md"


class PowerShellFile(TextFile):
    """The same as `.ps1`."""

    file_extension = "ps1"


class BashFile(TextFile):
    """The same as `.sh`."""

    file_extension = "sh"
