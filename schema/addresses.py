"""The GraphQL types of addresses and of the worklist."""

from datetime import datetime

import strawberry

from db.addresses.problems import ProblemCount, ProblemRecord
from db.addresses.records import AddressRecord
from domain.delivery_failures import ProblemKind
from domain.ids import Kind, speller
from domain.modes import AddressKind
from resolvers.addresses import addresses, problems
from resolvers.request.connection import Edge
from schema.binding import bound, describes, plain, pure
from schema.parts import Node, PageInfo, Sender, sender_of
from schema.types import Delivery, Person


@describes(AddressRecord)
class Address(Node):
    """An e-mail address, phone number or portal account."""

    id: strawberry.ID = pure(speller(Kind.ADDRESS), "id")
    kind: AddressKind
    value: str
    people: list[Person] = bound(
        addresses.people_of, reads=["id"], description="Everybody whose messages went to it."
    )
    last_used_at: datetime | None = bound(addresses.last_used_at, reads=["id"])
    last_reached_at: datetime | None = bound(addresses.last_reached_at, reads=["id"])
    last_failed_at: datetime | None
    failures: int = plain(description="Failures since it was last reached.")
    opted_out_at: datetime | None = plain(description="Null: texts may be sent.")
    problem: "ContactProblem | None" = bound(addresses.problem_of, reads=["id"])


@describes(ProblemRecord)
class ContactProblem:
    """An address that needs somebody's attention. It ends when the address is reached."""

    address: Address = bound(problems.address_of)
    kind: ProblemKind
    since: datetime
    failures: int
    reason: str = plain(description="The last failure, as the provider said it.")
    advice: str = plain(description="What somebody in the office should do, in words.")
    last_delivery: Delivery | None = bound(problems.last_delivery_of)
    resolved_at: datetime | None = pure(
        lambda problem: None if problem.is_open else problem.closed_at,
        description="Null: open. It opens again with the next failure after this.",
    )
    resolved_by: Sender | None = pure(
        lambda problem: (
            None if problem.is_open else sender_of(problem.closed_by_id, problem.closed_by_name)
        )
    )
    note: str | None = pure(lambda problem: None if problem.is_open else problem.note)


@describes(ProblemCount)
class ContactProblemCount:
    """The number of problems of one kind."""

    kind: ProblemKind
    count: int


@describes(Edge)
class ContactProblemEdge:
    """A problem and its cursor."""

    cursor: str
    node: ContactProblem


@describes(problems.ProblemListing)
class ContactProblemConnection:
    """A page of the worklist."""

    edges: list[ContactProblemEdge]
    nodes: list[ContactProblem]
    page_info: PageInfo
    total_count: int = bound(problems.total, reads=())
    counts: list[ContactProblemCount] = bound(problems.counts, reads=())
