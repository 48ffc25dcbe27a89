"""The backfill normalizes the addresses of an old log by the current rules; marks and figures do not change."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from db.connect.database import Database
from db.derived.addresses import states
from db.dispatch import in_flight, opt_outs
from db.migrations import backfills, merged_addresses
from db.migrations.backfills import BackfillProgress
from db.tables.log import ADDRESS, DELIVERY
from db.tables.operations import BACKFILL
from domain.addresses import UNREADABLE, InvalidAddress, normalise
from domain.modes import AddressKind
from domain.status import DeliveryMode, DeliveryStatus, MessageStatus
from resolvers.audit.recount import check
from tests.delivery.world import FakeGateway, World
from tests.log import NOON, district, email, message, message_ids, recipient, text, voice
from tests.resolvers.uploads import send, story, wipe

Row = tuple[Any, ...]

SPELLINGS = {
    "a1": "heather@nomail.example",
    "a2": "heather <heather@nomail.example>",
    "a3": "heather@nomail.example;",
    "a4": "root,calvin@nomail.example",
    "a5": "heather@b\u00fccher.example",
    "a6": "calvin@nomail.example\u200b",
    "+16125550001": "+442079460018",
    "+16125550002": "+4402079460018",
    "+16125550003": "+1161255",
    "+16125550004": "+16125550199",
}
"""The name of each address in the tests, and its key by the rules of an earlier release."""


def mail(name: str, **history: Any) -> dict[str, Any]:
    return email(f"{name}@placeholder.example", **history)


async def make_old(database: Database, spellings: Mapping[str, str] = SPELLINGS) -> None:
    """Give the addresses the keys of an earlier release, and mark them as not parsed yet."""
    async with database.writing() as connection:
        await connection.execute(delete(BACKFILL))
        for name, key in spellings.items():
            known = name if name.startswith("+") else f"{name}@placeholder.example"
            await connection.execute(update(ADDRESS).where(ADDRESS.c.key == known).values(key=key))


async def addresses(database: Database) -> list[Row]:
    """Return each address: key, whether it is readable, the key of `same_as`, and its opt-out."""
    other = ADDRESS.alias("other")
    statement = (
        select(ADDRESS.c.key, ADDRESS.c.is_readable, other.c.key, ADDRESS.c.opted_out_at)
        .outerjoin(other, other.c.id == ADDRESS.c.same_as)
        .order_by(ADDRESS.c.key)
    )
    async with database.reading() as connection:
        return [tuple(row) for row in await connection.execute(statement)]


async def handed_over(database: Database) -> list[str]:
    """Return the address that a provider gets for each delivery, in the order of the lists."""
    statement = select(DELIVERY.c.address_id).order_by(
        DELIVERY.c.message_id, DELIVERY.c.recipient_number, DELIVERY.c.number
    )
    async with database.reading() as connection:
        ids = list(await connection.scalars(statement))
        targets = await in_flight.targets(connection, set(ids))
    return [targets[address_id].key for address_id in ids]


async def figures(database: Database) -> dict[str, Sequence[Row]]:
    """Return all data of the messages except the keys of addresses."""
    rows = dict(await story(database))
    rows["delivery"] = sorted((row[:6] + row[8:] for row in rows["delivery"]), key=repr)
    return rows


async def assert_counted(database: Database) -> None:
    finding = await check(database)
    assert (finding.faults, finding.differences) == ([], [])


LOG = (
    district(),
    message(
        "M-1",
        [
            recipient("p1", mail("a1"), voice("+16125550001", call_status=5)),
            recipient("p2", mail("a2"), mail("a1"), voice("+16125550002", call_status=0)),
            recipient("p3", mail("a4"), voice("+16125550003")),
        ],
    ),
    message("M-2", [recipient("p2", mail("a2"), mail("a2"), text("+16125550002"))], status=None),
    message("M-3", [recipient("p3", mail("a3"), mail("a5"), text("+16125550004"))], status=None),
    message("M-4", [recipient("p4", mail("a6"))]),
)


async def test_addresses_with_the_same_new_key_are_merged_and_the_log_does_not_change(
    database: Database,
) -> None:
    await send(database, *LOG)
    async with database.writing() as connection:
        await opt_outs.store(connection, [("+16125550002", NOON), ("+16125550004", NOON)])
        await states.recount(connection, (await connection.scalars(select(ADDRESS.c.id))).all())
    await make_old(database)
    await assert_counted(database)
    before = await figures(database)

    await backfills.run(database)

    heather = "heather@nomail.example"
    london = "+442079460018"
    assert await addresses(database) == sorted(
        [
            # M-1 has deliveries to both spellings: the second one stays, only for these.
            (" +1161255", False, None, None),
            ("+16125550199", True, None, NOON),
            (london, True, None, NOON),
            ("+4402079460018", True, london, None),
            (" root,calvin@nomail.example", False, None, None),
            ("calvin@nomail.example", True, None, None),
            (heather, True, None, None),
            ("heather <heather@nomail.example>", True, heather, None),
            ("heather@xn--bcher-kva.example", True, None, None),
        ]
    )
    assert await handed_over(database) == [
        *[heather, london, heather, heather, london, " root,calvin@nomail.example", " +1161255"],
        *[heather, heather, london],
        *[heather, "heather@xn--bcher-kva.example", "+16125550199"],
        "calvin@nomail.example",
    ]
    assert await figures(database) == before
    await assert_counted(database)
    assert await backfills.unfinished(database) == []


async def test_a_merge_resumes_after_an_interruption_at_any_commit(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merged_addresses, "ROWS", 2)
    monkeypatch.setattr(merged_addresses, "MESSAGES", 1)
    more = [message(f"N-{n}", [recipient("p1", mail("a3"))], status=None) for n in range(3)]
    await send(database, *LOG, *more)
    await make_old(database)
    before = await figures(database)
    pieces: list[BackfillProgress] = []

    def kill(progress: BackfillProgress) -> None:
        if progress.name == "addresses":
            pieces.append(progress)
            raise KeyboardInterrupt

    while await backfills.unfinished(database):
        await assert_counted(database)
        assert await figures(database) == before
        with suppress(KeyboardInterrupt):  # the last run does the other backfills
            await backfills.run(database, watch=kill)

    assert len(pieces) > 10
    assert [p.done for p in pieces] == sorted(p.done for p in pieces)
    assert [p.is_finished for p in pieces] == [False] * (len(pieces) - 1) + [True]
    keys = [row[0] for row in await addresses(database)]
    assert "heather@nomail.example;" not in keys
    assert set(await handed_over(database)) >= {"heather@nomail.example", "+442079460018"}


async def test_an_interrupted_piece_changes_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send(database, district(), message("M-1", [recipient("p1", mail("a1"))]))
    await send(database, message("M-2", [recipient("p2", mail("a2")), recipient("p3", mail("a2"))]))
    await make_old(database)
    await assert_counted(database)
    before = await addresses(database), await handed_over(database)
    move = merged_addresses._move

    async def fail_after_the_move(*given: Any) -> bool:
        assert await move(*given)
        raise RuntimeError("killed")

    monkeypatch.setattr(merged_addresses, "_move", fail_after_the_move)
    with pytest.raises(RuntimeError):
        await backfills.run(database)

    assert (await addresses(database), await handed_over(database)) == before
    assert [p.done.id for p in await backfills.unfinished(database) if p.name == "addresses"] == [1]

    monkeypatch.undo()
    await backfills.run(database)
    assert await handed_over(database) == ["heather@nomail.example"] * 3


async def test_a_hand_over_during_a_merge_is_recorded_and_counted_correctly(world: World) -> None:
    people = [
        recipient("p1", email("a2@placeholder.example")),
        recipient("p2", email("a2@placeholder.example")),
    ]
    await send(world.database, district(), message("M-0", [recipient("p0", mail("a1"))]))
    await send(
        world.database, message("M-1", people, status=None), message("M-2", people, status=None)
    )
    await make_old(world.database)

    async def merge() -> None:
        if await backfills.unfinished(world.database):
            await backfills.run(world.database)

    gateway = world.use(FakeGateway(meanwhile=merge))
    await world.work(rounds=2)

    assert [handover.address for handover in gateway.given] == [
        "heather <heather@nomail.example>",
        "heather@nomail.example",
    ]
    ids = await message_ids(world.database)
    for name in ("M-1", "M-2"):
        found = await world.deliveries(ids[name])
        assert [d.status for d in found] == [DeliveryStatus.IN_PROGRESS] * 2
        await world.recount(ids[name])
    assert {row[0] for row in await addresses(world.database)} == {
        "heather@nomail.example",
        "heather <heather@nomail.example>",
    }


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_merge_gives_way_to_a_lock_of_a_message(database: Database) -> None:
    await send(database, *LOG)
    await make_old(database)
    ids = await message_ids(database)
    waits: list[float] = []

    async with database.writing() as connection:
        await in_flight.lock(connection, ids["M-2"])

        async def leave(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 2:
                await connection.rollback()

        await backfills.run(database, sleep=leave)

    assert waits == [backfills.BEFORE_TRYING_AGAIN] * 2
    assert await backfills.unfinished(database) == []
    await assert_counted(database)


DIRTY = st.lists(
    st.sampled_from(
        [
            "heather@nomail.example",
            "heather@nomail.example;",
            "<heather@nomail.example>",
            "mailto:heather@nomail.example",
            "heather@nomail.example\u200b",
            "calvin@nomail.example.",
            "calvin@nomail.example",
            "calvin@",
            "root,calvin@nomail.example",
            "heather@b\u00fccher.example",
            "heather@xn--bcher-kva.example",
        ]
    ),
    min_size=1,
    max_size=7,
    unique=True,
)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    DIRTY,
    st.lists(st.lists(st.lists(st.integers(0, 6), max_size=3), max_size=3), max_size=4),
    st.sets(st.integers(0, 6)),
    st.sampled_from([None, MessageStatus.SENT]),
)
async def test_any_old_addresses_keep_the_figures_and_are_handed_over_correctly(
    database: Database,
    dirty: list[str],
    lists: list[list[list[int]]],
    opted_out: set[int],
    status: MessageStatus | None,
) -> None:
    await wipe(database)
    names = [f"x{n}" for n in range(len(dirty))]
    lines = [
        message(
            f"M-{n}",
            [
                recipient(f"p{m}", *(mail(names[i % len(names)]) for i in devices))
                for m, devices in enumerate(listed)
            ],
            status=status,
        )
        for n, listed in enumerate(lists)
    ]
    await send(database, district(), *lines)
    spellings = dict(zip(names, dirty, strict=True))
    await make_old(database, spellings)
    async with database.writing() as connection:
        keys = [dirty[i % len(dirty)] for i in opted_out]
        await connection.execute(
            update(ADDRESS).where(ADDRESS.c.key.in_(keys)).values(opted_out_at=NOON)
        )
    before, meant = await figures(database), await handed_over(database)
    silent = {right(row[0]) for row in await addresses(database) if row[3]}

    await backfills.run(database)

    assert await figures(database) == before
    await assert_counted(database)
    assert await handed_over(database) == [right(key) for key in meant]
    after = await addresses(database)
    assert {row[0] for row in after if row[3]} == silent
    assert all(row[0] == right(row[0]) for row in after if row[2] is None)
    assert all(row[1] == (not right(row[0]).startswith(UNREADABLE)) for row in after)


def right(key: str) -> str:
    """Return the current key of an address of the old log."""
    try:
        return normalise(DeliveryMode.EMAIL, key).key
    except InvalidAddress:
        return UNREADABLE + key.strip()


def test_only_emails_and_numbers_are_parsed_again() -> None:
    assert set(merged_addresses._MODE) == {AddressKind.EMAIL, AddressKind.PHONE}
