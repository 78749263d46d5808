"""The tally: pairs go in one by one, from whatever source, and a report comes out. Pure, no clock.

A gate passes when of every endpoint N pairs were compared and every kind met every tier that it was planned for, when
nothing differs and nothing stayed without an answer, when every race was resolved, and when the baseline answered
every valid request as the plan expects: two equal failures prove nothing. Noise, a difference of the baseline from
itself, keeps it from passing too: a person decides what to make of it, by a rule, which is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from records.plan import Expect
from shadow.answer import Case, Pair, Reply, Unanswered
from shadow.binomial import upper_limit
from shadow.finding import Finding, Terms, What, make_finding
from shadow.judge import Difference, Excused, Raced, Verdict, judge
from shadow.noise import noise_in, place_of
from shadow.report import Coverage, EndpointCount, GateReport, NoisePlace, RuleUse, SignCount
from shadow.rules import RuleBook
from shadow.scrub import Scrubber
from shadow.signs import signs_of

FINDINGS: Final = 20
"""Findings kept per endpoint, kind and sort; more are counted."""
SIGNS: Final = 200
"""Ways to differ that are counted in a report, the most frequent first."""
CONFIDENCE: Final = 0.95
RULE: Final = "make them agree, or add a [[shadow.rule]] for each"


class Need(NamedTuple):
    """What must have been compared at least once."""

    endpoint: str
    kind: str
    tier: str


class _Place(NamedTuple):
    endpoint: str
    kind: str
    tier: str
    status_class: str


class Counted(NamedTuple):
    """Pairs that someone else compared and did not keep whole; `failed_alike`: both answered, and equally, 5xx."""

    endpoint: str
    kind: str
    tier: str
    status_class: str
    matched: int
    mismatches: int
    unresolved: int
    dropped: int
    failed_alike: int


def rate_bound(mismatches: int, pairs: int) -> float | None:
    """Return the upper limit of a mismatch rate at 95 %, one-sided; None without pairs.

    3 ÷ pairs for no mismatch (the rule of three, slightly above the exact limit), else Clopper and Pearson's exact
    limit: the rate at which so few mismatches or fewer would be seen in 5 of 100 gates.
    """
    if pairs == 0:
        return None
    if mismatches == 0:
        return min(1.0, 3 / pairs)
    return upper_limit(mismatches, pairs, CONFIDENCE)


def needs_of(cases: Iterable[Case]) -> frozenset[Need]:
    """Return what cases promise to cover."""
    return frozenset(Need(case.endpoint, case.kind, case.tier) for case in cases)


class Tally:
    """Counts pairs; `add` judges one, `report` closes."""

    def __init__(
        self,
        *,
        wanted: Mapping[str, int],
        needs: Iterable[Need],
        headers: Iterable[str],
        scrubber: Scrubber,
        rules: RuleBook | None = None,
        raced_ratio: float = 0.0,
    ) -> None:
        self._wanted = dict(wanted)
        self._needs = frozenset(needs)
        self._headers = tuple(headers)
        self._scrubber = scrubber
        self._rules = rules or RuleBook()
        self._raced_ratio = raced_ratio
        self._counts: Counter[tuple[str, str]] = Counter()
        self._pairs: Counter[_Place] = Counter()
        self._mismatches: Counter[_Place] = Counter()
        self._hid: Counter[tuple[int, str]] = Counter()
        self._noise: Counter[tuple[str, str]] = Counter()
        self._signs: Counter[tuple[str, str, str]] = Counter()
        self._findings: list[tuple[int, Finding]] = []
        self._kept: Counter[tuple[str, str, str]] = Counter()
        self._withheld = 0

    def judge(self, pair: Pair) -> Verdict:
        """Return the verdict on a pair, uncounted."""
        rules = self._rules.of(pair.case.endpoint)
        return judge(pair.baseline, pair.candidate, headers=self._headers, rules=rules, target=pair.case.target)

    def add(self, pair: Pair) -> Finding | None:
        """Judge a pair and count it; return the finding when it is one and is kept."""
        case = pair.case
        verdict = self.judge(pair)
        if isinstance(verdict, Raced):
            return self.add_raced(pair)
        self._counts[case.endpoint, "raced"] += pair.asked > 1
        if isinstance(verdict, Difference) and self._is_noise(pair, verdict):
            self._counts[case.endpoint, "noise"] += 1
            return self._keep(pair, "noise", "the baseline differs from itself in the same places")
        place = _Place(case.endpoint, case.kind, case.tier, status_class(pair.baseline))
        self._pairs[place] += 1
        surprise = unexpected(case.expect, pair.baseline)
        self._counts[case.endpoint, "unexpected"] += surprise is not None
        if isinstance(verdict, Difference):
            self._mismatches[place] += 1
            self._counts[case.endpoint, "mismatches"] += 1
            self._counts[case.endpoint, "unanswered"] += verdict.unanswered is not None
            self._count_signs(case.endpoint, verdict)
            return self._keep(pair, "difference", surprise or "")
        self._counts[case.endpoint, "matched"] += 1
        if isinstance(verdict, Excused):
            self._counts[case.endpoint, "by_rule"] += 1
            self._count_rules(verdict.rules)
        return self._keep(pair, "unexpected", surprise) if surprise else None

    def add_raced(self, pair: Pair) -> Finding | None:
        """Count a pair whose answers never saw the same state."""
        self._counts[pair.case.endpoint, "raced"] += 1
        self._counts[pair.case.endpoint, "unresolved"] += 1
        return self._keep(pair, "raced", "")

    def add_counted(self, counted: Counted) -> None:
        """Add pairs that someone else compared."""
        place = _Place(*counted[:4])
        compared = counted.matched + counted.mismatches + counted.failed_alike
        if compared:
            self._pairs[place] += compared
            self._mismatches[place] += counted.mismatches
        for what in ("matched", "mismatches", "unresolved", "dropped", "failed_alike"):
            self._counts[counted.endpoint, what] += getattr(counted, what)
        self._counts[counted.endpoint, "raced"] += counted.unresolved
        self._withheld += counted.mismatches

    def _is_noise(self, pair: Pair, verdict: Difference) -> bool:
        """Say whether all that differs is noise; what the baseline differs in from itself is counted either way."""
        if pair.second is None:
            return False
        endpoint = pair.case.endpoint
        again = judge(pair.baseline, pair.second, headers=self._headers, rules=self._rules.of(endpoint))
        found = noise_in(verdict, again)
        self._noise.update((endpoint, place) for place in found.places)
        return found.is_all

    def _count_signs(self, endpoint: str, verdict: Difference) -> None:
        self._signs.update({(endpoint, sign.kind, place_of(sign)) for sign in signs_of(verdict)})
        if verdict.body is not None:
            self._count_rules(verdict.body.hidden)

    def _count_rules(self, hidden: Iterable[tuple[int, int]]) -> None:
        for number, places in hidden:
            self._hid[number, "pairs"] += 1
            self._hid[number, "places"] += places

    @property
    def unanswered(self) -> int:
        """Pairs so far in which a twin gave no answer."""
        return sum(count for (_, what), count in self._counts.items() if what == "unanswered")

    @property
    def against(self) -> int:
        """Pairs so far that keep the gate from passing."""
        return sum(count for (_, what), count in self._counts.items() if what in _AGAINST)

    def report(
        self, *, utc: str, baseline: str, candidate: str, stopped: str = "", not_replayed: tuple[str, ...] = ()
    ) -> GateReport:
        """Return what was found; `stopped` says why not all pairs were asked, empty when they were."""
        endpoints = tuple(self._endpoint(name) for name in self._wanted)
        why = (*([stopped] if stopped else []), *self._reasons(endpoints))
        return GateReport(
            utc, baseline, candidate, not why, why, endpoints,
            tuple(Coverage(*place, n, self._mismatches[place]) for place, n in sorted(self._pairs.items())),
            tuple(finding for _, finding in sorted(self._findings, key=lambda kept: kept[0])),
            self._withheld, not_replayed,
            rules=tuple(
                RuleUse(text, self._hid[number, "pairs"], self._hid[number, "places"])
                for number, text in enumerate(self._rules.texts, start=1)
            ),
            noise=tuple(NoisePlace(name, self._shown(place), n) for (name, place), n in sorted(self._noise.items())),
            signs=tuple(SignCount(name, kind, self._shown(place), n) for (name, kind, place), n in self._most_signs()),
        )  # fmt: skip

    def _most_signs(self) -> list[tuple[tuple[str, str, str], int]]:
        return sorted(self._signs.items(), key=lambda sign: (-sign[1], sign[0]))[:SIGNS]

    def _shown(self, place: str) -> str:
        """Return a place as it may be written: a member's key may be a user's id."""
        return self._scrubber.text(place)

    def _endpoint(self, name: str) -> EndpointCount:
        counts = {
            what: self._counts[name, what]
            for what in (*_AGAINST, "matched", "raced", "by_rule", "dropped", "failed_alike")
        }
        mismatches = counts["mismatches"]
        compared = counts["matched"] + mismatches
        return EndpointCount(
            name, self._wanted[name], compared, counts["matched"], mismatches, counts["unanswered"],
            counts["unexpected"], counts["raced"], counts["unresolved"], rate_bound(mismatches, compared),
            noise=counts["noise"], by_rule=counts["by_rule"], dropped=counts["dropped"],
            failed_alike=counts["failed_alike"],
        )  # fmt: skip

    def _reasons(self, endpoints: tuple[EndpointCount, ...]) -> Iterator[str]:
        if not endpoints:
            yield "no endpoint was compared"
        for e in endpoints:
            if e.mismatches:
                silent = f" ({e.unanswered} without an answer)" if e.unanswered else ""
                yield f"{e.endpoint}: {e.mismatches:,} of {e.compared:,} differ{silent}"
            if e.unexpected:
                yield f"{e.endpoint}: {e.unexpected:,} valid requests were not answered by the baseline as expected"
            if e.unresolved > self._raced_ratio * (e.compared + e.unresolved):
                yield f"{e.endpoint}: {e.unresolved:,} pairs raced to the end: the twins never saw the same state"
            if e.noise:
                places = ", ".join(self._shown(place) for where, place in sorted(self._noise) if where == e.endpoint)
                yield f"{e.endpoint}: {e.noise:,} pairs differ where the baseline differs from itself: {places}; {RULE}"
            if e.compared < e.wanted:
                yield f"{e.endpoint}: {e.compared:,} pairs were compared, {e.wanted:,} are wanted"
        met = {Need(*place[:3]) for place in self._pairs}
        missed = sorted(self._needs - met)
        if missed:
            first = "; ".join(f"{need.endpoint}, {need.kind}, tier {need.tier}" for need in missed[:5])
            more = f" and {len(missed) - 5} more" if len(missed) > 5 else ""
            yield f"never compared: {first}{more}"

    def _keep(self, pair: Pair, what: What, note: str) -> Finding | None:
        self._kept[pair.case.endpoint, pair.case.kind, what] += 1
        if self._kept[pair.case.endpoint, pair.case.kind, what] > FINDINGS:
            self._withheld += 1
            return None
        terms = Terms(self._headers, self._scrubber, self._rules.of(pair.case.endpoint))
        finding = make_finding(pair, what, note, terms)
        self._findings.append((pair.case.number, finding))
        return finding


_AGAINST: Final = ("mismatches", "unanswered", "unexpected", "unresolved", "noise")


_BESIDE: Final = ("matched", "raced", "by_rule", "dropped", "failed_alike")


def status_class(reply: Reply) -> str:
    """Return "2xx" … for an answer, "none" where none came."""
    return "none" if isinstance(reply, Unanswered) else f"{reply.status // 100}xx"


def unexpected(expect: Expect | None, reply: Reply) -> str | None:
    """Return what an answer has that the plan does not expect; None when all is well or nothing is expected."""
    if expect is None or isinstance(reply, Unanswered):
        return None
    if reply.status != expect.status:
        return f"the baseline answered {reply.status}, the plan expects {expect.status}"
    for name, value in expect.headers.items():
        found = reply.header(name.lower())
        if found is None or (found != value and not found.startswith(f"{value};")):
            return f"the baseline's header {name.lower()} is {found or 'absent'}, the plan expects {value}"
    return None
