"""What the gate asks: plan and pool -> cases. Pure and seeded: the same plan and pool give the same cases.

Per endpoint at least N = 3 / bound cases. Most are valid requests, each of another pool user as long as there are
any; the rest are unknown ids, bad requests and the plan's own `[[shadow.case]]`. Users are taken from the tiers in
turn, so every kind meets every tier; the rate that the gate bounds is that of requests spread over the tiers like this.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice
from typing import Final, Protocol

import numpy as np

from records.plan import Expect, Plan, WorkloadEntry
from records.plan_shadow import ShadowCase
from records.plan_types import REQUEST_ID
from shadow.answer import Case
from shadow.errors import CaseError
from shadow.template import USER, fill, is_target, quoted
from shadow.variants import UNKNOWN_IDS, bad_requests, unknown_id

VALID: Final = "valid"
UNKNOWN: Final = "unknown-id"
BAD: Final = "bad-parameter"
SHARE: Final = 0.1
"""Share of an endpoint's cases that are unknown ids, and again that are bad requests."""
LEAST_VALID: Final = 0.5
REPLAYED: Final = ("GET", "HEAD")


class Users(Protocol):
    """What a pool must show: users by index, their tiers and their columns as text."""

    @property
    def ids(self) -> Sequence[str]:
        """Ids as they may be written, by user."""

    @property
    def tiers(self) -> Sequence[str]:
        """The tier of each user."""

    @property
    def columns(self) -> Mapping[str, Sequence[str]]:
        """Columns by name, each by user."""

    @property
    def digest(self) -> str:
        """What names the pool's content."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A case before its user is known: which endpoint, which kind, and how a target is made."""

    endpoint: str
    kind: str
    variant: str
    method: str
    template: str
    expect: Expect | None = None
    strange: str | None = None  # the kind of unknown id that stands for the user's


def pairs_wanted(bound: float) -> int:
    """Return N such that 0 differences in N pairs bound the rate of differences below `bound` at 95 %."""
    return math.ceil(round(3 / bound, 6))


def replayed_endpoints(plan: Plan) -> tuple[str, ...]:
    """Return the workload entries that are safe to repeat and that both twins serve, in the plan's order."""
    served = [{name for i in plan.twins[twin].instances for name in i.serves} for twin in plan.twins]
    return tuple(
        entry.name for entry in plan.workload if entry.method in REPLAYED and all(entry.name in s for s in served)
    )


def make_cases(
    plan: Plan, pool: Users, endpoints: Sequence[str], *, raw_ids: Mapping[str, str] | None = None
) -> tuple[Case, ...]:
    """Return the cases of the endpoints, numbered in the order in which they are asked.

    Args:
        plan: its workload, `[shadow]` and the pool's seed count.
        pool: the users.
        endpoints: names of workload entries.
        raw_ids: the id to send by the id that may be written; None sends what may be written.
    Raises: CaseError when a template names a column that the pool lacks, a `where` fits nobody, or a target could not
        be sent.
    """
    if not pool.ids:
        raise CaseError("the pool has no users: make one with `twinload pool`")
    writer = _Writer(plan, pool, raw_ids)
    cases: list[Case] = []
    for name in endpoints:
        cases += writer.endpoint(plan.entry(name))
    return tuple(replace(case, number=number) for number, case in enumerate(cases))


def in_turns(tiers: Sequence[str], among: Sequence[int], rng: np.random.Generator) -> Iterator[int]:
    """Yield users for ever: tiers in turn, each tier's users in random order, all once before any comes again."""
    by_tier: dict[str, list[int]] = {}
    for user in among:
        by_tier.setdefault(tiers[user], []).append(user)
    while True:
        queues = [[users[int(i)] for i in rng.permutation(len(users))] for _, users in sorted(by_tier.items())]
        for place in range(max(map(len, queues))):
            yield from (queue[place] for queue in queues if place < len(queue))


class _Writer:
    """Writes the cases of one plan and pool."""

    def __init__(self, plan: Plan, pool: Users, raw_ids: Mapping[str, str] | None) -> None:
        self._plan = plan
        self._pool = pool
        self._raw_ids = raw_ids
        self._wire_ids = tuple(raw_ids[i] for i in pool.ids) if raw_ids is not None else tuple(pool.ids)
        self._known = frozenset(self._wire_ids)
        self._alphabet = sorted({c for text in self._wire_ids[:1000] for c in text})
        self._everybody = range(len(pool.ids))
        self._unsafe = all(twin.start != "external" for twin in plan.twins.values())

    def endpoint(self, entry: WorkloadEntry) -> list[Case]:
        """Return one endpoint's cases, the valid ones first."""
        wanted = pairs_wanted(self._plan.shadow.bound)
        special = [*self._unknown(entry, wanted), *self._bad(entry, wanted)]
        for case in self._plan.shadow.case:
            if case.endpoint == entry.name:
                special += self._own(entry, case, wanted)
        size = max(wanted - len(special), math.ceil(wanted * LEAST_VALID), len(set(self._pool.tiers)))
        valid = Draft(entry.name, VALID, "", entry.method, entry.path, entry.expect)
        return [*self._write(entry, [valid], self._everybody, size), *special]

    def _unknown(self, entry: WorkloadEntry, wanted: int) -> list[Case]:
        if USER not in entry.path:
            return []
        drafts = [Draft(entry.name, UNKNOWN, v, entry.method, entry.path, strange=v) for v in UNKNOWN_IDS]
        return self._write(entry, drafts, self._everybody, self._size(SHARE * wanted, self._everybody))

    def _bad(self, entry: WorkloadEntry, wanted: int) -> list[Case]:
        faults = bad_requests(entry.method, entry.path, unsafe=self._unsafe)
        drafts = [Draft(entry.name, BAD, f.name, f.method, f.template) for f in faults]
        return self._write(entry, drafts, self._everybody, self._size(SHARE * wanted, self._everybody))

    def _own(self, entry: WorkloadEntry, case: ShadowCase, wanted: int) -> list[Case]:
        among = self._where(case)
        draft = Draft(entry.name, case.kind, "", case.method, case.path)
        return self._write(entry, [draft], among, self._size(case.share * wanted, among))

    def _size(self, share: float, among: Sequence[int]) -> int:
        return max(math.ceil(share), len({self._pool.tiers[user] for user in among}))

    def _where(self, case: ShadowCase) -> Sequence[int]:
        among: Sequence[int] = self._everybody
        for column, value in case.where.items():
            values = self._column(column, f"[[shadow.case]] {case.endpoint}/{case.kind}: where")
            among = [user for user in among if values[user] == value]
        if not among:
            asked = ", ".join(f"{column} = {value}" for column, value in case.where.items())
            raise CaseError(
                f"[[shadow.case]] {case.endpoint}/{case.kind}: no pool user has {asked}; "
                "make a larger pool or change `where`"
            )
        return among

    def _write(self, entry: WorkloadEntry, drafts: Sequence[Draft], among: Sequence[int], size: int) -> list[Case]:
        """Give drafts to users in turn; each tier goes through all drafts, in an order drawn once."""
        rng = self._rng(drafts[0])
        shuffled = [drafts[int(i)] for i in rng.permutation(len(drafts))]
        next_draft = {tier: count() for tier in set(self._pool.tiers)}
        cases = []
        for user in islice(in_turns(self._pool.tiers, among, rng), size):
            draft = shuffled[next(next_draft[self._pool.tiers[user]]) % len(shuffled)]
            cases.append(self._case(entry, draft, user, rng))
        return cases

    def _rng(self, draft: Draft) -> np.random.Generator:
        """Return a generator for each endpoint and kind, so that one more case changes no other kind's."""
        stream = zlib.crc32(f"{draft.endpoint}/{draft.kind}".encode())
        return np.random.Generator(np.random.PCG64([self._plan.pool.seed, stream]))

    def _case(self, entry: WorkloadEntry, draft: Draft, user: int, rng: np.random.Generator) -> Case:
        sent, shown = quoted(self._wire_ids[user]), quoted(self._pool.ids[user])
        if draft.strange is not None:
            strange = unknown_id(draft.strange, self._wire_ids[user], self._known, self._alphabet, rng)
            hidden = strange.derived and self._raw_ids is not None
            sent, shown = strange.text, f"({draft.strange}:{shown})" if hidden else strange.text
        where = f"{draft.endpoint}/{draft.kind}"
        target = self._fill(draft.template, user, sent, where)
        if not is_target(target):
            raise CaseError(f"{where}: {draft.template} is no target: percent-encode all but printable ASCII")
        headers = tuple((k.lower(), self._plain(v, user, where)) for k, v in entry.headers.items())
        body = self._plain(entry.body, user, where).encode() if entry.body is not None else None
        return Case(
            number=-1, endpoint=draft.endpoint, kind=draft.kind, variant=draft.variant, tier=self._pool.tiers[user],
            method=draft.method, target=target, shown=self._fill(draft.template, user, shown, where),
            headers=headers, body=body, expect=draft.expect,
            aliases=((sent, shown),) if sent != shown and sent else (),
            user=user if draft.strange is None else None,
        )  # fmt: skip

    def _fill(self, template: str, user: int, user_id: str, where: str) -> str:
        return fill(template, lambda name: user_id if name == "user_id" else quoted(self._value(name, user, where)))

    def _plain(self, template: str, user: int, where: str) -> str:
        """Fill a header or body, where values stand as they are and `${ENV}` waits for the request."""
        return fill(template, lambda name: self._value(name, user, where))

    def _value(self, name: str, user: int, where: str) -> str:
        if name == REQUEST_ID:  # what is replayed changes nothing, so both twins may see one id more than once
            return f"{user:032x}"
        return self._wire_ids[user] if name == "user_id" else self._column(name, where)[user]

    def _column(self, name: str, where: str) -> Sequence[str]:
        if name == "tier":
            return self._pool.tiers
        if name not in self._pool.columns:
            known = ", ".join(self._pool.columns)
            raise CaseError(f"{where}: the pool has no column {name}; it has: {known}")
        return self._pool.columns[name]
