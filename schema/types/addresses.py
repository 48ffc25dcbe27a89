"""The GraphQL types of addresses and of the worklist."""

from db.derived.addresses.problems import ProblemCount
from domain.delivery_failures import ProblemKind
from resolvers.addresses import problems
from resolvers.request.connection import Edge
from schema.binding import bound, describes
from schema.types.messages import ContactProblem
from schema.types.parts import PageInfo


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
