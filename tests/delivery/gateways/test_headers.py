import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from delivery.gateways.headers import (
    check_address,
    encoded_mailbox,
    mailbox_header,
    plain_mailbox,
    text_header,
    token_header,
)
from domain.addresses import InvalidAddress
from domain.mailbox import read_mailbox
from domain.texts import one_line
from tests.delivery.gateways.emails.strict_reader import Address, addresses_of, headers_of, text_of

ROOT: Final = Path(__file__).parents[3]
CASES: Final[list[dict[str, str]]] = [
    json.loads(line) for line in (ROOT / "tests/cases/header_texts.jsonl").read_text().splitlines()
]
OFFICE: Final = "office@nomail.example"

TYPED: Final = [
    *(case["text"] for case in CASES),
    "Student Behavior",
    "",
    "=?utf-8?q?x=0D=0ABcc:_eve@x.example?=",
    "a=?utf-8?b?QmNjOiBldmU=?=b",
    "=?utf-8?q?one?= =?utf-8?q?two?=",
    "=? utf-8 ?= only looks like one",
    'Smith, "Jane" <jane@nomail.example>, b@nomail.example',
    "back\\slash (and) [brackets]: @;",
    "x" * 300,
    "x " * 300,
    "王小明" * 100,
    "Thành phố Hồ Chí Minh " * 40,
    "e\u0301" * 90,
    "👩‍👩‍👧‍👦" * 20,
    "محمد שרה",
    "a\x00b\ud800c\u2028d\x85e\x0bf\x7fg",
    "non\u00a0breaking\u3000ideographic",
    "%recipient.delivery%",
    ".",
]

LOOK_ALIKE: Final = st.sampled_from(
    ["=?", "?=", "=?utf-8?q?", "=?utf-8?b?QQ==?=", "=0D=0A", "\r\n", "\r", "Bcc: ", '"', "\\", "<"]
)
ANY_TEXT: Final = st.text() | st.lists(LOOK_ALIKE | st.text(max_size=90), max_size=8).map("".join)


@pytest.mark.parametrize("typed", TYPED)
def test_a_subject_reads_as_it_was_typed_on_one_line(typed: str) -> None:
    [header] = headers_of(text_header("Subject", typed) + b"\r\n")

    assert header.name == "Subject"
    assert text_of(header.value) == one_line(typed)


@pytest.mark.parametrize("typed", TYPED)
@pytest.mark.parametrize("field", ["From", "To", "Reply-To"])
def test_a_name_reads_as_it_was_typed_and_is_one_address(field: Any, typed: str) -> None:
    [header] = headers_of(mailbox_header(field, OFFICE, name=typed) + b"\r\n")

    assert header.name == field
    assert addresses_of(header.value) == [Address(one_line(typed), OFFICE)]


@given(ANY_TEXT)
def test_any_text_makes_exactly_one_header_with_one_address(typed: str) -> None:
    written = text_header("Subject", typed) + mailbox_header("From", OFFICE, name=typed)

    subject, sender = headers_of(written + b"\r\n")
    assert (subject.name, text_of(subject.value)) == ("Subject", one_line(typed))
    assert (sender.name, addresses_of(sender.value)) == (
        "From",
        [Address(one_line(typed), OFFICE)],
    )
    assert addresses_of(encoded_mailbox(OFFICE, name=typed)) == addresses_of(sender.value)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("", "office@nomail.example"),
        ("Front Office", "Front Office <office@nomail.example>"),
        ("Smith, Jane", '"Smith, Jane" <office@nomail.example>'),
        ('O"Neil \\ Ada', '"O\\"Neil \\\\ Ada" <office@nomail.example>'),
    ],
)
def test_an_ascii_name_is_quoted_only_if_necessary(name: str, written: str) -> None:
    assert mailbox_header("Reply-To", OFFICE, name=name) == f"Reply-To: {written}\r\n".encode()
    assert encoded_mailbox(OFFICE, name=name) == plain_mailbox(OFFICE, name=name) == written


def test_a_name_for_a_provider_that_encodes_headers_is_not_encoded() -> None:
    assert plain_mailbox(OFFICE, name="Zoë") == '"Zoë" <office@nomail.example>'
    assert encoded_mailbox(OFFICE, name="Zoë") == "=?utf-8?q?Zo=C3=AB?= <office@nomail.example>"


def test_words_of_a_long_name_are_kept_whole() -> None:
    name = "Nguyễn Thị Phương Thảo, Sở Giáo dục và Đào tạo Thành phố Hồ Chí Minh"

    lines = mailbox_header("From", OFFICE, name=name).decode().splitlines()

    shown = [text_of(line.removeprefix("From:").strip()) for line in lines]
    assert " ".join(shown).replace("  ", " ") == f"{name} <{OFFICE}>"
    assert len(shown) > 2


def test_an_address_beyond_ascii_is_written_as_it_is() -> None:
    written = mailbox_header("To", "zoë@xn--bcher-kva.example")

    assert written == "To: zoë@xn--bcher-kva.example\r\n".encode()


@pytest.mark.parametrize(
    "address",
    [
        "a@x.example",
        "a.b+c@x.example",
        "zoë@x.example",
        '"a b"@x.example',
        "a@localhost",
        "o'n@x.example",
    ],
)
def test_an_address_of_one_mailbox_is_taken(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize(
    "address",
    [
        *("", "a", "@", "a@", "@x.example", "a b@x.example", "a@x.example,b@x.example"),
        *('c@nomail.example,"', "x@[10.0.0.1", "a@[10.0.0.1]", "().>@>a", "root,calvin@x.example"),
        *("a@x..example", ".a@x.example", "a@x.example\r\nBcc: b@x.example", "a\x00@x.example"),
        *("A <a@x.example>", "<a@x.example>", "=?utf-8?q?a?=@x.example", "a@bücher.example"),
        *("a\ud800@x.example", "a\u2028@x.example", "a\x85@x.example", "a\u3000b@x.example"),
        *("a@x.example\n", "a@-x.example"),
    ],
)  # fmt: skip
def test_an_address_that_no_header_can_hold_is_refused(address: str) -> None:
    for write in (plain_mailbox, encoded_mailbox):
        with pytest.raises(ValueError, match="no header can hold"):
            write(address)
    with pytest.raises(ValueError, match="no header can hold"):
        mailbox_header("To", address)


LOCAL: Final = st.text(alphabet="aZ0._-+=?'!#$%&*/^`{|}~é\"\\ ", min_size=1, max_size=20)
DOMAIN: Final = st.sampled_from(["nomail.example", "bücher.example", "x--y.example", "1.example"])


@given(LOCAL, DOMAIN, st.text(max_size=20))
@example(local="=?utf-8?q?a?=", domain="nomail.example", name="A")
def test_each_reply_address_that_is_read_can_be_written(local: str, domain: str, name: str) -> None:
    try:
        mailbox = read_mailbox(f'"{name}" <{local}@{domain}>')
    except InvalidAddress:
        return
    [header] = headers_of(mailbox_header("Reply-To", mailbox.address, name=mailbox.name) + b"\r\n")
    assert addresses_of(header.value) == [Address(mailbox.name, mailbox.address)]


def test_a_line_longer_than_998_octets_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than 998 octets"):
        mailbox_header("To", f"{'x' * 1000}@x.example")


@pytest.mark.parametrize("token", ["", "a b", "a\r\nBcc: b", "é"])
def test_a_token_is_visible_ascii(token: str) -> None:
    with pytest.raises(ValueError, match="only visible ASCII"):
        token_header("Message-ID", token)


# Other releases of Python

WRITE: Final = """
import importlib.util, json, sys
sys.path.insert(0, sys.argv[1])
path = sys.argv[1] + "/delivery/gateways/headers.py"
spec = importlib.util.spec_from_file_location("headers", path)
headers = importlib.util.module_from_spec(spec)
spec.loader.exec_module(headers)
written = [
    [headers.text_header("Subject", typed).hex()]
    + [headers.mailbox_header(field, "office@nomail.example", name=typed).hex() for field in ("From", "Reply-To")]
    for typed in json.load(sys.stdin)
]
json.dump({"version": sys.version_info[:3], "written": written}, sys.stdout)
"""


@pytest.mark.parametrize(
    "python", [sys.executable, "python3.11", "python3.12", "python3.13", "python3.14"]
)
def test_each_python_writes_the_same_octets(python: str) -> None:
    """Runs on installed releases only; `--version` decides, since a name on PATH may be broken."""
    try:
        run = subprocess.run(
            [python, "-I", "-B", "-W", "error", "-c", WRITE, str(ROOT)],
            input=json.dumps(TYPED),
            capture_output=True,
            text=True,
            timeout=60,
        )
    except OSError as error:
        pytest.skip(f"there is no {python}: {error}")
    if run.returncode == 127:  # as shells and version managers say it
        pytest.skip(f"{python} does not run: {run.stderr.splitlines()[0]}")
    assert run.returncode == 0, run.stderr

    assert json.loads(run.stdout)["written"] == [
        [
            text_header("Subject", typed).hex(),
            mailbox_header("From", OFFICE, name=typed).hex(),
            mailbox_header("Reply-To", OFFICE, name=typed).hex(),
        ]
        for typed in TYPED
    ]
