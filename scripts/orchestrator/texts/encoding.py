"""Texts that are not UTF-8 although they should be."""

from __future__ import annotations

_BOMS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


def utf_16_text(data: bytes) -> str | None:
    """What ``data`` says in UTF-16, as Windows PowerShell 5.1 writes it with ``>``; None where it does not begin so."""
    encoding = _BOMS.get(data[:2])
    return None if encoding is None else data[2:].decode(encoding, "replace")
