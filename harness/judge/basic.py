from harness.judge.model import Evidence, Finding
from harness.record.reader import Record
from harness.record.schema import *
def registrations(record):
    reg = record.requests[record.requests["step"] == "register"]
    t = record.rows(Trailer)
    planned = record.plan.scenario.load.registrations or 0
    ok, failed, unknown = (int((reg["outcome"] == o).sum()) for o in ("ok", "failed", "unknown"))
    missing = [] if len(t) == record.plan.scenario.load.processes else ["a load worker left no trailer"]
    if not len(reg): missing.append("no registration was sent")
    ns = sum(x.not_started for x in t)
    f = lambda n, title, v, e="": Finding(name=n, title=title, value=None if missing else v, n=planned, expected=e, section="success", missing=missing)
    return [f("registrations_ok", "Registrations acknowledged", ok, str(planned)), f("registrations_failed", "Registrations failed", failed, "0"),
        f("registrations_unknown", "Registrations with unknown outcome", unknown, "0"), f("registrations_unaccounted", "Registrations unaccounted for", planned-ok-failed-unknown-ns, "0")]
def crashes(record):
    c = [n for n in record.rows(Note) if n.subject == "crash"]
    return [Finding(name="crashes", title="Backend crashes", value=len(c), expected="0", section="success", evidence=[Evidence(text=n.text, at_ns=n.at_ns) for n in c], evidence_total=len(c))]
def health(record):
    h = record.rows(Health)
    bad = [x for x in h if not x.ok]
    return [Finding(name="health_failed", title="Health checks failed", value=len(bad) if h else None, n=len(h), expected="0", section="success", missing=[] if h else ["no health check"])]
def connections(record):
    servers = record.rows(Server); stats = record.rows(Statistics)
    if not servers or not stats or stats[-1].connections_open is None:
        return [Finding(name="unaccounted_connections", title="Unaccounted connections", value=None, section="connections", missing=["no ledger"])]
    import re
    pat = re.compile(record.plan.target.database.tenant_pattern)
    mine = [c for c in servers[-1].connections if pat.match(c.database)]
    v = len(mine) - stats[-1].connections_open
    return [Finding(name="unaccounted_connections", title="Unaccounted connections", value=v, n=len(mine), expected="0", section="connections")]
def faults(record):
    rows = record.rows(Fault); planned = {r.fault for r in rows if r.state == "planned"}; seen = {r.fault for r in rows if r.state == "seen"}
    return [Finding(name="faults_unseen", title="Faults not seen", value=len(planned - seen), n=len(planned), section="faults")]
def redis(record):
    o = [r for r in record.rows(Opened) if r.proxy == "backend-redis" and r.upstream_port is None]
    return [Finding(name="redis_reconnects", title="Redis reconnection attempts on the wire", value=len(o), section="redis")]
def placeholder(record):
    return [Finding(name=n, title=n, value=None, missing=["not judged yet"]) for n in ("lost", "orphans")]
