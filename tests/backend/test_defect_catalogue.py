"""The table of planted defects, and the page made from it."""

import re
from pathlib import Path

import pytest
from tenant_backend import settings
from tenant_backend.backend import Backend
from tenant_backend.defects.catalogue import CATALOGUE, named, page
from tenant_backend.parts import PART_NAMES, Parts, choose

PAGE = Path(__file__).parents[2] / "docs" / "defects.md"
FINDINGS = {
    "leaks", "ledger_mismatch", "unaccounted_connections", "connection_growth_per_registration",
    "cache_over_limit", "redis_clients_growth", "descriptor_growth", "thread_growth", "memory_growth", "crashes",
    "registrations_failed",
    "lost", "orphans", "ghosts", "duplicates", "corrupted", "own_data_wrong", "isolation_breaches", "token_breaches",
    "redis_reconnects", "redis_backoff", "redis_announcements", "log_spam", "redis_fallback", "redis_keys_growth",
    "service_during_fault",
    "time_to_recover", "stale_pool", "health_wrong", "event_loop_blocked", "error_details", "api_contract",
    "slots_exhausted", "rate_limit_bypass",
}  # fmt: skip


def test_the_page_is_the_table() -> None:
    """docs/defects.md says what the table says; `python -m tenant_backend.defects > docs/defects.md` writes it anew."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_there_are_at_least_thirty_with_names_of_their_own() -> None:
    """The catalogue is as large as promised, and every name stands for one defect."""
    names = [defect.name for defect in CATALOGUE]
    assert len(names) == len(set(names)) >= 30
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names)


@pytest.mark.parametrize("defect", CATALOGUE, ids=lambda defect: defect.name)
def test_every_defect_is_laid_over_a_correct_part(defect) -> None:  # type: ignore[no-untyped-def]
    """Each names a finding that exists and parts that exist, and is a subclass of the correct part that it spoils."""
    assert defect.finding in FINDINGS
    assert defect.parts
    for part, broken in defect.parts.items():
        assert part in PART_NAMES
        assert issubclass(broken, getattr(Parts(), part))


def test_an_unknown_defect_is_refused() -> None:
    """A slip in a name doesn't make a run without the defect that it is meant to catch."""
    with pytest.raises(ValueError, match="no such defects: leek; known: evicted"):
        named(["leek"])


def test_all_defects_can_be_switched_on_together() -> None:
    """Several defects of one part lie over each other instead of shutting each other out."""
    parts = choose(tuple(defect.name for defect in CATALOGUE))
    for defect in CATALOGUE:
        for part, broken in defect.parts.items():
            assert issubclass(getattr(parts, part), broken)


def test_without_defects_every_part_is_the_correct_one() -> None:
    """The correct backend contains no class of the defects' folder."""
    backend = Backend(settings.Settings(jwt_secret="x" * 32))
    built = [backend.clients, backend.link, backend.tokens, backend.revocations, backend.health, backend.databases]
    assert not [each for each in built if "defects" in type(each).__module__]
    assert choose(()) == Parts()
