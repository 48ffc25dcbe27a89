"""Forwarded headers: whose count, what they change, and that hostile values do no harm."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send

from server.http.forwarded import ForwardedHeaders
from server.settings.proxies import ProxySettings

NAMES = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-prefix")


async def seen(
    *headers: tuple[str, str],
    peer: str | None = "127.0.0.1",
    trusted: str | None = None,
    public_url: str | None = None,
    path: str = "/graphql",
    type: str = "http",
) -> dict[str, Any]:
    """What the application sees of a request with these headers."""
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    options: Any = {} if trusted is None else {"trusted_proxies": trusted}
    chosen = ProxySettings(public_url=public_url, **options)
    scope = {
        "type": type,
        "scheme": "http" if type == "http" else "ws",
        "client": None if peer is None else (peer, 50_000),
        "path": path,
        "raw_path": path.encode(),
        "headers": [
            (b"host", b"127.0.0.1:8000"),
            *((name.encode(), value.encode("latin-1")) for name, value in headers),
        ],
    }
    before = {**scope}
    await ForwardedHeaders(app, trusted=chosen.trusted_proxies, public_url=chosen.public_url)(
        scope, nothing, nothing
    )
    assert scope == before  # it belongs to the server
    [found] = scopes
    return {
        "client": None if found["client"] is None else found["client"][0],
        "scheme": found["scheme"],
        "host": dict(found["headers"])[b"host"].decode(),
        "prefix": found.get("root_path", ""),
        "path": found["path"],
    }


def forwarded_for(value: str) -> tuple[str, str]:
    return ("x-forwarded-for", value)


@pytest.mark.parametrize(
    ("trusted", "peer", "value", "client"),
    [
        # Without a proxy in between, and from one that is not trusted, the peer itself.
        (None, "203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.5", "127.0.0.1", "198.51.100.1", "127.0.0.1"),
        # The default: proxies on this machine.
        (None, "127.0.0.1", "198.51.100.1", "198.51.100.1"),
        (None, "127.8.9.1", "198.51.100.1", "198.51.100.1"),
        (None, "::1", "2001:db8::7", "2001:db8::7"),
        (None, "::ffff:127.0.0.1", "198.51.100.1", "198.51.100.1"),
        (None, None, "198.51.100.1", "198.51.100.1"),  # a server on a Unix socket
        # What stands left of the first stranger anybody may have written.
        (None, "127.0.0.1", "127.0.0.1, 198.51.100.1", "198.51.100.1"),
        (None, "127.0.0.1", "1.2.3.4, 198.51.100.1", "198.51.100.1"),
        # A chain of proxies is walked from the right.
        ("127.0.0.1, 10.0.0.0/8", "127.0.0.1", "198.51.100.1, 10.1.2.3", "198.51.100.1"),
        ("127.0.0.1 10.0.0.0/8", "127.0.0.1", "9.9.9.9,198.51.100.1,10.1.2.3,10.2.2.2", "198.51.100.1"),
        ("127.0.0.1,10.0.0.0/8", "127.0.0.1", "10.9.9.9, 10.1.2.3", "10.9.9.9"),
        ("2001:db8:1::/48", "2001:db8:1::5", "198.51.100.1, 2001:db8:1::6", "198.51.100.1"),
        ("127.0.0.1, unix:", "127.0.0.1", "198.51.100.1, unix:", "198.51.100.1"),
        ("127.0.0.1", "127.0.0.1", "198.51.100.1, unix:", "unix:"),
        # Ports, brackets, zones.
        (None, "127.0.0.1", "198.51.100.1:443", "198.51.100.1"),
        (None, "127.0.0.1", "[2001:db8::7]:443", "2001:db8::7"),
        (None, "127.0.0.1", "[2001:db8::7]", "2001:db8::7"),
        (None, "127.0.0.1", "fe80::1%eth0", "fe80::1"),
        (None, "127.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
        # What cannot be read is as if it ended there.
        *((None, "127.0.0.1", value, "127.0.0.1") for value in (
            "unknown", "_hidden", "", " , ", "198.51.100.1:99999", "198.51.100", "<script>", "1.2.3.4, x")),
        ("127.0.0.1,10.0.0.1", "127.0.0.1", "1.2.3.4, x, 10.0.0.1", "10.0.0.1"),
    ],
)  # fmt: skip
async def test_the_client_is_the_first_from_the_right_that_is_no_trusted_proxy(
    trusted: str | None, peer: str | None, value: str, client: str
) -> None:
    assert (await seen(forwarded_for(value), peer=peer, trusted=trusted))["client"] == client


async def test_several_lines_of_a_header_are_one_list() -> None:
    found = await seen(
        forwarded_for("198.51.100.1"),
        forwarded_for("10.0.0.1"),
        trusted="127.0.0.1,10.0.0.1",
    )
    assert found["client"] == "198.51.100.1"


ALL = (
    forwarded_for("198.51.100.1"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "district.example"),
    ("x-forwarded-prefix", "/sentlog"),
)


async def test_a_trusted_proxy_says_the_scheme_the_host_and_the_prefix() -> None:
    assert await seen(*ALL) == {
        "client": "198.51.100.1",
        "scheme": "https",
        "host": "district.example",
        "prefix": "/sentlog",
        "path": "/sentlog/graphql",
    }
    assert (await seen(*ALL, type="websocket"))["scheme"] == "wss"


async def test_headers_of_untrusted_clients_are_ignored() -> None:
    assert await seen(*ALL, peer="203.0.113.9") == {
        "client": "203.0.113.9",
        "scheme": "http",
        "host": "127.0.0.1:8000",
        "prefix": "",
        "path": "/graphql",
    }


async def test_of_a_chain_the_outermost_trusted_proxy_counts() -> None:
    """The first value of each header is the client's own, who may write anything."""
    found = await seen(
        forwarded_for("6.6.6.6, 198.51.100.1, 10.0.0.1"),
        ("x-forwarded-proto", "gopher, https, http"),
        ("x-forwarded-host", "evil.example, district.example, inner.example"),
        ("x-forwarded-prefix", "/evil, /sentlog, /app"),
        trusted="127.0.0.1, 10.0.0.1",
    )
    assert found == {
        "client": "198.51.100.1",
        "scheme": "https",
        "host": "district.example",
        "prefix": "/sentlog/app",
        "path": "/sentlog/app/graphql",
    }


@pytest.mark.parametrize(
    ("header", "value", "field", "kept"),
    [
        *(("x-forwarded-proto", value, "scheme", "http") for value in ("", "ftp", "https;", "é")),
        *(("x-forwarded-host", value, "host", "127.0.0.1:8000")
          for value in ("", "a b", "a/b", "user@host", "host:port", "[::1", "é.example", "h\x7f")),
        *(("x-forwarded-prefix", value, "prefix", "")
          for value in ("", "/", "sentlog", "//evil.example", "/a//b", "/../x", "/a/..", "/a b",
                        "/a?b", "/a%2f", "/é", "/graphql", "/reports/x", "https://evil.example")),
    ],
)  # fmt: skip
async def test_what_cannot_be_right_is_as_if_it_were_not_there(
    header: str, value: str, field: str, kept: str
) -> None:
    assert (await seen((header, value)))[field] == kept


@pytest.mark.parametrize("path", ["/graphql", "/sentlog/graphql"])
async def test_the_public_address_has_a_prefix_whether_or_not_the_proxy_takes_it_away(
    path: str,
) -> None:
    found = await seen(path=path, public_url="https://district.example/sentlog/")
    assert (found["prefix"], found["path"]) == ("/sentlog", "/sentlog/graphql")
    # Nobody forwarded it: it came to this address.
    assert (found["scheme"], found["host"]) == ("http", "127.0.0.1:8000")
    found = await seen(
        forwarded_for("198.51.100.1"), path=path, public_url="https://district.example/sentlog"
    )
    assert (found["scheme"], found["host"]) == ("https", "district.example")


async def test_a_path_that_only_begins_like_the_prefix_is_not_below_it() -> None:
    found = await seen(path="/sentlogs", public_url="https://district.example/sentlog")
    assert found["path"] == "/sentlog/sentlogs"


@given(
    st.lists(st.tuples(st.sampled_from(NAMES), st.text(st.characters(max_codepoint=255)))),
    st.sampled_from(["127.0.0.1", "203.0.113.9"]),
)
@settings(max_examples=150)
async def test_no_header_breaks_a_request_or_leads_to_another_host(
    headers: list[tuple[str, str]], peer: str
) -> None:
    found = await seen(*headers, peer=peer)
    if peer == "203.0.113.9":
        assert found == await seen(peer=peer)
    assert not found["prefix"].startswith("//")
    assert found["path"] == found["prefix"] + "/graphql"
    assert not set(found["host"]) & set(" /@?#\\\r\n")
