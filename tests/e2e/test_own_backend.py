"""A backend that the harness has never seen, described by a file: no statistics, no Redis, another API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.product import Product

pytestmark = pytest.mark.e2e

SHOP = Path(__file__).parent / "own_backend"
TARGET = ("--target", str(SHOP / "target.toml"))


@pytest.fixture
def product(tmp_path: Path) -> Product:
    return Product(tmp_path)


def _finding(product: Product, name: str) -> dict[str, Any]:
    return next(item for item in product.json("verdict.json")["findings"] if item["name"] == name)


def test_a_healthy_backend_of_ones_own_passes(product: Product) -> None:
    """Twenty lines of target file are enough for a verdict, and a backend without statistics is not accused."""
    code, output = product.run(SHOP / "scenario.toml", *TARGET)
    assert code == 0, output
    assert _finding(product, "registrations_ok")["value"] == 30
    assert _finding(product, "unaccounted_connections")["value"] == 0


def test_its_leak_is_found_from_postgres_alone(product: Product) -> None:
    """One connection left open at each sign-up, and no statistics that tell of it: found, one a registration."""
    code, output = product.run(SHOP / "scenario.toml", *TARGET, SHOP_LEAK="1")
    assert code == 1, output
    growth = _finding(product, "connection_growth_per_registration")
    assert growth["value"] == pytest.approx(1, abs=0.25), growth["evidence"]


def test_its_lost_tenants_are_named(product: Product) -> None:
    """Sign-ups that were acknowledged and not kept: each is lost, by name."""
    code, output = product.run(SHOP / "scenario.toml", *TARGET, SHOP_FORGET="1")
    assert code == 1, output
    assert _finding(product, "lost")["value"] == 7
