"""Parses documents so that each node has its location, and no token outlives the parser."""

from graphql import DocumentNode, Location, Source, Token
from graphql.language.parser import Parser, nested_too_deeply_error


class _Place(Location):
    """A location without its tokens, which are linked in both directions and would keep all of the text in memory."""

    __slots__ = ()

    def __init__(self, start: int, end: int, source: Source) -> None:
        self.start = start
        self.end = end
        self.source = source


class _Parser(Parser):
    """graphql-core's parser, leaving no reference cycles for the cyclic collector."""

    def loc(self, start_token: Token) -> Location:
        """The location of a node."""
        lexer = self._lexer
        return _Place(start_token.start, lexer.last_token.end, lexer.source)


def parse(text: Source | str, *, most_tokens: int) -> DocumentNode:
    """Parse a document. Raises `GraphQLSyntaxError` if it is invalid, or has more than `most_tokens`."""
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
