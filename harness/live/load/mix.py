"""Which operation, on which tenant: weights over the steps, Zipf's law over the tenants. Pure but for the dice.

The tenant of rank k (the k-th that registered) is drawn with a probability in proportion to `k ** -exponent`, so that a
cache smaller than the tenants both hits and evicts. https://en.wikipedia.org/wiki/Zipf%27s_law
"""

from __future__ import annotations

import itertools
import random
from bisect import bisect_left
from collections.abc import Mapping


class Zipf:
    """Draws ranks (from 0) among a number of items that may grow from draw to draw."""

    def __init__(self, exponent: float, draw: random.Random) -> None:
        self._exponent = exponent
        self._draw = draw
        self._cumulated: list[float] = []

    def rank(self, items: int) -> int:
        """A rank below `items`, which must be at least 1."""
        while len(self._cumulated) < items:
            weight = (len(self._cumulated) + 1) ** -self._exponent
            self._cumulated.append(weight + (self._cumulated[-1] if self._cumulated else 0.0))
        point = self._draw.random() * self._cumulated[items - 1]
        return min(bisect_left(self._cumulated, point, 0, items), items - 1)


class Steps:
    """Draws a step by its weight."""

    def __init__(self, weights: Mapping[str, float], draw: random.Random) -> None:
        self._names = list(weights)
        self._cumulated = list(itertools.accumulate(weights.values()))
        self._draw = draw

    def one(self) -> str:
        return self._names[bisect_left(self._cumulated, self._draw.random() * self._cumulated[-1])]
