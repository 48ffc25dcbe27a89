"""Streams: interleaved messages, interrupted streams, constant memory, and the growing outcome."""

from collections.abc import AsyncIterator

import pytest

import resolvers.ingest.line_splitter
import resolvers.ingest.upload
from db.connect.database import Database
from db.ingest import staging_tables
from domain.status import MessageStatus
from resolvers.ingest.ingest import Problem, ingest
from resolvers.ingest.line_splitter import BLOCK, blocks
from resolvers.ingest.upload import BATCH, MOST_LEFT_OUT, MOST_OPEN, Upload
from tests.log import NOON, email, end, inbox, message, recipient, voice
from tests.resolvers.ingest.test_ingest import HEATHER, PLACE, figures_of, numbered
from tests.resolvers.uploads import chunks, rows, send, story, wipe


def shuffled(one: bytes, other: bytes) -> bytes:
    """The lines of both, in turn."""
    first, second = one.splitlines(keepends=True), other.splitlines(keepends=True)
    turns = [line for pair in zip(first, second, strict=False) for line in pair]
    return b"".join(turns + first[len(second) :] + second[len(first) :])


async def test_messages_may_come_interleaved(database: Database) -> None:
    one = message("M-1", [HEATHER, recipient("p2", email())])
    other = message("M-2", [recipient("p3", voice()), HEATHER, HEATHER], status=MessageStatus.ERROR)
    await send(database, PLACE, one, other)
    apart = await story(database)
    await wipe(database)

    outcome = await send(database, PLACE, shuffled(one, other))

    assert outcome.is_clean
    assert await story(database) == apart


async def test_large_messages_may_come_interleaved_with_each_other_and_with_small_ones(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(message_id: str) -> bytes:
        return message(message_id, status=None, ends=False)

    def small(count: int, name: str) -> bytes:
        return b"".join(
            message(f"{name}-{n}", [recipient(f"p{n}", inbox(f"account{n}"))], status=None)
            for n in range(count)
        )

    apart = PLACE + b"".join(
        opened(id) + numbered(60, message_id=id) + end(id) for id in ("L-1", "L-2")
    )
    await send(database, apart, small(20, "S"), small(20, "T"))
    expected = await story(database)
    await wipe(database)
    monkeypatch.setattr(resolvers.ingest.upload, "BATCH", 4_000)
    broken = opened("L-3") + numbered(60, message_id="L-3")

    outcome = await send(
        database,
        PLACE,
        opened("L-1"),
        broken,
        numbered(30, message_id="L-1"),
        opened("L-2"),
        shuffled(numbered(40, message_id="L-2"), small(20, "S")),
        b'{"kind":"recipient","message":"L-3"}\n',
        shuffled(
            numbered(20, message_id="L-2", first=40), numbered(30, message_id="L-1", first=30)
        ),
        end("L-2"),
        numbered(5, message_id="L-3"),
        end("L-3"),
        small(20, "T"),
        end("L-1"),
    )

    assert [problem.message for problem in outcome.problems] == ["L-3"]
    assert figures_of(outcome) == (42, 0, 1, 160, 280)
    assert await story(database) == expected


async def test_a_stream_that_is_cut_off_leaves_its_last_message_out_until_it_is_sent_again(
    database: Database,
) -> None:
    whole = PLACE + message("M-1", [HEATHER]) + message("M-2", [HEATHER])

    outcome = await send(database, whole.removesuffix(end("M-2")))

    assert figures_of(outcome) == (1, 0, 1, 1, 2)
    assert outcome.problems == [
        Problem(6, "M-2", None, 'its {"kind":"end"} line never came: send the whole message again')
    ]
    assert (await rows(database))["message"] == 1
    assert figures_of(await send(database, whole)) == (1, 1, 0, 1, 2)


class BrokenStream(Exception):
    """The client went away."""


async def test_a_stream_that_breaks_off_leaves_nothing_half_written(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolvers.ingest.upload, "BATCH", 4_000)
    await send(database, PLACE)
    before = await rows(database)

    async def breaking() -> AsyncIterator[bytes]:
        yield message("M-1", ends=False, status=None) + numbered(400)
        raise BrokenStream

    with pytest.raises(BrokenStream):
        await ingest(database, breaking(), viewer=None, clock=lambda: NOON)

    assert await rows(database) == before
    whole = message("M-1", ends=False, status=None) + numbered(400) + end()
    assert figures_of(await send(database, whole)) == (1, 0, 0, 400, 800)


async def test_memory_does_not_grow_with_the_size_of_a_message(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolvers.ingest.upload, "BATCH", 20_000)
    lines = PLACE + message("M-1", ends=False, status=None) + numbered(2_000) + end()
    async with database.reading() as connection:
        async with connection.begin():
            await staging_tables.create(connection)
        upload = Upload(database, connection, viewer=None, clock=lambda: NOON)
        held = []
        async for block in blocks(chunks(lines)):
            for line in block:
                await upload.take([line])
                held.append(upload.buffered)
        await upload.finish()
        await connection.invalidate()

    assert len(lines) > 300_000
    assert 15_000 < max(held) < 20_000
    assert upload.buffered == 0
    assert figures_of(upload.outcome) == (1, 0, 0, 2_000, 4_000)


def test_a_block_is_small_beside_a_batch() -> None:
    assert BLOCK * 4 <= BATCH


async def test_a_message_too_many_at_once_is_refused_and_the_others_go_on(
    database: Database,
) -> None:
    opened = b"".join(message(f"M-{n}", ends=False) for n in range(MOST_OPEN + 1))
    ended = b"".join(end(f"M-{n}") for n in range(MOST_OPEN + 1))

    outcome = await send(database, PLACE, opened, ended)

    assert figures_of(outcome) == (MOST_OPEN, 0, 1, 0, 0)
    assert outcome.problems == [
        Problem(
            MOST_OPEN + 3,
            f"M-{MOST_OPEN}",
            None,
            "100 messages have begun and not ended: end some before the next",
        )
    ]


async def test_any_number_of_refused_messages_is_counted_and_only_the_first_are_listed(
    database: Database,
) -> None:
    count = MOST_LEFT_OUT + 1

    outcome = await send(
        database, b"".join(b'{"kind":"message","id":"M-%d"}\n' % n for n in range(count))
    )

    assert (outcome.refused, outcome.problem_count, len(outcome.problems)) == (count, count, 1_000)
    assert outcome.problems[-1].line == 1_000


async def test_the_outcome_is_shown_while_it_grows(database: Database) -> None:
    shown: list[tuple[int, int]] = []
    lines = PLACE + message("M-1", ends=False, status=None) + numbered(3_000) + end()

    outcome = await ingest(
        database,
        chunks(lines),
        viewer=None,
        clock=lambda: NOON,
        watch=lambda outcome: shown.append((outcome.lines, outcome.accepted)),
    )

    assert shown == sorted(shown)
    assert len(shown) > 2
    assert shown[0][0] < outcome.lines
    assert shown[-1] == (3_004, 1)
