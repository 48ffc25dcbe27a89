"""What a reverse proxy says of a request: the client's address, scheme, host and path prefix (`X-Forwarded-*`).

Only the headers of trusted proxies count (`SENTLOG_TRUSTED_PROXIES`), and only here: uvicorn's own reading of them is off. What
cannot be read is ignored. `Forwarded` (RFC 7239) is not read.
"""

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from server.settings.proxies import LOOPBACK, UNIX, Network, prefix_of

_HOST: Final = re.compile(r"(?:[A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")

_BRACKETED: Final = re.compile(r"\[([^\[\]]+)\](?::(\d{1,5}))?")
_WITH_PORT: Final = re.compile(r"([0-9.]+):(\d{1,5})")

MOST_HOPS: Final = 32
"""Entries of a header that are looked at, from the right."""

_SECURE: Final = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_PLAIN: Final = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


class Peer(NamedTuple):
    """One end of a connection; the port is 0 where it is not known."""

    address: str
    port: int = 0


class Proxies:
    """The proxies that are trusted."""

    def __init__(self, trusted: Iterable[Network | str] = LOOPBACK) -> None:
        named = list(trusted)
        self._networks = [one for one in named if not isinstance(one, str)]
        self._has_unix = UNIX in named

    def trust(self, address: str) -> bool:
        """Whether what stands at this address is one of them."""
        if address == UNIX:
            return self._has_unix
        found = _address(address)
        return found is not None and any(
            found in network for network in self._networks if network.version == found.version
        )

    def client(self, peer: Peer, forwarded_for: Sequence[str]) -> tuple[Peer, int]:
        """Who sent a request that came from the trusted `peer`, and how many entries of `X-Forwarded-For` are proxies'.

        Walked from the right, since each proxy adds the one that it was asked by: up to the first that is not trusted, or
        that cannot be read. What stands left of that anybody may have written.
        """
        client, proxies = peer, 0
        for entry in reversed(forwarded_for[-MOST_HOPS:]):
            before = _peer(entry)
            if before is None:
                break
            client = before
            if not self.trust(before.address):
                break
            proxies += 1
        return client, proxies


class Forwarded:
    """ASGI middleware, to stand outside of all others: puts client, scheme, host and prefix of the public address into the scope.

    `root_path` is the prefix, and `path` begins with it, whether or not the proxy has taken it away.
    """

    def __init__(
        self, app: ASGIApp, *, trusted: Iterable[Network | str], public_url: str | None = None
    ) -> None:
        self._app = app
        self._proxies = Proxies(trusted)
        self._public: SplitResult | None = None if public_url is None else urlsplit(public_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with its scope as the client's request would have made it here."""
        if scope["type"] in ("http", "websocket"):
            scope = self._told(scope)
        await self._app(scope, receive, send)

    def _told(self, scope: Scope) -> Scope:
        prefix = "" if self._public is None else self._public.path
        headers = _headers(scope)
        if headers:
            # A server on a Unix socket is told of no peer.
            peer = Peer(*scope["client"]) if scope.get("client") else Peer(UNIX)
            if self._proxies.trust(peer.address):
                scope = dict(scope)
                given = self._apply(scope, headers, peer)
                prefix = prefix if given is None else given
        return _below(scope, prefix) if prefix else scope

    def _apply(self, scope: Scope, headers: dict[bytes, list[str]], peer: Peer) -> str | None:
        """Put what the proxies say into the scope; gives the prefix that they name."""
        client, proxies = self._proxies.client(peer, headers.get(b"x-forwarded-for", ()))
        scope["client"] = (client.address, client.port)

        def own(name: bytes) -> list[str]:
            """Those entries of a header that trusted proxies wrote, the outermost first."""
            return headers.get(name, [])[-(proxies + 1) :]

        schemes = own(b"x-forwarded-proto")
        scheme = schemes[0].lower() if schemes else ""
        if scheme not in _PLAIN:
            scheme = self._public.scheme if self._public else scope["scheme"]
        names = _SECURE if scope["type"] == "websocket" else _PLAIN
        scope["scheme"] = names[scheme]
        hosts = own(b"x-forwarded-host")
        host = hosts[0] if hosts and _HOST.fullmatch(hosts[0]) else None
        if host is None and self._public is not None:
            host = self._public.netloc
        if host is not None:
            others = [(name, value) for name, value in scope["headers"] if name != b"host"]
            scope["headers"] = [(b"host", host.encode("latin-1")), *others]
        try:
            # Each proxy that takes a prefix away adds it.
            prefixes = "".join(prefix_of(one) for one in own(b"x-forwarded-prefix"))
            return prefix_of(prefixes) or None
        except ValueError:
            return None


def _below(scope: Scope, prefix: str) -> Scope:
    """The scope with its path below a prefix: it is there already where the proxy passed it on."""
    path: str = scope["path"]
    told = {**scope, "root_path": prefix}
    if path != prefix and not path.startswith(f"{prefix}/"):
        told["path"] = prefix + path
        raw = scope.get("raw_path")
        if raw is not None:
            told["raw_path"] = prefix.encode() + raw
    return told


_NAMES: Final = frozenset(
    {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-prefix"}
)


def _headers(scope: Scope) -> dict[bytes, list[str]]:
    """The entries of each forwarded header: several lines of one header are one list (RFC 9110, 5.3)."""
    found: dict[bytes, list[str]] = {}
    for name, value in scope["headers"]:
        if name in _NAMES:
            entries = bytes(value).decode("latin-1").split(",")
            found.setdefault(name, []).extend(entry.strip() for entry in entries)
    return found


def _peer(entry: str) -> Peer | None:
    """An entry of `X-Forwarded-For`: an address, perhaps with its port; None where it is none."""
    if entry.lower() == UNIX:
        return Peer(UNIX)
    address, port = entry, "0"
    if match := _BRACKETED.fullmatch(entry) or _WITH_PORT.fullmatch(entry):
        address, port = match[1], match[2] or "0"
    found = _address(address)
    if found is None or int(port) > 65_535:
        return None
    return Peer(str(found), int(port))


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An address, in one form: IPv4 is not written as IPv6, and the zone of a link is left out."""
    if len(text) > 64:
        return None
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found
