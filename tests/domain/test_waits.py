"""Why deliveries wait: the causes in their order, with their ends and their words."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.call_window import CallWindow
from domain.status import DeliveryMode
from domain.waits import ModeFacts, Retries, Surroundings, WaitCause, wait_reasons

NOON = datetime(2020, 1, 31, 18, 0, tzinfo=UTC)
SOON = NOON + timedelta(minutes=5)
LATER = NOON + timedelta(hours=3)
NIGHT = datetime(2020, 2, 1, 4, 0, tzinfo=UTC)
MORNING = datetime(2020, 2, 1, 14, 0, tzinfo=UTC)

AROUND = Surroundings(
    now=NOON,
    zone=ZoneInfo("America/Chicago"),
    call_window=CallWindow(time(8), time(20, 30), "America/Chicago"),
    has_worker=True,
)
CALLS = ModeFacts(DeliveryMode.VOICE, 5, has_gateway=True)

CASES = {
    # facts, surroundings, scheduled_at; then cause, deliveries, until and words of each reason
    "nothing": (CALLS, {}, None, []),
    "nothing pending": (CALLS._replace(pending=0, has_gateway=False), {}, LATER, []),
    "scheduled": (
        CALLS,
        {},
        LATER,
        [(WaitCause.SCHEDULED, 5, LATER, "Scheduled for 01/31/2020 3:00 PM.")],
    ),
    "its time has come": (CALLS, {}, NOON, []),
    "no gateway": (
        CALLS._replace(has_gateway=False, held_until=SOON),
        {"has_worker": False, "now": NIGHT},
        None,
        [
            (
                WaitCause.NO_GATEWAY,
                5,
                None,
                "No provider is set up for Voice, so these do not leave. Ask your administrator to set one up.",
            )
        ],
    ),
    "no worker": (
        CALLS._replace(held_until=SOON),
        {"has_worker": False, "now": NIGHT},
        None,
        [
            (
                WaitCause.NO_WORKER,
                5,
                None,
                "No worker is running, so nothing is sent. Ask your administrator to start one.",
            )
        ],
    ),
    "at night": (
        CALLS._replace(held_until=SOON),
        {"now": NIGHT},
        None,
        [
            (
                WaitCause.CALL_WINDOW,
                5,
                MORNING,
                "Calls are placed from 8:00 AM to 8:30 PM only. The next ones are placed at 02/01/2020 8:00 AM.",
            )
        ],
    ),
    "texts at night": (CALLS._replace(mode=DeliveryMode.TEXT), {"now": NIGHT}, None, []),
    "calls at any time": (CALLS, {"now": NIGHT, "call_window": None}, None, []),
    "provider down": (
        CALLS._replace(held_until=SOON, retries=Retries(2, LATER)),
        {},
        None,
        [
            (
                WaitCause.PROVIDER_DOWN,
                5,
                SOON,
                "The provider accepts nothing at the moment. It is tried again at 01/31/2020 12:05 PM.",
            )
        ],
    ),
    "retries": (
        CALLS._replace(retries=Retries(2, LATER)),
        {},
        None,
        [
            (
                WaitCause.RETRY,
                2,
                LATER,
                "The provider did not accept these yet. They are tried again, the first at 01/31/2020 3:00 PM.",
            )
        ],
    ),
    "retries, and a limit for the others": (
        CALLS._replace(retries=Retries(2, LATER), paced_until=SOON),
        {},
        None,
        [
            (
                WaitCause.RETRY,
                2,
                LATER,
                "The provider did not accept these yet. They are tried again, the first at 01/31/2020 3:00 PM.",
            ),
            (
                WaitCause.RATE_LIMIT,
                3,
                SOON,
                "The provider takes a limited number each second. These leave after those before them.",
            ),
        ],
    ),
}


@pytest.mark.parametrize(("facts", "around", "at", "expected"), CASES.values(), ids=CASES.keys())
def test_the_first_cause_counts_with_its_end_and_its_words(
    facts: ModeFacts,
    around: dict[str, Any],
    at: datetime | None,
    expected: list[tuple[WaitCause, int, datetime | None, str]],
) -> None:
    reasons = list(wait_reasons(facts, AROUND._replace(**around), scheduled_at=at))

    assert [reason[1:] for reason in reasons] == expected
    assert all(reason.mode is facts.mode for reason in reasons)


instants = st.none() | st.sampled_from([NOON, SOON, LATER])


@given(
    pending=st.integers(0, 9),
    retries=st.builds(Retries, st.integers(0, 9), st.just(LATER)),
    held_until=instants,
    paced_until=instants,
    scheduled_at=instants,
    flags=st.tuples(st.booleans(), st.booleans()),
    now=st.sampled_from([NOON, NIGHT]),
    mode=st.sampled_from(DeliveryMode),
)
def test_no_delivery_waits_for_two_reasons(
    pending: int,
    retries: Retries,
    held_until: datetime | None,
    paced_until: datetime | None,
    scheduled_at: datetime | None,
    flags: tuple[bool, bool],
    now: datetime,
    mode: DeliveryMode,
) -> None:
    facts = ModeFacts(mode, pending, flags[0], held_until, paced_until, retries)
    around = AROUND._replace(now=now, has_worker=flags[1])

    reasons = list(wait_reasons(facts, around, scheduled_at=scheduled_at))

    assert sum(reason.deliveries for reason in reasons) <= pending
    assert all(reason.deliveries > 0 for reason in reasons)
