"""The chain over the audit: any later change of rows or seals makes a seal invalid."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from domain.chain import NOTHING_BEFORE, AuditRow, AuditSeal, faults, seal

NOON = datetime(2020, 1, 31, 18, 0, tzinfo=UTC)
ROWS = [
    AuditRow(4, NOON, 1, "u1", "OPEN_PERSON", "person.1", "198.51.100.7", "r-1"),
    AuditRow(7, NOON, 1, "Zoë", "INGEST", "message.2", None, None),
]
FIRST = seal(None, ROWS, now=NOON)
LATER = [AuditRow(9, NOON, 2, "u2", "CANCEL_MESSAGE", "message.3", None, None)]
SECOND = seal(FIRST, LATER, now=NOON)
BROKEN = "seal 1 (rows 4 to 7) does not hold: a row, their order or the seal itself was changed"


def test_the_serialization_is_the_documented_one() -> None:
    spelled = (
        '["sentlog audit 1",1,"2020-01-31T18:00:00.000000+00:00","' + "0" * 64 + '",4,7,2]\n'
        '[4,"2020-01-31T18:00:00.000000+00:00",1,"u1","OPEN_PERSON","person.1","198.51.100.7","r-1"]\n'
        '[7,"2020-01-31T18:00:00.000000+00:00",1,"Zo\\u00eb","INGEST","message.2",null,null]\n'
    )

    assert (
        AuditSeal(1, NOON, 4, 7, 2, NOTHING_BEFORE, hashlib.sha256(spelled.encode()).hexdigest())
        == FIRST
    )


def test_a_number_of_messages_is_sealed_after_the_other_parts() -> None:
    row = AuditRow(4, NOON, 1, "u1", "INGEST", "district.1", None, None, 12)
    spelled = (
        '["sentlog audit 1",1,"2020-01-31T18:00:00.000000+00:00","' + "0" * 64 + '",4,4,1]\n'
        '[4,"2020-01-31T18:00:00.000000+00:00",1,"u1","INGEST","district.1",null,null,12]\n'
    )
    sealed = seal(None, [row], now=NOON)

    assert sealed.hash == hashlib.sha256(spelled.encode()).hexdigest()
    for other in (None, 0, 13):
        [fault] = faults(None, sealed, [row._replace(messages=other)])
        assert fault.endswith("a row, their order or the seal itself was changed")


@pytest.mark.parametrize(
    ("messages", "name", "spelled"),
    [(None, "Zoë", '"Zo\\u00eb"'), (12, "Zoë", '12,"Zo\\u00eb"'), (None, "12", '"12"')],
)
def test_a_name_is_sealed_last_and_never_reads_as_a_number_of_messages(
    messages: int | None, name: str, spelled: str
) -> None:
    row = AuditRow(4, NOON, 1, "u1", "INGEST", "district.1", None, None, messages, name)
    text = (
        '["sentlog audit 1",1,"2020-01-31T18:00:00.000000+00:00","' + "0" * 64 + '",4,4,1]\n'
        f'[4,"2020-01-31T18:00:00.000000+00:00",1,"u1","INGEST","district.1",null,null,{spelled}]\n'
    )
    sealed = seal(None, [row], now=NOON)

    assert sealed.hash == hashlib.sha256(text.encode()).hexdigest()
    for other in (None, "", "Zoe", "u1"):
        [fault] = faults(None, sealed, [row._replace(viewer_name=other)])
        assert fault.endswith("a row, their order or the seal itself was changed")
    [fault] = faults(None, sealed, [row._replace(messages=12, viewer_name=None)])
    assert fault.endswith("a row, their order or the seal itself was changed")


def test_a_seal_follows_from_the_previous_one() -> None:
    assert (SECOND.number, SECOND.previous) == (2, FIRST.hash)
    assert faults(None, FIRST, ROWS) == []
    assert faults(FIRST, SECOND, LATER) == []


@pytest.mark.parametrize(
    "changed",
    [
        ROWS[0]._replace(id=5),
        ROWS[0]._replace(at=NOON + timedelta(microseconds=1)),
        ROWS[0]._replace(district_id=2),
        ROWS[0]._replace(viewer_id="u2"),
        ROWS[0]._replace(action="INGEST"),
        ROWS[0]._replace(subject="person.2"),
        ROWS[0]._replace(origin=None),
        ROWS[0]._replace(request_id="r-2"),
        ROWS[0]._replace(messages=3),
        ROWS[0]._replace(viewer_name="Somebody"),
    ],
)
def test_a_changed_row_is_found(changed: AuditRow) -> None:
    assert faults(None, FIRST, [changed, ROWS[1]]) == [BROKEN]


def test_swapped_rows_are_found() -> None:
    first, second = ROWS

    swapped = [second._replace(id=first.id), first._replace(id=second.id)]

    assert faults(None, FIRST, swapped) == [BROKEN]


@pytest.mark.parametrize(
    ("rows", "there"), [(ROWS[:1], 1), ([], 0), ([ROWS[0], ROWS[0]._replace(id=5), ROWS[1]], 3)]
)
def test_a_removed_or_added_row_is_found(rows: list[AuditRow], there: int) -> None:
    assert faults(None, FIRST, rows) == [
        f"seal 1 (rows 4 to 7) holds for 2 rows, and {there} are there"
    ]


def test_a_missing_seal_is_found() -> None:
    assert faults(None, SECOND, LATER) == ["seal 1 is missing: 2 comes in its place"]


def test_a_chain_that_restarts_in_the_middle_is_found() -> None:
    other = seal(None, [ROWS[0]], now=NOON)

    assert faults(other, SECOND, LATER) == ["seal 2 does not follow from the one before"]


def test_a_backdated_seal_is_invalid() -> None:
    assert faults(None, FIRST._replace(at=NOON - timedelta(days=1)), ROWS) == [BROKEN]
