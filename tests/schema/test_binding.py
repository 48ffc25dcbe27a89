"""Bindings of types to records: a wrong one is an error when it is declared."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Generic, NamedTuple, Optional, TypeVar

import pytest
import strawberry

from domain.status import DeliveryMode, MessageStatus
from schema.binding import Mismatch, bound, describes, fits, plain, pure

R = TypeVar("R")


class Bus(NamedTuple):
    """A record."""

    id: int
    line: str
    driver: str | None
    stops: Sequence[str]

    @property
    def is_late(self) -> bool:
        return self.driver is None


class Trip(NamedTuple):
    """Another record."""

    bus: Bus
    line: str


class Fleet(NamedTuple, Generic[R]):
    """A record of records."""

    buses: Sequence[R]


@describes(Bus)
class BusType:
    """A GraphQL type."""

    line: str


@describes(Fleet)
class FleetType:
    """A GraphQL type of a generic record."""

    size: int = pure(lambda fleet: len(fleet.buses))


@pytest.mark.parametrize(
    ("promised", "given"),
    [
        (str, str),
        (bool, bool),
        (datetime, datetime),
        (strawberry.ID, str),
        (str | None, str),
        (str | None, str | None),
        (Optional[str], str | None),  # noqa: UP045 - the other spelling has another type
        (list[str], Sequence[str]),
        (list[str], list[str]),
        (list[str], tuple[str, ...]),
        (list[str] | None, Sequence[str] | None),
        (list[DeliveryMode], Sequence[DeliveryMode]),
        (DeliveryMode, DeliveryMode),
        (BusType, Bus),
        (BusType | None, Bus | None),
        (list[BusType], Sequence[Bus]),
        (FleetType, Fleet[Bus]),
        ("NotYetMade", int),
    ],
)
def test_what_is_promised_can_be_answered_from(promised: Any, given: Any) -> None:
    assert fits(promised, given)


@pytest.mark.parametrize(
    ("promised", "given"),
    [
        (str, int),
        (int, bool),
        (datetime, date),
        (strawberry.ID, int),
        (str, str | None),
        (str | None, int | None),
        (int | None, int | str | None),
        (list[str], str),
        (list[str], Sequence[str] | None),
        (list[str], Sequence[str | None]),
        (list[str], Sequence[int]),
        (list[str], tuple[str, int]),
        (list[str], tuple[str]),
        (list[str], set[str]),
        (list[str], Sequence),
        (DeliveryMode, str),
        (DeliveryMode, MessageStatus),
        (BusType, Trip),
        (BusType, Bus | None),
        (list[BusType], Sequence[Trip]),
        (BusType, str),
    ],
)
def test_what_is_promised_cannot_be_answered_from(promised: Any, given: Any) -> None:
    assert not fits(promised, given)


def test_a_plain_field_that_the_record_lacks_is_found_when_it_is_declared() -> None:
    with pytest.raises(Mismatch) as found:

        @describes(Bus)
        class Wrong:
            number: str

    assert str(found.value) == (
        "Wrong.number: Bus has no 'number'. Make it pure or bound, or rename it."
    )


def test_a_plain_field_of_another_type_is_found_when_it_is_declared() -> None:
    with pytest.raises(Mismatch) as found:

        @describes(Bus)
        class Wrong:
            driver: str

    assert str(found.value) == "Wrong.driver is <class 'str'>, but Bus.driver is str | None."


def test_a_plain_field_with_a_description_is_checked_as_well() -> None:
    with pytest.raises(Mismatch):

        @describes(Bus)
        class Wrong:
            line: int = plain(description="Which one.")


def test_a_field_of_an_interface_is_checked_where_it_is_not_declared_again() -> None:
    @strawberry.interface
    class Named:
        id: strawberry.ID

    with pytest.raises(Mismatch, match=r"Wrong\.id is .*, but Bus\.id is <class 'int'>"):

        @describes(Bus)
        class Wrong(Named):
            line: str


def test_pure_and_bound_fields_need_nothing_of_the_record() -> None:
    def ask(root: Bus) -> str:
        return root.line

    @describes(Bus)
    class Right:
        number: int = pure(lambda bus: bus.id)
        question: str = bound(ask)
        is_late: bool
        stops: list[str]


def test_a_type_takes_only_its_own_record_for_itself() -> None:
    @strawberry.type
    class Query:
        @strawberry.field
        def right(self) -> BusType:
            return Bus(1, "7", None, ())  # type: ignore[return-value]

        @strawberry.field
        def wrong(self) -> BusType:
            return Trip(Bus(1, "7", None, ()), "7")  # type: ignore[return-value]

    answer = strawberry.Schema(Query).execute_sync("{ right { line } wrong { line } }")

    assert answer.data is None
    assert [error.path for error in answer.errors or ()] == [["wrong"]]
