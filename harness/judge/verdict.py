from __future__ import annotations
import json
from dataclasses import asdict
from harness.gate import Gate, Ruling
from harness.judge import basic
from harness.judge.latency import latency
from harness.judge.isolation import isolation
from harness.judge.tokens import rate_limit, tokens
from harness.judge.api_contract import api_contract
from harness.judge.leaks import leaks
from harness.judge.model import *
FINDERS = (isolation, tokens, rate_limit, api_contract, basic.registrations, leaks, basic.connections, basic.crashes, basic.health, latency, basic.redis, basic.faults, basic.placeholder)
def judge(record, gates=None):
    findings = []
    for f in FINDERS:
        findings += f(record)
    by = {(f.name, f.phase): f for f in findings}
    rulings = []
    for g in (gates if gates is not None else record.plan.scenario.all_gates()):
        f = by.get((g.finding, g.phase))
        if f is None or f.value is None:
            rulings.append(GateRuling(gate=g, ruling=Ruling.UNKNOWN, why=f"{g.finding}: " + ("; ".join(f.missing) if f else "no such finding")))
        else:
            ok = g.holds(f.value)
            rulings.append(GateRuling(gate=g, ruling=Ruling.PASS if ok else Ruling.FAIL, why=f"{f.title}: {f.value:g}", value=f.value))
    worst = max((r.ruling for r in rulings), default=Ruling.UNKNOWN)
    return Verdict(ruling=worst, why=[r.why for r in rulings if r.ruling == worst], gates=rulings, findings=findings)
def to_json(v, record):
    return json.dumps({"ruling": v.ruling.word, **{k: x for k, x in asdict(v).items() if k != "ruling"}}, indent=1)
