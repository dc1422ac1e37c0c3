"""The acts that a request asks for: what each does, to how much, in which area, and how long that takes.

Pure. The numbers are those of ``triage.yaml``. Named tuples for the reason that ``triagerules`` gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from orchestrator.desk.requesttext import Break, Part, Request, Word
from orchestrator.desk.triagedraft import Draft
from orchestrator.desk.triagerules import Kind, Rules, Tag, Verb

_NAMED_WEIGHT = 4
"""A word that speaks so much for an area names a piece of work in it: docs, tests, deployment."""

_MOST_COPIES = 4
"""So many tasks run side by side when nothing else is said."""

_MOST_EVIDENCE = 3
_RESEARCH = "research"


class Act(NamedTuple):
    """One piece of work.

    ``order`` grows with every step that is spelled out; ``copies`` can be done side by side; ``minutes`` are those of
    all copies. ``evidence`` are the words that speak most for the area; ``subject`` is the domain of what it is about.
    """

    area: str
    minutes: float
    order: int
    copies: int
    things: int
    reads: bool
    is_look: bool
    is_system: bool
    is_wide: bool
    evidence: tuple[str, ...]
    domains: tuple[str, ...]
    subject: tuple[str, ...]
    aspects: tuple[str, ...]
    external: tuple[str, ...]
    vague: tuple[str, ...]


def acts(request: Request, rules: Rules) -> list[Act]:
    """What ``request`` asks for, in its order; at least one act."""
    drafts: list[Draft] = []
    order = 0
    for part in request.parts:
        order += part.before is Break.STEP and bool(drafts)
        _take(part, order, drafts, rules)
    found = [_finished(draft, rules) for draft in _joined(drafts, rules)]
    # A look at what was just read takes less time.
    part_of_look = rules.amounts["further_look"]
    return [
        act._replace(minutes=act.minutes * part_of_look) if at and act.is_look and found[at - 1].is_look else act
        for at, act in enumerate(found)
    ]


def best_area(weights: Mapping[str, float], rules: Rules, least: float = 0.0) -> str | None:
    """The area for which most is said, the more particular one of two that are equal; None where it is ``least``."""
    names = [name for name in rules.areas if weights.get(name, 0) > least]
    return max(names, key=lambda name: weights[name]) if names else None


def _take(part: Part, order: int, drafts: list[Draft], rules: Rules) -> None:
    """Add what ``part`` says to ``drafts``: an act of its own, or more of the act before it."""
    words, at, is_wish = part.words, 0, False
    while at < len(words) and words[at].stem in rules.words["fillers"] and not words[at].is_phrase:
        is_wish = is_wish or words[at].stem in rules.words["wishes"]
        at += 1
    verb = _verb(words, at, rules)
    if verb is not None:
        draft = Draft(verb, order, is_said=True)
        draft.add({verb.area: verb.weight} if verb.weight else {}, 1, words[at].text)
        draft.note(words[at], is_object=False)
        at += 1
    elif is_wish:  # "I want a shop": it is to be made
        draft = Draft(rules.named._replace(area=rules.unsaid.area), order, is_said=True)
    else:
        draft = Draft(rules.unsaid, order, is_said=part.before in (Break.ITEM, Break.STEP))
    draft.read_object(words[at:], rules)
    if verb is None and not is_wish and part.before is Break.JOINED and drafts and drafts[-1].is_said:
        _extend(draft, drafts, rules)
    elif verb is not None or draft.has_object:
        drafts.append(draft)


def _verb(words: Sequence[Word], at: int, rules: Rules) -> Verb | None:
    """What the word at ``at`` tells to do; None where it tells nothing: "build fails", "it is too long"."""
    sense = words[at].sense if at < len(words) else None
    verb = sense.verb if sense else None
    if verb is None:
        return None
    finite = rules.words["finite"]
    follows = words[at + 1].stem if at + 1 < len(words) else ""
    is_question = verb.kind is Kind.LOOKS and verb.area == _RESEARCH
    if follows in finite and not is_question:
        return None
    if at and words[at].stem in finite and words[at - 1].stem in rules.words["pronouns"]:
        return None
    if verb.is_light:
        nouns = (word.sense.verb for word in words[at + 1 :] if word.sense and word.sense.verb)
        return next(nouns, verb)
    return verb


def _extend(more: Draft, drafts: list[Draft], rules: Rules) -> None:
    """Take ``more``, which has no verb, as further objects of the last draft, or as other work that is only named."""
    act = drafts[-1]
    makes = act.verb.kind in (Kind.MAKES, Kind.RESHAPES)
    is_large = Tag.LARGE in more.object_tags
    area = best_area(more.weights, rules)
    is_other = (
        area is not None
        and more.weights[area] >= _NAMED_WEIGHT
        and rules.areas[area].domain != rules.areas[best_area(act.weights, rules) or act.verb.area].domain
    )
    if is_other and not act.looks and not is_large:
        more.verb, more.is_said = rules.named, True
        drafts.append(more)
        return
    act.take_over(more, 1.0 if act.looks else rules.amounts["item_part"])
    act.items += more.has_object and Tag.ASPECT not in more.tags
    act.extra_minutes += rules.amounts["large_minutes"] * (is_large and makes)


def _joined(drafts: list[Draft], rules: Rules) -> list[Draft]:
    """``drafts`` without those that only say what the next one is about: "The toggle forgets its state. Fix it." """
    result: list[Draft] = []
    for draft in drafts:
        before = result[-1] if result else None
        is_about = draft.is_said and not draft.has_object
        if before is None:
            result.append(draft)
        elif not before.is_said or (_is_look_first(before, draft) and (is_about or not before.has_object)):
            if before.is_said and before.verb.area == _RESEARCH:  # finding out why is part of what follows
                before.evidence.pop(_RESEARCH, None)
            elif before.is_said:
                draft.extra_minutes += before.verb.minutes
            draft.take_over(before, 1.0 if is_about else rules.amounts["context_part"])
            draft.has_object = draft.has_object or before.has_object
            result[-1] = draft
        elif not is_about or draft.weights:
            result.append(draft)
    if len(result) > 1 and not result[-1].is_said:
        result.pop()
    return result or [Draft(rules.unsaid, 0, is_said=False)]


def _is_look_first(before: Draft, draft: Draft) -> bool:
    """Whether one looks before doing, as in "find and fix"; steps of an order that is spelled out stay two."""
    return before.looks and draft.is_said and before.order == draft.order


def _finished(draft: Draft, rules: Rules) -> Act:
    kind = draft.verb.kind
    area = best_area(draft.weights, rules, rules.limits["silent_weight"]) or rules.fallback[kind]
    evidence = draft.evidence.get(area, {})
    reads = draft.looks or rules.areas[area].reads
    is_system = Tag.LARGE in draft.object_tags and kind in (Kind.MAKES, Kind.RESHAPES)
    is_wide = draft.is_wide and not (draft.has_file or draft.count > 1)
    aspects = _noted(draft, Tag.ASPECT)
    with_domain = {name: weight for name, weight in draft.weights.items() if rules.areas[name].domain}
    subject = best_area(with_domain, rules)
    copies = [min(draft.count, _MOST_COPIES), len(aspects), 1]
    copies += [_MOST_COPIES] * (is_wide and not reads) + [draft.items + 1] * (kind is Kind.MAKES)
    return Act(
        area=area,
        minutes=_minutes(draft, rules, reads=reads, is_wide=is_wide, is_system=is_system, aspects=len(aspects)),
        order=draft.order,
        copies=max(copies),
        things=draft.count,
        reads=reads,
        is_look=draft.looks,
        is_system=is_system,
        is_wide=is_wide and not reads,
        evidence=tuple(sorted(evidence, key=lambda text: -evidence[text])[:_MOST_EVIDENCE]),
        domains=_domains_of([area, *_viewpoints(draft)], rules),
        subject=_domains_of([subject], rules),
        aspects=aspects,
        external=() if draft.looks else _noted(draft, Tag.EXTERNAL),
        vague=() if draft.has_file or reads else _noted(draft, Tag.VAGUE),
    )


def _minutes(draft: Draft, rules: Rules, *, reads: bool, is_wide: bool, is_system: bool, aspects: int) -> float:
    """The minutes of one such act on one thing, times how much there is of it."""
    amounts = rules.amounts
    minutes = draft.verb.minutes + amounts["large_minutes"] * is_system
    if Tag.SMALL in draft.object_tags and not is_system:
        minutes *= amounts["small_part"]
    if Tag.LESS in draft.tags:
        minutes *= amounts["less_part"]
    if Tag.MORE in draft.tags:
        minutes *= amounts["more_factor"]
    if is_wide:
        minutes *= amounts["look_factor" if reads else "change_factor"]
    elif Tag.EVERY in draft.tags and not reads:
        minutes *= amounts["every_factor"]
    minutes *= max(1, min(draft.count, amounts["most"]) * amounts["look_part" if reads else "change_part"])
    minutes += draft.verb.minutes * amounts["look_item_part" if reads else "item_part"] * draft.items
    return minutes + draft.extra_minutes + amounts["aspect_minutes"] * max(0, aspects - 1)


def _viewpoints(draft: Draft) -> list[str]:
    """The areas that are strong points of view of one who looks: security, in "review it for style and security"."""
    is_from_views = draft.looks and Tag.ASPECT in draft.tags
    return [area for area, weight in draft.weights.items() if is_from_views and weight >= _NAMED_WEIGHT]


def _domains_of(areas: Iterable[str | None], rules: Rules) -> tuple[str, ...]:
    domains = (rules.areas[area].domain for area in areas if area)
    return tuple(dict.fromkeys(domain for domain in domains if domain))


def _noted(draft: Draft, tag: Tag) -> tuple[str, ...]:
    return tuple(dict.fromkeys(draft.tags.get(tag, ())))
