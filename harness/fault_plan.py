"""What a scenario says of one fault: which, when it begins, how long it stays. Pure: TOML -> a frozen value."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from harness.tomlfile import Strict

Scalar = str | int | float | bool
PositiveSeconds = Annotated[float, Field(gt=0, le=86_400)]
FaultName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*\.[a-z0-9_]+$")]


class FaultPlan(Strict):
    """One fault, once or repeated: when it begins, how long it stays. Exactly one beginning, at most one end.

    Without an end it stays as long as the load does.
    """

    fault: FaultName | None = Field(None, description="a name of `harness faults`")
    any_of: list[FaultName] = Field([], description="instead of `fault`: each occurrence is one drawn from the seed")
    id: str | None = Field(None, description="a name of its own where a scenario uses a fault twice")
    from_start: bool = Field(False, description="in force before the backend starts")
    at_phase: Literal["steady", "load", "settle"] | None = Field(
        None, description="steady: before the load, once the steady state holds; settle: after the load"
    )
    at_s: Annotated[float, Field(ge=0)] | None = Field(None, description="seconds after the load began")
    at_registration: Annotated[int, Field(ge=0)] | None = Field(None, description="once that many are answered")
    after: str | None = Field(None, description="once the fault of that id (or name) is healed, all its repeats")
    within_s: tuple[float, float] | None = Field(None, description="at a moment drawn from the seed")
    on_statement: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="from its beginning on, wait until Postgres executes a statement that starts so"
    )
    for_s: PositiveSeconds | None = None
    until_registration: Annotated[int, Field(ge=1)] | None = None
    until_load_ends: bool = False
    until_end: bool = Field(False, description="stays through final read; healed only when everything is over")
    repeat: Annotated[int, Field(ge=1, le=1000)] = 1
    every_s: PositiveSeconds | None = Field(None, description="time between the beginnings of repeated occurrences")
    every_registrations: Annotated[int, Field(ge=1)] | None = Field(
        None, description="registrations between the beginnings of repeated occurrences"
    )
    options: dict[str, Scalar] = Field({}, description="the fault's own parameters, see `harness faults`")

    @model_validator(mode="after")
    def _one_beginning_one_end(self) -> Self:
        if (self.fault is None) == (not self.any_of):
            raise ValueError("names no fault, or two ways to choose one; set fault or any_of")
        if self.any_of and self.options:
            raise ValueError("options have no meaning for a fault that is drawn; remove them or set fault")
        begins = [
            self.from_start,
            self.at_phase is not None,
            self.at_s is not None,
            self.at_registration is not None,
            self.within_s is not None,
            self.after is not None,
        ]
        if sum(begins) != 1:
            raise ValueError(
                "needs one beginning; set one of from_start, at_phase, at_s, at_registration, within_s, after"
            )
        if self.within_s is not None and not 0 <= self.within_s[0] <= self.within_s[1]:
            raise ValueError("within_s is no span of time; write [earliest, latest], in seconds")
        ends = [self.for_s is not None, self.until_registration is not None, self.until_load_ends, self.until_end]
        if sum(ends) > 1:
            raise ValueError("has more than one end; keep one of for_s, until_registration, until_load_ends, until_end")
        self._distance_is_said_once()
        if self.at_phase == "settle" and self.for_s is None and not self.until_end:
            raise ValueError("begins after the load and has no end; set for_s or until_end")
        if self.on_statement and (self.from_start or self.at_phase == "settle"):
            raise ValueError("on_statement needs the load; begin with at_phase, at_s, at_registration or within_s")
        return self

    def _distance_is_said_once(self) -> None:
        if self.repeat > 1 and (self.every_s is None) == (self.every_registrations is None):
            raise ValueError("is repeated without a distance, or with two; set every_s or every_registrations")
        if self.every_registrations is not None and self.at_registration is None:
            raise ValueError("every_registrations needs a first one; set at_registration")
        if self.repeat > 1 and (self.from_start or self.at_phase in ("steady", "settle")):
            raise ValueError("is repeated outside the load; begin with at_s, at_registration, within_s or at_phase")

    @property
    def label(self) -> str:
        """What its occurrences are called, before their number."""
        return self.id or self.fault or "drawn"

    @property
    def names(self) -> list[str]:
        """The faults that an occurrence of this may be."""
        return [self.fault] if self.fault else self.any_of
