"""The promise: each example of the page shows something in the demo, and is no error in another log."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from graphql import OperationDefinitionNode, OperationType, parse

from db.connect.database import Database
from domain.viewer import Viewer
from schema.contract import SCHEMA
from server.sample.aftermath import add_aftermath
from server.sample.generate import lines
from tests import log
from tests.resolvers.world import World

EXAMPLES: Final = sorted(
    (Path(__file__).parents[3] / "console" / "src" / "examples").glob("*.graphql")
)

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def operations() -> dict[str, tuple[str, OperationType]]:
    """The operations of the examples by name, each with its document and kind; mutations come first."""
    found: dict[str, tuple[str, OperationType]] = {}
    for example in EXAMPLES:
        document = example.read_text(encoding="utf-8")
        for node in parse(document).definitions:
            assert isinstance(node, OperationDefinitionNode)
            assert node.name is not None
            found[node.name.value] = document, node.operation
    return dict(sorted(found.items(), key=lambda item: item[1][1] is not OperationType.MUTATION))


async def answer(world: World, name: str, viewer: Viewer) -> Any:
    """Return what the one field of an operation comes to, or of a subscription at first. Fails the test if it has errors."""
    document, kind = operations()[name]
    context = await world.open(viewer)
    if kind is OperationType.SUBSCRIPTION:
        stream: Any = await SCHEMA.subscribe(document, context_value=context, operation_name=name)
        result = await anext(stream)
        await stream.aclose()
    else:
        result = await SCHEMA.execute(document, context_value=context, operation_name=name)
    assert result.errors is None, (name, result.errors)
    assert result.data is not None, name
    (value,) = orjson.loads(orjson.dumps(result.data)).values()
    return value


def is_empty(value: Any) -> bool:
    """Whether a list or a page has no items."""
    if isinstance(value, Mapping):
        return any(value.get(items) == [] for items in ("nodes", "edges"))
    return value in (None, [])


async def test_every_example_shows_something_in_the_demo(
    database: Database, lines_of_demo: list[bytes]
) -> None:
    await log.load(database, *lines_of_demo)
    await add_aftermath(database)
    world = World(database)

    answers = {name: await answer(world, name, log.viewer()) for name in operations()}

    assert [name for name, value in answers.items() if is_empty(value)] == []


async def test_no_example_is_an_error_in_another_log(database: Database) -> None:
    await log.load(database, *lines(messages=3, recipients=5))
    world = World(database)

    for name in operations():
        await answer(world, name, log.viewer(district="lakeview"))


async def test_no_example_cancels_a_message_before_an_id_is_put_in(database: Database) -> None:
    await log.load(database, log.district(), log.message("M-1", status=None))
    world = World(database)
    before = await world.all_rows()

    for name in ("Cancel", "CancelMany"):
        await answer(world, name, log.viewer())

    assert await world.all_rows() == before
