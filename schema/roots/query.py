"""The queries."""

import strawberry

from resolvers import directory
from resolvers.addresses.problems import worklist
from resolvers.audit.system import system
from resolvers.audit.trail import trail
from resolvers.log.figures import figures
from resolvers.messages import by_id, search, types
from resolvers.mutations import saved_searches
from resolvers.people import persons
from resolvers.people.inbox import inbox
from resolvers.people.search import people
from schema.binding import bound
from schema.types.addresses import ContactProblemConnection
from schema.types.audit import AuditConnection
from schema.types.inbox import InboxConnection
from schema.types.log import MessageConnection
from schema.types.messages import Message, Person
from schema.types.parts import CallStatus, FigureRow, MessageType, Node, SavedSearch, School, Viewer
from schema.types.people import PersonConnection
from schema.types.system import System


@strawberry.type
class Query:
    """What can be asked."""

    viewer: Viewer = bound(
        directory.viewer, description="The signed-in person or service, and what it may do."
    )
    node: Node | None = bound(directory.node)
    nodes: list[Node | None] = bound(
        directory.nodes, description="Same order as `ids`, null where there is none; at most 100."
    )
    messages: MessageConnection = bound(
        search,
        description=(
            "The log. Messages created on the local days of `createdBetween`, both ends included, in the district's "
            "time zone. Messages made by a scheduler appear only from their start time; OLR mail never appears. "
            "Newest first unless `orderBy` says otherwise. One page holds at most 4000. Cursors go on past that."
        ),
    )
    message: Message | None = bound(by_id)
    person: Person | None = bound(
        persons.person_by_id, description="What one person was sent: the recipient log."
    )
    people: PersonConnection = bound(
        people,
        description=(
            "People by name, id in the sending system, e-mail address or phone number, however these are written; best "
            "match first: an id or address that is the text, a name that begins with it, a name with it inside. Needs "
            "VIEW_RECIPIENTS. Only people to whom, or about whom, the viewer may see a message."
        ),
    )
    saved_searches: list[SavedSearch] = bound(
        saved_searches.saved_searches_of_viewer,
        description="The viewer's own saved searches, by name. Needs VIEW_LOG.",
    )
    system: System = bound(system, description="How the installation is doing. Needs VIEW_SYSTEM.")
    inbox: InboxConnection = bound(
        inbox,
        description=(
            "What one portal account was sent, newest first, with bodies. For a portal's service: needs READ_INBOX. Only what "
            "was put into the inbox and is not purged."
        ),
    )
    contact_problems: ContactProblemConnection = bound(
        worklist,
        description=(
            "Addresses that need somebody's attention. Needs VIEW_RECIPIENTS. Most failures first, then the latest."
        ),
    )
    figures: list[FigureRow] = bound(
        figures,
        description=(
            "Figures over many messages. At most 2,000 rows; more is BAD_USER_INPUT that says how many it would be."
        ),
    )
    schools: list[School] = bound(directory.schools)
    message_types: list[MessageType] = bound(types)
    call_statuses: list[CallStatus] = bound(
        directory.call_statuses,
        description="The dictionary of call status codes, as the voice and text provider reports them.",
    )
    audit_trail: AuditConnection = bound(
        trail,
        description=(
            "Who looked or acted in the viewer's district, newest first. Needs VIEW_AUDIT and a sign-in for the whole "
            "district. Reading it is itself written down."
        ),
    )
