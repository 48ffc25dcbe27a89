"""A search for people in tests."""

from collections.abc import Sequence
from typing import Any, Final

from db.connect.database import Database
from tests.log import NOON, viewer
from tests.operations import ask

SEARCH: Final = """query($search: String!, $role: PersonRole, $schoolIds: [ID!], $first: Int, $after: String) {
    people(search: $search, role: $role, schoolIds: $schoolIds, first: $first, after: $after) {
        totalCount pageInfo { endCursor hasNextPage hasPreviousPage }
        edges { cursor matched node { __typename ... on Person { externalId } ... on Student { externalId } } }
        nodes { ... on Person { name } ... on Student { name } } } }"""

Found = Sequence[tuple[str, str]]
"""The external id of each person, and what matched."""


async def find(database: Database, search: str, **arguments: Any) -> Found:
    """Return the people in the order in which they come, once the count is compared."""
    who = arguments.pop("viewer", None)
    now = arguments.pop("now", NOON)
    asked = {"search": search, **arguments}
    data = (await ask(database, SEARCH, asked, viewer=who, now=now))["people"]
    assert data["totalCount"] == len(data["edges"]) == len(data["nodes"])
    return [(edge["node"]["externalId"], edge["matched"]) for edge in data["edges"]]


HEATHER: Final = ("Par-1", "Nguyễn, Heather")
CALVIN: Final = ("S-1", "Nguyễn, Calvin")
KRIS: Final = ("Par-3", "Calvin-Nguyen, Kris")

EAST: Final = viewer(schools=["east"])
WEST: Final = viewer(schools=["west"])
