"""A body from outside becomes only paragraphs, list items and links."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.message import BodyFormat
from renderers.body import (
    LINK_SCHEMES,
    Paragraph,
    ParagraphKind,
    TextSpan,
    link_suffix,
    paragraphs,
    plain_text,
    safe_link,
)
from renderers.texts import clean_text, without_controls

PLAIN, HTML = BodyFormat


def html(body: str) -> list[str]:
    return [plain_text(paragraph) for paragraph in paragraphs(body, HTML)]


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ("School is closed.", ["School is closed."]),
        ("<p>One</p><p>Two</p>", ["One", "Two"]),
        ("One<br>Two<br/>Three", ["One\nTwo\nThree"]),
        ("<div>One<div>Two</div>Three</div>", ["One", "Two", "Three"]),
        ("<p>much \n  <b>white</b> \t space </p>", ["much white space"]),
        ("<b>bo</b>ld", ["bold"]),
        ("<ul><li>a</li><li>b</li></ul>", ["• a", "• b"]),
        ("<ol start=3><li>a<li>b</ol>", ["3. a", "4. b"]),
        ("<ol start='-9'><li>a</ol>", ["1. a"]),
        ("<ul><li>a<ol><li>b</ol><li>c</ul>d", ["• a", "  1. b", "• c", "d"]),
        ("<li>without a list", ["• without a list"]),
        ("a &amp; b &lt;c&gt; &eacute; &#8212;", ["a & b <c> é —"]),
        ("<table><tr><td>a<td>b<tr><td>c</table>", ["a b", "c"]),
        ("<img alt='the flag' src=x>", ["the flag"]),
        ("<a href='https://x.org/a'>see here</a>", ["see here (https://x.org/a)"]),
        ("<a href='https://x.org/a'>x.org/a</a>", ["x.org/a"]),
        ("<a href='mailto:a@b.org'>a@b.org</a>", ["a@b.org"]),
        ("<a href='mailto:a@b.org'>write</a>", ["write (a@b.org)"]),
        ("<a href='javascript:alert(1)'>click</a>", ["click"]),
        ("<script>alert(1)</script>after", ["after"]),
        ("<style>p{color:red}</style>after", ["after"]),
        ("<!-- hidden -->after", ["after"]),
        ("<title>t</title><svg><text>x</text></svg>after", ["after"]),
        ("<p onclick='x()'>one</p>", ["one"]),
        ("", []),
        ("<p> </p><p>&nbsp;</p>", []),
        ("<p>never closed <b>at all", ["never closed at all"]),
        ("</p></div>only ends", ["only ends"]),
        ("a < b and c > d", ["a < b and c > d"]),
        ("nul\x00 bell\x07 half\ud83d", ["nul bell half"]),
        ("<p>one\x0btwo\u2028three\x85four\u2029five</p>", ["one\ntwo\nthree\nfour\nfive"]),
        ("<p>one &#11; two&#x2028;three\x0cfour</p>", ["one\ntwo\nthree\nfour"]),
        ("<p>one\r\ntwo\rthree&#13;four</p>", ["one two three four"]),
        ("<a\x0chref='https://x.org/a'>see</a>", ["see (https://x.org/a)"]),
        ("<img alt='the\u2028flag' src=x>", ["the flag"]),
        ("<pre>  Mon  Tue\n  5&amp;6\t7</pre>", ["  Mon  Tue\n  5&6   7"]),
        ("<pre>\n\n  a\n\n b \n\n</pre>", ["  a\n\n b"]),
        ("<pre>a\u2028 b\x0b\tc</pre>", ["a\n b\n        c"]),
        ("<pre> <b>a</b>\tb</pre> <p>c  d</p>", [" a      b", "c d"]),
        ("<pre>  <a href='https://x.org/a'>see</a>  it</pre>", ["  see (https://x.org/a)  it"]),
        ("<pre> \n </pre>", []),
        ("\u202e<p>a&#x202e;b</p>", ["ab"]),
    ],
)
def test_html_reads(body: str, lines: list[str]) -> None:
    assert html(body) == lines


def test_headings_and_depth_are_kept() -> None:
    assert paragraphs("<h2>Closed</h2><ol><li>a<ul><li>b</ul></ol>", HTML) == (
        Paragraph(ParagraphKind.HEADING, (TextSpan("Closed"),)),
        Paragraph(ParagraphKind.ITEM, (TextSpan("a"),), 1, "1."),
        Paragraph(ParagraphKind.ITEM, (TextSpan("b"),), 2, "•"),
    )


def test_a_second_paragraph_of_an_item_has_no_marker() -> None:
    assert [p.marker for p in paragraphs("<ul><li><p>a</p><p>b</p></ul>", HTML)] == ["•", ""]


def test_plain_text_is_no_html() -> None:
    body = "Dear <all>,\r\nschool & bus\r\n\r\n\r\nSee you"
    assert [p.text for p in paragraphs(body, PLAIN)] == ["Dear <all>,\nschool & bus", "See you"]


def test_plain_text_keeps_its_spaces_and_each_kind_of_line_break() -> None:
    body = " \n  Bus\tTime\x0b  5\t8:05\u2028end  \u2029\u2029 \x85\x0c  Room   7"
    assert [p.text for p in paragraphs(body, PLAIN)] == [
        "  Bus   Time\n  5     8:05\nend",
        "  Room   7",
    ]


@pytest.mark.parametrize(
    ("href", "link"),
    [
        ("https://x.org", "https://x.org"),
        ("HTTP://x.org", "HTTP://x.org"),
        (" java\nscript:alert(1)", None),
        ("\x01javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("file:///etc/passwd", None),
        ("vbscript:x", None),
        ("//x.org", None),
        ("page.html", None),
        ("ht\ttps://x.org", "https://x.org"),
        ("tel:+16125550101", "tel:+16125550101"),
        ("https://x.org/" + "a" * 2000, None),
    ],
)
def test_a_link_leads_to_the_web_a_mailbox_or_a_telephone(href: str, link: str | None) -> None:
    assert safe_link(href) == link


@pytest.mark.parametrize(
    "body",
    [
        "<div>" * 100_000 + "deep",
        "<ul>" * 3000 + "<li>deep",
        "<b>" * 50_000 + "deep",
        "<p>" * 100_000 + "deep",
    ],
    ids=["div", "ul", "b", "p"],
)
def test_depth_and_size_do_not_matter(body: str) -> None:
    assert html(body)[0].strip("• ") == "deep"


def test_a_body_of_megabytes_is_read() -> None:
    (line,) = html("word " * 400_000)
    assert len(line) == 1_999_999


PIECES = st.sampled_from(
    [
        *(
            "<script>",
            "</script>",
            "<style>",
            "</style>",
            "<p>",
            "</p>",
            "<br>",
            "<ul>",
            "<ol>",
            "<li>",
        ),
        *(
            "</ul>",
            "</li>",
            "<a href='",
            "'>",
            "</a>",
            "<a href=javascript:x>",
            "<pre>",
            "<table><td>",
        ),
        *(
            "<!--",
            "-->",
            "<![CDATA[",
            "]]>",
            "<?php",
            "?>",
            "&",
            "&#0;",
            "&#xD800;",
            "&#1114112;",
            "</",
        ),
        *(
            "<svg><script>",
            "<textarea>",
            "<plaintext>",
            "<noscript>",
            "\x00",
            "\ufffe",
            "\ud800",
            "<title>",
        ),
        *(
            "<body>",
            "</body>",
            "</html>",
            "<html>",
            "<head>",
            "<frameset>",
            "<iframe>",
            "<select><option>",
        ),
    ]
)


@given(st.lists(PIECES | st.text(max_size=20), max_size=40).map("".join))
@example("<script")
@example("<a href=x><li><a><ul></a>")
def test_any_body_becomes_text_and_safe_links(body: str) -> None:
    for paragraph in paragraphs(body, HTML):
        assert paragraph.text.strip()
        assert paragraph.text == clean_text(paragraph.text)
        assert paragraph.text == without_controls(paragraph.text)
        for span in paragraph.spans:
            assert span.link is None or span.link.lower().startswith(LINK_SCHEMES)
            assert link_suffix(span) in ("", f" ({(span.link or '').removeprefix('mailto:')})")


@given(st.from_regex(r"[a-z ();=.]{1,30}", fullmatch=True), st.sampled_from(["script", "style"]))
def test_no_script_survives(code: str, tag: str) -> None:
    words = html(f"<p>before</p><{tag}>{code}</{tag}><p>after</p>")
    assert words == ["before", "after"]


@given(st.text())
def test_clean_text_fits_xml(text: str) -> None:
    clean = clean_text(text)
    assert not re.search("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]", clean)
    assert clean_text(clean) == clean
