"""The promise: however an address is written, it is known again, and what cannot be one is refused in words that help."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.addresses import LONGEST, Address, AddressKind, InvalidAddress, normalise
from domain.status import DeliveryMode

INBOX, EMAIL, VOICE, TEXT = DeliveryMode
ACCOUNT, MAIL, PHONE = AddressKind


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
        (EMAIL, "Straße@x.example", Address(MAIL, "Straße@x.example", "strasse@x.example")),
        (EMAIL, "王@例え.テスト", Address(MAIL, "王@例え.テスト", "王@例え.テスト")),
        (VOICE, "+16125550101", Address(PHONE, "+16125550101", "+16125550101")),
        (TEXT, "+1 (612) 555-0101", Address(PHONE, "+16125550101", "+16125550101")),
        (VOICE, "(+1) 612.555.0101", Address(PHONE, "+16125550101", "+16125550101")),
        (VOICE, "+16125550101x12", Address(PHONE, *["+16125550101;ext=12"] * 2)),
        (VOICE, "+1 612 555 0101 ext.12", Address(PHONE, *["+16125550101;ext=12"] * 2)),
        (VOICE, "+1 612 555 0101 ext. 12", Address(PHONE, *["+16125550101;ext=12"] * 2)),
        (VOICE, "+1 612 555 0101, x 12", Address(PHONE, *["+16125550101;ext=12"] * 2)),
        (VOICE, "+16125550101;ext=12", Address(PHONE, *["+16125550101;ext=12"] * 2)),
        (VOICE, "+442079460000", Address(PHONE, "+442079460000", "+442079460000")),
    ],
)
def test_an_address_is_known_again_however_it_is_written(
    mode: DeliveryMode, written: str, address: Address
) -> None:
    assert normalise(mode, written) == address


@pytest.mark.parametrize("mode", DeliveryMode)
@pytest.mark.parametrize(("written", "length"), [("", 0), (" \n", 0), ("x" * 321, 321)])
def test_an_address_has_a_length(mode: DeliveryMode, written: str, length: int) -> None:
    with pytest.raises(InvalidAddress) as raised:
        normalise(mode, written)

    assert str(raised.value) == f"an address has 1 to 320 characters, this one has {length}"


@pytest.mark.parametrize(
    "written", ["heather", "@nomail.example", "heather@", "a@b@c", "heather parent@nomail.example"]
)
def test_what_is_no_email_address_is_refused(written: str) -> None:
    with pytest.raises(InvalidAddress) as raised:
        normalise(EMAIL, written)

    assert str(raised.value) == f"{written!r} is not an e-mail address: write name@domain"


@pytest.mark.parametrize("mode", [VOICE, TEXT])
@pytest.mark.parametrize(
    "written",
    [
        "6125550101",
        "612-555-0101",
        "+06125550101",
        "+161255",
        "+1234567890123456",
        "+1 612 CALL NOW",
        "+16125550101 x",
        "+16125550101;ext=12345678901",
        "heather@nomail.example",
        "+1" + "\N{ARABIC-INDIC DIGIT SIX}" * 10,
        "+16125550101 x\N{ARABIC-INDIC DIGIT SIX}",
    ],
)
def test_what_is_no_phone_number_is_refused(mode: DeliveryMode, written: str) -> None:
    with pytest.raises(InvalidAddress) as raised:
        normalise(mode, written)

    assert str(raised.value) == (
        f"{written!r} is not a phone number in international form: write it like +16125550101, with country code"
    )


@given(st.sampled_from(DeliveryMode), st.text(max_size=LONGEST))
def test_an_address_as_it_is_shown_means_the_same_address(mode: DeliveryMode, written: str) -> None:
    try:
        address = normalise(mode, written)
    except InvalidAddress:
        return

    assert normalise(mode, address.shown) == address


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True), st.data())
def test_punctuation_in_a_number_means_nothing(number: str, data: st.DataObject) -> None:
    gaps = st.lists(st.sampled_from(["", " ", "-", ".", " (", ") "]), min_size=len(number))
    written = number[0] + "".join(
        gap + digit for gap, digit in zip(data.draw(gaps), number[1:], strict=False)
    )

    assert normalise(VOICE, written).key == number
