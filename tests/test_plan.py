"""The plan is a function of its inputs."""

from hypothesis import given
from hypothesis import strategies as st

from harness.clock import NS_PER_S
from harness.plan import mistakes_together, occurrences, registration
from harness.scenario import Scenario
from harness.target import Target

SEEDS = st.integers(min_value=0, max_value=2**32)


def scenario(**tables: object) -> Scenario:
    return Scenario.model_validate({"name": "a", "proves": "something", **tables})


@given(SEEDS, st.integers(min_value=1, max_value=100_000))
def test_a_tenant_is_the_same_in_every_process(seed: int, n: int) -> None:
    """Worker, conductor and judge derive the same tenant from the plan without talking to each other."""
    assert registration("run", seed, n) == registration("run", seed, n)


def test_no_two_tenants_share_anything() -> None:
    """A thousand tenants of one run, and the same numbers of another run, differ in every identity."""
    tenants = [registration(run, 1, n) for run in ("a", "b") for n in range(1, 1001)]
    for name in ("email", "slug", "canary", "idempotency_key"):
        assert len({getattr(tenant, name) for tenant in tenants}) == 2000


@given(SEEDS)
def test_the_timeline_repeats_with_its_seed(seed: int) -> None:
    """A drawn moment lies in its window and is the same for the same seed."""
    drawn = scenario(faults=[{"fault": "redis.kill", "within_s": [1, 3], "repeat": 3, "every_s": 5}])
    once, again = list(occurrences(drawn, seed)), list(occurrences(drawn, seed))
    assert once == again
    assert [item.fault for item in once] == ["redis.kill#1", "redis.kill#2", "redis.kill#3"]
    for index, item in enumerate(once):
        assert item.at_ns is not None
        assert 1 * NS_PER_S <= item.at_ns - index * 5 * NS_PER_S <= 3 * NS_PER_S


def test_names_that_the_target_does_not_know_are_all_told() -> None:
    """A scenario that asks for steps and settings which the target lacks is refused with everything that is wrong."""
    target = Target.model_validate(
        {
            "name": "t",
            "database": {"tenant": "t_{slug}", "tenant_pattern": "^t_"},
            "health": {"check": "/health"},
            "steps": {"register": {"path": "/r", "save": {"tenant_id": "id"}}, "login": {"path": "/l"}},
        }
    )
    asked = scenario(load={"flow": ["register", "fly"]}, settings={"wings": 2})
    assert [mistake.key for mistake in mistakes_together(asked, target, "")] == ["load.flow[1]", "settings.wings"]
    assert mistakes_together(scenario(load={"flow": ["register", "login"]}), target, "") == []
