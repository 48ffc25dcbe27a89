"""Messages from before an upgrade are found like new ones, and an interrupted backfill resumes."""

from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from db.connect.database import Database
from db.migrations import backfills, refolded_texts
from db.migrations.backfills import BACKFILLS, BackfillProgress
from db.tables.log import MESSAGE, PERSON_NAME, RECIPIENT, SCHOOL
from db.tables.operations import BACKFILL
from domain.search import fold
from tests.log import district, email, message, recipient, school
from tests.resolvers.uploads import send, wipe

LOG: Final = (
    district(),
    school("one", name="St. Mary\u2019s \u2013 North"),
    message(
        "M-1",
        [
            recipient(
                "p1",
                email("a@nomail.example"),
                name="O\u00b4Brien, Ana",
                student=("s1", "Student, Calvin"),
            ),
            recipient(
                "p2", email("b@nomail.example"), name="\u0639\u0644\u06cc \u0631\u0636\u0627"
            ),
            recipient("p3", email("c@nomail.example"), name="Plain, Parent"),
        ],
        school="one",
        subject="Grades 6\u20138\u200b",
        schedule_id="\u00a0S\u20111",
    ),
    message("M-2", [recipient("p1", email("a@nomail.example"), name="O\u2019Brien, Ana")]),
)


async def keys(database: Database) -> list[list[tuple[Any, ...]]]:
    """Return every folded text of the log, with its row."""
    statements = (
        select(SCHOOL.c.id, SCHOOL.c.key).order_by(SCHOOL.c.id),
        select(
            *(MESSAGE.c[name] for name in ("id", "subject_key", "type_key", "sender_key")),
            *(MESSAGE.c[name] for name in ("schedule_key", "school_key")),
        ).order_by(MESSAGE.c.id),
        select(RECIPIENT.c.message_id, RECIPIENT.c.number, RECIPIENT.c.key).order_by(
            RECIPIENT.c.message_id, RECIPIENT.c.number
        ),
        select(PERSON_NAME.c.person_id, PERSON_NAME.c.key).order_by(
            PERSON_NAME.c.person_id, PERSON_NAME.c.key
        ),
    )
    async with database.reading() as connection:
        return [[tuple(row) for row in await connection.execute(one)] for one in statements]


async def make_old(database: Database) -> None:
    """Give each text a key of an earlier release, which kept signs, spaces and letters unchanged."""
    async with database.writing() as connection:
        await connection.execute(delete(BACKFILL))
        for name, shown in (
            ("subject_key", MESSAGE.c.subject),
            ("type_key", MESSAGE.c.type_label),
            ("sender_key", MESSAGE.c.sender_name),
            ("schedule_key", MESSAGE.c.schedule_id),
        ):
            await connection.execute(update(MESSAGE).values({name: shown}))
        await connection.execute(update(SCHOOL).values(key=SCHOOL.c.name))
        named = select(SCHOOL.c.name).where(SCHOOL.c.id == MESSAGE.c.school_id).scalar_subquery()
        await connection.execute(update(MESSAGE).values(school_key=named))
        await connection.execute(update(RECIPIENT).values(key=RECIPIENT.c.name + "\n"))
        # By NFKD: the characters between the letters are lost.
        lost = PERSON_NAME.c.key == "o'brien, ana"
        await connection.execute(update(PERSON_NAME).where(lost).values(key="o brien, ana"))


async def test_every_key_is_folded_by_the_current_rules(
    database: Database,
) -> None:
    await send(database, *LOG)
    today = await keys(database)
    await make_old(database)
    assert await keys(database) != today

    await backfills.run(database)

    after = await keys(database)
    assert after[:3] == today[:3]
    # A key that had lost a sign stays beside the correct one; it leads to people, but matches no recipient.
    assert set(today[3]) <= set(after[3])
    assert {key for _, key in set(after[3]) - set(today[3])} == {"o brien, ana"}


async def test_a_backfill_resumes_after_any_piece(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refolded_texts, "ROWS", 1)
    await send(database, *LOG)
    today = await keys(database)
    await make_old(database)
    pieces = 0

    def stop(progress: BackfillProgress) -> None:
        raise InterruptedError

    while await backfills.unfinished(database):
        with pytest.raises(InterruptedError):
            await backfills.run(database, watch=stop)
        pieces += 1

    assert (await keys(database))[:3] == today[:3]
    # Two pieces for all addresses, one each for the failures, the words and the figures of all messages, and one for each
    # school, message, recipient and name, one of which is left of before; and each backfill ends with a piece that finds nothing.
    assert pieces == 2 + 3 + 1 + 2 + 4 + len(today[3]) + 1 + len(BACKFILLS)


async def test_a_school_renamed_during_a_backfill_keeps_its_new_name(database: Database) -> None:
    await send(database, *LOG)
    await make_old(database)
    await send(database, school("one", name="Renamed \u2013 School"))

    await backfills.run(database)

    schools, messages, *_ = await keys(database)
    assert schools == [(1, "renamed - school")]
    assert [row[-1] for row in messages] == ["renamed - school", None]


async def test_servers_do_not_wait_for_refolding(database: Database) -> None:
    async with database.writing() as connection:
        await connection.execute(update(BACKFILL).values(finished_at=None))

    assert [
        progress.name for progress in await backfills.unfinished(database) if progress.is_needed
    ] == ["addresses", "figures"]


@given(st.lists(st.text(max_size=6), min_size=1, max_size=6))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_names_of_a_person_with_the_same_new_key_become_one(
    database: Database, old: list[str]
) -> None:
    old = sorted({text.replace("\0", "") for text in old})
    await wipe(database)
    await send(database, district(), message("M-1", [recipient("p1", email("a@nomail.example"))]))
    async with database.writing() as connection:
        person_id = await connection.scalar(select(RECIPIENT.c.person_id))
        await connection.execute(delete(PERSON_NAME))
        for key in old:
            await connection.execute(PERSON_NAME.insert().values(person_id=person_id, key=key))
        await connection.execute(delete(BACKFILL))

    await backfills.run(database)

    names = [key for _, key in (await keys(database))[3]]
    assert sorted(names) == sorted({fold(key) for key in old})
