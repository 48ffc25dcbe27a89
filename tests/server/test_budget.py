"""What each viewer may ask for in a while, and what they are told of it."""

from dataclasses import replace
from unittest.mock import ANY

import pytest
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import reading, writing
from db.side_tables import BUDGET
from domain.errors import TooMuch
from server.budget import FRESH, Bucket, Budget, of_one_process, shared
from tests.log import NOON, viewer
from tests.statements import recorded

BUCKET = Bucket(capacity=1_000, per_second=10)


class Seconds:
    """A clock that is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


async def left(budget: Budget, cost: int, *, id: str = "u1") -> int:
    return (await budget.charge(replace(viewer(), id=id), cost, limit=900)).left


async def test_what_is_left_is_told() -> None:
    charge = await of_one_process(BUCKET, seconds=Seconds()).charge(viewer(), 300, limit=900)

    assert charge.told() == {
        "requested": 300,
        "limit": 900,
        "capacity": 1_000,
        "left": 700,
        "restoredPerSecond": 10,
    }


async def test_too_much_is_refused_until_it_has_come_back() -> None:
    seconds = Seconds()
    budget = of_one_process(BUCKET, seconds=seconds)
    assert await left(budget, 900) == 100

    with pytest.raises(TooMuch) as refused:
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
    budget = of_one_process(BUCKET, seconds=seconds)
    await left(budget, 10)
    seconds.now += 86_400

    assert await left(budget, 10) == 990


async def test_what_costs_more_than_there_ever_is_takes_all() -> None:
    assert await left(of_one_process(BUCKET, seconds=Seconds()), 5_000) == 0


async def test_only_so_many_viewers_are_known() -> None:
    budget = of_one_process(BUCKET, seconds=Seconds(), most=2)
    for id in ("u1", "u2", "u3"):
        await left(budget, 100, id=id)

    assert [await left(budget, 100, id=id) for id in ("u3", "u1")] == [800, 900]


async def test_small_operations_need_no_statement_of_their_own(engine: AsyncEngine) -> None:
    budget = shared(engine, Bucket(capacity=1_000, per_second=0.01))
    with recorded(engine) as statements:
        told = [await left(budget, 1) for _ in range(20)]

    assert told == list(range(999, 979, -1))
    assert [text for text, _ in statements if "BEGIN" not in text] == [ANY]


async def test_processes_share_what_there_is(engine: AsyncEngine) -> None:
    bucket = Bucket(capacity=1_000, per_second=0.01)
    one, other = shared(engine, bucket), shared(engine, bucket)
    assert await left(one, 500) == 500
    assert await left(other, 490) == 10

    # less than a portion is left, and is given all the same
    assert await left(one, 9) == 1
    with pytest.raises(TooMuch):
        await left(other, 9)


async def test_the_rows_of_those_who_have_gone_are_deleted_now_and_then(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.budget.BETWEEN_SWEEPS", 2)
    async with writing(engine) as connection:
        await connection.execute(insert(BUDGET).values(viewer="plainview/gone", empty_at=NOON))
    budget = shared(engine, BUCKET)
    for id in ("u1", "u2"):
        await left(budget, 500, id=id)

    async with reading(engine) as connection:
        viewers = await connection.scalars(select(BUDGET.c.viewer).order_by(BUDGET.c.viewer))
        assert list(viewers) == ["plainview/u1", "plainview/u2"]


async def test_a_portion_is_not_kept_for_ever() -> None:
    seconds, drawn = Seconds(), []

    async def draw(key: str, cost: int) -> int:
        drawn.append(cost)
        return 0

    budget = Budget(draw, BUCKET, portion=20, seconds=seconds)
    await left(budget, 1)
    seconds.now += FRESH + 1
    await left(budget, 1)

    assert drawn == [20, 20]
