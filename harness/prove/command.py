"""`harness prove`: the cases, a line for each as it ends, the matrix, an exit code."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from harness import bundled, target
from harness.clock import NS_PER_S, monotonic_ns, utc_now
from harness.live.prepare import StackName
from harness.prove.catalogue import Catalogue, load
from harness.prove.matrix import Line, matrix, not_holding
from harness.prove.render import Proof, table, write
from harness.prove.suite import Suite, run_cases
from harness.prove.trying import Case, Tried
from harness.target import Target

AT_ONCE_MAX = 3
INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofRequest:
    """One `harness prove`, as asked. `healthy` is a number of healthy runs instead of the defects."""

    target: Path | None = None
    stack: StackName = "auto"
    only: Sequence[str] = ()
    subset: bool = False
    healthy: int | None = None
    at_once: int | None = None
    seed: int | None = None
    out: Path = Path("reports")


def prove(request: ProofRequest, console: Console) -> int:
    """Run it; the exit code says whether the proof holds. Raises `BadFile` before anything runs."""
    began_ns, now = monotonic_ns(), utc_now()
    folder = request.out / f"prove-{now:%Y%m%d-%H%M%S}"
    suite, described = _suite(request, folder)
    cases = suite.healthy(request.healthy) if request.healthy else suite.cases(request.only, subset=request.subset)
    # Healthy runs by themselves prove that nothing is accused, not that anything would be detected.
    asked = suite.catalogue.model_copy(update={"defects": {}}) if request.healthy else suite.catalogue
    try:
        lines = _lines(asked, cases, request.at_once or _at_once(), console)
    except KeyboardInterrupt:
        console.print("interrupted; what ran was ended in order", style="red")
        return INTERRUPTED
    proof = Proof(
        target=described.name,
        stack=request.stack,
        seed=suite.seed,
        created_at=now.isoformat(timespec="seconds"),
        took_s=(monotonic_ns() - began_ns) / NS_PER_S,
        lines=lines,
    )
    return _told(proof, folder, console)


def _suite(request: ProofRequest, folder: Path) -> tuple[Suite, Target]:
    target_file = request.target or bundled.reference_target()
    described = target.load(target_file)
    catalogue, catalogue_file = load(described, target_file)
    suite = Suite(
        catalogue=catalogue,
        catalogue_file=catalogue_file,
        target=target_file,
        stack=request.stack,
        seed=secrets.randbits(32) if request.seed is None else request.seed,
        out=folder / "runs",
    )
    suite.check()
    return suite, described


def _at_once() -> int:
    return min(AT_ONCE_MAX, 1 + (os.cpu_count() or 1))


def _lines(catalogue: Catalogue, cases: Sequence[Case], at_once: int, console: Console) -> list[Line]:
    """The matrix, in the order of the cases; each is told as it ends."""
    order = {case.key: number for number, case in enumerate(cases)}
    results: list[Tried] = []
    for result in run_cases(cases, at_once=at_once):
        results.append(result)
        (line,) = matrix(catalogue, [result])
        console.print(said(line, len(results), len(cases)), markup=False, highlight=False)
    return matrix(catalogue, sorted(results, key=lambda result: order[result.key]))


def _told(proof: Proof, folder: Path, console: Console) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    paths = write(proof, folder)
    if console.is_terminal:
        console.print(table(proof.lines))
    for what in not_holding(proof.lines):
        console.print(what, markup=False, highlight=False, style="red")
    console.print(f"{proof.headline} ({proof.took_s:.0f} s)", highlight=False)
    console.print(f"matrix: {paths[0]}", highlight=False)
    return exit_code(proof)


def said(line: Line, number: int, count: int) -> str:
    """One case's line while the others go on."""
    catch = line.catch
    what = f", {line.expected}" if line.expected else ""
    after = f" {catch.at_s:.1f} s into the load" if catch and catch.at_s is not None else ""
    why = f"; {line.why}" if line.why else ""
    return f"[{number}/{count}] {line.state}: {line.name} in {line.trial}{what}{after} ({line.took_s:.0f} s){why}"


def exit_code(proof: Proof) -> int:
    """0 where it holds; 4 where nothing is wrong but runs that broke; else 1."""
    if proof.holds:
        return 0
    return 4 if all(line.good or line.state == "broke" for line in proof.lines) else 1
