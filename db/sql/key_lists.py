"""Many keys in one parameter: a statement reads the same, and is planned once, for one row or for four thousand.

An `IN` with a parameter a key is another statement for each number of keys, and both engines take longer to read it than
to answer it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Dialect,
    Integer,
    Select,
    Text,
    bindparam,
    column,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlalchemy.types import TypeDecorator, TypeEngine

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
    """A condition that is spelled otherwise on each engine."""

    type = Boolean()
    inherit_cache = True

    def self_group(self, against: Any = None) -> Any:
        """The condition as it stands: SQLAlchemy would make `… = 1` of it on SQLite, and no index answers that."""
        return self


class _AnyOf(Predicate):
    inherit_cache = True


class _PairsOf(Predicate):
    inherit_cache = True


def any_of(key: Any, keys: Sequence[int]) -> ColumnElement[bool]:
    """Whether `key` is one of `keys`."""
    return _AnyOf(key, bindparam(None, keys, KeyList(), unique=True))


def any_of_given(
    key: Any, name: str, *, kind: type[BigInteger] | type[Text] = BigInteger
) -> ColumnElement[bool]:
    """Whether `key` is one of the keys, numbers or texts, with which the statement is asked under this name."""
    return _AnyOf(key, bindparam(name, type_=KeyList(kind)))


def text_any_of(key: Any, keys: Sequence[str]) -> ColumnElement[bool]:
    """Whether the text `key` is one of `keys`."""
    return _AnyOf(key, bindparam(None, keys, KeyList(Text), unique=True))


def pairs_of(first: Any, second: Any, keys: Sequence[tuple[int, int]]) -> ColumnElement[bool]:
    """Whether `(first, second)` is one of `keys`."""
    return _PairsOf(
        first,
        second,
        bindparam(None, [pair[0] for pair in keys], KeyList(), unique=True),
        bindparam(None, [pair[1] for pair in keys], KeyList(), unique=True),
        bindparam(None, [(pair[0], pair[1]) for pair in keys], KeyList(), unique=True),
    )


def pairs_of_given(first: Any, second: Any, name: str) -> ColumnElement[bool]:
    """Whether `(first, second)` is one of the keys with which the statement is asked under this name; see `given_pairs`."""
    parts = [bindparam(f"{name}_{part}", type_=KeyList()) for part in _PARTS]
    return _PairsOf(first, second, *parts)


def given_pairs(name: str, keys: Sequence[tuple[int, int]]) -> Mapping[str, Sequence[Any]]:
    """The parameters under which a statement is given pairs: each engine reads them in its way."""
    parts = ([pair[0] for pair in keys], [pair[1] for pair in keys], keys)
    return {f"{name}_{part}": values for part, values in zip(_PARTS, parts, strict=True)}


def is_there(rows: Select[Any]) -> ColumnElement[bool]:
    """Whether `rows`, which belong to a row of the statement around them, has any: asked row by row.

    EXISTS says the same, but PostgreSQL may take it for a table to be read whole and joined.
    """
    return rows.limit(1).scalar_subquery().is_not(None)


def each(keys: Sequence[int], dialect: str) -> TableValuedAlias:
    """`keys` as a table of one column, `value`, in which each stands once."""
    parameter = bindparam(None, keys, KeyList(), unique=True)
    if dialect == "sqlite":
        return func.json_each(parameter).table_valued(column("value", Integer)).alias("given")
    return (
        func.unnest(parameter)
        .table_valued(column("value", BigInteger))
        .render_derived(name="given")
    )


@compiles(_AnyOf, "sqlite")
def _any_of_in_sqlite(element: _AnyOf, compiler: SQLCompiler, **options: Any) -> str:
    key, keys = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{key} IN (SELECT value FROM json_each({keys}))"


@compiles(_AnyOf, "postgresql")
def _any_of_in_postgresql(element: _AnyOf, compiler: SQLCompiler, **options: Any) -> str:
    key, keys = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{key} = ANY({keys})"


@compiles(_PairsOf, "sqlite")
def _pairs_of_in_sqlite(element: _PairsOf, compiler: SQLCompiler, **options: Any) -> str:
    first, second, _, _, pairs = element.clauses
    key = f"({compiler.process(first, **options)}, {compiler.process(second, **options)})"
    given = compiler.process(pairs, **options)
    # One list of pairs: two lists would be joined by reading the second once for each of the first.
    return f"{key} IN (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each({given}))"


@compiles(_PairsOf, "postgresql")
def _pairs_of_in_postgresql(element: _PairsOf, compiler: SQLCompiler, **options: Any) -> str:
    first, second, firsts, seconds = (
        compiler.process(clause, **options) for clause in list(element.clauses)[:4]
    )
    return f"({first}, {second}) IN (SELECT * FROM unnest({firsts}, {seconds}))"
