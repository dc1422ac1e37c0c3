"""Whether a request is one task for one role or takes a plan, and why: a judgement by rules, without a model.

The rules are data, ``triage.yaml``, which says what each finding is worth; the same request gives the same answer.
Pure apart from reading that file once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.desk.requesttext import MOST_CHARACTERS, Request, read
from orchestrator.desk.triageacts import Act, acts
from orchestrator.desk.triagerules import Rules, bundled_rules
from orchestrator.wording import excerpt, listed

if TYPE_CHECKING:
    from orchestrator.model import Json

_SHOWN = 40
"""Characters of a word of the request in a reason."""


class Decision(StrEnum):
    """Simple: one role, one task. Complex: a plan."""

    SIMPLE = "simple"
    COMPLEX = "complex"


class Complexity(StrEnum):
    """How much there is to it; a complex request is never low."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Triage(NamedTuple):
    """The judgement on one request.

    ``role`` is the one role of a simple request, None for a complex one. ``minutes`` and ``tokens`` are the work of
    all agents together. ``reasons`` are for a person; those that count for the score end with their points.
    """

    decision: Decision
    complexity: Complexity
    role: str | None
    score: int
    reasons: tuple[str, ...]
    domains: tuple[str, ...]
    minutes: int
    tokens: int
    parallel_worthwhile: bool

    def record(self) -> dict[str, Json]:
        """The JSON of ``orchestrate triage``."""
        return {
            "decision": str(self.decision),
            "complexity": str(self.complexity),
            "role": self.role,
            "score": self.score,
            "reasons": list(self.reasons),
            "domains": list(self.domains),
            "estimate": {"minutes": self.minutes, "tokens": self.tokens},
            "parallel_worthwhile": self.parallel_worthwhile,
        }


class _Finding(NamedTuple):
    """One reason, and what it adds to the score."""

    text: str
    points: int = 0

    def __str__(self) -> str:
        return f"{self.text} ({self.points:+d})" if self.points else self.text


class _Work(NamedTuple):
    """What the acts come to: one after another, as parallel as their order allows, and what a plan adds in tokens."""

    minutes: int
    chain_minutes: int
    tokens: int
    extra_tokens: int


def triage(request: str, rules: Rules | None = None) -> Triage:
    """The judgement on ``request``, of which at most ``MOST_CHARACTERS`` are read.

    Raises InvalidInputError where it is empty or no text.
    """
    rules = rules or bundled_rules()
    reading = read(request, rules)
    all_acts = acts(reading, rules)
    # What takes a few minutes is done along with the rest.
    counted = [act for act in all_acts if act.minutes >= rules.limits["small_minutes"]] or all_acts
    work = _work(all_acts, rules)
    domains = _unique(domain for act in counted for domain in act.domains) or counted[0].subject
    findings = [
        *_scope_findings(reading, counted, domains, rules),
        *_wording_findings(reading, counted, rules),
        *_size_findings(work, rules),
    ]
    score = max(0, sum(finding.points for finding in findings))
    is_complex = score >= rules.limits["complex_from"]
    pays = is_complex and _pays(work, rules)
    main = max(all_acts, key=lambda act: act.minutes)
    role = None if is_complex else rules.areas[main.area].role
    if role is not None:
        findings.insert(0, _role_finding(role, main))
    findings.append(_parallel_finding(work, is_complex=is_complex, pays=pays))
    if reading.is_cut:
        read_of = f"only the first {MOST_CHARACTERS:,} of {reading.total_characters:,} characters were read"
        findings.append(_Finding(read_of))
    return Triage(
        decision=Decision.COMPLEX if is_complex else Decision.SIMPLE,
        complexity=_complexity(score, rules),
        role=role,
        score=score,
        reasons=tuple(map(str, findings)),
        domains=domains,
        minutes=work.minutes,
        tokens=work.tokens + (work.extra_tokens if is_complex else 0),
        parallel_worthwhile=pays,
    )


def likely_role(name: str, description: str, rules: Rules | None = None) -> tuple[str, str]:
    """The role that the words of a task speak for, and why; what its name says counts before the rest.

    A task whose words say nothing is for the role of whoever does what it asks for: to look, or to change something.
    """
    rules = rules or bundled_rules()
    readings = [acts(read(text, rules), rules) for text in (name, description) if any(map(str.isalnum, text))]
    candidates = [max(found, key=lambda act: act.minutes) for found in readings]
    telling = next((act for act in candidates if act.evidence), None)
    if telling is not None:
        return rules.areas[telling.area].role, f"it says {_shown(telling.evidence)}"
    area = candidates[0].area if candidates else rules.unsaid.area
    return rules.areas[area].role, "no word points to another role"


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _complexity(score: int, rules: Rules) -> Complexity:
    if score >= rules.limits["high_from"]:
        return Complexity.HIGH
    return Complexity.MEDIUM if score >= rules.limits["medium_from"] else Complexity.LOW


def _work(all_acts: Sequence[Act], rules: Rules) -> _Work:
    """Acts of one stage run side by side, the stages one after another: those spelled out, else in the usual order."""

    def stage(act: Act) -> tuple[int, int]:
        return act.order, rules.areas[act.area].stage

    stages = groupby(sorted(all_acts, key=stage), stage)
    chain = sum(max(act.minutes / act.copies for act in group) for _, group in stages)
    minutes = sum(act.minutes for act in all_acts)
    per_task = rules.limits["tokens_per_task"]
    tokens = round(minutes * rules.limits["tokens_per_minute"] + per_task, -2)
    pieces = sum(act.copies for act in all_acts)
    return _Work(max(1, round(minutes)), max(1, round(chain)), int(tokens), int(per_task * (pieces - 1)))


def _pays(work: _Work, rules: Rules) -> bool:
    """Whether parallel work ends so much sooner that the tokens which every further agent reads are worth it."""
    is_shorter = work.minutes >= work.chain_minutes * rules.limits["pays_from"]
    return is_shorter and work.extra_tokens <= work.tokens * rules.limits["most_extra_tokens"]


def _scope_findings(
    reading: Request, counted: Sequence[Act], domains: Sequence[str], rules: Rules
) -> Iterator[_Finding]:
    """What and how much is to be done."""
    points, limits = rules.points, rules.limits
    if len(domains) > 1:
        more = points["second_domain"] + points["further_domain"] * (len(domains) - 2)
        yield _Finding(f"{len(domains)} domains: {listed(domains)}", more)
    roles = _unique(rules.areas[act.area].role for act in counted)
    if len(roles) > 2:
        yield _Finding(f"{len(roles)} roles to coordinate: {listed(roles)}", points["third_role"] * (len(roles) - 2))
    if len(counted) > 2:
        more = points["step"] * min(len(counted) - 2, int(limits["most_steps"]))
        yield _Finding(f"{len(counted)} pieces of work", more)
    if steps := max(act.order for act in counted):
        yield _Finding("an order of steps is spelled out", points["sequence"] * min(steps, 2))
    things = max((act.things for act in counted if not act.reads), default=1)
    if things > limits["files"]:
        yield _Finding(f"{things} things to change", points["files"])
    elif len(reading.files) > limits["files"]:
        yield _Finding(f"{len(reading.files)} files are named", points["files"])
    if any(act.is_system for act in counted):
        yield _Finding("a whole system is made or changed", points["system"])
    if any(act.is_wide for act in counted):
        yield _Finding("it is changed everywhere", points["breadth"])
    aspects = max((act.aspects for act in counted), key=len)
    if len(aspects) > 2:
        yield _Finding(f"{len(aspects)} points of view: {listed(aspects)}", points["aspects"])
    if external := _unique(name for act in counted for name in act.external):
        yield _Finding(f"something outside of the project takes part: {listed(external)}", points["external"])


def _wording_findings(reading: Request, counted: Sequence[Act], rules: Rules) -> Iterator[_Finding]:
    """What the way in which the request is written tells."""
    points, limits = rules.points, rules.limits
    exact = (*reading.files, *reading.names)
    vague = _unique(word for act in counted for word in act.vague)
    if exact and len(reading.files) <= limits["files"]:
        yield _Finding(f"clear, it names {_shown(exact)}", points["clear"])
    elif vague:
        yield _Finding(f"vague: {_shown(vague)}", points["vague"])
    if reading.words > limits["long_words"]:
        yield _Finding(f"a specification of {reading.words:,} words", points["long"])
    if not reading.is_known:
        yield _Finding("none of its words is known to the rules, which know English; judged by its form alone")


def _size_findings(work: _Work, rules: Rules) -> Iterator[_Finding]:
    """How long it takes."""
    points, limits = rules.points, rules.limits
    if work.minutes > limits["minutes"]:
        yield _Finding(f"about {work.minutes} minutes, over {limits['minutes']}", points["minutes"])
    else:
        yield _Finding(f"about {work.minutes} minutes")
    if work.minutes > limits["hours_minutes"]:
        yield _Finding("work of hours", points["hours"])
    if work.tokens > limits["tokens"]:
        yield _Finding(f"about {work.tokens:,} tokens, over {limits['tokens']:,}", points["tokens"])
    else:
        yield _Finding(f"about {work.tokens:,} tokens")


def _role_finding(role: str, act: Act) -> _Finding:
    return _Finding(f"{role}: {_shown(act.evidence)}" if act.evidence else f"{role}: no word points to another role")


def _parallel_finding(work: _Work, *, is_complex: bool, pays: bool) -> _Finding:
    if not is_complex:
        return _Finding("one task, so nothing to run in parallel")
    chain = f"the longest chain is {work.chain_minutes} of {work.minutes} minutes"
    tokens = f"{work.extra_tokens:,} more tokens"
    return _Finding(f"parallel work {'pays' if pays else 'does not pay'}: {chain}, and a plan takes {tokens}")


def _shown(words: Sequence[str]) -> str:
    """Words of the request, safe to print."""
    return listed([excerpt(word, _SHOWN) for word in words], 3)
