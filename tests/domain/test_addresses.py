"""All notations of an address have one key, and an unreadable text has a key of its own."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.addresses import (
    LONGEST,
    LONGEST_UNREADABLE,
    Address,
    InvalidAddress,
    normalise,
    unreadable,
)
from domain.modes import AddressKind
from domain.phone_numbers import COUNTRIES
from domain.status import DeliveryMode

INBOX, EMAIL, VOICE, TEXT = DeliveryMode
ACCOUNT, MAIL, PHONE = AddressKind

COUNTRY = st.sampled_from(sorted(COUNTRIES))
WRITTEN = st.one_of(
    st.text(max_size=LONGEST),
    st.text("0123456789+()-. x;ext=,/", max_size=30),
    st.text("ab@.-<>\"';:, \u200b\u200c\ufeff\u00df\u00eb\u0308", max_size=30),
    st.emails(),
)


@pytest.mark.parametrize(
    ("mode", "written", "address"),
    [
        (INBOX, "hparent", Address(ACCOUNT, "hparent", "hparent")),
        (INBOX, " HParent ", Address(ACCOUNT, "HParent", "HParent")),
        (EMAIL, "heather@nomail.example", Address(MAIL, *["heather@nomail.example"] * 2)),
        (
            EMAIL,
            "\tHeather.Parent@NoMail.Example\n",
            Address(MAIL, "Heather.Parent@NoMail.Example", "heather.parent@nomail.example"),
        ),
        (
            EMAIL,
            "Heather\u200b <heather@nomail.example>",
            Address(MAIL, "Heather <heather@nomail.example>", "heather@nomail.example"),
        ),
        (EMAIL, "Straße@x.example", Address(MAIL, "Straße@x.example", "strasse@x.example")),
        (EMAIL, "王@例え.テスト", Address(MAIL, "王@例え.テスト", "王@xn--r8jz45g.xn--zckzah")),
        (VOICE, "+16125550101", Address(PHONE, "+16125550101", "+16125550101")),
        (TEXT, "+1 (612) 555-0101", Address(PHONE, "+16125550101", "+16125550101")),
        (VOICE, "+16125550101;ext=12", Address(PHONE, *["+16125550101;ext=12"] * 2)),
    ],
)
def test_all_notations_of_an_address_have_one_key(
    mode: DeliveryMode, written: str, address: Address
) -> None:
    assert normalise(mode, written) == address


@pytest.mark.parametrize("mode", DeliveryMode)
@pytest.mark.parametrize(("written", "length"), [("", 0), (" \n", 0), ("x" * 321, 321)])
def test_an_address_has_1_to_320_characters(mode: DeliveryMode, written: str, length: int) -> None:
    with pytest.raises(InvalidAddress) as raised:
        normalise(mode, written)

    reason = f"an address has 1 to 320 characters, this one has {length}"
    assert (str(raised.value), raised.value.reason) == (reason, reason)


def test_an_error_shows_the_address_and_its_reason_does_not() -> None:
    with pytest.raises(InvalidAddress) as raised:
        normalise(EMAIL, "heather.parent@")

    assert str(raised.value) == (
        "'heather.parent@' is not an email address. There must be something after the @-sign."
        " Write it like heather@school.example."
    )
    assert raised.value.reason == (
        "This is not an email address. There must be something after the @-sign."
    )


def test_a_number_is_parsed_for_its_country() -> None:
    assert normalise(VOICE, "020 7946 0018", country="GB").key == "+442079460018"
    with pytest.raises(InvalidAddress):
        normalise(VOICE, "020 7946 0018", country="US")


@given(st.sampled_from(DeliveryMode), WRITTEN, COUNTRY)
@example(EMAIL, "\ud800@x.example", "US")
@example(VOICE, "\ud800", "US")
@example(EMAIL, "a@" + "xn--" + "9" * 60 + ".example", "US")
@example(EMAIL, "mailto:%ff@x.example", "US")
def test_any_text_is_an_address_or_invalid_and_the_key_of_a_key_is_the_same(
    mode: DeliveryMode, written: str, country: str
) -> None:
    try:
        address = normalise(mode, written, country=country)
    except InvalidAddress:
        return

    assert normalise(mode, address.shown, country=country) == address
    assert normalise(mode, address.key, country=country).key == address.key
    assert normalise(mode, f" {written} ", country=country) == address


@given(st.sampled_from(DeliveryMode), WRITTEN | st.text(max_size=2 * LONGEST), WRITTEN)
@example(INBOX, "x" * 330, "y" * 330)
@example(EMAIL, "ΐ" * 320, "x")
@example(EMAIL, "x" * 5_000 + "a", "x" * 5_000 + "b")
def test_the_key_of_an_unreadable_address_is_bounded_and_never_that_of_a_readable_one(
    mode: DeliveryMode, written: str, other: str
) -> None:
    address = unreadable(mode, written)

    assert address == unreadable(mode, written)
    assert len(address.key.encode(errors="surrogatepass")) <= LONGEST_UNREADABLE
    assert len(address.shown) <= LONGEST
    try:
        assert normalise(mode, other).key != address.key
    except InvalidAddress:
        assert (unreadable(mode, other).key == address.key) == (
            _compared(mode, written) == _compared(mode, other)
        )


def _compared(mode: DeliveryMode, written: str) -> str:
    """Return the part of an unreadable text that decides whether two texts are one address."""
    from domain.invisible import without_invisible

    return written.strip() if mode is INBOX else without_invisible(written).casefold()


def test_an_unreadable_address_is_shown_as_it_was_given() -> None:
    assert unreadable(EMAIL, " Root,Calvin@NoMail.example ") == Address(
        MAIL, "Root,Calvin@NoMail.example", " root,calvin@nomail.example"
    )
    assert unreadable(VOICE, "x" * 321).shown == "x" * 319 + "…"
