"""Reduce a message's body to paragraphs, list items and links.

A body is HTML from outside: the result has only text and links of a few known schemes. The parser builds no tree, so neither
depth nor size of the HTML matters.
"""

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any, Final, NamedTuple

from lxml import etree

from domain.message import BodyFormat
from domain.texts import with_line_feeds
from renderers.texts import TAB_STOP, clean_line, clean_text, without_controls


class ParagraphKind(StrEnum):
    """The kind of a paragraph."""

    PARAGRAPH = "PARAGRAPH"
    HEADING = "HEADING"
    ITEM = "ITEM"


class TextSpan(NamedTuple):
    """Text within a paragraph, and its link."""

    text: str
    link: str | None = None


class Paragraph(NamedTuple):
    """A paragraph, heading or list item. A line feed in a span is a line break of the author."""

    kind: ParagraphKind
    spans: tuple[TextSpan, ...]
    depth: int = 0
    """The nesting level of a list item, 1 in an outermost list; 0 for other kinds."""
    marker: str = ""
    """The marker of a list item: `•`, or its number in a numbered list, `2.`."""

    @property
    def text(self) -> str:
        return "".join(span.text for span in self.spans)


LINK_SCHEMES: Final = ("http://", "https://", "mailto:", "tel:")
LONGEST_LINK: Final = 2000
"""Most characters of a link: no person sends a longer one, and PDF readers refuse it."""
DEEPEST: Final = 6
"""The deepest nesting level that is indented further."""

HEADINGS: Final = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
BLOCKS: Final = HEADINGS | {
    *("address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details"),
    *("dialog", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header"),
    *("hr", "html", "legend", "li", "main", "menu", "nav", "ol", "p", "pre", "section", "summary"),
    *("table", "tbody", "tfoot", "thead", "tr", "ul"),
}
LISTS: Final = frozenset({"ul", "ol", "menu"})
SILENT: Final = {
    *(
        "applet",
        "audio",
        "canvas",
        "datalist",
        "embed",
        "frame",
        "frameset",
        "head",
        "iframe",
        "map",
    ),
    *("math", "noembed", "noframes", "noscript", "object", "script", "select", "style", "svg"),
    *("template", "textarea", "title", "video"),
}
"""Elements whose content is not text."""

# White space of HTML except FF, which a report shows as a line break.
_SPACE: Final = re.compile(r"[ \t\n\r]+")
_EDGE: Final = re.compile(r" *\n *")
_BLANK_LINES: Final = re.compile(r"\n\s*\n")
_BLANK_START: Final = re.compile(r"(?:[^\S\n]*\n)*")


def paragraphs(body: str, format: BodyFormat) -> tuple[Paragraph, ...]:
    """Return the paragraphs of `body`; none of them is empty."""
    return tuple(_of_html(body) if format is BodyFormat.HTML else _of_plain(clean_text(body)))


def plain_text(paragraph: Paragraph) -> str:
    """Return a paragraph as plain text: after its marker, and with each link's address unless the text shows it."""
    indent = "  " * (paragraph.depth - 1)
    start = f"{indent}{paragraph.marker} " if paragraph.kind is ParagraphKind.ITEM else ""
    return start + "".join(f"{span.text}{link_suffix(span)}" for span in paragraph.spans)


def link_suffix(span: TextSpan) -> str:
    """Return ` (https://…)` for a link whose text does not show its address; otherwise an empty text."""
    if span.link is None:
        return ""
    shown = span.text.strip().rstrip("/")
    bare = re.sub(r"^(mailto:|tel:|https?://)", "", span.link).rstrip("/")
    return (
        "" if shown in (span.link.rstrip("/"), bare) else f" ({span.link.removeprefix('mailto:')})"
    )


def _of_plain(text: str) -> Iterator[Paragraph]:
    for piece in _BLANK_LINES.split(text):
        if kept := _BLANK_START.sub("", piece, count=1).rstrip():
            yield Paragraph(ParagraphKind.PARAGRAPH, (TextSpan(kept),))


def _of_html(html: str) -> Iterable[Paragraph]:
    collector = _Collector()
    target: Any = collector  # the stubs demand optional methods too
    parser = etree.HTMLParser(
        target=target, huge_tree=True, remove_comments=True, remove_pis=True, encoding="utf-8"
    )
    parser.feed(b"<body>")
    parser.feed(without_controls(html).encode())
    parser.close()
    return collector.paragraphs


class _Collector:
    """The target of the HTML parser: collects paragraphs."""

    def __init__(self) -> None:
        self.paragraphs: list[Paragraph] = []
        self._spans: list[TextSpan] = []
        self._silent: list[str] = []
        self._lists: list[int | None] = []
        """The number of the last item of each open list; None in a list without numbers."""
        self._links: list[str | None] = []
        self._kind = ParagraphKind.PARAGRAPH
        self._marker = ""
        self._preformatted = 0
        """The number of open `<pre>` elements."""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag in SILENT:
            self._silent.append(tag)
        if self._silent:
            return
        if tag in BLOCKS:
            self._end_paragraph()
            self._open_block(tag, attributes)
        elif tag == "br":
            self._add("\n")
        elif tag in ("td", "th"):
            self._add(" ")
        elif tag == "img":
            self._add(clean_line(attributes.get("alt", "")))
        elif tag == "a":
            self._links.append(safe_link(attributes.get("href", "")))

    def _open_block(self, tag: str, attributes: dict[str, str]) -> None:
        if tag in LISTS:
            self._lists.append(_start_of(attributes) - 1 if tag == "ol" else None)
        elif tag == "li":
            self._kind = ParagraphKind.ITEM
            number = self._lists[-1] if self._lists else None
            if number is None:
                self._marker = "•"
            else:
                self._lists[-1] = number + 1
                self._marker = f"{number + 1}."
        elif tag in HEADINGS:
            self._kind = ParagraphKind.HEADING
        elif tag == "pre":
            self._preformatted += 1

    def end(self, tag: str) -> None:
        if self._silent:
            if self._silent[-1] == tag:
                self._silent.pop()
            return
        if tag in BLOCKS:
            self._end_paragraph()
            if tag in LISTS and self._lists:
                self._lists.pop()
            elif tag == "pre":
                self._preformatted = max(0, self._preformatted - 1)
            if tag in HEADINGS or tag == "li":
                self._kind = ParagraphKind.PARAGRAPH
                self._marker = ""
        elif tag == "a" and self._links:
            self._links.pop()

    def data(self, data: str) -> None:
        if not self._silent:
            self._add(with_line_feeds(data if self._preformatted else _SPACE.sub(" ", data)))

    def comment(self, text: str) -> None:
        """Ignore a comment."""

    def close(self) -> None:
        self._end_paragraph()

    def _add(self, text: str) -> None:
        if text:
            link = self._links[-1] if self._links else None
            self._spans.append(TextSpan(without_controls(text), link))

    def _end_paragraph(self) -> None:
        spans = tuple(_with_all_spaces(self._spans) if self._preformatted else _merged(self._spans))
        self._spans.clear()
        if not spans:
            return
        is_item = self._kind is ParagraphKind.ITEM
        depth = min(max(len(self._lists), 1), DEEPEST) if is_item else 0
        marker = self._marker if is_item else ""
        self.paragraphs.append(Paragraph(self._kind, spans, depth, marker))
        if is_item:  # the second paragraph of an item has no marker
            self._marker = ""


def _start_of(attributes: dict[str, str]) -> int:
    start = attributes.get("start", "1").strip()
    return int(start) if re.fullmatch(r"\d{1,6}", start, re.ASCII) else 1


def safe_link(href: str) -> str | None:
    """Return `href` if it is a web, mail or telephone link, otherwise None: no script, no file, no data."""
    link = re.sub(r"\s", "", without_controls(href))
    is_safe = link.lower().startswith(LINK_SCHEMES) and len(link) <= LONGEST_LINK
    return link if is_safe else None


def _merged(spans: Iterable[TextSpan]) -> Iterator[TextSpan]:
    """Merge neighbors with the same link, collapse double spaces, and strip spaces at the edges of lines."""
    merged: list[TextSpan] = []
    for span in spans:
        text = span.text
        if merged and text.startswith(" ") and merged[-1].text.endswith((" ", "\n")):
            text = text[1:]
        if merged and merged[-1].link == span.link:
            merged[-1] = TextSpan(merged[-1].text + text, span.link)
        elif text:
            merged.append(TextSpan(text, span.link))
    edged = [TextSpan(_EDGE.sub("\n", text), link) for text, link in merged]
    while edged and not edged[0].text.strip():
        del edged[0]
    while edged and not edged[-1].text.strip():
        del edged[-1]
    if edged:
        edged[0] = edged[0]._replace(text=edged[0].text.lstrip())
        edged[-1] = edged[-1]._replace(text=edged[-1].text.rstrip())
    yield from (span for span in edged if span.text)


def _with_all_spaces(spans: Iterable[TextSpan]) -> Iterator[TextSpan]:
    """Yield the spans of a `<pre>` with all their spaces and tabs as spaces, without blank lines at both ends."""
    expanded: list[TextSpan] = []
    column = 0
    for text, link in spans:
        text = (" " * column + text).expandtabs(TAB_STOP)
        line = text.rpartition("\n")[2]
        expanded.append(TextSpan(text[column:], link))
        column = len(line)
    whole = "".join(span.text for span in expanded)
    start, end = _BLANK_START.match(whole), len(whole.rstrip())
    yield from _between(expanded, 0 if start is None else start.end(), end)


def _between(spans: Iterable[TextSpan], start: int, end: int) -> Iterator[TextSpan]:
    """Yield the parts of `spans` from `start` to `end` of their joined text."""
    at = 0
    for text, link in spans:
        if piece := text[max(0, start - at) : max(0, end - at)]:
            yield TextSpan(piece, link)
        at += len(text)
