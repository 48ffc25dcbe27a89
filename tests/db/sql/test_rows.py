"""Rows of a page become records, which raise an error for columns that were not read."""

from typing import NamedTuple

import pytest
from sqlalchemy import column

from db.sql.rows import NotRead, RecordColumns, Rows, concatenate, narrowed


class Bus(NamedTuple):
    """A record."""

    id: int
    line: str
    driver: str | None = None

    @property
    def name(self) -> str:
        return f"{self.line} of {self.driver}"


BUSES = Rows(Bus, ("id", "line"), [(1, "7", "key"), (2, "8", "key")])


def test_a_row_is_a_record_of_the_columns_that_were_read() -> None:
    first, second = BUSES

    assert isinstance(first, Bus)
    assert (first.id, first.line, tuple(second)) == (1, "7", (2, "8"))
    assert (first._replace(line="9").line, repr(first)) == ("9", "Bus(id=1, line='7')")
    assert (len(BUSES), BUSES[1], list(BUSES[:1])) == (2, second, [first])


def test_a_field_that_was_not_read_raises_an_error_even_if_the_record_has_a_default() -> None:
    first = BUSES[0]

    with pytest.raises(NotRead, match=r"^Bus\.driver was not read\. Add it to"):
        assert first.driver is None
    with pytest.raises(NotRead):
        getattr(first, "driver", None)
    with pytest.raises(NotRead):
        assert first.name


def test_rows_of_all_fields_are_records_of_the_class_itself() -> None:
    (bus,) = Rows(Bus, Bus._fields, [(1, "7", None)])

    assert type(bus) is Bus
    assert narrowed(Bus, ("id",)) is narrowed(Bus, ("id",))


def test_changed_converts_only_the_given_fields_that_were_read() -> None:
    changed = BUSES.changed(line=lambda line: f"line {line}", driver=lambda _: "nobody")

    assert changed.tuples == [(1, "line 7", "key"), (2, "line 8", "key")]
    assert BUSES.changed(driver=lambda _: "nobody") is BUSES


def test_joined_rows_of_the_same_fields_stay_rows_and_others_become_records() -> None:
    whole = Rows(Bus, Bus._fields, [(3, "9", None)])

    alike, mixed = concatenate([BUSES, BUSES]), concatenate([BUSES, whole])

    assert isinstance(alike, Rows)
    assert alike.tuples == [*BUSES.tuples, *BUSES.tuples]
    assert mixed == [*BUSES, Bus(3, "9", None)]
    assert (concatenate([]), concatenate([[], [Bus(1, "7")]])) == ([], [Bus(1, "7")])


def test_a_reading_is_narrowed_to_the_requested_fields_and_the_key() -> None:
    reading = RecordColumns(Bus, {name: column(name) for name in Bus._fields})

    assert list(reading.narrowed(frozenset({"line"}), always=frozenset({"id"})).columns) == [
        "id",
        "line",
    ]
    assert reading.narrowed(None, always=frozenset()) is reading
