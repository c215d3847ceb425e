"""Everything that a report shows, computed once from a record and its verdict; the templates only lay it out."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from altair.utils.schemapi import debug_mode

from harness import bundled
from harness.clock import NS_PER_S
from harness.gate import Ruling
from harness.judge.model import Verdict
from harness.record.reader import Record
from harness.record.schema import Statistics
from harness.report import ledgers
from harness.report.advice import recommendations
from harness.report.charts.chart import Chart
from harness.report.charts.connections import connection_charts
from harness.report.charts.latency import latency_charts
from harness.report.charts.redis import redis_chart
from harness.report.charts.resources import lag_chart, resource_charts
from harness.report.charts.timeline import glance_chart, registration_chart
from harness.report.comparison import Comparison, with_phase1, with_previous
from harness.report.configuration import Fact, configuration, run_files
from harness.report.findings import Section, sections
from harness.report.latency_series import latency_series, measured
from harness.report.moments import Course, Stretch, course
from harness.report.past import PastRun, past_run, past_runs
from harness.report.readiness import Conclusion, conclusion
from harness.report.redis_attempts import Attempt, attempts
from harness.report.tenant_logs import LogLine, excerpt
from harness.report.tenants import Tenant, tenants
from harness.report.text import clean
from harness.report.trust import Trust, trust

SLOWEST = 20
QUOTED = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """Registrations by outcome; `planned` is null where the scenario bounds time instead."""

    planned: int | None
    ok: int
    failed: int
    unknown: int

    @property
    def other(self) -> int:
        """Planned, but not sent or not told."""
        return max(0, (self.planned or 0) - self.ok - self.failed - self.unknown)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow:
    """One of the slowest requests."""

    tenant: str
    step: str
    at_s: float
    response_ms: float
    service_ms: float
    outcome: str
    during: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A whole report. `charts` by id."""

    name: str
    record: Record
    verdict: Verdict
    ruling: Ruling
    why: list[str]
    trust: Trust
    outcomes: Outcomes
    course: Course
    sections: dict[str, Section]
    charts: dict[str, Chart]
    configuration: list[Fact]
    files: list[Fact]
    attempts: list[Attempt]
    quotes: list[LogLine]
    tenants: list[Tenant]
    slowest: list[Slow]
    previous: Comparison | None
    phase1: Comparison | None
    conclusion: Conclusion
    recommendations: list[str]


def page(record: Record, verdict: Verdict) -> Page:
    """Computes all of it; what is missing is told, never an error."""
    frame = measured(record.requests)
    when = course(record)
    made = attempts(record, when)
    path = record.folder.path.resolve()
    runs = _runs(record, verdict)
    announced = record.plan.target.redis.announcement
    return Page(
        name=path.name,
        record=record,
        verdict=verdict,
        ruling=verdict.ruling,
        why=[clean(text) for text in verdict.why],
        trust=trust(record, verdict),
        outcomes=_outcomes(record, frame),
        course=when,
        sections=sections(verdict),
        charts=_charts(record, frame, when, made),
        configuration=configuration(record),
        files=run_files(record),
        attempts=made,
        quotes=excerpt(record.folder.logs, announced or "redis", QUOTED),
        tenants=tenants(record, when, frame),
        slowest=_slowest(frame, when),
        previous=with_previous(verdict, runs, path.name),
        phase1=with_phase1(verdict, record.plan.scenario.name, _duration_s(frame), ledgers.claims(record)),
        conclusion=conclusion(runs, [path.stem for path in bundled.scenarios()]),
        recommendations=[clean(text) for text in recommendations(verdict)],
    )


def _runs(record: Record, verdict: Verdict) -> list[PastRun]:
    """The runs beside this one. Only folders that hold a run count as beside it, so a lone copy stands for itself."""
    path = record.folder.path.resolve()
    return past_runs(path.parent) or list(filter(None, [past_run(path)]))


def _charts(record: Record, frame: pd.DataFrame, when: Course, made: list[Attempt]) -> dict[str, Chart]:
    flow = record.plan.scenario.load.flow
    with debug_mode(False):  # altair's own check of every part costs a second; the tests make it
        all_charts = [
            glance_chart(when, _stated(record, when)),
            *latency_charts(latency_series(frame), when),
            *connection_charts(record, when),
            redis_chart(made, when),
            registration_chart(record.requests, when, flow),
            *resource_charts(record, when),
            lag_chart(record, when),
        ]
    return {chart.id: chart for chart in all_charts}


def _stated(record: Record, when: Course) -> list[Stretch]:
    """What the backend says of its Redis link, as stretches of one state."""
    rows = [row for row in record.scalars(Statistics) if row.redis_state is not None]
    changes = [row for index, row in enumerate(rows) if index == 0 or _state(rows[index - 1]) != _state(row)]
    ends = [*(row.at_ns for row in changes[1:]), round(when.to_s * NS_PER_S)]
    return [
        Stretch(label=_state(row), from_s=row.at_ns / NS_PER_S, to_s=max(end, row.at_ns) / NS_PER_S)
        for row, end in zip(changes, ends, strict=False)
    ]


def _state(row: Statistics) -> str:
    return clean(row.redis_state or "", 40)


def _outcomes(record: Record, frame: pd.DataFrame) -> Outcomes:
    counted = frame[frame["step"] == "register"]["outcome"].value_counts()
    return Outcomes(
        planned=record.plan.scenario.load.registrations,
        **{word: int(counted.get(word, 0)) for word in ("ok", "failed", "unknown")},
    )


def _slowest(frame: pd.DataFrame, when: Course) -> list[Slow]:
    columns = ["tenant", "step", "t", "response", "service", "outcome"]
    slowest = frame.nlargest(SLOWEST, "response")[columns]
    return [
        Slow(
            tenant=clean(str(tenant), 80),
            step=str(step),
            at_s=round(at_s, 3),
            response_ms=round(response, 3),
            service_ms=round(service, 3),
            outcome=str(outcome),
            during=", ".join(when.faults_between(at_s, at_s + service / 1000)),
        )
        for tenant, step, at_s, response, service, outcome in slowest.itertuples(index=False)
    ]


def _duration_s(frame: pd.DataFrame) -> float | None:
    """From the first registration's sending to the last one's answer."""
    signups = frame[frame["step"] == "register"]
    return None if signups.empty else float(signups["end_ns"].max() - signups["start_ns"].min()) / NS_PER_S
