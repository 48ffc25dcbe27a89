"""The mutations: each returns what was done, or the rule that refused it."""

from datetime import datetime
from typing import Annotated

import strawberry

from domain.status import MessageStatus
from resolvers.addresses import resolution
from resolvers.mutations import cancel, cancel_many, refresh, refusals, resend, saved_searches
from resolvers.reports import people, reports
from schema.binding import bound, describes, plain
from schema.types.messages import Address, Message, Report
from schema.types.parts import ReportOptions, SavedSearch


@strawberry.interface
class UserError:
    """What a business rule refuses."""

    message: str = strawberry.field(description="For a person to read.")


@describes(refusals.NotFound)
class NotFound(UserError):
    """There is no such object, or the viewer may not see it."""


@describes(cancel.CancelMessageSuccess)
class CancelMessageSuccess:
    """The message is canceled."""

    canceled_message: Message
    is_new: bool = plain(description="False: somebody had canceled it before.")


@describes(cancel.MessageNotCancelable)
class MessageNotCancelable(UserError):
    """The message is neither waiting nor in progress, so it cannot be canceled."""

    status: MessageStatus


@describes(refresh.RefreshMessageSuccess)
class RefreshMessageSuccess:
    """The state of the message, with what the providers have answered so far."""

    refreshed_message: Message
    changed_deliveries: int
    refreshed_at: datetime
    throttled_until: datetime | None = plain(
        description="Asked again too soon: nothing was asked of the providers until then."
    )


@describes(reports.CreateReportSuccess)
class CreateReportSuccess:
    """The report is requested."""

    report: Report


@describes(reports.ReportOptionUnavailable)
class ReportOptionUnavailable(UserError):
    """The message does not allow this report now."""

    field: str = plain(description="The input field refused: devices, detail or format.")
    available: ReportOptions


@describes(people.CreateFamilyReportSuccess)
class CreateFamilyReportSuccess:
    """The report on a family is requested."""

    report: Report


@describes(people.CreateContactProblemReportSuccess)
class CreateContactProblemReportSuccess:
    """The worklist is requested as a file."""

    report: Report


@describes(resend.ResendFailedSuccess)
class ResendFailedSuccess:
    """The failed deliveries are waiting to be sent again."""

    resent_message: Message
    resent_deliveries: int


@describes(resend.NothingToResend)
class NothingToResend(UserError):
    """No failed delivery of the message can be sent again."""


@describes(resolution.ResolveContactProblemSuccess)
class ResolveContactProblemSuccess:
    """The problem is resolved until the next failure."""

    address: Address


CancelMessageResult = Annotated[
    CancelMessageSuccess | NotFound | MessageNotCancelable, strawberry.union("CancelMessageResult")
]
RefreshMessageResult = Annotated[
    RefreshMessageSuccess | NotFound, strawberry.union("RefreshMessageResult")
]
CreateReportResult = Annotated[
    CreateReportSuccess | NotFound | ReportOptionUnavailable,
    strawberry.union("CreateReportResult"),
]
CreateFamilyReportResult = Annotated[
    CreateFamilyReportSuccess | NotFound, strawberry.union("CreateFamilyReportResult")
]
CreateContactProblemReportResult = Annotated[
    CreateContactProblemReportSuccess | NotFound,
    strawberry.union("CreateContactProblemReportResult"),
]
ResendFailedResult = Annotated[
    ResendFailedSuccess | NotFound | NothingToResend, strawberry.union("ResendFailedResult")
]

ResolveContactProblemResult = Annotated[
    ResolveContactProblemSuccess | NotFound, strawberry.union("ResolveContactProblemResult")
]


@strawberry.type
class Mutation:
    """What can be done."""

    cancel_message: CancelMessageResult = bound(
        cancel.cancel_message,
        description="Stops every delivery not yet handed over. Asking again returns the same cancellation.",
    )
    refresh_message: RefreshMessageResult = bound(
        refresh.refresh_message,
        description="Asks the providers for the outcomes that are still open.",
    )
    create_report: CreateReportResult = bound(
        reports.create,
        description="Starts a report and answers at once with where to download it.",
    )
    resend_failed: ResendFailedResult = bound(
        resend.resend_failed,
        description="Sends again what failed, to those addresses alone; each at most once for each failure.",
    )
    cancel_messages: list[CancelMessageResult] = bound(
        cancel_many.cancel_messages,
        description="Cancels up to 100 messages; each gets a result of its own, in the order of the ids.",
    )
    create_family_report: CreateFamilyReportResult = bound(
        people.create_family_report,
        description=(
            "A report over everything one person, or one student's contacts, were sent: for a parent, an attendance "
            "dispute, a records request. Needs CREATE_REPORTS and VIEW_RECIPIENTS."
        ),
    )
    create_contact_problem_report: CreateContactProblemReportResult = bound(
        people.create_contact_problem_report,
        description=(
            "The worklist as a file, for those who correct addresses in the student information system. "
            "Needs CREATE_REPORTS and VIEW_RECIPIENTS."
        ),
    )
    save_search: SavedSearch = bound(
        saved_searches.save_search,
        description=(
            "Saves a search of the viewer under a name, in place of an earlier one of that name; at most 100. "
            "Needs VIEW_LOG."
        ),
    )
    delete_saved_search: bool = bound(
        saved_searches.delete_saved_search,
        description="Deletes a saved search. False: the viewer has none with this id, and nothing was changed.",
    )
    resolve_contact_problem: ResolveContactProblemResult = bound(
        resolution.resolve_contact_problem,
        description="Closes the problem of an address by hand. It opens again with the next failure. Needs VIEW_RECIPIENTS.",
    )
