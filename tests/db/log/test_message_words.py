"""The words of a message are those that a person reads in its texts."""

import pytest

from db.log.message_words import visible_text, words_of_message
from domain.message import BodyFormat
from domain.words import words_of

PAGES = [
    ("", ""),
    ("<!-- nothing -->", ""),
    ("plain", "plain"),
    ("<p>One</p><p>two</p>", "one two"),
    ("one<br>two<hr/>three", "one two three"),
    ("un<b>believ</b><i>able</i>", "unbelievable"),
    ("<table><tr><td>a</td><td>b</td></tr></table><ul><li>c<li>d</ul>", "a b c d"),
    ("<a href='https://hidden.example/x' title='hidden'>shown</a>", "shown"),
    ("<style>p {hidden: 1}</style><script>hidden()</script>shown", "shown"),
    ("<html><head><title>hidden</title></head><body>shown</body></html>", "shown"),
    ("a&nbsp;b &amp; caf&eacute; &#x2028; d", "a b cafe d"),
    ("a<!-- hidden -->b", "ab"),
    ("<p>unclosed <b>tags <i>here", "unclosed tags here"),
    ("x\0y\ud800z", "x y z"),
    ("<div>" * 500 + "deep" + "</div>" * 500, "deep"),
]


@pytest.mark.parametrize(("source", "expected"), PAGES)
def test_the_visible_text_of_html_is_read(source: str, expected: str) -> None:
    assert " ".join(words_of(visible_text(source))) == expected


def test_the_words_are_those_of_all_texts_in_their_order() -> None:
    words = words_of_message(
        "Late bus",
        body="<p>The <b>bus</b></p>",
        body_format=BodyFormat.HTML,
        text_body=None,
        voice_script="Hello",
    )

    assert words == " late late·bus bus . the the·bus bus . hello "


def test_markup_in_a_plain_body_is_text() -> None:
    words = words_of_message(
        "S", body="a <b>", body_format=BodyFormat.PLAIN, text_body="t", voice_script=None
    )

    assert words == " s . a a·b b . t "
