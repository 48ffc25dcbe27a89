"""The statements of a search for people, made once for all searches of a shape: making them takes longer than running them.

`db.search.people` runs them with their parameters.
"""

from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    FromClause,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    case,
    func,
    literal,
    not_,
    or_,
    select,
    tuple_,
    union_all,
)

from db.log.text_match import contains_parameter
from db.log.visibility import is_of_visible_by_parameters
from db.sql.index_hints import BY_ROWID, by_index
from db.sql.key_lists import any_of_parameter, is_there
from db.tables import conditions
from db.tables.log import ADDRESS, DELIVERY, PERSON, PERSON_NAME, RECIPIENT
from domain.modes import AddressKind
from domain.people import Role


class Shape(NamedTuple):
    """What the statements of a search depend on: the role (None: both), and whether the viewer is limited to schools."""

    role: Role | None
    is_limited: bool

    @property
    def roles(self) -> tuple[Role, ...]:
        return tuple(Role) if self.role is None else (self.role,)


class NamesShape(NamedTuple):
    """What the statement for a page of names depends on beside the shape of the search.

    `begins`: names that begin with the text; otherwise those with it inside.
    """

    begins: bool
    has_cursor: bool


NAMES: Final = PERSON_NAME.alias("n")

# One search for each kind: SQLite would answer OR by the index of the district alone.
_OF_KINDS: Final = union_all(
    *(
        select(ADDRESS.c.id).where(
            ADDRESS.c.district_id == bindparam("district"),
            ADDRESS.c.kind == kind,
            ADDRESS.c.key == bindparam(kind.lower()),
        )
        for kind in AddressKind
    )
).subquery("found")
ADDRESSES: Final = select(_OF_KINDS.c.id)
"""The addresses with the key of each kind in the parameter of its name."""


@cache
def people_at(shape: Shape) -> Select[Any]:
    """Return the statement for the contacts with visible deliveries to `addresses`: the address as written, the newest last."""
    is_of_recipient = and_(
        RECIPIENT.c.message_id == DELIVERY.c.message_id,
        RECIPIENT.c.number == DELIVERY.c.recipient_number,
    )
    return (
        select(RECIPIENT.c.person_id, DELIVERY.c.address)
        .join(RECIPIENT, is_of_recipient)
        .where(
            any_of_parameter(DELIVERY.c.address_id, "addresses"),
            is_of_visible_by_parameters(DELIVERY.c.message_id, limited=shape.is_limited),
        )
        .group_by(RECIPIENT.c.person_id, DELIVERY.c.address)
        .order_by(func.max(DELIVERY.c.message_id))
        .with_hint(DELIVERY, by_index("delivery_to_address"), "sqlite")
    )


@cache
def exact(shape: Shape, *, by_id: bool) -> Select[Any]:
    """Return the statement for people with their first visible name: with `external_keys` if `by_id`, or with the keys `people`."""
    names = PERSON_NAME.alias("names")
    key = (
        select(func.min(names.c.key))
        .where(names.c.person_id == PERSON.c.id, _is_visible(names, shape))
        .scalar_subquery()
    )
    found = PERSON.c.id.in_(_with_ids(shape)) if by_id else any_of_parameter(PERSON.c.id, "people")
    statement = (
        select(PERSON.c.id, PERSON.c.role, PERSON.c.external_id, key)
        .where(PERSON.c.district_id == bindparam("district"), found)
        # SQLite would otherwise read all people of the district in an index.
        .with_hint(PERSON, BY_ROWID, "sqlite")
    )
    return statement if shape.role is None else statement.where(PERSON.c.role == shape.role)


def _with_ids(shape: Shape) -> CompoundSelect[Any]:
    """Return the statement for the people whose external id, in lower case, is one of `external_keys`."""
    person = PERSON.alias("known")
    in_district = person.c.district_id == bindparam("district")
    # By the unique key, which has ids as they are, and for ids with capitals by the index of those in lower case.
    ids = any_of_parameter(person.c.external_id, "external_keys", kind=Text)
    by_id = [
        select(person.c.id).where(in_district, person.c.role == role, ids) for role in shape.roles
    ]
    keys = any_of_parameter(person.c.external_key, "external_keys", kind=Text)
    with_capitals = select(person.c.id).where(in_district, conditions.HAS_CAPITALS, keys)
    hint = by_index("person_by_lower_id")
    return union_all(*by_id, with_capitals.with_hint(person, hint, "sqlite"))


@cache
def page_of_names(shape: Shape, names_shape: NamesShape) -> Select[Any]:
    """Return the statement for the people of a rank in order, each with the name that is the best of its visible names.

    It reads in the order of the index, because many names match, so that the page is full soon.
    """
    statement = _best_names(NAMES, shape, names_shape).where(_matches(NAMES, names_shape))
    statement = statement.with_hint(NAMES, by_index("person_name_by_key"), "sqlite")
    return statement.order_by(NAMES.c.key, NAMES.c.person_id)


@cache
def names_of_few(shape: Shape) -> Select[Any]:
    """Return the statement for the names with `needle` of the people `few` who are not in `exact`: person, key, role."""
    statement = (
        select(NAMES.c.person_id, NAMES.c.key, PERSON.c.role)
        .join(PERSON, PERSON.c.id == NAMES.c.person_id)
        .where(
            any_of_parameter(NAMES.c.person_id, "few"),
            contains_parameter(NAMES.c.key, "needle"),
            not_(any_of_parameter(NAMES.c.person_id, "exact")),
        )
    )
    return statement if shape.role is None else statement.where(PERSON.c.role == shape.role)


def _matches(names: FromClause, names_shape: NamesShape) -> ColumnElement[bool]:
    """Return the condition that a name has the rank of the page, and is beyond its cursor."""
    conditions = [_begins(names)]
    if not names_shape.begins:
        conditions = [contains_parameter(names.c.key, "needle"), not_(_begins(names))]
    if names_shape.has_cursor:
        key = bindparam("after_key", type_=names.c.key.type)
        edge = tuple_(key, bindparam("after_id", type_=BigInteger))
        conditions.append(tuple_(names.c.key, names.c.person_id) > edge)
    return and_(*conditions)


def _best_names(names: FromClause, shape: Shape, names_shape: NamesShape) -> Select[Any]:
    """Return the statement for visible names, with the roles of their people, whose people have no better visible name."""
    other = PERSON_NAME.alias("better")
    is_better = other.c.key < names.c.key
    if names_shape.begins:
        is_better = and_(_begins(other), is_better)
    else:
        is_better = and_(contains_parameter(other.c.key, "needle"), or_(_begins(other), is_better))
    better = select(literal(1)).where(
        other.c.person_id == names.c.person_id, is_better, _is_visible(other, shape)
    )
    # PostgreSQL expects IS NULL of nearly no row, and would sort all names instead of reading them in order.
    has_no_better = func.coalesce(better.limit(1).scalar_subquery(), 0) != 1
    role = select(PERSON.c.role).where(PERSON.c.id == names.c.person_id).scalar_subquery()
    return (
        select(names.c.person_id, names.c.key, role)
        .where(_is_candidate(names, shape, are_few=False), has_no_better)
        .limit(bindparam("rows", type_=Integer))
    )


@cache
def count_of_names(shape: Shape, *, are_few: bool) -> Select[Any]:
    """Return the statement for the number of people whose visible names contain `needle`."""
    return select(func.count(NAMES.c.person_id.distinct())).where(
        contains_parameter(NAMES.c.key, "needle"), _is_candidate(NAMES, shape, are_few=are_few)
    )


@cache
def names_as_written(shape: Shape) -> Select[Any]:
    """Return the statement for how the newest visible message writes the names with `keys` of `people`; null if none does."""
    newest = (RECIPIENT.c.message_id.desc(), RECIPIENT.c.number.desc())
    written = {
        role: _rows_with(NAMES, role, shape, name).order_by(*newest).limit(1).scalar_subquery()
        for role, name in (
            (Role.CONTACT, RECIPIENT.c.name),
            (Role.STUDENT, RECIPIENT.c.student_name),
        )
    }
    role = select(PERSON.c.role).where(PERSON.c.id == NAMES.c.person_id).scalar_subquery()
    return select(
        NAMES.c.person_id,
        NAMES.c.key,
        case((role == Role.CONTACT, written[Role.CONTACT]), else_=written[Role.STUDENT]),
    ).where(
        any_of_parameter(NAMES.c.person_id, "people"),
        any_of_parameter(NAMES.c.key, "keys", kind=Text),
    )


def _begins(names: FromClause) -> ColumnElement[bool]:
    return and_(names.c.key >= bindparam("begin"), names.c.key < bindparam("end"))


def _is_candidate(names: FromClause, shape: Shape, *, are_few: bool) -> ColumnElement[bool]:
    """Return the condition that a name is visible and its person not in `exact`; in `few` if they are few."""
    conditions = [
        not_(any_of_parameter(names.c.person_id, "exact")),
        _is_visible(names, shape),
    ]
    if are_few:
        conditions.insert(0, any_of_parameter(names.c.person_id, "few"))
    return and_(*conditions)


def _is_visible(names: FromClause, shape: Shape) -> ColumnElement[bool]:
    """Return the condition that a visible message has this name of this person, in a role of the search."""
    return or_(*(is_there(_rows_with(names, role, shape, literal(1))) for role in shape.roles))


def _rows_with(
    names: FromClause, role: Role, shape: Shape, column: ColumnElement[Any]
) -> Select[Any]:
    """Return the statement for the recipients of visible messages with a name of a person.

    The key of a recipient is the name, a line feed, and the student's name; both are folded.
    """
    key, name = RECIPIENT.c.key, names.c.key
    if role is Role.CONTACT:
        is_person = RECIPIENT.c.person_id == names.c.person_id
        has_name = func.substr(key, 1, func.length(name) + 1) == name.concat("\n")
    else:
        is_person = RECIPIENT.c.student_id == names.c.person_id
        end = func.substr(key, func.length(key) - func.length(name))
        has_name = end == literal("\n").concat(name)
    return select(column).where(
        is_person,
        has_name,
        is_of_visible_by_parameters(RECIPIENT.c.message_id, limited=shape.is_limited),
    )
