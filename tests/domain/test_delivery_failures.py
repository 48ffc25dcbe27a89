"""Why a delivery failed: by the provider's code, or else by the call status."""

import pytest

from domain.call_status import CALL_STATUSES
from domain.delivery_failures import FAILURES, LONGEST_CODE, ProblemKind, failure_of
from domain.status import DeliveryMode
from tests.tables import table

KINDS = table(
    """
    # mode | provider | call status | code | kind | permanent
    VOICE | twilio | 3 | - | INVALID | yes
    VOICE | twilio | 16 | - | INVALID | yes
    VOICE | - | -2 | - | INVALID | yes
    VOICE | - | -7 | - | INVALID | yes
    VOICE | twilio | -2 | 21211 | INVALID | yes
    TEXT | twilio | -40 | 30005 | INVALID | yes
    TEXT | twilio | -40 | 30006 | CANNOT_TEXT | yes
    TEXT | twilio | -30 | 21614 | CANNOT_TEXT | yes
    TEXT | twilio | -30 | no_texts | CANNOT_TEXT | yes
    EMAIL | smtp | - | 5.1.1 | INVALID | yes
    EMAIL | smtp | - | 5.1.10 | INVALID | yes
    EMAIL | mailgun | - | 5.1.1 | INVALID | yes
    EMAIL | mailgun | - | 605 | INVALID | yes
    EMAIL | mailgun | - | 606 | OPTED_OUT | yes
    EMAIL | mailgun | - | 607 | COMPLAINED | yes
    EMAIL | - | - | unreadable | INVALID | yes
    # 5.1.7 and 5.1.8 are about the sender's address (RFC 3463, 3.2).
    EMAIL | smtp | - | 5.1.7 | - | no
    EMAIL | smtp | - | 5.1.8 | - | no
    EMAIL | smtp | - | 5.2.2 | - | no
    EMAIL | smtp | - | 5.7.1 | - | no
    EMAIL | smtp | - | 550 | - | no
    EMAIL | - | - | - | - | no
    # The codes of one provider mean nothing at another.
    EMAIL | smtp | - | 607 | - | no
    TEXT | simulator | -40 | 30006 | - | no
    VOICE | twilio | 0 | - | - | no
    VOICE | twilio | 77 | - | - | no
    """
)


@pytest.mark.parametrize(("mode", "provider", "status", "code", "kind", "permanent"), KINDS)
def test_each_code_has_its_kind(
    mode: str, provider: str, status: str, code: str, kind: str, permanent: str
) -> None:
    failure = failure_of(
        DeliveryMode(mode),
        None if provider == "-" else provider,
        call_status=None if status == "-" else int(status),
        code=None if code == "-" else code,
    )

    assert failure.kind == (None if kind == "-" else ProblemKind(kind))
    assert failure.is_permanent is (permanent == "yes")


def test_every_failure_has_words() -> None:
    failures = [
        *FAILURES.values(),
        *(
            failure_of(mode, "twilio", call_status=code, code=None)
            for mode in DeliveryMode
            for code in [*CALL_STATUSES, 77, None]
        ),
    ]

    for failure in failures:
        assert failure.reason.endswith(".")
        assert failure.advice.endswith(".")


def test_every_code_fits_its_column() -> None:
    assert max(len(code) for _, code in FAILURES) <= LONGEST_CODE


def test_a_failure_that_shows_a_problem_is_permanent() -> None:
    assert [place for place, one in FAILURES.items() if one.kind and not one.is_permanent] == []
