"""What a message says, reduced to paragraphs, items of lists and links.

A body is HTML from elsewhere: whatever it holds, what comes out is text and addresses of a few known schemes. No tree is
built, so that neither depth nor size of the HTML matters.
"""

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any, Final, NamedTuple

from lxml import etree

from domain.message import BodyFormat
from domain.texts import with_line_feeds
from renderers.texts import TAB_STOP, clean_line, clean_text, without_controls


class Kind(StrEnum):
    """What a piece of the body is."""

    PARAGRAPH = "PARAGRAPH"
    HEADING = "HEADING"
    ITEM = "ITEM"


class Span(NamedTuple):
    """Text within a paragraph, and where it leads."""

    text: str
    link: str | None = None


class Paragraph(NamedTuple):
    """A paragraph, heading or item of a list. A line feed in a span is a line break that the writer set."""

    kind: Kind
    spans: tuple[Span, ...]
    depth: int = 0
    """Of an item: 1 in an outermost list."""
    marker: str = ""
    """Of an item: `•`, or its number in a numbered list, `2.`."""

    @property
    def text(self) -> str:
        return "".join(span.text for span in self.spans)


LINK_SCHEMES: Final = ("http://", "https://", "mailto:", "tel:")
LONGEST_LINK: Final = 2000
"""Characters: a longer address leads to nothing that a person sent, and readers of PDF refuse it."""
DEEPEST: Final = 6
"""Lists inside lists are not set further in than this."""

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
"""What is no text to read."""

# White space of HTML but FF, which a report shows as the line break that it was.
_SPACE: Final = re.compile(r"[ \t\n\r]+")
_EDGE: Final = re.compile(r" *\n *")
_BLANK_LINES: Final = re.compile(r"\n\s*\n")
_BLANK_START: Final = re.compile(r"(?:[^\S\n]*\n)*")


def paragraphs(body: str, format: BodyFormat) -> tuple[Paragraph, ...]:
    """The paragraphs of `body`, none of them empty."""
    return tuple(_of_html(body) if format is BodyFormat.HTML else _of_plain(clean_text(body)))


def written(paragraph: Paragraph) -> str:
    """A paragraph as plain text: the marker before it, and where a link leads behind it if its text does not say so."""
    indent = "  " * (paragraph.depth - 1)
    start = f"{indent}{paragraph.marker} " if paragraph.kind is Kind.ITEM else ""
    return start + "".join(f"{span.text}{told_link(span)}" for span in paragraph.spans)


def told_link(span: Span) -> str:
    """` (https://…)` where a reader on paper could not tell where the link leads."""
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
            yield Paragraph(Kind.PARAGRAPH, (Span(kept),))


def _of_html(html: str) -> Iterable[Paragraph]:
    collector = _Collector()
    target: Any = collector  # the stubs want all that a target may have; lxml calls what is there
    parser = etree.HTMLParser(
        target=target, huge_tree=True, remove_comments=True, remove_pis=True, encoding="utf-8"
    )
    parser.feed(b"<body>")
    parser.feed(without_controls(html).encode())
    parser.close()
    return collector.found


class _Collector:
    """Takes the parser's events, and gathers paragraphs."""

    def __init__(self) -> None:
        self.found: list[Paragraph] = []
        self._spans: list[Span] = []
        self._silent: list[str] = []
        self._lists: list[
            int | None
        ] = []  # the number of the last item, null in a list without numbers
        self._links: list[str | None] = []
        self._kind = Kind.PARAGRAPH
        self._marker = ""
        self._as_it_stands = 0

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
            self._kind = Kind.ITEM
            number = self._lists[-1] if self._lists else None
            if number is None:
                self._marker = "•"
            else:
                self._lists[-1] = number + 1
                self._marker = f"{number + 1}."
        elif tag in HEADINGS:
            self._kind = Kind.HEADING
        elif tag == "pre":
            self._as_it_stands += 1

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
                self._as_it_stands = max(0, self._as_it_stands - 1)
            if tag in HEADINGS or tag == "li":
                self._kind = Kind.PARAGRAPH
                self._marker = ""
        elif tag == "a" and self._links:
            self._links.pop()

    def data(self, data: str) -> None:
        if not self._silent:
            self._add(with_line_feeds(data if self._as_it_stands else _SPACE.sub(" ", data)))

    def comment(self, text: str) -> None:
        """Comments say nothing."""

    def close(self) -> None:
        self._end_paragraph()

    def _add(self, text: str) -> None:
        if text:
            link = self._links[-1] if self._links else None
            self._spans.append(Span(without_controls(text), link))

    def _end_paragraph(self) -> None:
        spans = tuple(_as_typed(self._spans) if self._as_it_stands else _joined(self._spans))
        self._spans.clear()
        if not spans:
            return
        is_item = self._kind is Kind.ITEM
        depth = min(max(len(self._lists), 1), DEEPEST) if is_item else 0
        self.found.append(Paragraph(self._kind, spans, depth, self._marker if is_item else ""))
        if is_item:  # a second paragraph of the same item has no marker of its own
            self._marker = ""


def _start_of(attributes: dict[str, str]) -> int:
    start = attributes.get("start", "1").strip()
    return int(start) if re.fullmatch(r"\d{1,6}", start, re.ASCII) else 1


def safe_link(href: str) -> str | None:
    """`href` where it leads to the web, a mailbox or a telephone, and nowhere else: no script, no file, no data."""
    link = re.sub(r"\s", "", without_controls(href))
    is_safe = link.lower().startswith(LINK_SCHEMES) and len(link) <= LONGEST_LINK
    return link if is_safe else None


def _joined(spans: Iterable[Span]) -> Iterator[Span]:
    """Neighbours with the same link as one, doubled spaces as one, none at the edges of lines."""
    merged: list[Span] = []
    for span in spans:
        text = span.text
        if merged and text.startswith(" ") and merged[-1].text.endswith((" ", "\n")):
            text = text[1:]
        if merged and merged[-1].link == span.link:
            merged[-1] = Span(merged[-1].text + text, span.link)
        elif text:
            merged.append(Span(text, span.link))
    edged = [Span(_EDGE.sub("\n", text), link) for text, link in merged]
    while edged and not edged[0].text.strip():
        del edged[0]
    while edged and not edged[-1].text.strip():
        del edged[-1]
    if edged:
        edged[0] = edged[0]._replace(text=edged[0].text.lstrip())
        edged[-1] = edged[-1]._replace(text=edged[-1].text.rstrip())
    yield from (span for span in edged if span.text)


def _as_typed(spans: Iterable[Span]) -> Iterator[Span]:
    """The spans of a `<pre>` with all their spaces, tabs as spaces; without blank lines at both ends."""
    expanded: list[Span] = []
    column = 0
    for text, link in spans:
        text = (" " * column + text).expandtabs(TAB_STOP)
        line = text.rpartition("\n")[2]
        expanded.append(Span(text[column:], link))
        column = len(line)
    whole = "".join(span.text for span in expanded)
    start, end = _BLANK_START.match(whole), len(whole.rstrip())
    yield from _between(expanded, 0 if start is None else start.end(), end)


def _between(spans: Iterable[Span], start: int, end: int) -> Iterator[Span]:
    """What of `spans` stands from `start` to `end` in their joined text."""
    at = 0
    for text, link in spans:
        if piece := text[max(0, start - at) : max(0, end - at)]:
            yield Span(piece, link)
        at += len(text)
