"""Requests of reports on people, and a log of two families at two schools."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from db.connect.database import Database
from domain.status import DeliveryStatus
from domain.viewer import Right, Viewer
from tests.log import NOON, email, message, recipient, school, text, viewer, voice
from tests.resolvers.world import World

SHOWN: Final = """report { id kind fileName format devices detail message { id }
  about { __typename ... on Person { id name } ... on Student { id name } } }"""
FAMILY: Final = f"""mutation($input: CreateFamilyReportInput!) {{
  createFamilyReport(input: $input) {{ __typename
    ... on NotFound {{ message }} ... on CreateFamilyReportSuccess {{ {SHOWN} }} }} }}"""
PROBLEMS: Final = f"""mutation($input: CreateContactProblemReportInput!) {{
  createContactProblemReport(input: $input) {{ __typename
    ... on NotFound {{ message }} ... on CreateContactProblemReportSuccess {{ {SHOWN} }} }} }}"""
RESOLVE: Final = """mutation($note: String) {
  resolveContactProblem(input: {addressId: "address.4", note: $note}) { __typename } }"""
EVERY_DAY: Final = {"from": "1900-01-01", "to": "9999-12-31"}
DAYS: Final = {"from": "2020-01-01", "to": "2020-12-31"}
HEATHER: Final[Mapping[str, Any]] = {
    "personId": "person.1",
    "createdBetween": DAYS,
    "format": "CSV",
}
EAST: Final = viewer(id="east", schools=["east"])
WEST: Final = viewer(id="west", schools=["west"])
MASKED: Final = viewer(id="clerk", rights=set(Right) - {Right.VIEW_RECIPIENTS})


async def two_families(database: Database) -> World:
    """Heather is sent two messages by the east and one by the west, about Calvin and Karen; Tad is sent one about Karen."""
    world = World(database)
    calvin, karen = ("s1", "Student, Calvin"), ("s2", "Student, Karen")
    await world.take(
        school("east", name="East High"),
        school("west", name="West High"),
        message(
            "M-1",
            [
                recipient(
                    *("p1", voice(call_status=5, at=NOON), email(status=DeliveryStatus.FAILED, at=NOON)),
                    name="Parent, Heather",
                    student=calvin,
                ),
            ],
            school="east",
            subject="Late",
            category="Attendance",
            created_at=NOON - timedelta(hours=3),
        ),
        message(
            "M-2",
            [
                recipient("p1", name="Parent, Heather", student=karen),
                recipient("p2", text("+16125550102", call_status=-28, at=NOON), name="Parent, Tad", student=karen),
            ],
            school="west",
            subject="Absent",
            created_at=NOON - timedelta(hours=2),
        ),
        message(
            "M-3",
            [recipient("p1", voice("+16125550103", call_status=3, at=NOON), name="Parent, Heather", student=calvin)],
            school="east",
            subject="Snow",
            created_at=NOON - timedelta(hours=1),
        ),
    )  # fmt: skip
    return world


async def requested(
    world: World, document: str, input: Mapping[str, Any], *, viewer: Viewer | None = None
) -> Mapping[str, Any]:
    """The report of a mutation."""
    answer = await world.do(document, viewer=viewer, input=dict(input))
    report: Mapping[str, Any] = answer["report"]
    return report
