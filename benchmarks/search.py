"""Measures searches of the log, beside reading as many rows by their keys.

    python -m benchmarks.search --url sqlite+aiosqlite:////tmp/large.sqlite3 [--only TEXT] [--rounds 9]

The database is one of `benchmarks.large_log` and is only read; without a URL a small one is made. Each case alternates with
two others: the first page of the log, newest first, and as many messages read by id as the case returned. It prints medians
and the ratios to these two, which are comparable between machines.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy import select

from benchmarks.large_log import build, size_of
from db.connect.database import Database
from db.log import messages, recipients
from db.log.visibility import Visibility, visibility_of
from db.search import facets, log_page
from db.search.criteria import Criteria
from db.search.log_page import OrderField
from db.search.search import prepare
from db.sql.connections import ReadConnection
from db.sql.keyset_paging import Order
from db.tables.log import MESSAGE
from domain.paging import Page
from domain.search import fold_date
from domain.status import DeliveryMode, MessageStatus
from domain.viewer import Viewer
from domain.words import parse_query

PAGE: Final = 50
DEPTH: Final = 10_000
EVER: Final = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
MONTH: Final = (datetime(2021, 3, 1, 6, tzinfo=UTC), datetime(2021, 4, 1, 5, tzinfo=UTC))
DAY: Final = (datetime(2021, 3, 3, 6, tzinfo=UTC), datetime(2021, 3, 4, 6, tzinfo=UTC))
NEWEST: Final = ((OrderField.CREATED_AT, True),)
CROWD: Final = 1
"""The message with the most recipients."""

Sort = Sequence[tuple[OrderField, bool]]


class Case(NamedTuple):
    """A case; returns how many rows it found."""

    name: str
    run: Callable[[ReadConnection], Awaitable[int]]


def _first(size: int = PAGE, after: str | None = None) -> Page:
    return Page(size, after, None, backward=False)


def _page(name: str, visibility: Visibility, sort: Sort = NEWEST, **asked: Any) -> Case:
    order = log_page.order(sort, scope="")
    after, days = asked.pop("after", None), asked.pop("days", EVER)

    async def run(connection: ReadConnection) -> int:
        search = await prepare(connection, Criteria(*days, **asked), visibility=visibility)
        page = await log_page.page_of(connection, search, order=order, page=_first(after=after))
        return len(page.rows)

    return Case(name, run)


def _count(
    name: str, visibility: Visibility, count: Callable[..., Awaitable[Any]], **asked: Any
) -> Case:
    days = asked.pop("days", MONTH)

    async def run(connection: ReadConnection) -> int:
        search = await prepare(connection, Criteria(*days, **asked), visibility=visibility)
        counted = await count(connection, search)
        return counted if isinstance(counted, int) else sum(some.count for some in counted)

    return Case(name, run)


def _recipients(name: str, *, counting: bool = False, **asked: Any) -> Case:
    order, wanted = recipients.by_name(""), recipients.RecipientFilter(**asked)

    async def run(connection: ReadConnection) -> int:
        if counting:
            counts = await recipients.counts_of_messages(connection, [CROWD], wanted=wanted)
            return counts.get(CROWD, 0)
        pages = await recipients.pages_of_messages(
            connection, [CROWD], wanted=wanted, order=order, page=_first()
        )
        return len(pages[CROWD].rows)

    return Case(name, run)


async def cases(connection: ReadConnection, visibility: Visibility) -> Sequence[Case]:
    """Return all cases."""
    return [
        *[_page(f"sort {_spell(sort)}", visibility, sort) for sort in _sorts()],
        *[
            _page(f"sort {_spell(sort)}, page {DEPTH:,}", visibility, sort, after=cursor)
            for sort in _sorts()
            if (cursor := await _deep(connection, sort)) is not None
        ],
        *_filters(visibility),
        *_texts(visibility),
        *_counts(visibility),
        *_in_crowd(),
    ]


def _sorts() -> Sequence[Sort]:
    return [
        *[((field, down),) for field in OrderField for down in (False, True)],
        ((OrderField.STATUS, False), (OrderField.CREATED_AT, True)),
        ((OrderField.SCHOOL, False), (OrderField.SUBJECT, False)),
    ]


def _spell(sort: Sort) -> str:
    return ", ".join(f"{field} {'down' if down else 'up'}" for field, down in sort)


async def _deep(connection: ReadConnection, sort: Sort) -> str | None:
    """Return the cursor before page 10,000 of the whole log."""
    order: Order = log_page.order(sort, scope="")
    statement = (
        select(*(term.column for term in order.terms))
        .where(MESSAGE.c.district_id == 1)
        .order_by(*order.by())
    )
    key = (await connection.execute(statement.offset((DEPTH - 1) * PAGE - 1).limit(1))).first()
    return None if key is None else order.cursors.encode(tuple(key))


def _filters(visibility: Visibility) -> Sequence[Case]:
    parts: dict[str, dict[str, Any]] = {
        "days: a day": {"days": DAY},
        "days: a month": {"days": MONTH},
        "status: SENT": {"statuses": [MessageStatus.SENT]},
        "status: ERROR or CANCELED": {"statuses": [MessageStatus.ERROR, MessageStatus.CANCELED]},
        "status: WAITING (none)": {"statuses": [MessageStatus.WAITING]},
        "type: one": {"types": ["BUS"]},
        "type: two": {"types": ["BUS", "FEES"]},
        "type: none such": {"types": ["NONE"]},
        "school: one": {"schools": [3]},
        "school: one, and the district's": {"schools": [3], "district_wide": True},
        "the district's alone": {"district_wide": True},
        "mine": {"sender_id": "u7"},
        "mine (none)": {"sender_id": "nobody"},
    }
    sorts: dict[str, Sort] = {
        "": NEWEST,
        ", by subject": ((OrderField.SUBJECT, False),),
        ", by status": ((OrderField.STATUS, False),),
    }
    return [
        _page(f"{name}{title}", visibility, sort, **asked)
        for title, sort in sorts.items()
        for name, asked in parts.items()
    ]


def _texts(visibility: Visibility) -> Sequence[Case]:
    parts: dict[str, dict[str, Any]] = {
        "subject: common word": {"subject": "school"},
        "subject: one message": {"subject": "(654321)"},
        "subject: rare, two characters": {"subject": "王小"},
        "subject: rare, one character": {"subject": "王"},
        "subject: common, two characters": {"subject": "sc"},
        "subject: nothing": {"subject": "zebra crossing"},
        "subject: nothing, of common trigrams": {"subject": "school school"},
        "subject: nothing, two characters": {"subject": "zq"},
        "subject: nothing, one character": {"subject": "ÿ"},
        "sender: one of 200": {"sender": "olsen, zoe 13"},
        "sender: a fourth of all": {"sender": "nguyen"},
        "sender: nothing, two characters": {"sender": "zq"},
        "created: a day": {"created_text": fold_date("01/31/2020")},
        "created: an hour": {"created_text": fold_date("11:00 AM")},
        "created: two characters": {"created_text": "7:"},
        "created: nothing, two characters": {"created_text": "zq"},
        "scheduled: a day": {"scheduled_text": fold_date("01/31/2020")},
        "schedule: one": {"schedule_id": "s-123456"},
        "schedule: nothing, two characters": {"schedule_id": "zq"},
        "words: one message": {"text": parse_query("654321")},
        "words: in every message": {"text": parse_query("school weather")},
        "words: a sixth of all": {"text": parse_query("lunch")},
        "words: phrase in every message": {"text": parse_query('"due to weather"')},
        "words: phrase nowhere, of words in every message": {
            "text": parse_query('"weather school"')
        },
        "words: phrase of three, nowhere": {"text": parse_query('"to weather school"')},
        "words: two of a sixth, never together": {"text": parse_query("lunch student")},
        "words: nothing": {"text": parse_query("zebra crossing")},
        "modes: none such": {"modes": [DeliveryMode.TEXT]},
        "failures": {"has_failures": True},
        "recipient: one person": {"recipient": "calvin of 98"},
        "recipient: common name": {"recipient": "heather"},
        "recipient: address": {"recipient": "p4711@nomail"},
        "recipient: phone": {"recipient": "612000471"},
        "recipient: common address": {"recipient": "nomail"},
        "recipient: nothing": {"recipient": "zebra crossing"},
        "recipient: nothing, two characters": {"recipient": "zq"},
        "recipient: two characters": {"recipient": "小明"},
    }
    by_subject = ((OrderField.SUBJECT, False),)
    return [
        *[_page(name, visibility, **asked) for name, asked in parts.items()],
        *[
            _page(f"{name}, by subject", visibility, by_subject, **asked)
            for name, asked in parts.items()
            if name.startswith("subject")
        ],
    ]


def _counts(visibility: Visibility) -> Sequence[Case]:
    word = {"subject": "school"}
    return [
        _count("totalCount of a month", visibility, facets.count),
        _count("facets of a month: statuses", visibility, facets.count_by_status),
        _count("facets of a month: types", visibility, facets.count_by_type),
        _count("facets of a month: senders", visibility, partial(facets.count_by_sender, most=20)),
        _count("facets of a month: schools", visibility, facets.count_by_school),
        _count("totalCount of a month, common word", visibility, facets.count, **word),
        _count("facets of a month, common word: types", visibility, facets.count_by_type, **word),
        _count("totalCount of everything", visibility, facets.count, days=EVER),
        _count("totalCount of everything, two characters", visibility, facets.count, days=EVER, subject="王小"),
    ]  # fmt: skip


def _in_crowd() -> Sequence[Case]:
    return [
        _recipients("of 200,000 recipients: the first"),
        _recipients("of 200,000 recipients: one name", search="heather 129"),
        _recipients("of 200,000 recipients: common name", search="garcia"),
        _recipients("of 200,000 recipients: address", search="p4711@"),
        _recipients("of 200,000 recipients: common address", search="nomail"),
        _recipients("of 200,000 recipients: nothing", search="zebra crossing"),
        _recipients("of 200,000 recipients: nothing, two characters", search="zq"),
        _recipients(
            "of 200,000 recipients: not reached", outcome=recipients.RecipientOutcome.NOT_REACHED
        ),
        _recipients(
            "of 200,000 recipients: has failure", outcome=recipients.RecipientOutcome.HAS_FAILURE
        ),
        _recipients(
            "of 200,000 recipients: no device", outcome=recipients.RecipientOutcome.NO_DEVICE
        ),
        _recipients("of 200,000 recipients: how many", counting=True),
    ]


# Measuring


async def measure(database: Database, *, only: str, rounds: int) -> None:
    """Print a line for each case whose name contains `only`."""
    everybody = Viewer(
        id="u1",
        name="Administrator",
        district="plainview",
        schools=frozenset(),
        rights=frozenset(),
        expires_at=datetime.max.replace(tzinfo=UTC),
    )
    print(f"| {database.engine.dialect.name} | rows | ms | × by key | × first page |")
    print("| --- | ---: | ---: | ---: | ---: |")
    async with database.reading() as connection:
        visibility = await visibility_of(connection, everybody, now=datetime.now(UTC))
        assert visibility is not None, "this is no database of benchmarks.large_log"
        for case in await cases(connection, visibility):
            if only in case.name:
                await _measure(connection, case, visibility, rounds=rounds)


async def _measure(
    connection: ReadConnection, case: Case, visibility: Visibility, *, rounds: int
) -> None:
    count = await case.run(connection)
    first = _page("", visibility)
    ids = list(range(500_000, 500_000 + min(count, PAGE)))
    times: dict[str, list[float]] = {"case": [], "key": [], "first": []}
    began = time.perf_counter()
    for _ in range(rounds):
        times["case"].append(await _timed(case.run(connection)))
        times["key"].append(await _timed(messages.messages(connection, ids, visibility=visibility)))
        times["first"].append(await _timed(first.run(connection)))
        if time.perf_counter() - began > 10 and len(times["case"]) >= 3:
            break
    took, by_key, first_page = (statistics.median(some) for some in times.values())
    print(
        f"| {case.name} | {count:,} | {took * 1000:.2f} | {took / by_key:.1f} | {took / first_page:.1f} |",
        flush=True,
    )


async def _timed(work: Awaitable[Any]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


async def _run(url: str, *, only: str, rounds: int) -> None:
    database = Database(url)
    try:
        await measure(database, only=only, rounds=rounds)
    finally:
        await database.dispose()


def main() -> None:
    """Read the options, and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--url", help="a database of benchmarks.large_log; otherwise a small one")
    parser.add_argument("--only", default="", help="the cases in whose names this stands")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = options.url
        if url is None:
            url = f"sqlite+aiosqlite:///{Path(folder) / 'sentlog.sqlite3'}"
            build(url, size_of(20_000, 100_000, 10_000))
        asyncio.run(_run(url, only=options.only, rounds=options.rounds))


if __name__ == "__main__":
    main()
