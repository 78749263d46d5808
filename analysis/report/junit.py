"""junit.xml: a case for every asked ratio, for every stage, and one for the gate. Pure.

An asked ratio passes where it is sure to be better; it fails where it is sure to be worse, and where nothing is sure,
as for `run --check`. A measured stage passes when it is valid and fails with its reasons when not; a probe, which is
not judged, is skipped; so is a trial that was no evidence, which a search has by nature.
"""

from __future__ import annotations

import re
from typing import Final
from xml.etree import ElementTree as ET

from analysis.findings import Findings
from analysis.run import StageData
from records.manifest import GateRecord

_FORBIDDEN: Final = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\U00010000-\U0010ffff]")


def junit_of(findings: Findings) -> bytes:
    """Return the document as UTF-8; a partial run has an error case of its own."""
    run = findings.run
    suites = ET.Element("testsuites", name="twinload")
    gate = _suite(suites, "gate")
    _gate(gate, run.manifest.gate)
    if run.partial is not None:
        case = ET.SubElement(gate, "testcase", classname="run", name="came to its end")
        ET.SubElement(case, "failure", message=_clean(run.partial))
    verdict = _suite(suites, "verdict")
    for one in findings.verdict.judgements:
        case = ET.SubElement(
            verdict,
            "testcase",
            classname=_clean(f"verdict.{one.asked.endpoint}"),
            name=_clean(f"{one.asked.figure} candidate ÷ baseline is {one.asked.better} than {one.asked.limit:g}"),
        )
        if one.value != "PASS":
            ET.SubElement(case, "failure", type=one.value.lower(), message=_clean(f"{one.value}: {one.text}"))
    stages = _suite(suites, "stages")
    for data in run.stages:
        _stage(stages, data)
    for suite in (gate, verdict, stages):
        for tag, name in (("testcase", "tests"), ("failure", "failures"), ("skipped", "skipped")):
            suite.set(name, str(len(list(suite.iter(tag)))))
    ET.indent(suites)
    document: bytes = ET.tostring(suites, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _suite(parent: ET.Element, name: str) -> ET.Element:
    return ET.SubElement(parent, "testsuite", name=name, errors="0")


def _gate(suite: ET.Element, gate: GateRecord | None) -> None:
    case = ET.SubElement(suite, "testcase", classname="gate", name="both twins answer alike")
    if gate is None or gate.skipped:
        started = "the run was started by hand: no gate belongs to it"
        ET.SubElement(case, "skipped", message=started if gate is None else "the run was told to go without a gate")
    elif not gate.passed:
        found = ", ".join(f"{name}: {count}" for name, count in sorted(gate.mismatches.items()))
        ET.SubElement(case, "failure", message=_clean(f"mismatches {found}"))


def _stage(suite: ET.Element, data: StageData) -> None:
    stage = data.line.stage
    offered = "as fast as it goes" if stage.rate_rps is None else f"{stage.rate_rps:g} rps"
    case = ET.SubElement(
        suite,
        "testcase",
        classname=_clean(f"{stage.twin}.{stage.endpoint}"),
        name=_clean(f"block {stage.block} stage {stage.id} {stage.name}: {offered}"),
        time=str(stage.length_s),
    )
    if stage.kind == "probe":
        ET.SubElement(case, "skipped", message="a probe is not judged")
    elif stage.kind == "trial" and data.why:
        ET.SubElement(case, "skipped", message=_clean(f"no evidence: {'; '.join(data.why)}"))
    elif data.why:
        ET.SubElement(case, "failure", message=_clean("; ".join(data.why)))


def _clean(text: str) -> str:
    """Return text with the characters that XML 1.0 forbids replaced."""
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
