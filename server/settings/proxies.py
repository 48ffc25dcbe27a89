"""The settings of reverse proxies: the public URL of the server, and the proxies whose headers are trusted."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

UNIX: Final = "unix:"
"""The address of a peer on a Unix socket, as nginx writes it into X-Forwarded-For."""

OWN_PATHS: Final = frozenset(
    {"callbacks", "graphiql", "graphql", "healthz", "ingest", "readyz", "reports"}
)
"""First segments of the paths of this server."""

_PREFIX: Final = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@-]+)+")

Network = IPv4Network | IPv6Network


def prefix_of(path: str) -> str:
    """A path prefix without a trailing slash: `/sentlog`; empty for `/` and the empty text.

    Raises `ValueError` for an invalid prefix. A browser reads `//` as another host and resolves `..` to another path;
    a prefix such as `/reports` would be ambiguous with a route of this server.
    """
    path = path.rstrip("/")
    if not path:
        return ""
    segments = path.split("/")
    if _PREFIX.fullmatch(path) is None or {".", ".."} & set(segments):
        raise ValueError("its path has signs that a prefix cannot have")
    if segments[1] in OWN_PATHS:
        raise ValueError(f"/{segments[1]} is a path of this server: choose another prefix")
    return path


def _public_url(text: str | None) -> str | None:
    if text is None:
        return None
    url = urlsplit(text)  # raises `ValueError` itself
    if url.scheme not in ("http", "https") or not url.hostname or url.username is not None:
        raise ValueError("it is not the address of a server")
    if url.query or url.fragment:
        raise ValueError("it has more than a path")
    _ = url.port
    return f"{url.scheme}://{url.netloc}{prefix_of(url.path)}"


def _networks(value: object) -> object:
    """Split a list at commas and spaces, and parse each entry as an address or network; `none` is the empty list."""
    if not isinstance(value, str):
        return value
    if value.strip().lower() == "none":
        return ()
    return tuple(dict.fromkeys(_network(name) for name in value.replace(",", " ").split()))


def _network(name: str) -> Network | str:
    if name.lower() == UNIX:
        return UNIX
    try:
        return ip_network(name)
    except ValueError:
        raise ValueError(f"{name} is neither an address nor a network") from None


LOOPBACK: Final = (ip_network("127.0.0.0/8"), ip_network("::1"), UNIX)


class ProxySettings(BaseModel):
    """The settings of reverse proxies. A description completes the sentence "It takes …" of an error."""

    public_url: Annotated[str | None, AfterValidator(_public_url)] = Field(
        default=None,
        description="the address under which browsers and providers reach this server: https://district.example/sentlog",
    )
    trusted_proxies: Annotated[tuple[Network | str, ...], BeforeValidator(_networks)] = Field(
        default=LOOPBACK,
        description="addresses and networks of reverse proxies, with commas between (10.0.0.5,10.1.0.0/16,unix:), or none",
    )
