"""Resolves the worklist: the problems of addresses, with counts. Each opening of it adds an audit entry."""

from collections.abc import Sequence
from dataclasses import dataclass

import strawberry

from db.audit.entries import Action
from db.derived.addresses import problems
from db.derived.addresses.problems import ProblemCount, ProblemCriteria, ProblemRecord
from db.derived.addresses.records import AddressRecord
from db.log.deliveries import DeliveryRecord
from domain.delivery_failures import ProblemKind
from domain.errors import BadUserInput
from domain.ids import Kind, key_of, spell
from domain.paging import page
from domain.viewer import Right
from resolvers.request import enums
from resolvers.request.arguments import MOST_CHOICES, visible_text
from resolvers.request.batch_resolver import BatchResolver
from resolvers.request.connection import Listing
from resolvers.request.context import Info

assert enums  # makes the enumeration that the input below names


@strawberry.input
class ContactProblemFilter:
    """The criteria of the worklist; every given part must hold."""

    kinds: list[ProblemKind] | None = None
    school_ids: list[strawberry.ID] | None = None
    min_failures: int | None = 1
    search: str | None = None
    open: bool | None = strawberry.field(default=True, description="Only open ones.")


@dataclass(frozen=True, slots=True)
class ProblemListing(Listing[ProblemRecord]):
    """A page of the worklist."""

    criteria: ProblemCriteria


async def worklist(
    info: Info,
    *,
    filter: ContactProblemFilter | None = None,
    first: int | None = None,
    after: str | None = None,
) -> ProblemListing:
    """The page of the worklist for the arguments. Raises `BadUserInput` and `Forbidden`."""
    context = info.context
    context.viewer.require(Right.VIEW_LOG)
    context.viewer.require(Right.VIEW_RECIPIENTS)
    wanted = page(first=first, after=after, last=None, before=None)
    criteria = criteria_of(filter or ContactProblemFilter())
    district_id = context.visibility.district.id
    order = problems.most_failures_first(("contact problems", district_id, criteria))

    # One after the other: of a canceled `asyncio.gather`, the rows could still hold a connection.
    await context.audit.load((Action.OPEN_CONTACT_PROBLEMS, spell(Kind.DISTRICT, district_id)))
    async with context.database.reading() as connection:
        slice_ = await problems.page_of_problems(
            connection, criteria, visibility=context.visibility, order=order, page=wanted
        )
    return ProblemListing(order, slice_, criteria)


def criteria_of(filter: ContactProblemFilter) -> ProblemCriteria:
    """The criteria of a filter. Raises `BadUserInput`."""
    for name, values in (("kinds", filter.kinds), ("schoolIds", filter.school_ids)):
        if values is not None and len(values) > MOST_CHOICES:
            raise BadUserInput(
                f"filter.{name} has {len(values)} values. Give at most {MOST_CHOICES}."
            )
    least = 1 if filter.min_failures is None else filter.min_failures
    if least < 0:
        raise BadUserInput(f"filter.minFailures is {least}. Give 0 or more.")
    schools = None
    if filter.school_ids is not None:
        keys = [key_of(Kind.SCHOOL, school) for school in filter.school_ids]
        schools = tuple(sorted({key[0] for key in keys if key is not None}))
    return ProblemCriteria(
        kinds=None if filter.kinds is None else tuple(sorted(set(filter.kinds))),
        school_ids=schools,
        min_failures=least,
        search=visible_text(filter.search, argument="filter.search"),
        is_open=filter.open is not False,
    )


async def total(root: ProblemListing, info: Info) -> int:
    """The number of problems in the list."""
    return sum(one.count for one in await _counts(info, root.criteria))


async def counts(root: ProblemListing, info: Info) -> Sequence[ProblemCount]:
    """The number of problems of each kind, under the other criteria."""
    return await _counts(info, root.criteria._replace(kinds=None))


async def _counts(info: Info, criteria: ProblemCriteria) -> Sequence[ProblemCount]:
    async with info.context.database.reading() as connection:
        return await problems.count_problems(
            connection, criteria, visibility=info.context.visibility
        )


@BatchResolver
async def address_of(root: Sequence[ProblemRecord], info: Info) -> Sequence[AddressRecord | None]:
    """The address of each problem."""
    return await info.context.loaders.address.load_all([one.address_id for one in root])


@BatchResolver
async def last_delivery_of(
    root: Sequence[ProblemRecord], info: Info
) -> Sequence[DeliveryRecord | None]:
    """The last delivery that failed, of each problem; None if its message is not visible."""
    keys = [one.last_key for one in root]
    loader = info.context.loaders.delivery
    found = await loader.load_all([key for key in keys if key is not None])
    by_key = {record.key: record for record in found if record is not None}
    return [None if key is None else by_key.get(key) for key in keys]
