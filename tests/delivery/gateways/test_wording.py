import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.gateways.wording import (
    message_id,
    plain,
    redacted,
    script,
    sender_name,
    subject_line,
    text_message,
    text_of_html,
)
from domain.message import BodyFormat
from tests.delivery.gateways.stand_ins import content


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>One</p><p>Two</p>", "One\n\nTwo"),
        ("One<br>Two<br/>Three", "One\nTwo\nThree"),
        ("<p>a <b>b</b>\n  c</p>", "a b c"),
        ("<ul><li>One</li><li>Two</li></ul>End", "- One\n- Two\nEnd"),
        ("<table><tr><td>1<td>2</tr><tr><td>3</table>", "1 2\n3"),
        ('<a href="https://x.example/y">here</a>', "here (https://x.example/y)"),
        ('<a href="https://x.example">https://x.example</a>', "https://x.example"),
        ('<a href="mailto:a@x.example">write</a>', "write"),
        ('<img src="x" alt="The school">', "The school"),
        ("<style>p{}</style><title>t</title><script>alert(1)</script>seen", "seen"),
        ("before<!-- hidden -->after", "beforeafter"),
        ("a&nbsp;&amp;&lt;b&gt;", "a &<b>"),
        ("<h1>Über</h1>Zoë 王小明", "Über\nZoë 王小明"),
        ('<meta charset="latin1">é', "é"),
        ("<?xml version='1.0' encoding='latin1'?><p>é</p>", "é"),
        ("<p>not closed", "not closed"),
        ("plain", "plain"),
        ("1 < 2", "1 < 2"),
        ("", ""),
        ("<!-- nothing -->", ""),
    ],
)
def test_html_becomes_its_visible_text(html: str, text: str) -> None:
    assert text_of_html(html) == text


def test_deeply_nested_text_is_kept() -> None:
    assert text_of_html("<div>" * 1000 + "deep") == "deep"


@given(st.text() | st.text(alphabet="<>/&;!-?p b\n\x00\ud800"))
def test_any_html_becomes_text(html: str) -> None:
    text_of_html(html).encode()


def test_a_plain_body_stays_as_it_is() -> None:
    assert plain(content(body="a <b> &amp;\r\n\r\n c\x00")) == "a <b> &amp;\n\n c"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"body": " Late \n today "}, "Late \n today"),
        ({"body": "<p>Late</p>", "body_format": BodyFormat.HTML}, "Late"),
        ({"body": "Late", "text_body": "L8"}, "L8"),
        ({"body": "<img>", "body_format": BodyFormat.HTML, "subject": "S"}, "S"),
    ],
)
def test_a_text_message_has_its_own_text_or_the_body(changes: dict[str, object], text: str) -> None:
    assert text_message(content(**changes)) == (text, False)


@pytest.mark.parametrize(("length", "was_cut"), [(1600, False), (1601, True)])
def test_a_text_message_has_1600_characters_at_most(length: int, was_cut: bool) -> None:
    text, cut = text_message(content(body="x" * length))

    assert (len(text), cut) == (1600, was_cut)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"body": "Late\n\ntoday"}, "Late today"),
        ({"voice_script": "Listen:\nlate"}, "Listen: late"),
        ({"body": " ", "subject": "S"}, "S"),
    ],
)
def test_a_call_has_its_own_script_or_the_body(changes: dict[str, object], said: str) -> None:
    assert script(content(**changes)) == said


def test_a_subject_has_one_line() -> None:
    assert subject_line(content(subject="a\r\nBcc:\x00 b")) == "a Bcc: b"


def test_a_sender_is_a_person_of_a_district() -> None:
    said = content(sender_name='O"Neil,\nAda', district_name="Plainview")

    assert sender_name(said) == 'O"Neil, Ada (Plainview)'


def test_a_message_id_belongs_to_its_key() -> None:
    assert message_id("k", "x.example") == message_id("k", "x.example")
    assert message_id("k", "x.example") != message_id("l", "x.example")
    assert message_id("k", "x.example").startswith("<")
    assert message_id("k", "x.example").endswith("@x.example>")


@pytest.mark.parametrize(
    ("words", "redacted_words"),
    [
        ("550 <heather@nomail.example>: unknown", "550 <[address]>: unknown"),
        ("to heather@nomail.example, zoë@x.example.", "to [address], [address]"),
        ("The 'To' number +16125550101 is", "The 'To' number [address] is"),
        ("612-555-0101 and (612)555-0101", "[address] and ([address]"),
        ("error 21211, status 400", "error 21211, status 400"),
        ("two\nlines\x00", "two lines"),
        ("x" * 300, "x" * 200),
    ],
)
def test_a_provider_s_text_is_redacted(words: str, redacted_words: str) -> None:
    assert redacted(words) == redacted_words
