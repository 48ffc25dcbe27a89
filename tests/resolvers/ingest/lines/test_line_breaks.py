"""`Message.body` has the same line breaks as the email."""

from typing import Final

import pytest

from db.connect.database import Database
from tests import log
from tests.operations import ask

SAID: Final = '{ message(id: "message.1") { body textBody voiceScript subject } }'


@pytest.mark.parametrize(
    "written", ["\r\n", "\r", "\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"], ids=ascii
)
async def test_each_kind_of_line_break_is_a_line_feed_in_what_a_message_says(
    database: Database, written: str
) -> None:
    typed = f"one{written}two"
    said = log.message(
        "M-1", [log.recipient("p1", log.inbox())], body=typed, text_body=typed, voice_script=typed
    )
    await log.load(database, log.district(), said)

    shown = (await ask(database, SAID))["message"]

    assert shown == {
        "body": "one\ntwo",
        "textBody": "one\ntwo",
        "voiceScript": "one\ntwo",
        "subject": "Student Behavior",
    }


async def test_a_message_that_says_no_more_than_its_body_has_no_other_texts(
    database: Database,
) -> None:
    await log.load(database, log.district(), log.message("M-1", [log.recipient("p1", log.inbox())]))

    shown = (await ask(database, SAID))["message"]

    assert (shown["textBody"], shown["voiceScript"]) == (None, None)
