"""Sets the descriptions of the contract that are not in the code beside their types and fields.

Each has its schema coordinate: `Type`, `Type.field`, `Type.field(argument:)`, `Enum.VALUE`. `schema.described.fields` holds
those of fields and values. The docstring of a type that describes a record is its description. An unknown coordinate, or one that
has a description, is an error on import.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    introspection_types,
    specified_scalar_types,
)

from schema.described.fields import FIELDS, VALUES

TYPES: Final = {
    "AddressKind": "The kind of an address.",
    "AuditAction": "What a person or service did.",
    "AuditFilter": "Which entries of the audit to return. Every given part must hold.",
    "BodyFormat": "How a message body is written.",
    "CancelMessageInput": "Which message to cancel, and why.",
    "CancelMessagesInput": "Which messages to cancel, and why.",
    "CancelMessageResult": "The result of `cancelMessage`, and of `cancelMessages` for each id.",
    "ContactProblemFilter": "Which problems to return. Every given part must hold.",
    "ContactProblemKind": "What is wrong with an address.",
    "CreateContactProblemReportInput": "Which problems the file has, and its format.",
    "CreateContactProblemReportResult": "The result of `createContactProblemReport`.",
    "CreateFamilyReportResult": "The result of `createFamilyReport`.",
    "CreateReportInput": "Which report to make.",
    "CreateReportResult": "The result of `createReport`.",
    "DeliveryEventSource": "Where a delivery event comes from.",
    "DeliveryMode": "A way of delivery.",
    "DeliveryStatus": "The state of a delivery.",
    "FigureDimension": "A property by which figures are grouped.",
    "MessageOrder": "A column to sort by, and its direction.",
    "MessageOrderField": "A column of the log to sort by.",
    "MessageStatus": "The state of a message.",
    "Mutation": "The operations that change something.",
    "OrderDirection": "A sort direction.",
    "Query": "The operations that read.",
    "RecipientOutcome": "What became of the deliveries to a recipient.",
    "RefreshMessageInput": "Which message to refresh.",
    "RefreshMessageResult": "The result of `refreshMessage`.",
    "PersonRole": "What a person is in a message.",
    "ReportDetail": "Which sections a report has.",
    "ReportDevice": "A group of deliveries to include in a report.",
    "ReportFormat": "The file format of a report.",
    "ReportKind": "What a report is about.",
    "ReportStatus": "The state of a report.",
    "ResendFailedInput": "Which failed deliveries to send again.",
    "ResendFailedResult": "The result of `resendFailed`.",
    "SaveSearchInput": "Which search to save, and under which name.",
    "ResolveContactProblemInput": "Which problem is resolved, and a note for others.",
    "ResolveContactProblemResult": "The result of `resolveContactProblem`.",
    "Right": "A permission of a viewer.",
    "Subscription": "The operations that report changes as they happen.",
    "WaitCause": "Why a delivery waits.",
    "UserError": "A request that a business rule refuses.",
}

PAGING: Final = {
    "first": "The number of items from the start of the list, or after `after`.",
    "after": "Return the items after this cursor.",
    "last": "The number of items from the end of the list, or before `before`.",
    "before": "Return the items before this cursor.",
}
"""The arguments that every connection takes."""

ARGUMENTS: Final = {
    "MessageFacets.senders(first:)": "The number of senders, at most 100.",
    "Message.recipients(search:)": "Part of the name or address of a recipient, or of the name of a student.",
    "Message.recipients(outcome:)": "Only recipients whose deliveries had this outcome.",
    "Message.deliveries(mode:)": "Only deliveries of these modes.",
    "Message.deliveries(status:)": "Only deliveries in these states.",
    "Mutation.cancelMessage(input:)": "Which message to cancel, and why.",
    "Mutation.cancelMessages(input:)": "Which messages to cancel, and why.",
    "Mutation.createContactProblemReport(input:)": "Which problems the file has, and its format.",
    "Mutation.createFamilyReport(input:)": "Whom the report is about, the days, and the format.",
    "Mutation.createReport(input:)": "Which report to make.",
    "Mutation.refreshMessage(input:)": "Which message to refresh.",
    "Mutation.deleteSavedSearch(id:)": "The id of the saved search.",
    "Mutation.saveSearch(input:)": "Which search to save, and under which name.",
    "Mutation.resolveContactProblem(input:)": "The address, and a note.",
    "Mutation.resendFailed(input:)": "Which failed deliveries to send again.",
    "Person.recipients(createdBetween:)": "Only messages created on these days.",
    "Student.recipients(createdBetween:)": "Only messages created on these days.",
    "Query.auditTrail(filter:)": "Only entries that pass this filter.",
    "Query.inbox(account:)": "The portal account, as messages name it.",
    "Query.contactProblems(filter:)": "Only problems that pass this filter.",
    "Query.figures(createdBetween:)": "The local days on which the messages were created, at most ten years.",
    "Query.figures(filter:)": "Only messages that pass this filter.",
    "Query.figures(groupBy:)": "The dimensions of the rows, which are in their order. Each once, and at most one of DAY, WEEK and MONTH.",
    "Query.message(id:)": "The id of the message.",
    "Query.messages(createdBetween:)": "The days on which the messages were created.",
    "Query.messages(filter:)": "Only messages that pass this filter.",
    "Query.messages(orderBy:)": "The columns to sort by, the most important one first. Ties end by id.",
    "Query.node(id:)": "The id of the object.",
    "Query.nodes(ids:)": "The ids of the objects, at most 100.",
    "Query.people(search:)": (
        "A part of a name, or a whole id, email address or phone number: 2 visible characters at least, 200 at most."
    ),
    "Query.people(role:)": "Only people of this role.",
    "Query.people(schoolIds:)": "Only people in messages of these schools, by what these messages have of them.",
    "Query.person(id:)": "The id of the person.",
    "Subscription.logChanged(createdBetween:)": "The days on which the messages were created.",
    "Subscription.logChanged(filter:)": "Only messages that pass this filter.",
    "Subscription.messageChanged(id:)": "The id of the message.",
    "Subscription.reportChanged(id:)": "The id of the report.",
}


def describe(schema: GraphQLSchema) -> None:
    """Set each description on its element. Raises `LookupError` for a coordinate that is unknown or described already."""
    elements = dict(elements_of(schema))
    for coordinate, text in _texts(elements).items():
        if coordinate not in elements:
            raise LookupError(f"The schema has no {coordinate}, so it cannot be described.")
        if elements[coordinate].description is not None:
            raise LookupError(f"{coordinate} has a description already: remove one of the two.")
        elements[coordinate].description = text


def elements_of(schema: GraphQLSchema) -> Iterator[tuple[str, Any]]:
    """The types, fields, arguments and enum values of the contract, with their coordinates."""
    for name, type in schema.type_map.items():
        if name in introspection_types or name in specified_scalar_types:
            continue
        yield name, type
        if isinstance(type, GraphQLEnumType):
            yield from ((f"{name}.{value}", element) for value, element in type.values.items())
        elif isinstance(type, GraphQLInputObjectType):
            yield from ((f"{name}.{field}", element) for field, element in type.fields.items())
        elif isinstance(type, GraphQLObjectType | GraphQLInterfaceType):
            for field_name, field in type.fields.items():
                yield f"{name}.{field_name}", field
                for argument, taken in field.args.items():
                    yield f"{name}.{field_name}({argument}:)", taken


def _texts(elements: Mapping[str, Any]) -> Mapping[str, str]:
    """The description of each coordinate, including those that all connections and nodes share."""
    shared: dict[str, str] = {}
    for coordinate, element in elements.items():
        if coordinate.endswith(":)"):
            argument = coordinate.rpartition("(")[2].removesuffix(":)")
            if argument in PAGING:
                shared[coordinate] = PAGING[argument]
        elif coordinate.endswith("Connection"):
            shared |= {f"{coordinate}.{name}": text for name, text in _CONNECTION.items()}
            if f"{coordinate}.totalCount" in elements:
                shared[f"{coordinate}.totalCount"] = "The number of items in the whole list."
        elif coordinate.endswith("Edge"):
            shared |= {f"{coordinate}.{name}": text for name, text in _EDGE.items()}
        elif isinstance(element, GraphQLObjectType) and any(
            interface.name == "Node" for interface in element.interfaces
        ):
            shared[f"{coordinate}.id"] = "The id, for `node` and for other operations."
    return shared | TYPES | ARGUMENTS | FIELDS | VALUES


_CONNECTION: Final = {
    "edges": "The items of this page, each with its cursor.",
    "nodes": "The items of this page.",
    "pageInfo": "Whether there are more pages, and the cursors of this one.",
}
_EDGE: Final = {
    "cursor": "The position of the item, for `after` and `before`.",
    "node": "The item.",
}
