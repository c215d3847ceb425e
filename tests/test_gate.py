"""Gates: how bounds are written and how rulings compose."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.gate import Gate, PhasedBound, Ruling


@pytest.mark.parametrize(
    ("written", "value", "holds"),
    [
        (0, 0, True),
        (0, 1, False),
        (">= 20", 20, True),
        (">= 20", 19, False),
        ("== 0", -1, False),
        ("< 2000", 1999.9, True),
    ],
)
def test_a_bound_means_what_it_says(written: int | str, value: float, holds: bool) -> None:
    """A bare number is an upper bound; a comparison is taken literally."""
    assert Gate.of("x", written).holds(value) is holds


def test_a_gate_keeps_its_phase() -> None:
    """A bound for one phase says so wherever it is shown."""
    assert (
        str(Gate.of("register_p95_ms", PhasedBound(bound="< 2000", phase="after"))) == "register_p95_ms < 2000 (after)"
    )


@given(st.lists(st.sampled_from(Ruling), min_size=1))
def test_the_worst_ruling_wins(rulings: list[Ruling]) -> None:
    """Fail beats unknown beats pass, whatever stands beside it."""
    worst = max(rulings)
    assert worst is (
        Ruling.FAIL if Ruling.FAIL in rulings else Ruling.UNKNOWN if Ruling.UNKNOWN in rulings else Ruling.PASS
    )
