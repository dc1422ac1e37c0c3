"""Where each value of a YAML text begins and ends, for edits that leave everything else as it is."""

from __future__ import annotations

from typing import Literal

import yaml

from orchestrator.dataclasses import dataclass, field
from orchestrator.plans.yamlsource import events


@dataclass(slots=True)
class Span:
    """One value: ``text[start:end]``, without comments and blank lines that follow it.

    Anchors and tags belong to it. A mapping has its keys in ``keys``, in the order of ``items``.
    """

    kind: Literal["scalar", "list", "mapping", "alias"]
    start: int
    end: int
    is_flow: bool = False
    text: str = ""
    keys: list[Span] = field(default_factory=list)
    items: list[Span] = field(default_factory=list)

    def entry(self, key: str) -> tuple[Span, Span] | None:
        """Key and value of the entry ``key`` of a mapping."""
        return next((pair for pair in zip(self.keys, self.items, strict=True) if pair[0].text == key), None)


def spans(text: str) -> tuple[Span | None, int]:
    """The root value of the first document in ``text``, None where there is none, and where the document ends.

    Raises ``SourceError`` where ``text`` is not YAML.
    """
    root: Span | None = None
    open_spans: list[Span] = []
    for event in events(text):
        if isinstance(event, yaml.DocumentEndEvent):
            return root, _marked(event)[0] if event.explicit else len(text)
        if isinstance(event, yaml.CollectionEndEvent):
            span = open_spans.pop()
            # The parser ends a block collection where the next thing begins; it ends with its last value.
            span.end = _marked(event)[1] if span.is_flow else span.items[-1].end
        elif isinstance(event, yaml.CollectionStartEvent):
            is_mapping = isinstance(event, yaml.MappingStartEvent)
            start = _marked(event)[0]
            open_spans.append(Span("mapping" if is_mapping else "list", start, start, bool(event.flow_style)))
            continue
        elif isinstance(event, yaml.ScalarEvent):
            span = Span("scalar", *_scalar_marks(event, text), text=event.value)
        elif isinstance(event, yaml.AliasEvent):
            span = Span("alias", *_marked(event))
        else:
            continue
        if not open_spans:
            root = span
        elif open_spans[-1].kind == "mapping" and len(open_spans[-1].keys) == len(open_spans[-1].items):
            open_spans[-1].keys.append(span)
        else:
            open_spans[-1].items.append(span)
    return root, len(text)


def _marked(event: yaml.Event) -> tuple[int, int]:
    """The indices between which the parser saw ``event``."""
    start, end = event.start_mark, event.end_mark
    return (start.index if start else 0), (end.index if end else 0)


def _scalar_marks(event: yaml.ScalarEvent, text: str) -> tuple[int, int]:
    """Where a scalar begins and ends; a block ends with its last line, not with the blank lines after it."""
    start, end = _marked(event)
    if event.style not in ("|", ">"):
        return start, end
    block = text[start:end]
    header = block.partition("\n")[0].partition("#")[0]
    if "+" in header:  # blank lines at its end belong to the text
        return start, start + len(block.removesuffix("\n").removesuffix("\r"))
    return start, start + len(block.rstrip())
