"""Lists that are completed whole have the same result as in graphql-core, for any operation and any error."""

import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from typing import Any, Final, NamedTuple, cast

import orjson
import pytest
from graphql import FieldNode, GraphQLObjectType, Visitor, parse, print_ast, visit
from graphql.execution.collect_fields import CollectedFields, FieldDetails
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy.pool import QueuePool
from strawberry import Schema
from strawberry.types import ExecutionResult
from structlog.testing import capture_logs

from db.connect.database import Database
from domain.viewer import Right, Viewer
from resolvers.request.batch_resolver import BatchResolver
from resolvers.request.connection import Edge, Listing
from resolvers.request.context import open_context
from schema.binding import source_of
from schema.contract import SCHEMA, with_executor
from schema.execution.executor import FastExecutor
from schema.execution.fallbacks import Unforeseen
from schema.execution.plan import MOST_PLANS, plan
from schema.execution.selection import MOST_FIELDS, Selected, Selection, selection_of
from tests.log import NOON, viewer
from tests.operations import EVER
from tests.schema.execution.drawn import Drawn, operations
from tests.schema.visibility.origins import load_origins
from tests.schema.visibility.walk import document

NORTH: Final = viewer(district="north")
VIEWERS: Final = (NORTH, viewer(district="north", schools=["ost"], rights=[Right.VIEW_LOG]))

RESOLVERS: Final[Mapping[str, BatchResolver[Any, ..., Any]]] = {
    f"{made.name}.{name}": source
    for made in SCHEMA._schema.type_map.values()
    if isinstance(made, GraphQLObjectType)
    for name, field in made.fields.items()
    if isinstance(source := source_of(field), BatchResolver)
}

SPOILT: Final[Mapping[str, Callable[[Any], Any]]] = {
    "a text that is null": lambda row: _with(row, subject=None, name=None, address=None),
    "a text that is a number": lambda row: _with(row, subject=7, name=7, address=7),
    "a text that is no text": lambda row: _with(row, subject=object, name=object, address=object),
    "an instant that is a text": lambda row: _with(row, created_at="noon", at="noon"),
    "a status that is none": lambda row: _with(row, status="LOST"),
    "a status by its value": lambda row: (
        _with(row, status=str(row.status)) if "status" in row._fields else row
    ),
    "a number that is too large": lambda row: _with(row, revision=2**31, attempts=2**31),
    "a number that is a text": lambda row: _with(row, revision="12", attempts="12"),
    "a truth that is a number": lambda row: _with(row, contacted_by_phone=1, is_duplicate=1),
    "a list that is none": lambda row: _with(row, delivery_modes=None),
    "another record": lambda row: ("no", "record"),
    "nothing": lambda row: None,
    "an exception": lambda row: ValueError("planted"),
}
"""What may stand in a list instead of a record as it should be."""


class Planted(NamedTuple):
    """Where something goes wrong: in a resolver, or in the rows of lists; for one record in so many."""

    resolver: str | None
    spoilt: str | None
    every: int


def _with(row: Any, **fields: Any) -> Any:
    return row._replace(**{name: fields[name] for name in fields if name in row._fields})


KEYS: Final = ("id", "message_id", "recipient_number", "number")
"""What is read of a row whatever is asked for."""


def _is_hit(record: Any, planted: Planted) -> bool:
    record = record.node if isinstance(record, Edge) else record
    names = [name for name in KEYS if name in getattr(record, "_fields", ())]
    key = [getattr(record, name) for name in names]
    # A listing holds functions, whose addresses differ between the two answers, and what is read for it, which does too.
    comparable = re.sub(r" at 0x[0-9a-f]+|(fields|shown)=.*", "", repr(record))
    shown = repr(key or type(record)) if names else comparable
    return zlib.crc32(shown.encode()) % planted.every == 0


@contextmanager
def planting(planted: Planted) -> Iterator[None]:
    """Have what is planted go wrong, for the block."""
    with pytest.MonkeyPatch.context() as patch:
        if planted.resolver:
            resolver = RESOLVERS[planted.resolver]
            of_all = resolver.of_all

            async def failing(root: Sequence[Any], info: Any, **named: Any) -> Sequence[Any]:
                for record in root:
                    if _is_hit(record, planted):
                        raise ValueError(f"planted at {record!r:.40}")
                return await of_all(root, info, **named)

            patch.setattr(resolver, "of_all", failing)
        if planted.spoilt:
            spoil = SPOILT[planted.spoilt]

            def nodes(listing: Listing[Any]) -> Sequence[Any]:
                rows = listing.slice.rows
                return [spoil(row) if _is_hit(row, planted) else row for row in rows]

            patch.setattr(Listing, "nodes", property(nodes))
        with capture_logs():
            yield


def at_once() -> Schema:
    """The schema that answers lists whole, also where all other tests ask one that does not."""
    schema = copy(SCHEMA)
    schema.execution_context_class = FastExecutor
    return schema


async def answer(
    schema: Schema, database: Database, asked: Drawn, *, viewer: Viewer = NORTH
) -> ExecutionResult:
    context = await open_context(database, viewer, now=NOON)
    result = await schema.execute(
        asked.document, variable_values=asked.variables, context_value=context
    )
    assert held(database) == 0, asked.document
    return result


def held(database: Database) -> int:
    """How many connections somebody has, of any kind."""
    of_engine: int = cast(QueuePool, database.engine.pool).checkedout()
    return of_engine + database.custom.lent + database.generic.lent


def comparable(result: ExecutionResult) -> tuple[bytes, Mapping[tuple[Any, ...], set[bytes]]]:
    """The data byte for byte, and the errors byte for byte by the place that is null for them.

    For a null further up, only that it has errors: which of several is reported depends on which came first
    (GraphQL, 6.4.4).
    """
    errors: dict[tuple[Any, ...], set[bytes]] = {}
    for error in result.errors or ():
        path = tuple(error.path or ())
        place = _null(result.data, path)
        spelled = re.sub(r"administrator: \w{16}", "", orjson.dumps(error.formatted).decode())
        is_its_own = place == path or not path
        errors.setdefault(place, set()).add(spelled.encode() if is_its_own else b"some")
    return orjson.dumps(result.data), errors


def _null(data: Any, path: Sequence[Any]) -> tuple[Any, ...]:
    for depth, key in enumerate(path):
        if data is None:
            return tuple(path[:depth])
        data = data[key]
    return tuple(path)


CALLED_OFF: Final = pytest.mark.filterwarnings(
    "ignore:coroutine .* was never awaited:RuntimeWarning",
    "ignore:Exception ignored in. <coroutine object:pytest.PytestUnraisableExceptionWarning",
)
"""In the ordinary way graphql-core cancels fields where one fails: a task that is cancelled before its first step never awaits
what it was given. A connection that is left open is no such thing: `answer` counts them.
"""

PLANTS: Final = st.one_of(
    st.just(Planted(None, None, 1)),
    st.builds(
        Planted, st.sampled_from(sorted(RESOLVERS)), st.none(), st.sampled_from([1, 2, 3, 5])
    ),
    st.builds(Planted, st.none(), st.sampled_from(sorted(SPOILT)), st.sampled_from([1, 2, 3, 5])),
)


pytestmark = pytest.mark.usefixtures("unlimited")


@pytest.fixture
async def log(database: Database) -> Database:
    await load_origins(database)
    return database


@CALLED_OFF
@settings(
    max_examples=100, phases=[Phase.reuse, Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(asked=operations(), planted=PLANTS, viewer=st.sampled_from(VIEWERS))
async def test_whatever_is_asked_and_whatever_goes_wrong_the_answer_is_the_ordinary_one(
    log: Database, asked: Drawn, planted: Planted, viewer: Viewer
) -> None:
    with planting(planted):
        ordinary = await answer(with_executor(SCHEMA, "stock"), log, asked, viewer=viewer)
        whole = await answer(at_once(), log, asked, viewer=viewer)

    assert comparable(whole) == comparable(ordinary), asked.document


EVERYTHING: Final = Drawn(
    # The audit is what the question itself adds to: asked twice, it has two answers.
    document(None).replace("auditTrail(first: 100)", "auditTrail(first: 100) @skip(if: true)"),
    {},
)


def leading_to(resolver: str) -> Drawn:
    """What of `EVERYTHING` leads to a resolver or lies below it, with the leaves beside."""
    alias = resolver.replace(".", "__")

    class Others(Visitor):
        def enter_field(self, field: FieldNode, *_: Any) -> Any:
            if field.alias and field.alias.value == alias:
                return self.SKIP
            is_aside = field.selection_set and f"{alias}:" not in print_ast(field)
            return self.REMOVE if is_aside else None

    return Drawn(print_ast(visit(parse(EVERYTHING.document), Others())), {})


async def test_what_is_spoilt_below_is_there_when_it_is_not(log: Database) -> None:
    result = await answer(at_once(), log, EVERYTHING)

    assert result.errors is None
    assert result.data


@CALLED_OFF
@pytest.mark.parametrize("spoilt", SPOILT)
async def test_a_record_that_is_not_as_it_should_be_is_answered_in_the_ordinary_way(
    log: Database, spoilt: str
) -> None:
    for every in (1, 2, 3):
        with planting(Planted(None, spoilt, every)):
            ordinary = await answer(with_executor(SCHEMA, "stock"), log, EVERYTHING)
            whole = await answer(at_once(), log, EVERYTHING)

        assert comparable(whole) == comparable(ordinary), every


@CALLED_OFF
async def test_a_resolver_that_fails_for_one_record_fails_for_that_one(log: Database) -> None:
    told_of = 0
    for resolver in RESOLVERS:
        asked = leading_to(resolver)
        for every in (1, 3):
            with planting(Planted(resolver, None, every)):
                ordinary = await answer(with_executor(SCHEMA, "stock"), log, asked)
                whole = await answer(at_once(), log, asked)

            assert comparable(whole) == comparable(ordinary), (resolver, every)
            told_of += bool(whole.errors)

    assert told_of > len(RESOLVERS)


async def test_a_resolver_is_asked_once_for_all_records_of_a_level_and_in_the_ordinary_way_for_each(
    log: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver = RESOLVERS["Recipient.deliveries"]
    of_all, asked = resolver.of_all, list[int]()

    async def counted(root: Sequence[Any], info: Any) -> Sequence[Any]:
        asked.append(len(root))
        return await of_all(root, info)

    monkeypatch.setattr(resolver, "of_all", counted)
    drawn = Drawn(
        f"{{ messages(createdBetween: {EVER}) {{ nodes {{ recipients {{ nodes {{ deliveries {{ id }} }} }} }} }} }}",
        {},
    )

    whole = await answer(at_once(), log, drawn)
    together, asked[:] = asked[:], []
    ordinary = await answer(with_executor(SCHEMA, "stock"), log, drawn)

    assert whole.data == ordinary.data
    assert (together, asked) == ([12], [1] * 12)


@CALLED_OFF
async def test_a_resolver_whose_list_is_given_up_is_not_asked_again(
    log: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver = RESOLVERS["Message.body"]
    of_all, asked = resolver.of_all, list[int]()

    async def spoilt(root: Sequence[Any], info: Any) -> Sequence[Any]:
        asked.append(len(root))
        return [object, *(await of_all(root, info))[1:]]

    monkeypatch.setattr(resolver, "of_all", spoilt)
    drawn = Drawn(f"{{ messages(createdBetween: {EVER}) {{ nodes {{ id body }} }} }}", {})

    with capture_logs():
        result = await answer(at_once(), log, drawn)

    assert (result.data, len(result.errors or ()), asked) == (None, 1, [6])


def test_only_so_many_plans_are_kept_and_the_same_selection_has_the_same() -> None:
    school = cast(GraphQLObjectType, SCHEMA._schema.type_map["School"])

    def made(key: str) -> object:
        return plan(school, Selection(school, (Selected(key, "name", None),)))

    assert made("a") is made("a")
    assert made("a") is not made("b")
    assert plan.cache_info().maxsize == MOST_PLANS


def test_what_selects_more_fields_than_anybody_reads_is_not_planned() -> None:
    school = cast(GraphQLObjectType, SCHEMA._schema.type_map["School"])
    node = parse("{ name }").definitions[0].selection_set.selections[0]  # type: ignore[attr-defined]
    fields = {str(number): [FieldDetails(node, None)] for number in range(MOST_FIELDS + 1)}

    with pytest.raises(Unforeseen):
        selection_of(school, [], lambda of, details: CollectedFields(fields, [], []))
