"""The contract as a whole: its printed form, and that an id identifies the kind of each object."""

from pathlib import Path

from graphql import GraphQLInterfaceType

from db.connect.database import Database
from domain.ids import Kind
from schema.contract import SCHEMA, build
from tests.log import district, load, message, recipient, school, voice
from tests.operations import ask

PRINTED = Path(__file__).parents[2] / "schema" / "schema.graphql"

IDS = {
    Kind.DISTRICT: "district.1",
    Kind.SCHOOL: "school.1",
    Kind.MESSAGE: "message.1",
    Kind.PERSON: "person.1",
    Kind.RECIPIENT: "recipient.1.0",
    Kind.DELIVERY: "delivery.1.0.0",
}


def type_name(kind: Kind) -> str:
    """The type of what an id of this kind names."""
    return kind.value.title().replace("-", "")


def test_the_printed_schema_is_the_one_that_answers() -> None:
    """Changed on purpose? `make schema` prints it anew; what clients rely on may be added to, not taken away."""
    assert PRINTED.read_text(encoding="utf-8") == SCHEMA.as_str() + "\n"


def test_the_schema_is_printed_alike_each_time() -> None:
    assert build().as_str() == SCHEMA.as_str()


def test_no_argument_is_printed_with_null_as_its_default() -> None:
    assert "= null" not in SCHEMA.as_str()


async def test_an_id_identifies_every_kind_of_node(database: Database) -> None:
    await load(
        database,
        district(),
        school("east"),
        message(recipients=[recipient("p1", voice())], school="east"),
    )
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"

    data = await ask(database, query, {"ids": list(IDS.values())})

    assert data["nodes"] == [{"__typename": type_name(kind), "id": id} for kind, id in IDS.items()]


async def test_one_node_is_what_nodes_gives_for_its_id(database: Database) -> None:
    await load(database, district(), message())

    data = await ask(
        database,
        '{ node(id: "message.1") { id ... on Message { subject } } nothing: node(id: "message.2") { id } }',
    )

    assert data == {"node": {"id": "message.1", "subject": "Student Behavior"}, "nothing": None}


def test_every_implementation_of_node_is_a_kind_of_id() -> None:
    interface = SCHEMA._schema.type_map["Node"]
    assert isinstance(interface, GraphQLInterfaceType)

    names = {made.name for made in SCHEMA._schema.get_possible_types(interface)}

    # A saved search is the viewer's alone: it is listed and deleted, never looked up.
    assert names == {type_name(kind) for kind in Kind if kind is not Kind.SAVED_SEARCH}
