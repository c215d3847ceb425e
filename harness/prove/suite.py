"""Which cases a proof has, and running them: a few at once, each in a process that is used again."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from harness.live.prepare import StackName, prepare
from harness.prove.catalogue import Catalogue, Trial, scenario_of
from harness.prove.trying import Case, Tried, tried
from harness.tomlfile import BadFile, Mistake


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """What is proved: a catalogue, on a stack, from a seed. `out` is where run folders go."""

    catalogue: Catalogue
    catalogue_file: Path
    target: Path
    stack: StackName
    seed: int
    out: Path

    def cases(self, only: Sequence[str] = (), *, subset: bool = False) -> list[Case]:
        """The defects asked for, each after a healthy run of its trial. Raises `BadFile` for unknown names."""
        known = self.catalogue.defects
        if unknown := [name for name in only if name not in known]:
            mistakes = [
                Mistake(key=name, problem="is no defect", remedy=f"known: {', '.join(known)}") for name in unknown
            ]
            raise BadFile("--only", mistakes)
        asked = [
            name
            for name, defect in known.items()
            if (not only or name in only) and (not subset or defect.subset or name in only)
        ]
        trials = dict.fromkeys(known[name].trial for name in asked)
        return [case for trial in trials for case in self._of_trial(trial, asked)]

    def healthy(self, count: int) -> list[Case]:
        """That many runs of the healthy backend, over all trials in turn, each with a seed of its own."""
        trials = list(self.catalogue.trials)
        return [
            self._case(trials[n % len(trials)], None, seed=self.seed + n, key=f"healthy-{n + 1}") for n in range(count)
        ]

    def check(self) -> None:
        """Every trial's scenario and target, as they are laid over. Raises `BadFile` with the mistakes of all."""
        mistakes = [mistake for trial in self.catalogue.trials for mistake in self._mistakes(trial)]
        if mistakes:
            raise BadFile(self.catalogue_file, mistakes)

    def _mistakes(self, trial: str) -> list[Mistake]:
        try:
            prepare(self._case(trial, None, seed=self.seed, key=trial).request)
        except BadFile as bad:
            return [Mistake(key=f"trials.{trial}", problem=f"{bad.path}: {mistake}") for mistake in bad.mistakes]
        return []

    def _of_trial(self, trial: str, asked: Sequence[str]) -> Iterator[Case]:
        yield self._case(trial, None, seed=self.seed, key=f"healthy-{trial}")
        for name in asked:
            if self.catalogue.defects[name].trial == trial:
                yield self._case(trial, name, seed=self.seed, key=name)

    def _case(self, trial: str, defect: str | None, *, seed: int, key: str) -> Case:
        asked: Trial = self.catalogue.trials[trial]
        gates = {name: bound.model_dump() for name, bound in self.catalogue.gates.items()}
        over = dict(asked.over)
        written = over.get("gates")
        over["gates"] = {**gates, **(written if isinstance(written, dict) else {})}
        return Case(
            key=key,
            trial=trial,
            defect=defect,
            scenario=scenario_of(asked, self.catalogue_file),
            size=asked.size,
            target=self.target,
            stack=self.stack,
            seed=seed,
            over=over,
            target_over=asked.target,
            env={**self.catalogue.env, **({self.catalogue.variable: defect} if defect else {})},
            out=self.out,
        )


def run_cases(cases: Sequence[Case], *, at_once: int) -> Iterator[Tried]:
    """The results as they come. Ctrl-C ends what runs, in order, and what waits is not begun."""
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(at_once, mp_context=spawned, initializer=_waits_quietly) as pool:
        running = {pool.submit(tried, case) for case in cases}
        try:
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _waits_quietly() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
