"""The state of an address depends on the times of its outcomes, not on the order in which they are known."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.contact_problems import (
    ADVICE,
    REASONS,
    AddressProblem,
    AddressState,
    Fate,
    add,
    fate_of,
    problem_of,
    state_of,
)
from domain.delivery_failures import ProblemKind
from domain.status import DeliveryMode, DeliveryStatus
from tests.tables import table

NOON = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)


def at(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def failed(minutes: int, message: int = 1, kind: ProblemKind | None = None) -> Fate:
    return Fate(at(minutes), (message, 0, minutes), is_reached=False, kind=kind)


def reached(minutes: int, message: int = 1) -> Fate:
    return Fate(at(minutes), (message, 0, minutes), is_reached=True)


FATES = table(
    """
    # mode | status | code | confirmed | provider | fate
    VOICE | DELIVERED | 5 | no | twilio | reached
    VOICE | DELIVERED | 8 | no | twilio | -
    VOICE | FAILED | 0 | yes | twilio | reached
    VOICE | FAILED | 0 | no | twilio | failed
    VOICE | CANCELED | - | no | - | -
    VOICE | CANCELED | 5 | no | twilio | reached
    TEXT | SENT | -27 | no | twilio | reached
    TEXT | IN_PROGRESS | -39 | no | twilio | -
    TEXT | OPTED_OUT | -33 | no | - | -
    EMAIL | SENT | - | no | smtp | reached
    EMAIL | SENT | - | no | - | reached
    EMAIL | SENT | - | no | mailgun | -
    EMAIL | DELIVERED | - | no | mailgun | reached
    EMAIL | FAILED | - | no | smtp | failed
    EMAIL | PENDING | - | no | - | -
    INBOX | SENT | - | no | inbox | reached
    INBOX | DELIVERED | - | no | - | reached
    """
)


def test_each_outcome_says_whether_the_address_was_reached() -> None:
    for mode, status, code, confirmed, provider, expected in FATES:
        fate = fate_of(
            (1, 0, 0),
            DeliveryMode(mode),
            DeliveryStatus(status),
            at=NOON,
            call_status=None if code == "-" else int(code),
            confirmed=confirmed == "yes",
            provider=None if provider == "-" else provider,
            code=None,
        )
        found = "-" if fate is None else "reached" if fate.is_reached else "failed"
        assert found == expected, (mode, status, code)


def test_an_arrival_at_the_instant_of_a_failure_ends_the_run() -> None:
    assert state_of([reached(1), failed(1)]).run.failures == 0


def test_two_failures_over_two_messages_or_three_in_one_are_no_problem() -> None:
    two = state_of([failed(1, 1), failed(2, 2)])
    of_one = state_of([failed(1), failed(2), failed(3)])

    assert problem_of(two, opted_out_at=None) is None
    assert problem_of(of_one, opted_out_at=None) is None


def test_the_third_failure_over_two_messages_is_one() -> None:
    state = state_of([failed(1, 1), failed(2, 1), failed(3, 2)])

    assert problem_of(state, opted_out_at=None) == AddressProblem(
        ProblemKind.UNREACHABLE, at(1), at(3)
    )


def test_the_first_kind_that_holds_is_the_problem() -> None:
    state = state_of(
        [
            failed(1, 1, ProblemKind.CANNOT_TEXT),
            failed(2, 2, ProblemKind.INVALID),
            failed(3, 3, ProblemKind.CANNOT_TEXT),
        ],
        complained_at=at(4),
    )

    assert problem_of(state, opted_out_at=at(0)) == AddressProblem(
        ProblemKind.INVALID, at(2), at(4)
    )


def test_a_complaint_that_a_later_arrival_ended_does_not_open_another_problem_again() -> None:
    state = state_of([reached(5)], complained_at=at(3))

    assert problem_of(state, opted_out_at=at(1)) == AddressProblem(
        ProblemKind.OPTED_OUT, at(1), at(1)
    )


def test_every_kind_has_a_reason_and_an_advice() -> None:
    assert set(ADVICE) == set(REASONS) == set(ProblemKind)


fates = st.lists(
    st.builds(
        Fate,
        at=st.integers(0, 6).map(at),
        key=st.tuples(st.integers(1, 3), st.integers(0, 1), st.integers(0, 1)),
        is_reached=st.booleans(),
        kind=st.none() | st.sampled_from(list(ProblemKind)),
    ),
    max_size=8,
    unique_by=lambda fate: fate.key,
)


@given(fates, st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(given_fates: list[Fate], dice: object) -> None:
    shuffled = list(given_fates)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]

    assert state_of(shuffled) == state_of(given_fates)


@given(fates)
def test_an_added_fate_gives_the_state_of_all_or_none(given_fates: list[Fate]) -> None:
    state = AddressState()
    for number, fate in enumerate(given_fates, 1):
        added = add(state, fate)
        whole = state_of(given_fates[:number])
        assert added in (whole, None)
        state = whole
