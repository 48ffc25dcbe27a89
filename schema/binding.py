"""Binds GraphQL types to records.

A field without a value is *plain*: it is read from the record by its name. `pure` is a function of some fields of the record.
`bound` names a resolver. Importing the module fails if a field does not fit its record.

Each field declares which fields of the record it reads, so that a statement selects only the columns of an operation.
"""

import types
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import reduce
from operator import or_
from typing import (
    Any,
    Final,
    NamedTuple,
    TypeVar,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

import strawberry
from graphql import GraphQLField, GraphQLObjectType
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

from resolvers.request.batch_resolver import BatchResolver

T = TypeVar("T")

RECORD = "__describes__"

_PURE: Final = "the function, and the fields that it takes"
_READS: Final = "the fields that the resolver reads"
_DEFINITION: Final = "strawberry-definition"
"""The key under which Strawberry keeps its definition of a type or field in the extensions of graphql-core."""


class Mismatch(TypeError):
    """A type has a field that its record lacks, or has with another type."""


def pure(
    function: Callable[..., object],
    *names: str,
    description: str | None = None,
    shown_as: str | None = None,
) -> Any:
    """A field that `function` computes from the fields `names` of its record, or from the whole record if none is named.

    `shown_as` is its name in the contract, if Python has that word for itself.
    """
    source = Source(names, function)

    def resolve(root: Any) -> Any:
        return source.value(root)

    return strawberry.field(
        resolver=resolve, description=description, name=shown_as, metadata={_PURE: source}
    )


def bound(
    resolver: Callable[..., object],
    *,
    reads: Sequence[str] | None = None,
    description: str | None = None,
) -> Any:
    """A field that `resolver` resolves, with its arguments. `reads`: the fields of the record it reads; None for any."""
    return strawberry.field(resolver=resolver, description=description, metadata={_READS: reads})


def watched(resolver: Callable[..., object], *, description: str | None = None) -> Any:
    """A subscription that `resolver` resolves, with a `Moment` for each event."""
    return strawberry.subscription(resolver=resolver, description=description)


def plain(*, description: str) -> Any:
    """A field that is read from its record by its name, with a description."""
    return strawberry.field(description=description)


class Source(NamedTuple):
    """How to read the value of a field from its record: a name, or a function of some names.

    A function without names takes the record itself.
    """

    names: tuple[str, ...]
    function: Callable[..., object] | None

    def value(self, record: Any) -> Any:
        """The value of the field."""
        if self.function is None:
            return getattr(record, self.names[0])
        if not self.names:
            return self.function(record)
        return self.function(*(getattr(record, name) for name in self.names))


def source_of(field: GraphQLField) -> Source | BatchResolver[Any, ..., Any] | None:
    """How to get a field's values: from the record, or by a resolver of many records.

    None if a resolver takes one record at a time, or if the field has an extension, such as a permission.
    """
    defined = field_of(field)
    if defined is None or defined.extensions:
        return None
    if defined.base_resolver is None:
        return Source((defined.python_name,), None)
    if isinstance(source := defined.metadata.get(_PURE), Source):
        return source
    resolver = defined.base_resolver.wrapped_func
    return resolver if isinstance(resolver, BatchResolver) else None


def reads_of(field: GraphQLField) -> Sequence[str] | None:
    """The fields of its record that a field or its resolver reads; None if it may read any."""
    source, defined = source_of(field), field_of(field)
    if isinstance(source, Source):
        return source.names or None
    return None if defined is None else defined.metadata.get(_READS)


def field_of(field: GraphQLField) -> StrawberryField | None:
    """Strawberry's definition of a field; None if the field is not ours, such as those of the introspection."""
    defined = field.extensions.get(_DEFINITION)
    return defined if isinstance(defined, StrawberryField) else None


def record_of(of: GraphQLObjectType) -> type | None:
    """The class of the objects of a GraphQL type: its record, or the type itself; None if the type is not ours."""
    defined = of.extensions.get(_DEFINITION)
    if not isinstance(defined, StrawberryObjectDefinition):
        return None
    record: type = getattr(defined.origin, RECORD, defined.origin)
    return record


@dataclass_transform(kw_only_default=True)
def describes(record: type) -> Callable[[type[T]], type[T]]:
    """Make a class the GraphQL type of `record`, described by its docstring.

    Raises `Mismatch` if a field does not fit the record.
    """

    def decorate(cls: type[T]) -> type[T]:
        setattr(cls, RECORD, record)
        cls.is_type_of = classmethod(lambda _, value, info: isinstance(value, record))  # type: ignore[attr-defined]
        record_types = _field_types(record)
        for name, promised in _promises(cls).items():
            defined = getattr(cls, name, None)
            if _is_plain(defined):
                _check(cls, name, promised, record, record_types)
            for read in _named(defined):
                if read not in record_types:
                    raise _absent(cls, name, record, read)
        return strawberry.type(cls, description=" ".join((cls.__doc__ or "").split()) or None)

    return decorate


def _promises(cls: type) -> Mapping[str, Any]:
    """The annotations of a class and of the interfaces that it implements."""
    return {
        name: promised
        for base in reversed(cls.__mro__)
        for name, promised in vars(base).get("__annotations__", {}).items()
    }


def _is_plain(value: object) -> bool:
    return value is None or (isinstance(value, StrawberryField) and value.base_resolver is None)


def _named(defined: object) -> Sequence[str]:
    """The fields of a record that a field names."""
    if not isinstance(defined, StrawberryField):
        return ()
    source = defined.metadata.get(_PURE)
    return source.names if isinstance(source, Source) else defined.metadata.get(_READS) or ()


def _absent(cls: type, name: str, record: type, read: str) -> Mismatch:
    return Mismatch(
        f"{cls.__name__}.{name}: {record.__name__} has no {read!r}. Make it pure or bound, or rename it."
    )


def _check(
    cls: type, name: str, promised: Any, record: type, record_types: Mapping[str, Any]
) -> None:
    if name not in record_types:
        raise _absent(cls, name, record, name)
    if not fits(promised, record_types[name]):
        raise Mismatch(
            f"{cls.__name__}.{name} is {promised}, but {record.__name__}.{name} is {record_types[name]}."
        )


def _field_types(record: type) -> Mapping[str, Any]:
    """The fields and properties of a record, with their types."""
    types_by_name: dict[str, Any] = {}
    for base in reversed(record.__mro__):
        if base is not object and base.__module__ not in ("builtins", "typing", "abc"):
            types_by_name |= get_type_hints(base)
            for name, value in vars(base).items():
                if isinstance(value, property) and value.fget is not None:
                    types_by_name[name] = get_type_hints(value.fget).get("return")
    return types_by_name


def fits(promised: Any, record_types: Any) -> bool:
    """Whether a value of the type `record_types` fits the annotation `promised`; an optional one does not fit a required one."""
    if isinstance(promised, str):
        # A forward reference within the module: graphql-core checks the value when it is read.
        return True
    if _is_optional(promised):
        return fits(_required(promised), _required(record_types))
    if _is_optional(record_types):
        return False
    if get_origin(promised) is list:
        element = _element(record_types)
        return element is not None and fits(get_args(promised)[0], element)
    record_of = getattr(promised, RECORD, None)
    if isinstance(record_types, TypeVar) and record_of is not None:
        # A generic record, such as a page: its elements are checked when they are resolved.
        return True
    if record_of is not None:
        return record_types is record_of or get_origin(record_types) is record_of
    if promised is strawberry.ID:
        return record_types is str
    if isinstance(promised, type) and issubclass(promised, Enum):
        return record_types is promised
    return bool(promised == record_types)


def _is_optional(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType) and type(None) in get_args(annotation)


def _required(annotation: Any) -> Any:
    """The annotation without None."""
    if not _is_optional(annotation):
        return annotation
    return reduce(or_, (part for part in get_args(annotation) if part is not type(None)))


def _element(annotation: Any) -> Any:
    """The element type of a sequence; None for other annotations and for mixed tuples."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if not isinstance(origin, type) or not issubclass(origin, Sequence):
        return None
    if origin is tuple and parts[1:] != (...,):
        return None
    return parts[0]
