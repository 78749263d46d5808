"""A finding: one pair that keeps the gate from passing, as it is written down. Pure.

What is written holds no raw id and no secret: both replies are scrubbed first and compared anew, so that paths, byte
contexts and cut texts are made of scrubbed text alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote

from shadow.answer import Pair, Reply, Unanswered
from shadow.judge import Difference, Excused, Raced, Verdict, judge
from shadow.rules import NO_RULES, Rules
from shadow.scrub import Scrubber

What = Literal["difference", "raced", "unexpected", "noise"]
BODY_CHARACTERS: Final = 32_768
"""Most of a body that is written down; its whole length stands beside it."""
TEXT_CHARACTERS: Final = 4_000
TEXT_PATHS: Final = 12


@dataclass(frozen=True, slots=True)
class Shown:
    """A reply as it is written: `status` is None and `body` empty where none came. Bytes beyond UTF-8 are escaped."""

    instance: str
    status: int | None
    headers: tuple[tuple[str, str], ...]
    body: str
    body_bytes: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the differences: what was asked, what came from both, and where they part.

    `note` says what no difference shows: the states that raced, the answer that was not expected.
    """

    what: What
    endpoint: str
    kind: str
    variant: str
    tier: str
    method: str
    target: str
    asked: int
    baseline: Shown
    candidate: Shown
    difference: Difference | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """By what pairs are judged and written down: the headers that count, what rules hide, what is never written."""

    headers: tuple[str, ...]
    scrubber: Scrubber
    rules: Rules = NO_RULES


def make_finding(pair: Pair, what: What, note: str, terms: Terms) -> Finding:
    """Return a pair as it may be written down."""
    case = pair.case
    forms = [(form, shown) for sent, shown in case.aliases for form in (sent, unquote(sent))]
    scrubbers = [s for s in (Scrubber(forms), terms.scrubber) if s]
    baseline, candidate = pair.baseline, pair.candidate
    for each in scrubbers:
        baseline, candidate, note = each.reply(baseline), each.reply(candidate), each.text(note)
    verdict = judge(baseline, candidate, headers=terms.headers, rules=terms.rules, target=case.shown)
    if what == "difference" and (verdict is None or isinstance(verdict, Excused)):
        note = "the answers differ only in an id or a secret that is not written down"
    return Finding(
        what, case.endpoint, case.kind, case.variant, case.tier, case.method, case.shown, pair.asked,
        _shown(pair.baseline_instance, baseline), _shown(pair.candidate_instance, candidate),
        verdict if isinstance(verdict, Difference) else None, note or _raced_note(verdict),
    )  # fmt: skip


def text_of(finding: Finding) -> str:
    """Return a finding as lines to read, at most about 4,000 characters."""
    variant = f" ({finding.variant})" if finding.variant else ""
    lines = [
        f"{finding.what}: {finding.endpoint}, {finding.kind}{variant}, tier {finding.tier}",
        f"  {finding.method} {_short(finding.target, 300)}",
        *(f"  {mark} {_reply_line(reply)}" for mark, reply in (("-", finding.baseline), ("+", finding.candidate))),
    ]
    if finding.note:
        lines.append(f"  {finding.note}")
    if finding.difference is not None:
        lines += [f"  {_short(line, 400)}" for line in _difference_lines(finding.difference)]
    if finding.what == "unexpected" and finding.baseline.body:
        lines.append(f"  body: {_short(finding.baseline.body, 400)}")
    return _short("\n".join(lines), TEXT_CHARACTERS)


def _difference_lines(difference: Difference) -> Iterable[str]:
    for side, why in zip(("baseline", "candidate"), difference.unanswered or (), strict=False):
        if why is not None:
            yield f"{side} gave no answer: {why}"
    if difference.status is not None:
        yield f"status: {difference.status[0]} != {difference.status[1]}"
    for header in difference.headers:
        yield f"header {header.name}: {_or_none(header.baseline)} != {_or_none(header.candidate)}"
    body = difference.body
    if body is None:
        return
    yield f"body: {body.baseline_bytes} and {body.candidate_bytes} bytes, different from byte {body.at_byte}"
    yield from (f"  {note}" for note in body.notes)
    yield from (f"  {change}" for change in body.paths[:TEXT_PATHS])
    if body.paths_in_all > TEXT_PATHS:
        yield f"  … and {body.paths_in_all - TEXT_PATHS} more paths"
    yield f"  - {body.baseline_context}"
    yield f"  + {body.candidate_context}"


def _reply_line(reply: Shown) -> str:
    if reply.status is None:
        return f"{reply.instance}: no answer"
    return f"{reply.instance}: {reply.status}, {reply.body_bytes} bytes"


def _shown(instance: str, reply: Reply) -> Shown:
    if isinstance(reply, Unanswered):
        return Shown(instance, None, (), "", 0)
    body = reply.body.decode("utf-8", "backslashreplace")
    return Shown(instance, reply.status, reply.headers, body[:BODY_CHARACTERS], len(reply.body))


def _raced_note(verdict: Verdict) -> str:
    if not isinstance(verdict, Raced):
        return ""
    return f"the answers saw unlike states of the data: {verdict.baseline_as_of} and {verdict.candidate_as_of}"


def _or_none(value: str | None) -> str:
    return "(absent)" if value is None else value


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
