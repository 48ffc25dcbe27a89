"""The words of a message, by which a search for texts finds it: of subject, body, text and voice script.

`CONTENT.c.words` has them as one text. PostgreSQL has a GIN index of its words, SQLite an FTS5 table beside it.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import orjson
from lxml import etree, html
from sqlalchemy import ColumnElement, Select, Text, and_, bindparam, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from db.log.text_match import contains
from db.sql.connections import ReadConnection
from db.sql.key_lists import Predicate, is_there
from db.tables.log import CONTENT, MESSAGE
from domain.message import BodyFormat
from domain.words import TextQuery, join_words

MOST_LISTED: Final = 20_000
"""The most messages that SQLite lists. With more, one is found soon enough by comparing the texts in the order of the log."""

LEAST_SHARE: Final = 0.02
"""PostgreSQL compares the log in the order of the page only if at least this share of it matches."""

_UNSEEN: Final = frozenset({"head", "script", "style", "template", "title"})
_INLINE: Final = frozenset(
    (
        *(
            "a",
            "abbr",
            "b",
            "big",
            "cite",
            "code",
            "del",
            "em",
            "font",
            "i",
            "ins",
            "label",
            "mark",
        ),
        *("q", "s", "small", "span", "strike", "strong", "sub", "sup", "tt", "u"),
    )
)
"""Elements that do not divide words."""

# Characters that no XML document may contain, and half surrogate pairs, which cannot be encoded.
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")

_ARE_COMMON: Final = text(
    """
    SELECT count(*) = cardinality(:words) AND sum(1 - share) <= 1 - CAST(:least AS float8)
    FROM pg_stats, unnest(most_common_elems::text::text[], most_common_elem_freqs) AS common (word, share)
    WHERE schemaname = current_schema() AND tablename = 'content_words' AND word = ANY(:words)
    """
).bindparams(bindparam("words", type_=ARRAY(Text)))
"""Whether at least the share `least` of the messages has all of the words, even if they avoid each other."""
_LISTED: Final = text(
    """
    SELECT CASE WHEN count(*) <= :most THEN json_group_array(rowid) END
    FROM (SELECT rowid FROM content_words WHERE content_words MATCH :match LIMIT :most + 1)
    """
)


class _HasWords(Predicate):
    inherit_cache = True
    postgresql = "string_to_array(btrim({0}), ' ') @> {1}"


def words_of_message(
    subject: str,
    *,
    body: str,
    body_format: BodyFormat,
    text_body: str | None,
    voice_script: str | None,
) -> str:
    """Return the words of a message, as `CONTENT.c.words` has them; those of an HTML body are of its visible text."""
    said = visible_text(body) if body_format is BodyFormat.HTML else body
    return join_words((subject, said, text_body, voice_script))


def visible_text(source: str) -> str:
    """Return the visible text of an HTML body, for its words."""
    try:
        root = html.document_fromstring(
            _CONTROLS.sub(" ", source).encode(),
            # UTF-8 even if a meta element declares another encoding; no limit of 256 nested levels.
            parser=html.HTMLParser(
                encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True
            ),
        )
    except etree.ParserError:  # the document is empty
        return ""
    pieces: list[str] = []
    walk = etree.iterwalk(root, events=("start", "end"))
    for event, element in walk:
        between = "" if element.tag in _INLINE else " "
        if event == "end":
            pieces += (between, element.tail or "")
        elif element.tag in _UNSEEN:
            walk.skip_subtree()
        else:
            pieces += (between, element.text or "")
    return "".join(pieces)


def has_words(connection: ReadConnection, query: TextQuery) -> ColumnElement[bool]:
    """Return the condition that a message has the words and phrases of a query."""
    if connection.dialect.name == "sqlite":
        # One by one, in the order of the log. Longer words are less frequent.
        needles = sorted((*query.words, *query.phrases), key=len, reverse=True)
        return _has_in_order(needles)
    return MESSAGE.c.id.in_(_with_words(query))


def has_phrases(query: TextQuery) -> ColumnElement[bool]:
    """Return the condition that a message has the phrases of a query, evaluated per row."""
    return _has_in_order(query.phrases)


async def messages_with_words(
    connection: ReadConnection, query: TextQuery, *, few: int
) -> Sequence[int] | None:
    """Return the messages with the words of a query, if they are at most `few`, or `MOST_LISTED` on SQLite; None otherwise.

    PostgreSQL has no statistics of rare words, nor of words that are never together: expecting many messages, it would compare
    the whole log in the order of the page. So they are looked up first, unless its statistics rule that out.
    """
    if connection.dialect.name != "sqlite":
        common = {"words": list(query.words), "least": LEAST_SHARE}
        if await connection.scalar(_ARE_COMMON, common):
            return None
        rows = (await connection.scalars(_with_words(query).limit(few + 1))).all()
        return rows if len(rows) <= few else None
    match = " ".join(f'"{word}"' for word in query.words)
    found = await connection.scalar(_LISTED, {"match": match, "most": MOST_LISTED})
    ids: Sequence[int] | None = None if found is None else orjson.loads(found)
    return ids


def _with_words(query: TextQuery) -> Select[Any]:
    """Return the statement for the messages with the words and phrases of a query, on PostgreSQL."""
    words = bindparam(None, list(query.words), ARRAY(Text), unique=True)
    conditions = (_HasWords(CONTENT.c.words, words), *map(_has_in_words, query.phrases))
    return select(CONTENT.c.message_id).where(and_(*conditions))


def _has_in_words(words: str) -> ColumnElement[bool]:
    return contains(CONTENT.c.words, f" {words} ")


def _has_in_order(needles: Sequence[str]) -> ColumnElement[bool]:
    of_message = select(literal(1)).where(CONTENT.c.message_id == MESSAGE.c.id)
    return is_there(of_message.where(*map(_has_in_words, needles)))
