"""The state of an address: when it was reached, how often it failed since, and the problem that follows.

The state depends only on the outcomes of its deliveries, in the order of their time, not of their arrival.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple

from domain.counting import is_reached
from domain.delivery_failures import REPEATED, ProblemKind, failure_of
from domain.modes import PHONE_MODES
from domain.status import DeliveryMode, DeliveryStatus

FAILURES_IN_A_ROW: Final = 3
"""So many failures in a row, over at least two messages, make an address UNREACHABLE."""

REPORTS_ARRIVAL: Final = frozenset({"mailgun", "simulator"})
"""The providers of emails that report the arrival: there, SENT is not an outcome yet."""

LABELS: Final = {
    ProblemKind.INVALID: "Does not exist",
    ProblemKind.CANNOT_TEXT: "Takes no texts",
    ProblemKind.COMPLAINED: "Marked as spam",
    ProblemKind.OPTED_OUT: "Wants no texts",
    ProblemKind.UNREACHABLE: "Not reached",
}
"""The kinds of problems as a report prints them."""

ADVICE: Final = {
    ProblemKind.INVALID: "Correct the address in the student information system.",
    ProblemKind.CANNOT_TEXT: "Send calls to this number, or ask the family for a mobile number.",
    ProblemKind.COMPLAINED: "Ask the family whether it wants emails of the district.",
    ProblemKind.OPTED_OUT: (
        "Ask the family to text START to the district's number if it wants texts again."
    ),
    ProblemKind.UNREACHABLE: "Ask the family whether the address is still in use.",
}
"""What somebody in the office should do about each kind of problem."""

REASONS: Final = {
    ProblemKind.INVALID: "The number or mailbox does not exist.",
    ProblemKind.CANNOT_TEXT: "The number takes no texts.",
    ProblemKind.COMPLAINED: "The receiver marked an email as spam.",
    ProblemKind.OPTED_OUT: "The owner of the number has asked for no texts.",
    ProblemKind.UNREACHABLE: "The last deliveries all failed.",
}
"""The reason of a problem that has no failure to name."""

_RANK: Final = {kind: rank for rank, kind in enumerate(ProblemKind)}

FailureKey = tuple[int, int, int]
"""The key of a delivery: message, recipient, number."""


class Fate(NamedTuple):
    """What a delivery says about its address: it was reached, or not, at an instant."""

    at: datetime
    key: FailureKey
    is_reached: bool
    kind: ProblemKind | None = None
    """The kind of problem that a failure shows by itself."""


def fate_of(
    key: FailureKey,
    mode: DeliveryMode,
    status: DeliveryStatus,
    *,
    at: datetime | None,
    call_status: int | None,
    confirmed: bool,
    provider: str | None,
    code: str | None,
) -> Fate | None:
    """Return what a delivery that is not a duplicate says about its address; None if it says nothing (yet)."""
    if at is None:
        return None
    if _is_reached(mode, status, call_status, confirmed=confirmed, provider=provider):
        return Fate(at, key, is_reached=True)
    if status is not DeliveryStatus.FAILED or code == REPEATED:
        return None
    failure = failure_of(mode, provider, call_status=call_status, code=code)
    return Fate(at, key, is_reached=False, kind=failure.kind)


def _is_reached(
    mode: DeliveryMode,
    status: DeliveryStatus,
    call_status: int | None,
    *,
    confirmed: bool,
    provider: str | None,
) -> bool:
    if mode in PHONE_MODES:
        return is_reached(call_status, confirmed)
    if status is DeliveryStatus.SENT:
        return mode is DeliveryMode.INBOX or provider not in REPORTS_ARRIVAL
    return status is DeliveryStatus.DELIVERED


class FailureRun(NamedTuple):
    """The failures of an address since it was last reached."""

    failures: int = 0
    since: datetime | None = None
    """The first of them."""
    in_several: bool = False
    """They are of at least two messages."""
    kind: ProblemKind | None = None
    """The first of the kinds that they show."""
    kind_since: datetime | None = None
    """The first failure of that kind."""


class AddressState(NamedTuple):
    """What is known of an address that failed or complained."""

    last_reached_at: datetime | None = None
    last_failed_at: datetime | None = None
    run: FailureRun = FailureRun()
    complained_at: datetime | None = None
    last_key: FailureKey | None = None
    """The last delivery that failed."""

    @property
    def is_empty(self) -> bool:
        """Whether it never failed and nobody complained."""
        return self.last_failed_at is None and self.complained_at is None


class AddressProblem(NamedTuple):
    """The problem of an address."""

    kind: ProblemKind
    since: datetime
    latest_at: datetime
    """The last failure, complaint or opt-out. A later resolution by hand closes the problem."""


def state_of(fates: Iterable[Fate], *, complained_at: datetime | None = None) -> AddressState:
    """Return the state after all of these fates, in any order."""
    state = AddressState(complained_at=complained_at)
    # A failure counts only if it is later than every arrival: at the same instant, the arrival comes last.
    for fate in sorted(fates, key=lambda fate: (fate.at, fate.is_reached, fate.key)):
        state = _after(state, fate)
    return state


def add(state: AddressState, fate: Fate) -> AddressState | None:
    """Return the state after one more fate; None if it is not the latest, so that the rows must be read again."""
    latest = [at for at in (state.last_failed_at, state.last_reached_at) if at is not None]
    if any(fate.at < at for at in latest):
        return None
    if not fate.is_reached and any(fate.at == at for at in latest):
        return None
    return _after(state, fate)


def _after(state: AddressState, fate: Fate) -> AddressState:
    if fate.is_reached:
        return state._replace(last_reached_at=fate.at, run=FailureRun())
    return state._replace(
        last_failed_at=fate.at, run=_one_more(state.run, state.last_key, fate), last_key=fate.key
    )


def _one_more(run: FailureRun, last_key: FailureKey | None, fate: Fate) -> FailureRun:
    kind, kind_since = run.kind, run.kind_since
    if fate.kind is not None and (kind is None or _RANK[fate.kind] < _RANK[kind]):
        kind, kind_since = fate.kind, fate.at
    is_other = run.failures > 0 and last_key is not None and last_key[0] != fate.key[0]
    return FailureRun(
        run.failures + 1, run.since or fate.at, run.in_several or is_other, kind, kind_since
    )


def problem_of(state: AddressState, *, opted_out_at: datetime | None) -> AddressProblem | None:
    """Return the problem of an address, resolved by hand or not; None if it has none."""
    run, complained_at = state.run, state.complained_at
    since: dict[ProblemKind, datetime] = {}
    if run.failures >= FAILURES_IN_A_ROW and run.in_several and run.since is not None:
        since[ProblemKind.UNREACHABLE] = run.since
    if opted_out_at is not None:
        since[ProblemKind.OPTED_OUT] = opted_out_at
    if complained_at is not None and (
        state.last_reached_at is None or complained_at >= state.last_reached_at
    ):
        since[ProblemKind.COMPLAINED] = complained_at
    if run.kind is not None and run.kind_since is not None:
        since[run.kind] = min(run.kind_since, since.get(run.kind, run.kind_since))
    if not since:
        return None
    kind = min(since, key=_RANK.__getitem__)
    events = (
        state.last_failed_at if run.failures else None,
        since.get(ProblemKind.COMPLAINED) and complained_at,
        opted_out_at,
    )
    return AddressProblem(kind, since[kind], max(at for at in events if at is not None))
