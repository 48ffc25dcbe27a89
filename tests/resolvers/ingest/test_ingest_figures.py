"""The promise: the figures of a message equal a count by hand over its lines."""

import json
from collections.abc import Mapping
from itertools import count
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from db.connect.database import Database
from db.log import counters
from db.log.counters import Counters
from db.tables.log import MESSAGE
from domain.call_status import CALL_STATUSES
from domain.counting import Figures, figures
from domain.status import DeliveryMode, DeliveryStatus, MessageStatus
from tests.log import district, message
from tests.resolvers.uploads import send

# By hand: from the lines as they are written, with loops and sets, and nothing of ours but the names of the figures.

SUCCESSFUL = {5, 6, 13, -27, -28}


def by_hand(lines: bytes) -> Mapping[str, int]:
    """The ten figures of the one message in `lines`."""
    said = [json.loads(line) for line in lines.splitlines()]
    [opening] = [fields for fields in said if fields["kind"] == "message"]
    recipients = [fields for fields in said if fields["kind"] == "recipient"]

    people = {recipient["person"]["id"] for recipient in recipients}
    with_device = {
        recipient["person"]["id"] for recipient in recipients if len(recipient["devices"]) > 0
    }

    first_of: dict[tuple[str, str], dict[str, Any]] = {}
    numbers_of: dict[str, set[str]] = {person: set() for person in people}
    reached: set[str] = set()
    for recipient in recipients:
        for device in recipient["devices"]:
            mode, address = device["mode"], same_address(device)
            if (mode, address) not in first_of:
                first_of[mode, address] = device
            if mode == "VOICE" or mode == "TEXT":
                numbers_of[recipient["person"]["id"]].add(address)
                if device.get("callStatus") in SUCCESSFUL or device.get("confirmed") is True:
                    reached.add(address)
    contacted = {person for person in people if any(n in reached for n in numbers_of[person])}

    inbox = emails = voice = texts = called = texted = 0
    for (mode, _), device in first_of.items():
        status = what_became_of(device, opening)
        if mode == "INBOX" and status in ("SENT", "DELIVERED"):
            inbox += 1
        if mode == "EMAIL":
            emails += 1
        if mode == "VOICE":
            voice += 1
            if status != "CANCELED":
                called += 1
        if mode == "TEXT":
            texts += 1
            opted_out = status == "OPTED_OUT" or device.get("callStatus") == -33
            if status != "CANCELED" and not opted_out:
                texted += 1

    return {
        "total_recipients": len(people),
        "total_no_device": len(people) - len(with_device),
        "total_inbox": inbox,
        "total_emails": emails,
        "total_voice": voice,
        "total_text": texts,
        "total_voice_attempted": called,
        "total_text_attempted": texted,
        "recipients_contacted_by_phone": len(contacted),
        "recipients_not_contacted_by_phone": len(people) - len(contacted),
    }


def same_address(device: Mapping[str, str]) -> str:
    address = device["address"].strip()
    if device["mode"] == "EMAIL":
        return address.lower()
    if device["mode"] in ("VOICE", "TEXT"):
        return "".join(letter for letter in address if letter not in " ()-")
    return address


def what_became_of(device: Mapping[str, Any], opening: Mapping[str, Any]) -> str:
    """The status that a device has, or, where it says none, what that means."""
    if "status" in opening:
        if "status" in device:
            return str(device["status"])
        if device.get("callStatus") is None and not device.get("confirmed"):
            if opening["status"] == "CANCELED":
                return "CANCELED"
            if device["mode"] == "TEXT":
                return "OPTED_OUT"  # "opted out (Blank status)", says the manual
            return "SENT"
        return "OPTED_OUT" if device.get("callStatus") == -33 else "it had an outcome"
    return "PENDING"


# What is sent: few people, few addresses, so that they meet.

ADDRESSES = {
    DeliveryMode.INBOX: ["heather", "Heather", " dexter "],
    DeliveryMode.EMAIL: ["a@x.example", " A@X.Example", "b@x.example"],
    DeliveryMode.VOICE: ["+16125550101", "+1 (612) 555-0101", "+16125550102", "+16125550103"],
    DeliveryMode.TEXT: ["+16125550101", "+1 612 555-0101 ", "+16125550102", "+16125550103"],
}
NUMBERS = count(1)
PHONES = (DeliveryMode.VOICE, DeliveryMode.TEXT)
CODES = [*CALL_STATUSES, 77, -99]


def said(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


@st.composite
def devices(draw: st.DrawFn, *, recorded: bool) -> dict[str, Any]:
    mode = draw(st.sampled_from(DeliveryMode))
    given = {"mode": mode, "address": draw(st.sampled_from(ADDRESSES[mode]))}
    if not recorded:
        return given
    return said(
        given
        | {
            "status": draw(st.none() | st.sampled_from(DeliveryStatus)),
            "callStatus": draw(st.none() | st.sampled_from(CODES)) if mode in PHONES else None,
            "confirmed": draw(st.sampled_from([None, False, True]))
            if mode is DeliveryMode.VOICE
            else None,
        }
    )


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    status = draw(
        st.sampled_from(
            [
                MessageStatus.SENT,
                MessageStatus.CANCELED,
                MessageStatus.CANCELED_IN_PROGRESS,
                None,
            ]
        )
    )
    people = st.sampled_from(["p1", "p2", "p3", "p4"]).map(lambda id: {"id": id, "name": id})
    recipients = st.fixed_dictionaries(
        {
            "person": people,
            "devices": st.lists(devices(recorded=status is not None), max_size=4),
        },
        optional={"student": people},
    )
    return message("M-1", draw(st.lists(recipients, max_size=8)), status=status)


async def counted(database: Database, message_id: str) -> Figures:
    """The figures of a message in the log."""
    async with database.reading() as connection:
        statement = select(MESSAGE).where(MESSAGE.c.external_id == message_id)
        row = (await connection.execute(statement)).one()
        found = await counters.of_messages(connection, [row.id])
    return figures(
        found.get(row.id, Counters()).tallies,
        people=row.people,
        without_device=row.people_without_device,
        contacted=row.people_contacted,
    )


@given(messages())
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_figures_are_those_that_are_counted_by_hand(
    database: Database, lines: bytes
) -> None:
    message_id = (
        f"M-{next(NUMBERS)}"  # one log takes all examples: emptying it takes longer than filling it
    )

    outcome = await send(database, district(), lines.replace(b"M-1", message_id.encode()))

    assert outcome.problems == []
    assert await counted(database, message_id) == Figures(**by_hand(lines))
