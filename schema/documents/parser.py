"""Documents as they are parsed: each node knows its place in the text, and no token outlives the parser.

What a document may hold is `schema.documents.limits`', and which are kept `schema.documents.documents`'.
"""

from graphql import DocumentNode, Location, Source, Token
from graphql.language.parser import Parser, nested_too_deeply_error


class _Place(Location):
    """A location without the tokens it was found by: these are linked both ways, and each leads to all of the text."""

    __slots__ = ()

    def __init__(self, start: int, end: int, source: Source) -> None:
        self.start = start
        self.end = end
        self.source = source


class _Parser(Parser):
    """graphql-core's, which leaves nothing behind that only the cyclic collector would find."""

    def loc(self, start_token: Token) -> Location:
        """Where a node stands."""
        lexer = self._lexer
        return _Place(start_token.start, lexer.last_token.end, lexer.source)


def parse(text: Source | str, *, most_tokens: int) -> DocumentNode:
    """The document that a text is. Raises `GraphQLSyntaxError` where it is none, or has more tokens than that."""
    parser = _Parser(text, max_tokens=most_tokens)
    first = parser._lexer.token
    try:
        return parser.parse_document()
    except RecursionError:
        pass
    finally:
        _unlink(first)
    raise nested_too_deeply_error(parser)


def _unlink(first: Token) -> None:
    token: Token | None = first
    while token is not None:
        following = token.next
        token.prev = token.next = None
        token = following
