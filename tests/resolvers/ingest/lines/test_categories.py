"""The category of a message is taken in, stored and shown; messages without one keep their digest."""

import hashlib
import json
from typing import Any, Final

import pytest

from db.connect.database import Database
from domain.viewer import Right
from resolvers.ingest.ingest import ingest
from resolvers.ingest.line_types import BadLine
from resolvers.ingest.parse import canonical, parse
from tests.log import NOON, district, load, message, viewer
from tests.operations import ask
from tests.resolvers.uploads import story

CATEGORIES: Final = (
    '{ messages(createdBetween: {from: "1900-01-01", to: "9999-12-31"},'
    " orderBy: [{field: SUBJECT, direction: ASC}]) { nodes { subject category type { label } } } }"
)
BEFORE: Final = "90608c804a6997452a5fb243014ffb7d30ef0a9318ecd8cc261e063d8e3e9096"
"""SHA-256 of the canonical line below as it was written before lines had a category."""


def line(**fields: Any) -> bytes:
    return json.dumps(
        json.loads(message("M-1", reply_to="a@b.example").splitlines()[0]) | fields
    ).encode()


@pytest.mark.parametrize("fields", [{}, {"category": None}], ids=["left out", "null"])
def test_a_line_without_a_category_has_the_digest_that_it_always_had(
    fields: dict[str, Any],
) -> None:
    assert hashlib.sha256(canonical(parse(line(**fields)))).hexdigest() == BEFORE


def test_a_category_is_part_of_the_digest() -> None:
    said = canonical(parse(line(category="General Notification")))
    assert b'"category":"General Notification"' in said
    assert said != canonical(parse(line(category="Emergency")))


@pytest.mark.parametrize("category", ["", "x" * 501, 5, ["a"]], ids=["empty", "long", "5", "list"])
def test_a_category_is_a_text_of_up_to_500_characters(category: object) -> None:
    with pytest.raises(BadLine) as refused:
        parse(line(category=category))
    assert refused.value.field == "category"


async def test_a_category_is_kept_and_shown_beside_the_type(database: Database) -> None:
    builder = ("MESSAGE_BUILDER", "Message Builder")
    await load(
        database,
        district(),
        message("M-1", subject="A", type=builder, category="General Notification"),
        message("M-2", subject="B", type=builder),
    )

    for rights in (tuple(Right), (Right.VIEW_LOG,)):  # it tells nothing of a family
        shown = await ask(database, CATEGORIES, viewer=viewer(rights=rights))
        assert shown["messages"]["nodes"] == [
            *(
                {
                    "subject": "A",
                    "category": "General Notification",
                    "type": {"label": "Message Builder"},
                },
                {"subject": "B", "category": None, "type": {"label": "Message Builder"}},
            )
        ]


async def test_the_same_message_again_does_nothing_and_another_category_is_an_error(
    database: Database,
) -> None:
    await load(database, district(), message("M-1"), message("M-2", category="Emergency"))
    before = await story(database)

    again = await load(database, message("M-1"), message("M-2", category="Emergency"))
    assert again.unchanged == 2
    for other in (
        message("M-1", category="Emergency"),
        message("M-2"),
        message("M-2", category="?"),
    ):

        async def chunks(lines: bytes = other) -> Any:
            yield lines

        outcome = await ingest(database, chunks(), viewer=None, clock=lambda: NOON)
        assert len(outcome.problems) == 1
    assert await story(database) == before
