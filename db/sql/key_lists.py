"""Many keys in one parameter: a statement has the same text, and one plan, for one row and for four thousand.

An `IN` with one parameter per key is another statement for each number of keys. Both engines take longer to parse it
than to execute it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import orjson
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Dialect,
    Integer,
    Select,
    Text,
    bindparam,
    column,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlalchemy.types import TypeDecorator, TypeEngine

from db.sql.connections import ReadConnection

_PARTS: Final = ("firsts", "seconds", "pairs")


class KeyList(TypeDecorator[Sequence[Any]]):
    """A list in one parameter: an array on PostgreSQL, a JSON text on SQLite."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: type[BigInteger] | type[Text] = BigInteger) -> None:
        super().__init__()
        self.kind = kind

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        array: TypeEngine[Any] = ARRAY(self.kind())
        return dialect.type_descriptor(array if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Sequence[Any] | None, dialect: Dialect) -> Any:
        assert value is not None
        return list(value) if dialect.name == "postgresql" else orjson.dumps(value).decode()


class Predicate(FunctionElement[bool]):
    """A condition whose SQL differs between the engines; `{0}` stands for its first clause, `{1}` for its second."""

    type = Boolean()
    inherit_cache = True
    sqlite: ClassVar[str]
    postgresql: ClassVar[str]

    def self_group(self, against: Any = None) -> Any:
        """Return the condition unchanged: on SQLite, SQLAlchemy would make it `… = 1`, which no index answers."""
        return self


class _AnyOf(Predicate):
    inherit_cache = True
    sqlite = "{0} IN (SELECT value FROM json_each({1}))"
    postgresql = "{0} = ANY({1})"


class _PairsOf(Predicate):
    inherit_cache = True
    # One list of pairs: SQLite would join two lists by reading the second once for each item of the first.
    sqlite = "({0}, {1}) IN (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each({4}))"
    postgresql = "({0}, {1}) IN (SELECT * FROM unnest({2}, {3}))"


def any_of(key: Any, keys: Sequence[int]) -> ColumnElement[bool]:
    """Return the condition that `key` is one of `keys`."""
    return _AnyOf(key, bindparam(None, keys, KeyList(), unique=True))


def any_of_parameter(
    key: Any, name: str, *, kind: type[BigInteger] | type[Text] = BigInteger
) -> ColumnElement[bool]:
    """Return the condition that `key` is in the list of numbers or texts in the parameter `name`."""
    return _AnyOf(key, bindparam(name, type_=KeyList(kind)))


def text_any_of(key: Any, keys: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition that the text `key` is one of `keys`."""
    return _AnyOf(key, bindparam(None, keys, KeyList(Text), unique=True))


def pairs_of(first: Any, second: Any, keys: Sequence[tuple[int, int]]) -> ColumnElement[bool]:
    """Return the condition that `(first, second)` is one of `keys`."""
    return _PairsOf(
        first,
        second,
        bindparam(None, [pair[0] for pair in keys], KeyList(), unique=True),
        bindparam(None, [pair[1] for pair in keys], KeyList(), unique=True),
        bindparam(None, [(pair[0], pair[1]) for pair in keys], KeyList(), unique=True),
    )


def pairs_of_parameters(first: Any, second: Any, name: str) -> ColumnElement[bool]:
    """Return the condition that `(first, second)` is in the parameters that `pair_parameters` returns for `name`."""
    parts = [bindparam(f"{name}_{part}", type_=KeyList()) for part in _PARTS]
    return _PairsOf(first, second, *parts)


def pair_parameters(name: str, keys: Sequence[tuple[int, int]]) -> Mapping[str, Sequence[Any]]:
    """Return the values of the parameters of `pairs_in_parameters`; each engine reads some of them."""
    parts = ([pair[0] for pair in keys], [pair[1] for pair in keys], keys)
    return {f"{name}_{part}": values for part, values in zip(_PARTS, parts, strict=True)}


async def counts(
    connection: ReadConnection,
    column: Column[int],
    keys: Sequence[int],
    *conditions: ColumnElement[bool],
) -> Mapping[int, int]:
    """Return how many rows of the table of `column` each of these keys has; one without any is left out."""
    statement = select(column, func.count()).where(any_of(column, keys), *conditions)
    return dict((await connection.execute(statement.group_by(column))).all())


def is_there(rows: Select[Any]) -> ColumnElement[bool]:
    """Return the condition that `rows`, correlated with the enclosing statement, is not empty; evaluated per row.

    EXISTS means the same, but PostgreSQL may turn it into a join that reads the whole table.
    """
    return rows.limit(1).scalar_subquery().is_not(None)


def each(keys: Sequence[int], dialect: str) -> TableValuedAlias:
    """Return `keys` as a table with one column, `value`, and one row per key."""
    parameter = bindparam(None, keys, KeyList(), unique=True)
    if dialect == "sqlite":
        return func.json_each(parameter).table_valued(column("value", Integer)).alias("given")
    return (
        func.unnest(parameter)
        .table_valued(column("value", BigInteger))
        .render_derived(name="given")
    )


@compiles(Predicate)
def _for_dialect(element: Predicate, compiler: SQLCompiler, **options: Any) -> str:
    clauses = list(element.clauses)
    text: str = getattr(element, compiler.dialect.name)
    return re.sub(r"\{(\d)\}", lambda at: compiler.process(clauses[int(at[1])], **options), text)
