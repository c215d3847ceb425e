"""JUnit XML: one case a gate, so that a CI's own page shows which one did not hold."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from harness.gate import Ruling
from harness.judge.model import GateRuling, Verdict
from harness.record.reader import Record
from harness.report.text import clean

_NO_XML = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(record: Record, verdict: Verdict) -> str:
    """A failed gate is a failure; one that can't be told is an error, for it is no pass either."""
    suite = ElementTree.Element(
        "testsuite",
        name=f"tenant-harness.{record.plan.scenario.name}",
        tests=str(max(len(verdict.gates), 1)),
        failures=str(sum(gate.ruling is Ruling.FAIL for gate in verdict.gates)),
        errors=str(sum(gate.ruling is Ruling.UNKNOWN for gate in verdict.gates) + (not verdict.gates)),
        skipped="0",
        timestamp=record.plan.created_at,
        time=f"{record.end.ended_ns / 1e9:.3f}" if record.end else "0",
    )
    for gate in verdict.gates:
        suite.append(_case(record, verdict, gate))
    if not verdict.gates:
        case = ElementTree.SubElement(suite, "testcase", name="any gate", classname=record.plan.scenario.name)
        ElementTree.SubElement(case, "error", message="no gate was set, so nothing was asked").text = ""
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(record: Record, verdict: Verdict, gate: GateRuling) -> ElementTree.Element:
    case = ElementTree.Element("testcase", name=str(gate.gate), classname=record.plan.scenario.name, time="0")
    if gate.ruling is Ruling.PASS:
        return case
    element = ElementTree.SubElement(
        case, "failure" if gate.ruling is Ruling.FAIL else "error", message=_fit(gate.why), type=gate.gate.finding
    )
    finding = verdict.finding(gate.gate.finding, gate.gate.phase)
    facts = [item.text for item in finding.evidence[:20]] + finding.missing if finding else []
    element.text = "\n".join(_fit(text) for text in facts)
    return case


def _fit(text: str) -> str:
    return _NO_XML.sub("�", clean(text))
