"""What was run, on what, and how it ended: everything that a report says before its findings."""

from __future__ import annotations

from harness.clock import NS_PER_S
from harness.judge.model import MachineFacts, RunFacts
from harness.record.reader import Record


def run_facts(record: Record) -> RunFacts:
    """From the plan and `end.json`."""
    plan, end, load = record.plan, record.end, record.plan.scenario.load
    return RunFacts(
        run_id=plan.run_id,
        created_at=plan.created_at,
        scenario=plan.scenario.name,
        proves=plan.scenario.proves,
        failure_means=plan.scenario.failure_means,
        target=plan.target.name,
        stack=end.stack if end else plan.stack,
        stack_why=end.stack_why if end else "",
        versions=dict(end.versions) if end else {},
        seed=plan.seed,
        machine=MachineFacts(**plan.machine.model_dump()),
        harness_version=plan.harness_version,
        registrations_planned=load.registrations,
        users=1 if load.model == "sequential" else load.users,
        model=load.model,
        duration_s=end.ended_ns / NS_PER_S if end else None,
        end_reason=end.reason if end else None,
        end_detail=end.detail if end else "",
        torn_lines=len(record.torn),
    )
