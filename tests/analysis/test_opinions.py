"""Second opinions on drawn runs, where everything is known: a request costs 0.98 / knee CPU seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from analysis.findings import Findings
from analysis.little import check_little, in_flight
from analysis.opinions import opinions_of
from analysis.timeline import Load

FindDrawn = Callable[..., Findings]


def test_the_utilisation_law_gives_the_allotment_over_the_cpu_of_a_request(find_drawn: FindDrawn) -> None:
    ceiling = opinions_of(find_drawn(), "go", "balance").ceilings[2]
    # 1 core ÷ (0.98 / 800) s, from the stages of 200 and 400 a second, 24.5 and 49 % of the allotment
    assert ceiling.name == "utilisation law"
    assert ceiling.value == pytest.approx(800 / 0.98)


def test_cpu_binds_a_saturated_twin_and_nothing_is_known_of_one_that_was_not(find_drawn: FindDrawn) -> None:
    bound = opinions_of(find_drawn(), "go", "balance").binding
    assert (bound.resource, bound.cpu_percent) == ("cpu", pytest.approx(98))
    idle = opinions_of(find_drawn(rates_rps=(200.0, 300.0)), "go", "balance").binding
    assert idle.resource == "unknown"
    assert "not driven to its limit" in idle.why


def test_a_container_held_back_is_bound_by_its_cpu_limit(find_drawn: FindDrawn) -> None:
    found = find_drawn(container_cores=0.5, held=frozenset(range(100)), loop="open")
    assert opinions_of(found, "go", "balance").binding.resource == "cpu_limit"


def test_in_flight_is_what_was_sent_and_not_answered_yet(find_drawn: FindDrawn) -> None:
    run = find_drawn().run
    seconds = {(5, "go"): Load(sent=10, answered=4), (6, "go"): Load(sent=5, answered=9), (7, "go"): Load(answered=2)}
    one = replace(run, load=replace(run.load, seconds=seconds | {(6, "rust"): Load(sent=99)}))
    assert in_flight(one, "go") == {5: 6, 6: 2, 7: 0}


def test_little_compares_counts_with_clocks_and_names_what_never_ended(find_searched: Callable[..., Findings]) -> None:
    run = find_searched().run
    found = check_little(run, "rust", "balance")
    assert (found.agrees, found.lost) == (True, 0)
    assert found.ratio == pytest.approx(1, abs=found.within)
    slow = tuple(replace(d, figures=replace(d.figures, answered_rps=d.figures.answered_rps * 3)) for d in run.stages)
    assert check_little(replace(run, stages=slow), "rust", "balance").agrees is False
    last = max(key for key in run.load.seconds if key[1] == "rust")
    broken = {key: replace(one, sent=one.sent + 7 * (key == last)) for key, one in run.load.seconds.items()}
    lost = check_little(replace(run, load=replace(run.load, seconds=broken)), "rust", "balance")
    assert (lost.agrees, lost.lost) == (False, 7)
    assert opinions_of(find_searched(), "rust", "balance").little == found


def test_opinions_above_the_capacity_are_told_as_the_slos(find_searched: Callable[..., Findings]) -> None:
    found = opinions_of(find_searched(), "go", "balance")
    law = next(text for text in found.disagreements if text.startswith("utilisation law"))
    assert "500 a second" in law
    assert "the SLO gives out before throughput does" in law
    assert found.binding.resource == "unknown"
    assert "answers were late" in found.binding.why
