"""How a message sounds in each mode: its subject line, its plain text, its text message, its call, its Message-ID.

How a provider wants that wrapped is its gateway's.
"""

import re
from hashlib import sha256
from typing import Final

from lxml import etree, html

from delivery.gateways.base import Content
from domain.message import BodyFormat
from domain.texts import one_line, with_line_feeds

LONGEST_TEXT: Final = 1600
"""Characters: the most that a text message may have at Twilio (its error 21617)."""

_CUT: Final = "…"

_SECTIONS: Final = {"article", "aside", "div", "footer", "header", "main", "nav", "section"}
_TEXTS: Final = {"address", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "pre"}
_LISTS: Final = {"dd", "dl", "dt", "fieldset", "form", "ol", "table", "ul"}
_BLOCKS: Final = frozenset(_SECTIONS | _TEXTS | _LISTS)
_UNSEEN: Final = frozenset({"head", "script", "style", "template", "title"})

_ADDRESS: Final = re.compile(r"[^\s<>\"'(,;:]+@[^\s<>\"'),;:]+|\+?\d[\d().-]{6,}\d")

# What no document may hold (XML 1.0, 2.2), and halves of characters, which cannot be encoded.
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")

# FS, GS, RS and US: white space in Python and in Unicode.
_SEPARATORS: Final = re.compile(r"[\x1c-\x1f]")

# The line breaks of `domain.texts` as HTML may write them: &#11; &#x0D; &#8232; (&#133; is an ellipsis there).
_WRITTEN_BREAK: Final = re.compile(
    r"&#(?:0*(?:1[0-3]|823[23])(?![0-9])|[xX]0*(?:[a-dA-D]|202[89])(?![0-9a-fA-F]));?"
)


def subject_line(content: Content) -> str:
    """The subject on one line: a line break in it would begin another header."""
    return one_line(content.subject)


def sender_name(content: Content) -> str:
    """Whose name an email bears: the sender's and the district's."""
    return f"{one_line(content.sender_name)} ({one_line(content.district_name)})"


def redacted(words: str) -> str:
    """What a provider said, on one line, cut to 200 characters, without the addresses that providers like to repeat."""
    return _ADDRESS.sub("[address]", one_line(words))[:200]


def plain(content: Content) -> str:
    """The body as plain text."""
    if content.body_format is BodyFormat.HTML:
        return text_of_html(content.body)
    return _clean(content.body)


def markup(content: Content) -> str:
    """The body of an HTML message as HTML, in which each kind of line break is a line feed, and so white space."""
    return _WRITTEN_BREAK.sub("\n", _clean(content.body))


def text_message(content: Content) -> tuple[str, bool]:
    """What a text message says, and whether it had to be cut."""
    text = _clean(content.text_body or plain(content)).strip() or subject_line(content)
    if len(text) <= LONGEST_TEXT:
        return text, False
    return text[: LONGEST_TEXT - len(_CUT)] + _CUT, True


def script(content: Content) -> str:
    """What a call says, on one line."""
    return one_line(content.voice_script or plain(content)) or subject_line(content)


def message_id(key: str, domain: str) -> str:
    """The Message-ID (RFC 5322, 3.6.4) that belongs to `key`: the same each time, and it does not show the key."""
    return f"<{sha256(key.encode()).hexdigest()[:40]}@{domain}>"


def _clean(text: str) -> str:
    """`text` as every provider takes it: line breaks are line feeds, words stay apart, no control characters."""
    return _CONTROLS.sub("", _SEPARATORS.sub(" ", with_line_feeds(text)))


def text_of_html(source: str) -> str:
    """What a reader sees of an HTML body: blocks on lines of their own, links with their address."""
    document = _CONTROLS.sub(" ", source).encode()
    try:
        # Its own encoding whatever a meta element declares, and no end at the 256th level.
        root = html.document_fromstring(
            document, parser=html.HTMLParser(encoding="utf-8", huge_tree=True)
        )
    except etree.ParserError:  # nothing in it
        return ""
    pieces: list[str] = []
    walk = etree.iterwalk(root, events=("start", "end", "comment", "pi"))
    for event, element in walk:
        if event == "start" and element.tag in _UNSEEN:
            walk.skip_subtree()
        elif event == "start":
            pieces += _before(element)
        else:
            pieces += _after(element) if event == "end" else []
            # What stands after an element belongs to it in lxml; after the root there is nothing.
            pieces.append(_spaced(element.tail) if element is not root else "")
    lines = [" ".join(line.split()) for line in "".join(pieces).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _before(element: etree._Element) -> list[str]:
    """What stands for the beginning of `element`, and its first text."""
    opening = {"br": "\n", "tr": "\n", "li": "\n- ", "img": element.get("alt", "")}
    default = "\n\n" if element.tag == "p" else "\n" if element.tag in _BLOCKS else ""
    return [opening.get(str(element.tag), default), _spaced(element.text)]


def _after(element: etree._Element) -> list[str]:
    """What stands for the end of `element`."""
    if element.tag in ("td", "th"):
        return [" "]
    if element.tag == "p":
        return ["\n\n"]
    if element.tag in _BLOCKS:
        return ["\n"]
    target = element.get("href", "")
    is_shown = target in "".join(map(str, element.itertext()))
    if element.tag == "a" and target.startswith(("http://", "https://")) and not is_shown:
        return [f" ({target})"]
    return []


def _spaced(text: str | None) -> str:
    """Text of a document, where a line break is a space."""
    return re.sub(r"\s+", " ", text or "")
