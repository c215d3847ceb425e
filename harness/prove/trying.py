"""Tries one case: a run of the trial's scenario against a backend with one defect or none, judged like any other.

The run knows the trial, not the defect: only the backend's environment holds that, and the run folder says nothing.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.clock import NS_PER_S, monotonic_ns
from harness.gate import Ruling
from harness.judge.model import Finding, GateRuling, Verdict
from harness.judging import judged
from harness.live.dashboard import LiveView
from harness.live.prepare import RunRequest, StackName, prepare
from harness.live.run import Ran, run
from harness.record.folder import EndReason, RunFolder
from harness.record.reader import read
from harness.record.schema import Phase
from harness.scenario import Size

EVIDENCE_CHARACTERS = 300
CASE_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One run to make. `defect` is null for the healthy backend; `env` is what the backend alone is told."""

    key: str
    trial: str
    defect: str | None
    scenario: str
    size: Size | None
    target: Path
    stack: StackName
    seed: int
    over: Mapping[str, Any]
    target_over: Mapping[str, Any]
    env: Mapping[str, str]
    out: Path

    @property
    def request(self) -> RunRequest:
        """The run as `harness run` would be asked for it."""
        return RunRequest(
            scenario=self.scenario,
            target=self.target,
            stack=self.stack,
            size=self.size,
            seed=self.seed,
            overrides=self.over,
            target_overrides=self.target_over,
            out=self.out,
            backend_env=self.env,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """A gate that failed. `at_s` is the first evidence's moment, in seconds after the load began, where it has one."""

    finding: str
    title: str
    why: str
    evidence: str = ""
    at_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What a case showed. `passed` are findings whose gate held, `unknown` those without evidence, and why."""

    key: str
    trial: str
    defect: str | None
    run: str
    reason: EndReason
    detail: str
    took_s: float
    fired: tuple[Fired, ...] = ()
    passed: tuple[str, ...] = ()
    unknown: Mapping[str, str] = field(default_factory=dict)


class Quiet:
    """Follows a run without a word; many go on at once."""

    def show(self, view: LiveView) -> None:
        pass

    def tell(self, text: str) -> None:
        pass


def tried(case: Case) -> Tried:
    """Run and judge the case. Raises `BadFile` before anything is started."""
    begun_ns = monotonic_ns()
    ran = asyncio.run(_within_bounds(case.request))
    # The parent is told by the same Ctrl-C; between two runs this process only waits.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    verdict = judged(ran.folder)
    return Tried(
        key=case.key,
        trial=case.trial,
        defect=case.defect,
        run=ran.folder.path.name,
        reason=ran.reason,
        detail=ran.detail,
        took_s=(monotonic_ns() - begun_ns) / NS_PER_S,
        fired=tuple(_fired(ruling, verdict, _load_began_ns(ran.folder)) for ruling in _ruled(verdict, Ruling.FAIL)),
        passed=tuple(ruling.gate.finding for ruling in _ruled(verdict, Ruling.PASS)),
        unknown={ruling.gate.finding: ruling.why for ruling in _ruled(verdict, Ruling.UNKNOWN)},
    )


async def _within_bounds(request: RunRequest) -> Ran:
    """The run, ended in order like an interrupted one when it takes too long."""
    running = asyncio.create_task(run(prepare(request), Quiet()))
    await asyncio.wait({running}, timeout=CASE_TIMEOUT_S)
    if not running.done():
        running.cancel()
    return await running


def _ruled(verdict: Verdict, ruling: Ruling) -> list[GateRuling]:
    return [each for each in verdict.gates if each.ruling == ruling]


def _fired(ruling: GateRuling, verdict: Verdict, began_ns: int) -> Fired:
    finding = verdict.finding(ruling.gate.finding, ruling.gate.phase)
    assert finding is not None, "a gate only fails on a finding"
    moments = [fact.at_ns for fact in finding.evidence if fact.at_ns is not None]
    return Fired(
        finding=finding.name,
        title=finding.title,
        why=ruling.why,
        evidence=_first_evidence(finding),
        at_s=round((min(moments) - began_ns) / NS_PER_S, 2) if moments else None,
    )


def _first_evidence(finding: Finding) -> str:
    return finding.evidence[0].text[:EVIDENCE_CHARACTERS] if finding.evidence else ""


def _load_began_ns(folder: RunFolder) -> int:
    began = [row.at_ns for row in read(folder).rows(Phase) if row.phase == "load"]
    return began[0] if began else 0
