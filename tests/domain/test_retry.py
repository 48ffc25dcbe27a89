from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.modes import MODES
from domain.retry import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    GivenUp,
    RetryAt,
    after_refusal,
    after_silence,
    pause,
)
from domain.status import DeliveryMode

NOON = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("attempts", "seconds"),
    [(0, 5), (1, 5), (2, 10), (3, 20), (4, 40), (7, 320), (8, 600), (9, 600), (100_000, 600)],
)
def test_pauses_double_up_to_ten_minutes(attempts: int, seconds: int) -> None:
    assert pause(attempts, chance=1.0) == timedelta(seconds=seconds)
    assert pause(attempts, chance=0.0) == timedelta(seconds=seconds) / 2


@given(st.integers(1, 100), st.floats(0, 1))
def test_a_pause_is_never_zero_and_has_a_maximum(attempts: int, chance: float) -> None:
    assert FIRST_PAUSE / 2 <= pause(attempts, chance=chance) <= LONGEST_PAUSE


def test_a_refused_delivery_is_retried_after_the_pause() -> None:
    verdict = after_refusal(DeliveryMode.VOICE, 2, first_at=NOON, now=NOON + SECOND, chance=0.5)

    assert verdict == RetryAt(NOON + SECOND + timedelta(seconds=7.5))


@pytest.mark.parametrize(("asked_for", "wait"), [(60, 60), (1, 5)])
def test_the_longer_of_our_pause_and_the_providers_applies(asked_for: int, wait: int) -> None:
    verdict = after_refusal(
        DeliveryMode.EMAIL,
        1,
        first_at=NOON,
        now=NOON,
        chance=1.0,
        asked_for=timedelta(seconds=asked_for),
    )

    assert verdict == RetryAt(NOON + timedelta(seconds=wait))


@pytest.mark.parametrize(
    ("mode", "hours", "code"),
    [
        (DeliveryMode.EMAIL, 48, None),
        (DeliveryMode.VOICE, 4, -11),
        (DeliveryMode.TEXT, 4, -30),
    ],
)
def test_each_mode_is_given_up_when_its_time_is_over(
    mode: DeliveryMode, hours: int, code: int | None
) -> None:
    last = NOON + timedelta(hours=hours)

    def verdict(now: datetime) -> RetryAt | GivenUp:
        return after_refusal(mode, 30, first_at=NOON, now=now, chance=1.0)

    assert verdict(last - SECOND) == RetryAt(last)  # one more attempt, not after the end
    assert verdict(last) == GivenUp(code, f"not accepted within {hours} hours, 30 attempts")


@pytest.mark.parametrize("mode", [DeliveryMode.VOICE, DeliveryMode.TEXT])
def test_a_call_or_text_that_may_have_left_is_never_retried(mode: DeliveryMode) -> None:
    verdict = after_silence(mode, 1, copies=1, first_at=NOON, now=NOON, chance=0.5)

    assert verdict == GivenUp(-5, "no answer, and the provider cannot tell whether it left")


@pytest.mark.parametrize(
    ("copies", "verdict"),
    [
        (1, RetryAt(NOON + FIRST_PAUSE)),
        (2, RetryAt(NOON + FIRST_PAUSE)),
        (3, GivenUp(None, "it may have arrived: sent 3 times, each without an answer")),
        (4, GivenUp(None, "it may have arrived: sent 4 times, each without an answer")),
    ],
)
def test_an_email_that_may_have_left_is_sent_three_times_at_most(
    copies: int, verdict: RetryAt | GivenUp
) -> None:
    assert verdict == after_silence(
        DeliveryMode.EMAIL, 1, copies=copies, first_at=NOON, now=NOON, chance=1.0
    )


@given(
    st.sampled_from(list(DeliveryMode)),
    st.lists(st.floats(0, 1), min_size=400, max_size=400),
)
def test_every_delivery_is_given_up_at_its_time_limit_and_not_before(
    mode: DeliveryMode, chances: list[float]
) -> None:
    now = NOON
    for attempts, chance in enumerate(chances * 3, start=1):
        verdict = after_refusal(mode, attempts, first_at=NOON, now=now, chance=chance)
        if isinstance(verdict, GivenUp):
            assert now == NOON + MODES[mode].patience
            return
        assert verdict.at > now
        now = verdict.at
    pytest.fail("it is tried for ever")
