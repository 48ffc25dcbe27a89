"""The promise: with every kind of line break, words stay apart in each mode, as the provider receives them."""

import re
from typing import Any, Final
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.gateways.base import MessageContent
from delivery.gateways.wording import markup, plain, script, text_message, text_of_html
from domain.message import BodyFormat
from tests.delivery.gateways.stand_ins import (
    CallStandIn,
    MailgunStandIn,
    SmtpStandIn,
    TextStandIn,
    content,
)

BREAKS: Final = ("\r\n", "\r", "\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029")
REFERENCES: Final = ("&#10;", "&#11;", "&#12", "&#013;", "&#xD;", "&#8232;", "&#x2029;", "&#X0b;")
HEATHER: Final = "heather@nomail.example"
WORDS: Final = ["one", "two", "three"]

BROKEN: Final = pytest.mark.parametrize("written", BREAKS, ids=ascii)


def _saying(written: str, **changes: Any) -> MessageContent:
    return content(body=f"one{written}two{written}{written}three", **changes)


def _in_html(written: str) -> MessageContent:
    body = f'<p title="a{written}b">one{written}two<b>{written}three</b></p>'
    return content(body=body, body_format=BodyFormat.HTML)


def _words(html: str) -> list[str]:
    """Return the visible words of HTML, separated by ASCII white space (HTML Living Standard, 4.6)."""
    return re.sub(r"<[^>]*>", "", html).split()


@BROKEN
async def test_a_line_break_in_a_body_is_one_in_the_email(written: str) -> None:
    mailgun = MailgunStandIn()
    async with SmtpStandIn().running() as server:
        for stand_in in (server, mailgun):
            await stand_in.gateway.send(stand_in.handovers(HEATHER, of=_saying(written)))

        [email] = server.emails()
        assert email.get_content().removesuffix("\r\n").split("\r\n") == ["one", "two", "", "three"]
    assert mailgun.forms[0]["text"] == ["one\ntwo\n\nthree"]


@pytest.mark.parametrize("written", [*BREAKS, *REFERENCES], ids=ascii)
async def test_words_of_html_stay_apart_in_both_forms_of_the_email(written: str) -> None:
    mailgun, said = MailgunStandIn(), _in_html(written)
    async with SmtpStandIn().running() as server:
        for stand_in in (server, mailgun):
            await stand_in.gateway.send(stand_in.handovers(HEATHER, of=said))

        [email] = server.emails()
        as_text, as_html = email.iter_parts()
        assert as_text.get_content().split() == WORDS
        assert _words(as_html.get_content()) == WORDS
    [form] = mailgun.forms
    assert form["text"] == ["one two three"]
    assert _words(form["html"][0]) == WORDS
    assert not re.search("[\x0b\x0c\r\x85\u2028\u2029]", form["html"][0])


@pytest.mark.parametrize(
    "written", ["&#133;", "&#100;", "&#xABC;", "&#x2028a;", "&#130;", "&amp;#13;"]
)
def test_other_references_of_html_stay_as_they_are(written: str) -> None:
    assert markup(_in_html(written)) == _in_html(written).body


@BROKEN
async def test_a_line_break_is_one_in_the_text_message(written: str) -> None:
    texts = TextStandIn()
    short = f"one{written}two{written}{written}three"

    for said in (_saying(written), content(text_body=short)):
        await texts.gateway.send(texts.handovers(texts.good[0], of=said))

    assert [form["Body"] for form in texts.forms] == [["one\ntwo\n\nthree"]] * 2


@BROKEN
async def test_words_stay_apart_in_the_call(written: str) -> None:
    calls = CallStandIn()
    spoken = f"one{written}two{written}{written}three"

    for said in (_saying(written), content(voice_script=spoken), _in_html(written)):
        await calls.gateway.send(calls.handovers(calls.good[0], of=said))

    for form in calls.forms:
        assert ElementTree.fromstring(form["Twiml"][0])[0][0].text == "one two three"


SEPARATORS: Final = [*BREAKS, "\x1c", "\x1d", "\x1e", "\x1f", "\t", " "]


@given(st.lists(st.sampled_from(["one", "王", "é"]), min_size=1, max_size=9), st.data())
def test_no_two_words_run_together_in_any_mode(words: list[str], data: st.DataObject) -> None:
    apart = [data.draw(st.sampled_from(SEPARATORS)) for _ in words]
    text = "".join(word + between for word, between in zip(words, apart, strict=True))
    said = content(body=text)

    assert plain(said).split() == words
    assert script(said).split() == words
    assert text_message(said)[0].split() == words
    assert text_of_html(text).split() == words
    assert _words(markup(said)) == words


def test_characters_that_no_provider_accepts_are_left_out() -> None:
    said = content(body="a\x00b\x07c\ud800d\ufffee\x7f")

    assert plain(said) == "abcde"
    assert markup(said) == "abcde"
