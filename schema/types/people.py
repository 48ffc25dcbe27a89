"""The GraphQL types of a search for people."""

from resolvers.people import search
from schema.binding import bound, describes, plain, pure
from schema.types.messages import PersonOrStudent
from schema.types.parts import PageInfo


@describes(search.PersonEdge)
class PersonEdge:
    """A person or student that a search found, and its cursor."""

    cursor: str
    node: PersonOrStudent = pure(lambda node: node, "node")
    matched: str = plain(
        description="What matched, as it was written: the name, the id, or the address."
    )


@describes(search.PeopleListing)
class PersonConnection:
    """A page of the people that a search found, best match first."""

    edges: list[PersonEdge] = pure(lambda edges: edges, "found")
    nodes: list[PersonOrStudent] = pure(lambda nodes: nodes, "people")
    page_info: PageInfo
    total_count: int = bound(search.total, reads=())
