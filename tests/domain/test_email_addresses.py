"""A typed email address becomes the mailbox that was meant, or is rejected."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain import email_addresses
from domain.addresses import InvalidAddress, normalise
from domain.status import DeliveryMode
from tests.cases import cases

FURTHER = [
    # display names, links, and trailing characters
    ("Smith, Jane <jane@nomail.example>", "jane@nomail.example"),
    ('"Smith, Jane" <jane@nomail.example>;', "jane@nomail.example"),
    ("jane@nomail.example <Jane@nomail.example>", "jane@nomail.example"),
    ("joe@nomail.example <jane@nomail.example>", None),
    ("joe@nomail.example; <jane@nomail.example>", None),
    ("Jane <jane@nomail.example> <joe@nomail.example>", None),
    ("jane@nomail.example, joe@nomail.example", None),
    ("jane@nomail.example joe@nomail.example", None),
    ("jane@nomail.example;joe@nomail.example", None),
    ("<jane@nomail.example>", "jane@nomail.example"),
    ("<<jane@nomail.example>>", None),
    ("jane@nomail.example>", None),
    ("<mailto:jane@nomail.example>", "jane@nomail.example"),
    ("MAILTO:Jane%2Bschool@nomail.example?subject=hi", "jane+school@nomail.example"),
    ("mailto:jane%0d%0aBcc:eve@nomail.example", None),
    ("mailto:%ff@nomail.example", None),
    ("jane@nomail.example?subject=hi", None),
    ("jane@nomail.example.", "jane@nomail.example"),
    ("jane@nomail.example;,. ;", "jane@nomail.example"),
    # invisible characters
    ("jane\u00ad@nomail.example", "jane@nomail.example"),
    ("\u202ajane@nomail.example\u202c", "jane@nomail.example"),
    ("jane@\u2060nomail.example\u2028", "jane@nomail.example"),
    ("jane@nomail.example\u200d\u200c ", "jane@nomail.example"),
    ("jane\u200djoe@nomail.example", None),
    ("\u00a0jane@nomail.example\u3000", "jane@nomail.example"),
    ("jane joe@nomail.example", None),
    ("jane@nomail.example\r\nBcc: eve@nomail.example", None),
    ("jane\0@nomail.example", None),
    ("\ud800jane@nomail.example", None),
    # beyond ASCII
    ("JANE@B\u00dcCHER.EXAMPLE", "jane@xn--bcher-kva.example"),
    ("jane@bu\u0308cher.example", "jane@xn--bcher-kva.example"),
    ("jane@nomail\u3002example", "jane@nomail.example"),
    ("jane@XN--BCHER-KVA.example", "jane@xn--bcher-kva.example"),
    ("jane@xn--zz.example", None),
    ("ZO\u00cb@nomail.example", "zo\u00eb@nomail.example"),
    ("\u738b@\u4f8b\u3048.example", "\u738b@xn--r8jz45g.example"),
    ("jane\uff20nomail.example", None),
    ("\u212aate@nomail.example", "kate@nomail.example"),
    # texts that email servers would interpret differently
    ("=?utf-8?q?jane?=@nomail.example", "=?utf-8?q?jane?=@nomail.example"),
    ('"jane doe"@nomail.example', None),
    ("jane@[127.0.0.1]", None),
    ("jane@[IPv6:::1]", None),
    ("jane(comment)@nomail.example", None),
    ("jane@nomail.example(comment)", None),
    ("friends:jane@nomail.example;", None),
    ("jane%joe@nomail.example", "jane%joe@nomail.example"),
    ("@relay.example:jane@nomail.example", None),
    ("jane\\@nomail.example", None),
    ("jane@@nomail.example", None),
    ("jane.@nomail.example", None),
    (".jane@nomail.example", None),
    ("ja..ne@nomail.example", None),
    ("jane@-nomail.example", None),
    ("jane@no_mail.example", None),
    ("jane@nomail", None),
    ("jane@localhost", None),
    ("jane@127.0.0.1", None),
    ("jane@" + "x" * 64 + ".example", None),
    ("jane@mail.school.local", "jane@mail.school.local"),
    ("jane@school.test", "jane@school.test"),
    ("jane@nomail.invalid", None),
    ("O'Neill_+tag/x=y@nomail.example", "o'neill_+tag/x=y@nomail.example"),
]


def key_of(written: str) -> str | None:
    try:
        return normalise(DeliveryMode.EMAIL, written).key
    except InvalidAddress:
        return None


@pytest.mark.parametrize("case", cases("email_addresses"), ids=lambda case: ascii(case["given"]))
def test_an_email_address_from_the_field_has_its_key(case: dict[str, Any]) -> None:
    assert key_of(case["given"]) == case["key"]


@pytest.mark.parametrize(("written", "key"), FURTHER, ids=ascii)
def test_an_email_address_of_the_same_kinds_has_its_key(written: str, key: str | None) -> None:
    assert key_of(written) == key


PART = st.from_regex(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\u017f\u0131\u212a-]{1,20}", fullmatch=True)
DOMAIN = st.lists(
    st.from_regex(r"[A-Za-z0-9-]{1,12}", fullmatch=True)
    | st.sampled_from(["xn--bcher-kva", "a--b", "local", "arpa", "invalid", "onion", "localhost"]),
    min_size=1,
    max_size=4,
)


@given(PART, DOMAIN, st.sampled_from(["", ".", ";", " ", "\n"]))
@example("jane", ["nomail", "example"], "")
@example("jane", ["x" * 63, "example"], "")
def test_the_fast_path_agrees_with_the_full_parser(local: str, labels: list[str], end: str) -> None:
    written = f"{local}@{'.'.join(labels)}{end}"
    fast = email_addresses.read_plain(written)

    assert fast is None or fast == email_addresses.read_email(written)


@pytest.mark.parametrize(
    "written", ["heather@nomail.example", "Heather.Parent+school@Mail.No-Mail.example"]
)
def test_a_common_address_takes_the_fast_path(written: str) -> None:
    assert email_addresses.read_plain(written) == written.lower()
