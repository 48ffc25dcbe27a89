"""`filter.text`: words and phrases of what a message said, for viewers who may read it."""

from typing import Any

import pytest

from db.connect.database import Database
from domain.viewer import Right
from tests.log import district, load, message, school, viewer
from tests.operations import EVER, ask, refusals

SEARCH = f"""query($filter: MessageFilter) {{ messages(createdBetween: {EVER}, filter: $filter) {{
    totalCount nodes {{ externalId }}
    facets {{ statuses {{ count }} types {{ count }} schools {{ count }} senders {{ count }} }} }} }}"""


@pytest.fixture
async def log(database: Database) -> Database:
    await load(
        database,
        district(),
        school("east"),
        school("west"),
        message("PLAIN", subject="Late bus", body="Bus 7 is late today.", school="east"),
        message(
            "HTML",
            subject="Fees",
            body='<p>The <b>bus</b> fee is <a href="https://pay.example/late">due</a></p>',
            body_format="HTML",
            school="west",
        ),
        message(
            "TEXT", subject="Snow", body="-", text_body="No school today", voice_script="Hello"
        ),
    )
    return database


async def found(log: Database, typed: str | None, **asked: Any) -> list[str]:
    who = asked.pop("viewer", None)
    data = (await ask(log, SEARCH, {"filter": {"text": typed, **asked}}, viewer=who))["messages"]
    ids = sorted(node["externalId"] for node in data["nodes"])
    facets = {name: sum(one["count"] for one in counts) for name, counts in data["facets"].items()}
    assert {data["totalCount"], *facets.values()} == {len(ids)}
    return ids


ANSWERS = [
    ("bus", ["HTML", "PLAIN"]),
    ("BÜS", ["HTML", "PLAIN"]),
    ("today", ["PLAIN", "TEXT"]),
    ("today bus", ["PLAIN"]),
    ('"bus 7"', ["PLAIN"]),
    ('"7 bus"', []),
    ('"late bus" today', ["PLAIN"]),
    ('"bus late"', []),
    ('"bus bus"', []),  # the subject ends with it, and the body begins with it
    ("“the bus fee”", ["HTML"]),
    ('"bus', ["HTML", "PLAIN"]),
    ("pay.example", []),
    ("late", ["PLAIN"]),
    ("hello school", ["TEXT"]),
    ("bu", []),
    ("nowhere", []),
    ("", ["HTML", "PLAIN", "TEXT"]),
    (" \u200b ", ["HTML", "PLAIN", "TEXT"]),
    ('"?!"', ["HTML", "PLAIN", "TEXT"]),
    (None, ["HTML", "PLAIN", "TEXT"]),
]


@pytest.mark.parametrize(("typed", "expected"), ANSWERS)
async def test_messages_are_found_by_their_words(
    log: Database, typed: str | None, expected: list[str]
) -> None:
    assert await found(log, typed) == expected


async def test_the_other_parts_of_a_filter_hold_too(log: Database) -> None:
    assert await found(log, "bus", subject="fee") == ["HTML"]
    assert await found(log, "bus", scheduleId="nobody") == []


async def test_only_messages_that_the_viewer_may_see_are_found(log: Database) -> None:
    assert await found(log, "bus", viewer=viewer(schools=["west"])) == ["HTML"]


async def test_without_the_right_to_read_texts_none_is_searched(log: Database) -> None:
    clerk = viewer(rights=set(Right) - {Right.VIEW_RECIPIENTS})

    for typed in ("bus", "nowhere", " "):
        assert await refusals(log, SEARCH, {"filter": {"text": typed}}, viewer=clerk) == [
            (
                "FORBIDDEN",
                "This needs the right VIEW_RECIPIENTS, which your sign-in does not have. Ask your administrator for it.",
            )
        ]
    assert await found(log, None, viewer=clerk) == ["HTML", "PLAIN", "TEXT"]


LIMITS = [
    (" ".join(["w"] * 21), "filter.text has 21 words. Give at most 20."),
    ('"' + "w " * 21 + '"', "filter.text has 22 words. Give at most 20."),
    ("w" * 1_001, "filter.text has 1001 characters. Give at most 1000."),
    ("a\0", "filter.text holds a NUL character, which is in no text here. Take it out."),
]


@pytest.mark.parametrize(("typed", "problem"), LIMITS)
async def test_a_text_beyond_the_limits_is_refused(log: Database, typed: str, problem: str) -> None:
    assert await refusals(log, SEARCH, {"filter": {"text": typed}}) == [("BAD_USER_INPUT", problem)]


async def test_a_text_at_the_limits_is_taken(log: Database) -> None:
    assert await found(log, " ".join(["bus"] * 20)) == ["HTML", "PLAIN"]
    assert await found(log, "w" * 1_000) == []
    assert await found(log, "王" * 1_000) == []
