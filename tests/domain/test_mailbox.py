import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.addresses import InvalidAddress
from domain.mailbox import Mailbox, read_mailbox

CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "cases" / "reply_to.jsonl").read_text().splitlines()
]


@pytest.mark.parametrize(
    ("text", "mailbox"),
    [
        ("office@nomail.example", Mailbox("", "office@nomail.example")),
        ("  Office@NoMail.example\t", Mailbox("", "office@nomail.example")),
        ("<office@nomail.example>", Mailbox("", "office@nomail.example")),
        ("Front Office <office@nomail.example>", Mailbox("Front Office", "office@nomail.example")),
        ("Smith, Jane <jane@nomail.example>", Mailbox("Smith, Jane", "jane@nomail.example")),
        ('"Smith, Jane" <jane@nomail.example>', Mailbox("Smith, Jane", "jane@nomail.example")),
        (r'"O\"Neil <3" <jane@nomail.example>', Mailbox('O"Neil <3', "jane@nomail.example")),
        ("Jane (Office) <jane@nomail.example>;", Mailbox("Jane (Office)", "jane@nomail.example")),
        ("Jane\r\nSmith <jane@nomail.example>", Mailbox("Jane Smith", "jane@nomail.example")),
        ("a@b.example <a@b.example>", Mailbox("a@b.example", "a@b.example")),
        ("Zoë <zoe@bücher.example>", Mailbox("Zoë", "zoe@xn--bcher-kva.example")),
        ("=?utf-8?q?x?= <a@b.example>", Mailbox("=?utf-8?q?x?=", "a@b.example")),
    ],
)
def test_one_mailbox_is_parsed_as_a_person_means_it(text: str, mailbox: Mailbox) -> None:
    assert read_mailbox(text) == mailbox


@pytest.mark.parametrize(
    "text",
    [
        *(case["given"] for case in CASES if case["header"] is None),
        "",
        "a@b.example, c@d.example",
        "a@b.example; c@d.example",
        "A <a@b.example>, C <c@d.example>",
        "a@b.example, C <c@d.example>",
        "A <a@b.example> and more",
        "A <a@b.example",
        "A <>",
        "x@[10.0.0.1",
        "office@nomail..example",
        "a\x00b@nomail.example",
        "a@nomail.example\r\nBcc: c@nomail.example",
        "zoë@nomail.example",
        "=?utf-8?q?office?=@nomail.example",
        "Office <=?utf-8?q?office?=@nomail.example>",
    ],
)
def test_anything_but_one_mailbox_is_rejected(text: str) -> None:
    with pytest.raises(InvalidAddress):
        read_mailbox(text)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["given"]))
def test_the_cases_from_the_field_are_parsed_or_rejected(case: dict[str, str | None]) -> None:
    given_text, header = case["given"], case["header"]
    assert given_text is not None
    if header is None:
        with pytest.raises(InvalidAddress):
            read_mailbox(given_text)
    else:
        assert read_mailbox(given_text).address == header.rpartition("<")[2].strip(">")


@given(st.text() | st.text(alphabet='<>",;@. \\aé\r\n'))
def test_any_text_is_one_mailbox_or_is_rejected(text: str) -> None:
    try:
        mailbox = read_mailbox(text)
    except InvalidAddress:
        return
    assert mailbox.address.count("@") == 1
    assert mailbox.address.isascii()
    assert len(mailbox.name.splitlines()) <= 1
