"""The state depends on the contents of the receipts, not on their order or repetition."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.call_status import CALL_STATUSES
from domain.message import recorded_status
from domain.receipts import Receipt, State, apply, fold, status_of_code
from domain.status import OPEN, TRANSITIONS, DeliveryMode, DeliveryStatus, MessageStatus

NOON = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)
HANDED = State(DeliveryStatus.IN_PROGRESS, at=NOON)
REPORTED = (
    DeliveryStatus.IN_PROGRESS,
    DeliveryStatus.SENT,
    DeliveryStatus.DELIVERED,
    DeliveryStatus.FAILED,
    DeliveryStatus.OPTED_OUT,
)


def at(seconds: int) -> datetime:
    return NOON + timedelta(seconds=seconds)


def coded(code: int, seconds: int = 1, *, confirmed: bool = False) -> Receipt:
    return Receipt(at(seconds), status_of_code(code), code, confirmed)


receipts = st.builds(
    Receipt,
    at=st.integers(-5, 5).map(at),
    status=st.sampled_from([*REPORTED, None]),
    code=st.sampled_from([None, *CALL_STATUSES, 77, -99]),
    confirmed=st.booleans(),
    failure=st.sampled_from([None, "5.1.1", "30006"]),
)
states = st.builds(
    State,
    status=st.sampled_from(list(DeliveryStatus)),
    code=st.sampled_from([None, *CALL_STATUSES, 77]),
    confirmed=st.booleans(),
    at=st.none() | st.integers(-5, 5).map(at),
)


@given(states, st.lists(receipts, max_size=6), st.data())
def test_any_order_and_repetition_of_the_same_receipts_gives_the_same_state(
    state: State, said: list[Receipt], data: st.DataObject
) -> None:
    repeated = said + data.draw(st.lists(st.sampled_from(said), max_size=4)) if said else []
    heard = data.draw(st.permutations(repeated))

    assert fold(state, heard) == fold(state, said)


@given(states, receipts)
def test_a_receipt_never_weakens_the_state(state: State, receipt: Receipt) -> None:
    after = apply(state, receipt)

    assert apply(after, receipt) == after
    assert after.confirmed >= state.confirmed
    if state.status is DeliveryStatus.DELIVERED:
        assert after.status is DeliveryStatus.DELIVERED
    if state.status not in OPEN:
        assert after.status not in OPEN


@given(states, st.lists(receipts, max_size=6))
def test_a_canceled_delivery_stays_canceled_after_any_receipt(
    state: State, said: list[Receipt]
) -> None:
    canceled = state._replace(status=DeliveryStatus.CANCELED)

    after = fold(canceled, said)

    assert (after.status, after.at) == (DeliveryStatus.CANCELED, canceled.at)


def test_a_canceled_delivery_still_shows_that_the_call_was_made() -> None:
    canceled = State(DeliveryStatus.CANCELED, at=NOON)

    after = fold(canceled, [coded(0), coded(5, 9, confirmed=True), coded(17)])

    assert after == State(DeliveryStatus.CANCELED, 5, True, NOON)


@pytest.mark.parametrize(
    ("said", "code", "status"),
    [
        ([-39, -27], -27, DeliveryStatus.SENT),
        ([-27, -28], -28, DeliveryStatus.DELIVERED),
        ([-27, -40], -40, DeliveryStatus.FAILED),
        ([-40, -28], -28, DeliveryStatus.DELIVERED),
        ([17, 0], 0, DeliveryStatus.FAILED),
        ([17, 5], 5, DeliveryStatus.DELIVERED),
        ([0, 5], 5, DeliveryStatus.DELIVERED),
        ([6, 5], 5, DeliveryStatus.DELIVERED),
        ([13, 6], 6, DeliveryStatus.DELIVERED),
        ([9, 3], 3, DeliveryStatus.FAILED),
        ([-5, 9], 9, DeliveryStatus.FAILED),
        ([-5, -27], -27, DeliveryStatus.SENT),
        ([-30, -33], -33, DeliveryStatus.OPTED_OUT),
        ([-39, 77], 77, DeliveryStatus.IN_PROGRESS),
        ([77, 1], 1, DeliveryStatus.FAILED),
    ],
)
def test_the_second_code_is_more_specific_than_the_first(
    said: list[int], code: int, status: DeliveryStatus
) -> None:
    forwards = fold(HANDED, [coded(one) for one in said])
    backwards = fold(HANDED, [coded(one) for one in reversed(said)])

    assert forwards == backwards == State(status, code, False, at(1))


def test_a_progress_receipt_does_not_reopen_a_delivery_that_we_gave_up() -> None:
    given_up = State(DeliveryStatus.FAILED, -5, at=NOON)

    assert apply(given_up, Receipt(at(9), DeliveryStatus.IN_PROGRESS, 17)) == given_up


def test_an_unknown_status_changes_nothing() -> None:
    assert apply(HANDED, Receipt(at(9), None, detail="teleported")) is HANDED


@pytest.mark.parametrize("status", [DeliveryStatus.PENDING, DeliveryStatus.CANCELED])
def test_no_receipt_can_set_a_status_that_only_we_decide(status: DeliveryStatus) -> None:
    assert apply(HANDED, Receipt(at(9), status)) is HANDED


def test_the_first_reported_time_of_arrival_stands() -> None:
    assert fold(HANDED, [coded(5, 7), coded(5, 3), coded(5, 9)]).at == at(3)


def test_a_redialed_call_has_the_failure_of_its_last_attempt() -> None:
    assert fold(HANDED, [coded(1, 9), coded(0, 3)]) == State(DeliveryStatus.FAILED, 1, False, at(9))


def test_pressing_0_is_kept_after_any_receipt() -> None:
    after = fold(HANDED, [coded(5, 3, confirmed=True), coded(5, 2), coded(6, 1)])

    assert after == State(DeliveryStatus.DELIVERED, 5, True, at(2))


@pytest.mark.parametrize("code", [*CALL_STATUSES, 77])
def test_a_code_means_the_same_status_in_a_receipt_and_in_recorded_history(code: int) -> None:
    recorded = recorded_status(
        MessageStatus.SENT, DeliveryMode.VOICE, status=None, code=code, confirmed=False
    )

    assert status_of_code(code) is recorded


@given(st.sampled_from(list(TRANSITIONS)), receipts)
def test_receipts_follow_the_table_of_transitions(before: DeliveryStatus, receipt: Receipt) -> None:
    # Not in the table: a hand-over may be answered by an opt-out, and a delivery that we gave up may succeed.
    after = apply(State(before, at=NOON), receipt).status

    assert after is before or after is DeliveryStatus.OPTED_OUT or after in _reachable(before)


def _reachable(status: DeliveryStatus) -> set[DeliveryStatus]:
    found = {status}
    while further := {after for one in found for after in TRANSITIONS[one]} - found:
        found |= further
    return found | ({DeliveryStatus.DELIVERED} if status in _FAILURES else set())


_FAILURES = (DeliveryStatus.FAILED, DeliveryStatus.OPTED_OUT)
