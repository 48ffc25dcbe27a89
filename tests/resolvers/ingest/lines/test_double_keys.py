"""The promise: a line with a duplicate key is refused, wherever the key is, and no other line is."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.connect.database import Database
from domain.status import DeliveryMode, DeliveryStatus
from resolvers.ingest.double_keys import check_recipient
from resolvers.ingest.line_types import BadLine, UploadedRecipient
from resolvers.ingest.outcome import Problem
from resolvers.ingest.parse import parse
from tests.log import district, email, end, message, recipient
from tests.resolvers.uploads import rows, send

TWICE = "this key stands twice: leave one out"
OPENING = message("M-1", ends=False).decode().strip()


def listed(*, person: str = '{"id":"p1","name":"A"}', devices: str = "[]", **more: str) -> str:
    """Return the line of a recipient with these spellings."""
    fields = {"person": person, **more, "devices": devices}
    rest = ",".join(f'"{name}":{spelling}' for name, spelling in fields.items())
    return f'{{"kind":"recipient","message":"M-1",{rest}}}'


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ('{"kind":"end","message":"M-1","message":"M-2"}', "message"),
        ('{"kind":"end","kind":"end","message":"M-1"}', "kind"),
        ('{"kind":"end","message" : "M-1", "message"\t:"M-2"}', "message"),
        ('{"kind":"end","message":"M-1","\\u006dessage":"M-2"}', "message"),
        ('{"kind":"school","id":"a","id":"b","district":"d","name":"A"}', "id"),
        (OPENING.replace('"bodyFormat"', '"body":"other","bodyFormat"'), "body"),
        (OPENING.replace('"label"', '"label":"Other","label"'), "type.label"),
        (OPENING.replace('"name"', '"name":"Other","name"'), "sender.name"),
        (OPENING.replace('"modes"', '"replyTo":null,"replyTo":null,"modes"'), "replyTo"),
        (listed(person='{"id":"p1","name":"A","name":"B"}'), "person.name"),
        (listed(devices='[],"devices":[]'), "devices"),
        (
            listed(
                person=r'{"id":"p1","name":"\\\"A"}',
                devices='[{"mode":"INBOX","address":"a"},{"mode":"EMAIL","address":"a","address":"b"}]',
            ),
            "devices[1].address",
        ),
        (
            listed(devices='[{"mode":"VOICE","address":"a","callStatus":5,"callStatus":6}]'),
            "devices[0].callStatus",
        ),
        (
            listed(
                student="null",
                devices='[{"mode":"VOICE","address":"a","status":null,"status":null}]',
            ),
            "devices[0].status",
        ),
    ],
)
def test_a_key_that_stands_twice_is_refused_with_its_field(line: str, field: str) -> None:
    with pytest.raises(BadLine) as raised:
        check(line.encode())

    assert (raised.value.field, raised.value.reason) == (field, TWICE)


async def test_a_message_with_such_a_line_leaves_no_trace(database: Database) -> None:
    await send(database, district(), message("M-0"))
    before = await rows(database)
    bad = (
        b'{"kind":"recipient","message":"M-1","person":{"id":"p1","name":"A"},'
        b'"devices":[{"mode":"EMAIL","address":"a@x.example","address":"b@x.example"}]}\n'
    )

    outcome = await send(database, message("M-1", ends=False), bad, end("M-1"))

    assert outcome.problems == [Problem(2, "M-1", "devices[0].address", TWICE)]
    assert (outcome.accepted, outcome.refused) == (0, 1)
    assert await rows(database) == before


def check(text: bytes) -> None:
    """Take a line as an upload does."""
    line = parse(text)
    if isinstance(line, UploadedRecipient):
        check_recipient(line, text)


CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXT = st.text(CHARACTERS, min_size=1, max_size=60) | (
    st.sampled_from(['"', "\\", '\\"', '":', ' " : ', '\\\\"', "null", '","name":"'])
)
OPTIONAL: dict[str, st.SearchStrategy[Any]] = {
    "status": st.none() | st.sampled_from(DeliveryStatus),
    "callStatus": st.none() | st.integers(-50, 50),
    "confirmed": st.none() | st.booleans(),
    "at": st.none() | st.just("2020-01-31T11:00:00-06:00"),
}
DEVICE = st.fixed_dictionaries(
    {"mode": st.sampled_from(DeliveryMode), "address": TEXT}, optional=OPTIONAL
)
PERSON = st.fixed_dictionaries({"id": TEXT, "name": TEXT})
RECIPIENT = st.fixed_dictionaries(
    {
        "kind": st.just("recipient"),
        "message": TEXT,
        "person": PERSON,
        "devices": st.lists(DEVICE, max_size=3),
    },
    optional={"student": st.none() | PERSON},
)


@given(RECIPIENT, st.booleans(), st.sampled_from([None, (",", ":"), (" , ", " : ")]))
def test_a_line_without_one_is_taken_however_it_is_spelled(
    fields: dict[str, Any], is_ascii: bool, separators: tuple[str, str] | None
) -> None:
    text = json.dumps(fields, ensure_ascii=is_ascii, separators=separators)

    check(text.encode())


@given(RECIPIENT, st.data())
def test_whichever_key_is_doubled_it_is_found(fields: dict[str, Any], data: st.DataObject) -> None:
    doubled = data.draw(st.sampled_from(sorted(set(fields) - {"kind"})))
    text = json.dumps(fields)[:-1] + f", {json.dumps(doubled)}: {json.dumps(fields[doubled])}}}"

    with pytest.raises(BadLine) as raised:
        check(text.encode())

    assert (raised.value.field, raised.value.reason) == (doubled, TWICE)


def test_a_plain_recipient_is_checked_by_its_quotation_marks_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr("resolvers.ingest.double_keys.check_keys")

    for student in (None, ("s1", "S")):
        check(message("M-1", [recipient("p1", email(), student=student)]).splitlines()[1])
