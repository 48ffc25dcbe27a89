"""Optional parts of lines may be left out."""

from db.connect.database import Database
from domain.status import MessageStatus
from tests.log import NOON, line, message
from tests.resolvers.ingest.test_ingest_refusals import PLACE
from tests.resolvers.uploads import send, story


async def test_a_message_of_history_may_be_canceled_by_nobody_known(database: Database) -> None:
    outcome = await send(
        database,
        PLACE,
        message("M-1", status=MessageStatus.CANCELED),
        message("M-2", status=MessageStatus.CANCELED, cancellation={"at": NOON.isoformat()}),
    )

    assert outcome.accepted == 2
    assert (await story(database))["cancellation"] == [
        ("M-2", "2020-01-31 18:00:00", None, None, 0, 0)
    ]


async def test_a_line_may_say_less_than_it_could(database: Database) -> None:
    outcome = await send(
        database, line("district", {"id": "d", "name": "D", "timeZone": "UTC", "hasVoice": False})
    )

    assert outcome.problems == []
