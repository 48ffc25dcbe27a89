"""The rate budget of each viewer, and how answers report it."""

from dataclasses import replace
from unittest.mock import ANY

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.connect.database import Database
from domain.errors import RateLimited
from domain.viewer import viewer_key
from server.graphql.rate_budget import FRESH, BudgetLimits, RateBudget, local_budget, shared_budget
from tests.log import viewer
from tests.statements import recorded

BUCKET = BudgetLimits(capacity=1_000, per_second=10)


class Seconds:
    """A clock that is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


async def left(budget: RateBudget, cost: int, *, id: str = "u1") -> int:
    return (await budget.charge(replace(viewer(), id=id), cost, limit=900)).left


async def test_the_rest_of_the_budget_is_reported() -> None:
    charge = await local_budget(BUCKET, seconds=Seconds()).charge(viewer(), 300, limit=900)

    assert charge.extension() == {
        "requested": 300,
        "limit": 900,
        "capacity": 1_000,
        "left": 700,
        "restoredPerSecond": 10,
    }


async def test_too_much_is_refused_until_it_has_come_back() -> None:
    seconds = Seconds()
    budget = local_budget(BUCKET, seconds=seconds)
    assert await left(budget, 900) == 100

    with pytest.raises(RateLimited) as refused:
        await left(budget, 400)
    assert await left(budget, 900, id="u2") == 100

    assert refused.value.retry_after == 40
    assert refused.value.message == (
        "You have asked for as much as you may for now: 1000 objects at once, and 10 more each second. "
        "Ask again in 40 seconds, or for less than 400 objects."
    )
    seconds.now += 40
    assert await left(budget, 400) == 100


async def test_nobody_saves_up_more_than_there_is() -> None:
    seconds = Seconds()
    budget = local_budget(BUCKET, seconds=seconds)
    await left(budget, 10)
    seconds.now += 86_400

    assert await left(budget, 10) == 990


async def test_what_costs_more_than_there_ever_is_takes_all() -> None:
    assert await left(local_budget(BUCKET, seconds=Seconds()), 5_000) == 0


async def test_only_so_many_viewers_are_known() -> None:
    budget = local_budget(BUCKET, seconds=Seconds(), most=2)
    for id in ("u1", "u2", "u3"):
        await left(budget, 100, id=id)

    assert [await left(budget, 100, id=id) for id in ("u3", "u1")] == [800, 900]


async def test_small_operations_need_no_statement_of_their_own(database: Database) -> None:
    budget = shared_budget(database, BudgetLimits(capacity=1_000, per_second=0.01))
    with recorded(database) as statements:
        figures = [await left(budget, 1) for _ in range(20)]

    assert figures == list(range(999, 979, -1))
    assert [text for text, _ in statements if "BEGIN" not in text] == [ANY]


async def test_processes_share_what_there_is(database: Database) -> None:
    bucket = BudgetLimits(capacity=1_000, per_second=0.01)
    one, other = shared_budget(database, bucket), shared_budget(database, bucket)
    assert await left(one, 500) == 500
    assert await left(other, 490) == 10

    # less than a portion is left, and is given all the same
    assert await left(one, 9) == 1
    with pytest.raises(RateLimited):
        await left(other, 9)


async def test_no_request_deletes_the_rows_of_others(database: Database) -> None:
    budget = shared_budget(database, BUCKET)
    with recorded(database) as statements:
        for n in range(1_100):
            await left(budget, 500, id=f"u{n}")

    assert [text for text, _ in statements if "DELETE" in text] == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a/b", "c"), ("a", "b/c")),
        (("a%2Fb", "c"), ("a/b", "c")),
        (("", "a/b"), ("a", "b")),
        (("north", "u1"), ("south", "u1")),
    ],
)
def test_no_two_viewers_share_a_budget(one: tuple[str, str], other: tuple[str, str]) -> None:
    keys = {viewer_key(viewer(district=district, id=id)) for district, id in (one, other)}

    assert len(keys) == 2


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_a_key_is_of_one_viewer_whatever_the_ids_hold(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    keys = [viewer_key(viewer(district=district, id=id)) for district, id in (one, other)]

    assert (keys[0] == keys[1]) == (one == other)


async def test_a_portion_is_not_kept_for_ever() -> None:
    seconds, drawn = Seconds(), []

    async def draw(key: str, cost: int) -> int:
        drawn.append(cost)
        return 0

    budget = RateBudget(draw, BUCKET, portion=20, seconds=seconds)
    await left(budget, 1)
    seconds.now += FRESH + 1
    await left(budget, 1)

    assert drawn == [20, 20]
