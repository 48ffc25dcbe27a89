"""How a GraphQL type describes a record.

A field without a value is *plain*: it is read from the record by its name. `pure` is a function of some fields of the record.
`bound` names a resolver. What is read wrongly is found when the module is imported, not when a client asks.

Each says which fields of the record it reads: a statement reads those of what an operation asks for, and no others.
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

from resolvers.request.batch_resolver import Together

T = TypeVar("T")

RECORD = "__describes__"

_PURE: Final = "the function, and the fields that it is given"
_READS: Final = "the fields that the resolver reads"
_DEFINITION: Final = "strawberry-definition"
"""Where Strawberry keeps what a type or field of graphql-core was made from."""


class Mismatch(TypeError):
    """A type promises a field that its record does not have, or has otherwise."""


def pure(function: Callable[..., object], *names: str, description: str | None = None) -> Any:
    """A field that `function` makes from the fields `names` of its record, or from the record where none is named."""
    source = Source(names, function)

    def resolve(root: Any) -> Any:
        return source.value(root)

    return strawberry.field(resolver=resolve, description=description, metadata={_PURE: source})


def bound(
    resolver: Callable[..., object],
    *,
    reads: Sequence[str] | None = None,
    description: str | None = None,
) -> Any:
    """A field that `resolver` answers; its arguments are the resolver's. Of the record it may read all but for `reads`."""
    return strawberry.field(resolver=resolver, description=description, metadata={_READS: reads})


def watched(resolver: Callable[..., object], *, description: str | None = None) -> Any:
    """A subscription that `resolver` answers: with a `Moment` for each event."""
    return strawberry.subscription(resolver=resolver, description=description)


def plain(*, description: str) -> Any:
    """A field that is read from its record by its name, where there is more to say about it than its name."""
    return strawberry.field(description=description)


class Source(NamedTuple):
    """Where the value of a field is in its record: under a name, or what a function makes of what is under some names.

    A function without names is one of the record itself.
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


def source_of(field: GraphQLField) -> Source | Together[Any, ..., Any] | None:
    """Where a field's values come from: the record, or a resolver that answers many records at once.

    None where they come one by one, or where there is more to the field than we know of, such as a permission.
    """
    made = field.extensions.get(_DEFINITION)
    if not isinstance(made, StrawberryField) or made.extensions:
        return None
    if made.base_resolver is None:
        return Source((made.python_name,), None)
    if isinstance(source := made.metadata.get(_PURE), Source):
        return source
    resolver = made.base_resolver.wrapped_func
    return resolver if isinstance(resolver, Together) else None


def reads_of(field: GraphQLField) -> Sequence[str] | None:
    """Which fields of its record a field reads, or its resolver; None where it may read any."""
    source = source_of(field)
    if isinstance(source, Source):
        return source.names or None
    made = field.extensions.get(_DEFINITION)
    reads: Sequence[str] | None = (
        made.metadata.get(_READS) if isinstance(made, StrawberryField) else None
    )
    return reads


def field_of(field: GraphQLField) -> StrawberryField:
    """What Strawberry made a field of ours from."""
    made = field.extensions[_DEFINITION]
    assert isinstance(made, StrawberryField), made
    return made


def described(of: GraphQLObjectType) -> type | None:
    """The class of the things that are shown as `of`: its record, or itself; None for a type that is not ours."""
    made = of.extensions.get(_DEFINITION)
    if not isinstance(made, StrawberryObjectDefinition):
        return None
    record: type = getattr(made.origin, RECORD, made.origin)
    return record


@dataclass_transform(kw_only_default=True)
def describes(record: type, *, description: str | None = None) -> Callable[[type[T]], type[T]]:
    """Make a class the GraphQL type of `record`. Raises `Mismatch` where a plain field cannot be read from it."""

    def decorate(cls: type[T]) -> type[T]:
        setattr(cls, RECORD, record)
        cls.is_type_of = classmethod(lambda _, thing, info: _is_of(thing, record))  # type: ignore[attr-defined]
        given = _field_types(record)
        for name, promised in _promises(cls).items():
            made = getattr(cls, name, None)
            if _is_plain(made):
                _check(cls, name, promised, record, given)
            for read in _named(made):
                if read not in given:
                    raise _absent(cls, name, record, read)
        return strawberry.type(cls, description=description)

    return decorate


def _is_of(thing: object, record: type) -> bool:
    return isinstance(thing, record)


def _promises(cls: type) -> Mapping[str, Any]:
    """What a class promises, and what the interfaces do that it implements."""
    return {
        name: promised
        for base in reversed(cls.__mro__)
        for name, promised in vars(base).get("__annotations__", {}).items()
    }


def _is_plain(value: object) -> bool:
    return value is None or (isinstance(value, StrawberryField) and value.base_resolver is None)


def _named(made: object) -> Sequence[str]:
    """The fields of a record that a field names."""
    if not isinstance(made, StrawberryField):
        return ()
    source = made.metadata.get(_PURE)
    return source.names if isinstance(source, Source) else made.metadata.get(_READS) or ()


def _absent(cls: type, name: str, record: type, read: str) -> Mismatch:
    return Mismatch(
        f"{cls.__name__}.{name}: {record.__name__} has no {read!r}. Make it pure or bound, or rename it."
    )


def _check(cls: type, name: str, promised: Any, record: type, given: Mapping[str, Any]) -> None:
    if name not in given:
        raise _absent(cls, name, record, name)
    if not fits(promised, given[name]):
        raise Mismatch(
            f"{cls.__name__}.{name} is {promised}, but {record.__name__}.{name} is {given[name]}."
        )


def _field_types(record: type) -> Mapping[str, Any]:
    """The fields and properties of a record, with what each gives."""
    found: dict[str, Any] = {}
    for base in reversed(record.__mro__):
        if base is not object and base.__module__ not in ("builtins", "typing", "abc"):
            found |= get_type_hints(base)
            for name, value in vars(base).items():
                if isinstance(value, property) and value.fget is not None:
                    found[name] = get_type_hints(value.fget).get("return")
    return found


def fits(promised: Any, given: Any) -> bool:
    """Whether what a record gives can be answered as what a type promises; a null that is not promised cannot."""
    if isinstance(promised, str):
        # A type of the same module that is not made yet: GraphQL checks the value when it is read.
        return True
    if _is_optional(promised):
        return fits(_required(promised), _required(given))
    if _is_optional(given):
        return False
    if get_origin(promised) is list:
        element = _element(given)
        return element is not None and fits(get_args(promised)[0], element)
    described = getattr(promised, RECORD, None)
    if isinstance(given, TypeVar) and described is not None:
        # A generic record, such as a page: what it holds is looked at when it is answered.
        return True
    if described is not None:
        return given is described or get_origin(given) is described
    if promised is strawberry.ID:
        return given is str
    if isinstance(promised, type) and issubclass(promised, Enum):
        return given is promised
    return bool(promised == given)


def _is_optional(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType) and type(None) in get_args(annotation)


def _required(annotation: Any) -> Any:
    """What an annotation allows beside None."""
    if not _is_optional(annotation):
        return annotation
    return reduce(or_, (part for part in get_args(annotation) if part is not type(None)))


def _element(annotation: Any) -> Any:
    """What a sequence holds; None where the annotation is of no sequence, or of one of mixed things."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if not isinstance(origin, type) or not issubclass(origin, Sequence):
        return None
    if origin is tuple and parts[1:] != (...,):
        return None
    return parts[0]
