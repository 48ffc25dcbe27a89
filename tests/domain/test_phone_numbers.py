"""A typed phone number becomes the number that was meant, or is rejected."""

from typing import Any

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import phone_numbers
from domain.addresses import InvalidAddress, normalise
from domain.phone_numbers import COUNTRIES
from domain.status import DeliveryMode
from tests.cases import cases

FURTHER = [
    # signs and spaces
    ("US", "(+1) 612.555.0101", "+16125550101"),
    ("US", "612\u2013555\u20130101", "+16125550101"),
    ("US", "612\u00a0555\u00a00101", "+16125550101"),
    ("US", "\u2066612-555-0101\u2069", "+16125550101"),
    ("US", "\uff0b1\uff16\uff11\uff12 555 0101", "+16125550101"),
    ("US", "\u0666\u0661\u0662\u0665\u0665\u0665\u0660\u0661\u0660\u0661", "+16125550101"),
    ("US", "tel:+1-612-555-0101", "+16125550101"),
    ("US", "612.555.0101.", "+16125550101"),
    ("US", "1 612 555 0101", "+16125550101"),
    # trunk prefixes and leading zeros
    ("US", "+33 (0)1 23 45 67 89", "+33123456789"),
    ("US", "+44 (0)7911 123456", "+447911123456"),
    ("US", "+4402079460018", "+442079460018"),
    ("US", "+7 (8) 495 123-45-67", "+74951234567"),
    ("US", "+39 (0)6 698 1234", "+39066981234"),
    ("IT", "06 698 1234", "+39066981234"),
    ("GB", "020 7946 0018", "+442079460018"),
    ("GB", "00 1 612 555 0101", "+16125550101"),
    ("US", "011 44 20 7946 0018", "+442079460018"),
    ("FR", "01 23 45 67 89", "+33123456789"),
    ("US", "0612-555-0101", None),
    # extensions
    ("US", "+16125550101x12", "+16125550101;ext=12"),
    ("US", "+1 612 555 0101 ext.12", "+16125550101;ext=12"),
    ("US", "+1 612 555 0101 ext. 12", "+16125550101;ext=12"),
    ("US", "+1 612 555 0101, x 12", "+16125550101;ext=12"),
    ("US", "+16125550101;ext=12", "+16125550101;ext=12"),
    ("US", "612-555-0101 #12", "+16125550101;ext=12"),
    ("US", "612-555-0101 x12 (work)", "+16125550101;ext=12"),
    ("US", "612-555-0101 x", None),
    ("US", "612-555-0101 ext", None),
    ("US", "+16125550101;ext=12345678901", None),
    # letters: a note, a word of the number, or a typing error
    ("US", "612-555-0101 (home)", "+16125550101"),
    ("US", "612-555-0101h", "+16125550101"),
    ("US", "Home: 612-555-0101", "+16125550101"),
    ("US", "+1 612 CALL NOW", "+16122255669"),
    ("US", "1-800-GO-FEDEX", "+18004633339"),
    ("US", "763-2290 Mom", None),
    ("US", "555-0101 home", None),
    ("DE", "030 901820 Mutter", "+4930901820"),
    ("DE", "030 901820MO", None),
    ("DE", "+49 30 9O1820", None),
    # two numbers, or none
    ("US", "612-555-0101, 612-555-0102", None),
    ("US", "612-555-0101;612-555-0102", None),
    ("US", "612-555-0101 / 612-555-0102", None),
    ("US", "612-555-0101 or 612-555-0102", None),
    ("US", "6125550101,6125550102", None),
    ("US", "+1+16125550101", None),
    ("US", "n/a", None),
    ("US", "0", None),
    ("US", "911", None),
    ("US", "+06125550101", None),
    ("US", "+161255", None),
    ("US", "+1234567890123456", None),
    ("US", "heather@nomail.example", None),
    ("US", "6125550101@sms.example", None),
]


def key_of(written: str, country: str) -> str | None:
    try:
        return normalise(DeliveryMode.VOICE, written, country=country).key
    except InvalidAddress:
        return None


@pytest.mark.parametrize("case", cases("phone_numbers"), ids=lambda case: ascii(case["given"]))
def test_a_phone_number_from_the_field_has_its_key(case: dict[str, Any]) -> None:
    assert key_of(case["given"], case["district_country"]) == case["key"]


@pytest.mark.parametrize(("country", "written", "key"), FURTHER, ids=ascii)
def test_a_phone_number_of_the_same_kinds_has_its_key(
    country: str, written: str, key: str | None
) -> None:
    assert key_of(written, country) == key


@pytest.mark.parametrize("country", sorted(COUNTRIES))
def test_numbers_of_each_country_are_parsed_in_its_notation(country: str) -> None:
    number = phonenumbers.example_number(country)
    assert number is not None
    forms = phonenumbers.PhoneNumberFormat
    key = phonenumbers.format_number(number, forms.E164)

    for form in (forms.NATIONAL, forms.INTERNATIONAL, forms.E164, forms.RFC3966):
        assert key_of(phonenumbers.format_number(number, form), country) == key


@given(
    st.from_regex(
        r"(\+?1[ .-]?)?(\([0-9]{3}\) ?|[0-9]{3}[ .-]?)[0-9]{3}[ .-]?[0-9]{4}", fullmatch=True
    )
    | st.from_regex(r"\+[0-9]{7,15}", fullmatch=True),
    st.sampled_from(["US", "CA", "GB", "BS"]),
)
def test_the_fast_path_agrees_with_the_full_parser(written: str, country: str) -> None:
    fast = phone_numbers.read_plain(written, country)

    assert fast is None or fast == phone_numbers.read_number(written, country)


@pytest.mark.parametrize("form", ["+1{}5550101", "({}) 555-0101", "1-{}-000-0000"])
def test_each_area_of_north_america_takes_the_fast_path_correctly(form: str) -> None:
    for area in range(200, 1_000):
        written = form.format(area)
        fast = phone_numbers.read_plain(written, "US")

        assert fast is not None
        assert fast == phone_numbers.read_number(written, "US")


@given(st.from_regex(r"\+1[2-9][0-9]{9}", fullmatch=True), st.data())
def test_punctuation_in_a_number_is_ignored(number: str, data: st.DataObject) -> None:
    gaps = st.lists(st.sampled_from(["", " ", "-", ".", " (", ") "]), min_size=len(number))
    written = number[0] + "".join(
        gap + digit for gap, digit in zip(data.draw(gaps), number[1:], strict=False)
    )

    assert key_of(written, "US") == number
