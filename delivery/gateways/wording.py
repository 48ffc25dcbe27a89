"""The texts of a message in each mode: subject line, plain text, text message, call script, Message-ID.

Each gateway puts them into its provider's format.
"""

import re
from hashlib import sha256
from typing import Final

from lxml import etree, html

from delivery.gateways.base import MessageContent
from domain.message import BodyFormat
from domain.texts import one_line, with_line_feeds

LONGEST_TEXT: Final = 1600
"""Most characters of a text message at Twilio (its error 21617)."""

_CUT: Final = "…"

_SECTIONS: Final = {"article", "aside", "div", "footer", "header", "main", "nav", "section"}
_TEXTS: Final = {"address", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "pre"}
_LISTS: Final = {"dd", "dl", "dt", "fieldset", "form", "ol", "table", "ul"}
_BLOCKS: Final = frozenset(_SECTIONS | _TEXTS | _LISTS)
_UNSEEN: Final = frozenset({"head", "script", "style", "template", "title"})

_ADDRESS: Final = re.compile(r"[^\s<>\"'(,;:]+@[^\s<>\"'),;:]+|\+?\d[\d().-]{6,}\d")

# Not a part of an IP address.
_ENHANCED_CODE: Final = re.compile(r"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?!\.?\d)", re.ASCII)

# Characters that no XML document may contain (XML 1.0, 2.2), and half surrogate pairs, which cannot be encoded.
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")

# FS, GS, RS and US: white space in Python and in Unicode.
_SEPARATORS: Final = re.compile(r"[\x1c-\x1f]")

# The line breaks of `domain.texts` as HTML references: &#11; &#x0D; &#8232; (&#133; is an ellipsis in HTML).
_WRITTEN_BREAK: Final = re.compile(
    r"&#(?:0*(?:1[0-3]|823[23])(?![0-9])|[xX]0*(?:[a-dA-D]|202[89])(?![0-9a-fA-F]));?"
)


def subject_line(content: MessageContent) -> str:
    """Return the subject on one line: a line break in it would begin another header."""
    return one_line(content.subject)


def sender_name(content: MessageContent) -> str:
    """Return the sender name of an email: the sender and the district."""
    return f"{one_line(content.sender_name)} ({one_line(content.district_name)})"


def redacted(text: str) -> str:
    """Return a provider's text on one line, cut to 200 characters, without addresses."""
    return _ADDRESS.sub("[address]", one_line(text))[:200]


def enhanced_code(reply: str) -> str | None:
    """Return the enhanced status code (RFC 3463) in the reply of a mail server, such as 5.1.1; None if it has none."""
    found = _ENHANCED_CODE.search(reply)
    return found[0] if found else None


def plain(content: MessageContent) -> str:
    """Return the body as plain text."""
    if content.body_format is BodyFormat.HTML:
        return text_of_html(content.body)
    return _clean(content.body)


def markup(content: MessageContent) -> str:
    """Return the HTML body. Every kind of line break in it becomes a line feed, which is white space in HTML."""
    return _WRITTEN_BREAK.sub("\n", _clean(content.body))


def text_message(content: MessageContent) -> tuple[str, bool]:
    """Return the text of a text message, and whether it had to be cut."""
    text = _clean(content.text_body or plain(content)).strip() or subject_line(content)
    if len(text) <= LONGEST_TEXT:
        return text, False
    return text[: LONGEST_TEXT - len(_CUT)] + _CUT, True


def script(content: MessageContent) -> str:
    """Return the script of a call on one line."""
    return one_line(content.voice_script or plain(content)) or subject_line(content)


def message_id(key: str, domain: str) -> str:
    """Return the Message-ID (RFC 5322, 3.6.4) for `key`: always the same, and without revealing the key."""
    return f"<{sha256(key.encode()).hexdigest()[:40]}@{domain}>"


def _clean(text: str) -> str:
    """Return `text` with line feeds as its only line breaks, and without control characters; words stay apart."""
    return _CONTROLS.sub("", _SEPARATORS.sub(" ", with_line_feeds(text)))


def text_of_html(source: str) -> str:
    """Return the visible text of an HTML body: each block on its own line, links with their address."""
    document = _CONTROLS.sub(" ", source).encode()
    try:
        # UTF-8 even if a meta element declares another encoding; no limit of 256 nested levels.
        root = html.document_fromstring(
            document, parser=html.HTMLParser(encoding="utf-8", huge_tree=True)
        )
    except etree.ParserError:  # the document is empty
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
            # In lxml the text after an element is its `tail`. The tail of the root is not part of the body.
            pieces.append(_spaced(element.tail) if element is not root else "")
    lines = [" ".join(line.split()) for line in "".join(pieces).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _before(element: etree._Element) -> list[str]:
    """Return the text for the start of `element`, and its first text."""
    opening = {"br": "\n", "tr": "\n", "li": "\n- ", "img": element.get("alt", "")}
    default = "\n\n" if element.tag == "p" else "\n" if element.tag in _BLOCKS else ""
    return [opening.get(str(element.tag), default), _spaced(element.text)]


def _after(element: etree._Element) -> list[str]:
    """Return the text for the end of `element`."""
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
    """Return text of a document with each run of white space as one space."""
    return re.sub(r"\s+", " ", text or "")
