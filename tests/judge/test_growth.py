"""Growth with registrations: what never stops is told from what warms up."""

import numpy as np
import pytest

from harness.judge.growth import Series, growth

# Sampled on a busy machine: idle before the first registration, then the control pool fills and stays.
POOLS = {
    "filled at once": ([0, 2, 5, 10, 14, 16, 20], [2, 10, 10, 10, 13, 13, 13]),
    "filled bit by bit": ([0, 1, 2, 3, 4, 5, 6, 10, 15, 20], [2, 9, 9, 9, 9, 9, 12, 12, 13, 13]),
}


def series(registrations: list[int], levels: list[int]) -> Series:
    return Series(registrations=np.array(registrations, dtype=float), levels=np.array(levels, dtype=float))


@pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS.keys())
def test_a_pool_that_fills_is_no_growth(pool: tuple[list[int], list[int]]) -> None:
    """A healthy backend is not accused for opening its pool when the first work comes."""
    found = growth(series(*pool), slack=2)
    assert found
    assert not found.shown


def test_one_more_with_every_registration_is_growth() -> None:
    """Whatever it began with."""
    numbers = list(range(21))
    found = growth(series(numbers, [2 if n == 0 else 9 + n for n in numbers]), slack=2)
    assert found
    assert found.shown
    assert found.slope == pytest.approx(1)
