"""Messages that arrive while the demo runs: all kinds, well-formed, some scheduled for later."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

import orjson
import pytest

from domain.message import Source
from server.sample import feed
from server.sample.district import plainview
from server.sample.line import encode
from server.sample.plan import PlannedMessage
from server.sample.wording import kinds
from tests.server.sample.upload import read

NOW: Final = datetime(2026, 3, 2, 15, 30, 0, 123456, tzinfo=UTC)


@pytest.fixture(scope="module")
def round_() -> list[PlannedMessage]:
    """The first round."""
    return list(islice(feed.sendings(), len(kinds())))


def test_a_round_has_every_kind_once_and_begins_with_the_largest(
    round_: list[PlannedMessage],
) -> None:
    assert sorted(sending.kind.name for sending in round_) == sorted(kinds())
    assert round_[0].kind.name == "emergency"
    sizes = [len(sending.addressees) for sending in round_]
    assert sizes[0] == max(sizes) > 400


def test_the_same_seed_gives_the_same_messages_and_another_seed_others(
    round_: list[PlannedMessage],
) -> None:
    assert list(islice(feed.sendings(), len(round_))) == round_
    assert list(islice(feed.sendings(1), len(round_))) != round_


def test_messages_are_made_now_and_due_now_or_some_minutes_later(
    round_: list[PlannedMessage],
) -> None:
    made = [feed.live(sending, number, now=NOW) for sending in round_ for number in range(6)]

    assert {sending.created_at for sending in made} == {NOW.replace(microsecond=0)}
    ahead = {sending.scheduled_at - sending.created_at for sending in made}
    assert ahead == {timedelta(minutes=minutes) for minutes in (0, 2, 3, 5)}
    for_later = [sending for sending in made if sending.scheduled_at > sending.created_at]
    assert {sending.kind.source for sending in for_later} == {Source.TEMPLATE}
    assert "EMERGENCY" not in {sending.kind.type["code"] for sending in for_later}


def test_a_message_comes_whole_and_with_no_outcome(round_: list[PlannedMessage]) -> None:
    lines = [
        line
        for number, sending in enumerate(round_)
        for line in feed.lines(feed.live(sending, number, now=NOW))
    ]
    _, *schools = map(encode, plainview.opening())
    upload = read([feed.opening(), *schools, *lines])

    assert len(upload.messages) == len(round_)
    for entry in upload.messages:
        assert "status" not in entry.message
        assert all(device.keys() == {"mode", "address"} for device in entry.deliveries)


def test_calls_are_placed_at_all_hours() -> None:
    assert orjson.loads(feed.opening())["callWindow"] is None
