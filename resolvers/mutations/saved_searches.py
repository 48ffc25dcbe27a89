"""The viewer's saved searches: `savedSearches`, `saveSearch` and `deleteSavedSearch`.

They belong to one viewer of one district; nobody else reads or changes them. Their arguments are checked when they are saved.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

import orjson
import strawberry
from graphql import GraphQLError, Undefined, is_required_argument
from graphql.utilities import coerce_input_value, validate_input_value
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

from db.search import saved_searches
from db.search.saved_searches import SavedSearchRecord
from domain.errors import BadUserInput, Forbidden
from domain.ids import Kind, key_of
from domain.invisible import without_invisible
from domain.search import fold
from domain.viewer import Right
from resolvers.messages import read_search
from resolvers.request.arguments import DateRange, require_storable
from resolvers.request.context import Context, Info, query_field

LONGEST_NAME: Final = 100
LONGEST_ARGUMENTS: Final = 8_000
"""Characters of the JSON."""

_FIELD: Final = "messages"
_ANY_DAYS: Final = DateRange(from_=date(1900, 1, 1), to=date(9999, 12, 30))
"""Stands for the days of a search that was saved without days."""


@strawberry.input
class SaveSearchInput:
    """The name of a search, and what it searches for."""

    name: str
    arguments: str


async def saved_searches_of_viewer(info: Info) -> Sequence[SavedSearchRecord]:
    """The saved searches of the viewer, by name. Raises `Forbidden`."""
    owner = _owner(info.context)
    async with info.context.database.reading() as connection:
        return await saved_searches.searches_of(connection, owner)


async def save_search(info: Info, *, input: SaveSearchInput) -> SavedSearchRecord:
    """Save a search under a name, in place of the viewer's search of that name. Raises `BadUserInput` and `Forbidden`."""
    context = info.context
    owner = _owner(context)
    name = _name(input.name)
    _check_arguments(info, input.arguments)
    async with context.database.writing() as connection:
        saved = await saved_searches.save(
            connection,
            owner,
            name=name,
            key=fold(name),
            arguments=input.arguments,
            now=context.now,
        )
    if saved is None:
        raise BadUserInput(
            f"You have {saved_searches.MOST} saved searches, which is the most. Delete one, or save under a name that you have."
        )
    return saved


async def delete_saved_search(info: Info, *, id: strawberry.ID) -> bool:
    """Delete a saved search of the viewer. Returns false if the viewer has none with this id. Raises `Forbidden`."""
    owner, key = _owner(info.context), key_of(Kind.SAVED_SEARCH, id)
    if key is None:
        return False
    async with info.context.database.writing() as connection:
        return await saved_searches.remove(connection, owner, key[0])


def _owner(context: Context) -> saved_searches.SearchOwner:
    context.viewer.require(Right.VIEW_LOG)
    return saved_searches.owner(context.visibility, context.viewer.id)


def _name(typed: str) -> str:
    name = " ".join(without_invisible(require_storable(typed, argument="input.name")).split())
    if not fold(name):
        raise BadUserInput("input.name has no visible character. Give the search a name.")
    if len(name) > LONGEST_NAME:
        raise BadUserInput(
            f"input.name has {len(name)} characters. Give a name of at most {LONGEST_NAME}."
        )
    return name


def _check_arguments(info: Info, text: str) -> None:
    """Raise `BadUserInput` or `Forbidden` unless a search of the viewer with these arguments would be carried out."""
    if len(text) > LONGEST_ARGUMENTS:
        raise BadUserInput(
            f"input.arguments has {len(text)} characters. Give at most {LONGEST_ARGUMENTS}."
        )
    given = _parse(require_storable(text, argument="input.arguments"))
    try:
        arguments = _convert(info, given)
        _, order, page = read_search(info.context, **{"created_between": _ANY_DAYS, **arguments})
        order.cursors.page(page)
    except BadUserInput as error:
        raise BadUserInput(f"input.arguments: {error.message}") from None
    except Forbidden as error:
        raise Forbidden(f"input.arguments: {error.message}") from None


def _parse(text: str) -> dict[str, Any]:
    try:
        given = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadUserInput(
            f"input.arguments is not JSON: {error.msg} (line {error.lineno}, column {error.colno}). "
            "Give the variables of `messages` as a JSON object."
        ) from None
    if not isinstance(given, dict):
        raise BadUserInput(
            "input.arguments is JSON, but no object. Give the arguments of `messages` by name."
        )
    return given


def _convert(info: Info, given: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `search` as Python values. Raises `BadUserInput` for a name or a value that `messages` does not take."""
    field = query_field(info, _FIELD)
    values: dict[str, Any] = {}
    for name, value in given.items():
        argument = field.args.get(name)
        if argument is None:
            raise BadUserInput(
                f"`messages` has no argument {name[:40]!r}. It has {', '.join(field.args)}."
            )
        if value is None and not is_required_argument(argument):
            continue
        problems: list[str] = []

        def note(
            error: GraphQLError, path: Sequence[str | int], *, name: str = name, to: Any = problems
        ) -> None:
            to.append(f"{_spell(name, path)} has a value that it does not take: {error.message}")

        validate_input_value(value, argument.type, note, hide_suggestions=True)
        coerced = coerce_input_value(value, argument.type)
        if problems or coerced is Undefined:
            raise BadUserInput(problems[0][:300] if problems else f"{name} has an invalid value.")
        values[name] = coerced
    defined = field.extensions["strawberry-definition"]
    assert isinstance(defined, StrawberryField)
    return convert_arguments(
        values,
        defined.arguments,
        scalar_registry=info.schema.schema_converter.scalar_registry,
        config=info.schema.config,
    )


def _spell(name: str, path: Sequence[str | int]) -> str:
    return name + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
