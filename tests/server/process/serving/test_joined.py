"""The head of a response is sent together with a body that follows at once, and is not delayed otherwise."""

import asyncio
from collections.abc import Iterable
from typing import Any, cast

from server.process.joined import Joined

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Line:
    """A transport that keeps what goes out together."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.is_closed = False

    def is_closing(self) -> bool:
        return self.is_closed

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def writelines(self, parts: Iterable[bytes]) -> None:
        self.sent.append(b"".join(parts))

    def close(self) -> None:
        self.is_closed = True


def joined() -> tuple[Line, Joined]:
    line = Line()
    return line, Joined(cast(Any, line), loop=asyncio.get_running_loop())


async def test_a_head_and_a_body_that_follows_at_once_are_one_write_and_later_data_another() -> (
    None
):
    line, answer = joined()

    answer.write(HEAD)
    answer.write(b"one")
    answer.write(b"two")
    answer.write(HEAD)
    answer.write(b"three")
    await asyncio.sleep(0)

    assert line.sent == [HEAD + b"one", b"two", HEAD + b"three"]


async def test_a_head_without_a_following_body_is_sent_alone() -> None:
    line, answer = joined()

    answer.write(HEAD)
    assert line.sent == []
    await asyncio.sleep(0)
    assert line.sent == [HEAD]
    answer.write(b"an event")

    assert line.sent == [HEAD, b"an event"]


async def test_a_connection_is_closed_after_its_head() -> None:
    line, answer = joined()

    answer.write(HEAD)
    answer.close()

    assert line.sent == [HEAD]
    assert answer.is_closing()


async def test_nothing_goes_out_on_a_connection_that_was_cut_meanwhile() -> None:
    line, answer = joined()

    answer.write(HEAD)
    line.close()
    await asyncio.sleep(0)

    assert line.sent == []
