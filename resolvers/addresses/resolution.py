"""`resolveContactProblem`: closes the problem of an address by hand, until its next failure."""

from typing import Final, NamedTuple

import strawberry

from db.audit import entries
from db.audit.entries import Action
from db.derived.addresses import problems
from db.derived.addresses.records import AddressRecord
from domain.errors import BadUserInput
from domain.ids import Kind, key_of, spell
from domain.viewer import Right
from resolvers.mutations.refusals import NO_ADDRESS, NO_PROBLEM, NotFound
from resolvers.request.arguments import require_storable
from resolvers.request.context import Info

LONGEST_NOTE: Final = 1_000


@strawberry.input
class ResolveContactProblemInput:
    """The address whose problem is resolved, and a note for others."""

    address_id: strawberry.ID
    note: str | None = None


class ResolveContactProblemSuccess(NamedTuple):
    """The problem is resolved until the next failure."""

    address: AddressRecord


async def resolve_contact_problem(
    info: Info, *, input: ResolveContactProblemInput
) -> ResolveContactProblemSuccess | NotFound:
    """Resolve the problem of an address. Raises `BadUserInput` and `Forbidden`."""
    context, viewer = info.context, info.context.viewer
    viewer.require(Right.VIEW_LOG)
    viewer.require(Right.VIEW_RECIPIENTS)
    note = _note(input.note)
    key = key_of(Kind.ADDRESS, input.address_id)
    address = None if key is None else await context.loaders.address.load(key[0])
    if address is None:
        return NO_ADDRESS
    async with context.database.writing() as connection:
        is_resolved = await problems.resolve(
            connection,
            address.id,
            now=context.now,
            by_id=viewer.id,
            by_name=viewer.name,
            note=note,
        )
        if not is_resolved:
            return NO_PROBLEM
        act = context.entry(Action.RESOLVE_CONTACT_PROBLEM, spell(Kind.ADDRESS, address.id))
        await entries.write(connection, [act])
    context.loaders.forget()
    return ResolveContactProblemSuccess(address)


def _note(typed: str | None) -> str | None:
    note = require_storable(typed or "", argument="input.note").strip()
    if len(note) > LONGEST_NOTE:
        raise BadUserInput(
            f"input.note has {len(note)} characters. Give a note of at most {LONGEST_NOTE}."
        )
    return note or None
