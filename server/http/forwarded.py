"""The client's address, scheme, host and path prefix from the headers of a reverse proxy (`X-Forwarded-*`).

Only headers of trusted proxies count (`SENTLOG_TRUSTED_PROXIES`); uvicorn's own handling is off. Invalid values are ignored.
`ForwardedHeaders` (RFC 7239) is not supported.
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
"""Maximum entries of a header to read, from the right."""

_SECURE: Final = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_PLAIN: Final = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


class Peer(NamedTuple):
    """One end of a connection; port 0 if it is unknown."""

    address: str
    port: int = 0


class Proxies:
    """The trusted proxies."""

    def __init__(self, trusted: Iterable[Network | str] = LOOPBACK) -> None:
        named = list(trusted)
        self._networks = [one for one in named if not isinstance(one, str)]
        self._has_unix = UNIX in named

    def trust(self, address: str) -> bool:
        """Whether the address is that of a trusted proxy."""
        if address == UNIX:
            return self._has_unix
        parsed = _address(address)
        return parsed is not None and any(
            parsed in network for network in self._networks if network.version == parsed.version
        )

    def client(self, peer: Peer, forwarded_for: Sequence[str]) -> tuple[Peer, int]:
        """The client of a request that came from the trusted `peer`, and the number of entries of `X-Forwarded-For` written by proxies.

        Walks from the right, since each proxy appends the address of its own client, up to the first entry that is untrusted or
        invalid. Entries to the left of that may be forged.
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


class ForwardedHeaders:
    """ASGI middleware, the outermost: puts the client, scheme, host and prefix of the public address into the scope.

    `root_path` is the prefix. `path` begins with it, whether or not the proxy removed it.
    """

    def __init__(
        self, app: ASGIApp, *, trusted: Iterable[Network | str], public_url: str | None = None
    ) -> None:
        self._app = app
        self._proxies = Proxies(trusted)
        self._public: SplitResult | None = None if public_url is None else urlsplit(public_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a scope as if the client had connected directly."""
        if scope["type"] in ("http", "websocket"):
            scope = self._with_public_address(scope)
        await self._app(scope, receive, send)

    def _with_public_address(self, scope: Scope) -> Scope:
        prefix = "" if self._public is None else self._public.path
        headers = _headers(scope)
        if headers:
            # On a Unix socket the scope has no client.
            peer = Peer(*scope["client"]) if scope.get("client") else Peer(UNIX)
            if self._proxies.trust(peer.address):
                scope = dict(scope)
                named_prefix = self._apply(scope, headers, peer)
                prefix = prefix if named_prefix is None else named_prefix
        return _below(scope, prefix) if prefix else scope

    def _apply(self, scope: Scope, headers: dict[bytes, list[str]], peer: Peer) -> str | None:
        """Put the values of the proxies into the scope; returns their prefix."""
        client, proxies = self._proxies.client(peer, headers.get(b"x-forwarded-for", ()))
        scope["client"] = (client.address, client.port)

        def own(name: bytes) -> list[str]:
            """The entries of a header that trusted proxies wrote, the outermost first."""
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
            # Each proxy that removes a prefix adds an entry.
            prefixes = "".join(prefix_of(one) for one in own(b"x-forwarded-prefix"))
            return prefix_of(prefixes) or None
        except ValueError:
            return None


def _below(scope: Scope, prefix: str) -> Scope:
    """The scope with `prefix` at the beginning of its path, unless the proxy has passed it on."""
    path: str = scope["path"]
    below = {**scope, "root_path": prefix}
    if path != prefix and not path.startswith(f"{prefix}/"):
        below["path"] = prefix + path
        raw = scope.get("raw_path")
        if raw is not None:
            below["raw_path"] = prefix.encode() + raw
    return below


_NAMES: Final = frozenset(
    {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-prefix"}
)


def _headers(scope: Scope) -> dict[bytes, list[str]]:
    """The entries of each forwarded header; several lines of one header form one list (RFC 9110, 5.3)."""
    entries_by_name: dict[bytes, list[str]] = {}
    for name, value in scope["headers"]:
        if name in _NAMES:
            entries = bytes(value).decode("latin-1").split(",")
            entries_by_name.setdefault(name, []).extend(entry.strip() for entry in entries)
    return entries_by_name


def _peer(entry: str) -> Peer | None:
    """An entry of `X-Forwarded-For`: an address, perhaps with a port; None if it is invalid."""
    if entry.lower() == UNIX:
        return Peer(UNIX)
    address, port = entry, "0"
    if match := _BRACKETED.fullmatch(entry) or _WITH_PORT.fullmatch(entry):
        address, port = match[1], match[2] or "0"
    parsed = _address(address)
    if parsed is None or int(port) > 65_535:
        return None
    return Peer(str(parsed), int(port))


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An address in its normal form: IPv4 not mapped to IPv6, and without the zone of a link."""
    if len(text) > 64:
        return None
    try:
        parsed = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed
