"""The viewer, its schools, and objects by id."""

from db.connect.database import Database
from domain.call_status import CALL_STATUSES
from domain.viewer import Right
from tests.log import district, email, load, message, recipient, school, viewer
from tests.operations import ask


async def test_a_viewer_reads_its_rights_in_the_order_of_the_contract(database: Database) -> None:
    await load(database, district(), school("east"), school("west"))
    asked = "{ viewer { id name rights district { id name timeZone hasVoice } schools { name } } }"

    data = await ask(
        database,
        asked,
        viewer=viewer(
            id="u7",
            name="Matthews, Dexter",
            schools=["west", "elsewhere"],
            rights=[Right.CREATE_REPORTS, Right.VIEW_LOG],
        ),
    )

    assert data["viewer"] == {
        "id": "u7",
        "name": "Matthews, Dexter",
        "rights": ["VIEW_LOG", "CREATE_REPORTS"],
        "district": {
            "id": "district.1",
            "name": "Plainview Schools",
            "timeZone": "America/Chicago",
            "hasVoice": True,
        },
        "schools": [{"name": "West"}],
    }


async def test_no_schools_means_every_school(database: Database) -> None:
    await load(database, district(), school("west"), school("east"))

    data = await ask(database, "{ viewer { schools { name } } schools { name } }")

    assert data == {
        "viewer": {"schools": []},
        "schools": [{"name": "East"}, {"name": "West"}],
    }


async def test_schools_stand_in_the_order_of_their_names_whatever_their_case_and_accents(
    database: Database,
) -> None:
    names = ["Zoë Hall", "école", "Eagle", "eagle annex"]
    await load(database, district(), *[school(f"s{n}", name=name) for n, name in enumerate(names)])

    data = await ask(database, "{ schools { name } }")

    assert [found["name"] for found in data["schools"]] == [
        "Eagle",
        "eagle annex",
        "école",
        "Zoë Hall",
    ]


async def test_the_dictionary_has_every_code_of_the_manual(database: Database) -> None:
    await load(database, district())

    data = await ask(database, "{ callStatuses { code label note isSuccess isFinal } }")

    assert [tuple(found.values()) for found in data["callStatuses"]] == [*CALL_STATUSES.values()]


async def test_nodes_come_in_the_order_of_their_ids_and_as_often(database: Database) -> None:
    await load(database, district(), school("east"), message(recipients=[recipient("p1", email())]))
    ids = [
        "recipient.1.0",
        "nonsense",
        "message.1",
        "delivery.1.0.0",
        "message.1",
        "school.1",
        "school.2",
        "message.01",
        "person.1",
        "district.1",
    ]

    data = await ask(database, "query($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ids})

    absent = {"nonsense", "school.2", "message.01"}
    assert data["nodes"] == [None if id in absent else {"id": id} for id in ids]


async def test_an_id_of_another_kind_is_no_message_and_no_person(database: Database) -> None:
    await load(database, district(), message(recipients=[recipient("p1")]))

    data = await ask(
        database,
        '{ message(id: "person.1") { id } person(id: "message.1") { id } found: person(id: "person.1") { id } }',
    )

    assert data == {"message": None, "person": None, "found": {"id": "person.1"}}
