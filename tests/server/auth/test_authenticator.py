"""Sign-in: which tokens make a viewer, and that every other one is refused without an internal error."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Unauthenticated
from domain.viewer import Right, Viewer
from server.auth.authenticator import LONGEST_TOKEN, Authenticator
from server.auth.key_sources import connect_keys
from server.auth.keys import KeysUnavailable, PrivateKey
from tests.server.auth.signing import (
    NOW,
    SECRET,
    Clock,
    claims,
    client,
    ec_key,
    ed_key,
    jwk,
    key_set,
    no_client,
    private_pem,
    public_pem,
    rsa_key,
    settings,
    signed,
)

AGAIN = "Sign in again; if that does not help, ask who manages your account."
INVALID = f"Your sign-in is not valid here. {AGAIN}"


def authenticator(clock: Clock | None = None, **fields: Any) -> Authenticator:
    config, clock = settings(**fields), clock or Clock()
    return Authenticator(config, connect_keys(config, no_client(), clock=clock), clock=clock)


async def viewer(said: dict[str, Any], **fields: Any) -> Viewer:
    return await authenticator(**fields).viewer(f"Bearer {signed(said)}")


async def refusal(token: str, **fields: Any) -> str:
    with pytest.raises(Unauthenticated) as refused:
        await authenticator(**fields).viewer(f"Bearer {token}")
    assert refused.value.code == "UNAUTHENTICATED"
    return refused.value.message


def forged(header: dict[str, Any], said: object, signature: bytes = b"") -> str:
    """A token of any parts at all, which no library would make."""
    parts = [json.dumps(header).encode(), json.dumps(said).encode()]
    return ".".join(
        base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in [*parts, signature]
    )


def signed_by_hand(header: dict[str, Any], said: object, secret: str) -> str:
    head = forged(header, said).rpartition(".")[0]
    digest = hmac.new(secret.encode(), head.encode(), hashlib.sha256).digest()
    return f"{head}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


# Who is let in


async def test_a_good_token_makes_the_viewer() -> None:
    assert await viewer(claims()) == Viewer(
        id="u1",
        name="Administrator, System",
        district="plainview",
        schools=frozenset({"harrison-high"}),
        rights=frozenset({Right.VIEW_LOG}),
        expires_at=NOW + timedelta(seconds=3630),
    )


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  ", "  Bearer "])
async def test_the_scheme_is_read_in_any_case(scheme: str) -> None:
    found = await authenticator().viewer(f"{scheme}{signed(claims())} ")
    assert found.id == "u1"


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (rsa_key(), "RS256"),
        (rsa_key(), "PS512"),
        (ec_key(), "ES256"),
        (ed_key(), "EdDSA"),
        (ed_key(), "Ed25519"),
    ],
)
async def test_a_token_signed_by_a_private_key_is_checked_with_the_public_one(
    key: PrivateKey, algorithm: str
) -> None:
    found = authenticator(jwt_key=public_pem(key), jwt_algorithms=(algorithm,))
    token = signed(claims(), key, algorithm, kid="whatever")
    assert (await found.viewer(f"Bearer {token}")).id == "u1"


async def test_a_key_set_at_an_address_lets_in_whom_its_keys_signed() -> None:
    members = [jwk(rsa_key(), "a"), jwk(ec_key(), "b")]

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=key_set(*members))

    config = settings(jwt_key="https://id.example/keys", jwt_algorithms=("RS256", "ES256"))
    clock = Clock()
    async with client(answer) as fake:
        found = Authenticator(config, connect_keys(config, fake, clock=clock), clock=clock)
        for token in [
            signed(claims(), rsa_key(), "RS256", kid="a"),
            signed(claims(), ec_key(), "ES256", kid="b"),
        ]:
            assert (await found.viewer(f"Bearer {token}")).id == "u1"
        foreign = [
            signed(claims(), rsa_key(), "RS256", kid="c"),
            signed(claims(), rsa_key(2), "RS256", kid="a"),
            signed(claims(), rsa_key(), "RS256", kid="b"),
            signed(claims(), rsa_key(2), "RS256"),
        ]
        for token in foreign:
            with pytest.raises(Unauthenticated) as refused:
                await found.viewer(f"Bearer {token}")
            assert refused.value.message == INVALID
        members[:] = [jwk(rsa_key(2), "c")]
        clock.advance(seconds=10)
        token = signed(claims(), rsa_key(2), "RS256", kid="c")
        assert (await found.viewer(f"Bearer {token}")).id == "u1"


async def test_an_algorithm_that_is_not_in_the_list_is_refused_though_a_key_serves_it() -> None:
    asked: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(200, content=key_set(jwk(rsa_key(), "a")))

    config = settings(jwt_key="https://id.example/keys", jwt_algorithms=("RS256",))
    async with client(answer) as fake:
        found = Authenticator(config, connect_keys(config, fake, clock=Clock()), clock=Clock())
        with pytest.raises(Unauthenticated) as refused:
            await found.viewer(f"Bearer {signed(claims(), rsa_key(), 'PS256', kid='a')}")
        assert refused.value.message == INVALID
        assert asked == []
        token = signed(claims(), rsa_key(), "RS256", kid="a")
        assert (await found.viewer(f"Bearer {token}")).id == "u1"


async def test_while_no_keys_can_be_had_the_caller_is_not_blamed() -> None:
    config = settings(jwt_key="https://id.example/keys", jwt_algorithms=("RS256",))
    async with client(lambda request: httpx2.Response(503)) as fake:
        found = Authenticator(config, connect_keys(config, fake, clock=Clock()), clock=Clock())
        with pytest.raises(KeysUnavailable):
            await found.viewer(f"Bearer {signed(claims(), rsa_key(), 'RS256', kid='a')}")


# Who is not


@pytest.mark.parametrize("name", ["exp", "aud", "iss", "sub"])
@pytest.mark.parametrize("value", [..., None])
async def test_a_token_without_a_required_claim_is_refused(name: str, value: object) -> None:
    token = signed_by_hand({"alg": "HS256"}, claims(**{name: value}), SECRET)
    assert await refusal(token) == (
        f"Your sign-in lacks the claim {name}; it needs exp, aud, iss, sub."
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"aud": "other"}, f"Your sign-in is meant for another application. {AGAIN}"),
        ({"aud": ["other", "sentlog2"]}, f"Your sign-in is meant for another application. {AGAIN}"),
        ({"aud": ["sentlog", 5]}, f"Your sign-in is meant for another application. {AGAIN}"),
        ({"aud": {"sentlog": 1}}, f"Your sign-in is meant for another application. {AGAIN}"),
        ({"aud": 5}, f"Your sign-in is meant for another application. {AGAIN}"),
        ({"aud": ""}, "Your sign-in lacks the claim aud; it needs exp, aud, iss, sub."),
        (
            {"iss": "sentlog2"},
            f"Your sign-in comes from an issuer that is not trusted here. {AGAIN}",
        ),
        ({"iss": ""}, f"Your sign-in comes from an issuer that is not trusted here. {AGAIN}"),
        ({"sub": 5}, INVALID),
        ({"sub": ["u1"]}, INVALID),
        ({"jti": 5}, INVALID),
    ],
)
async def test_a_token_for_or_from_somebody_else_is_refused(
    changes: dict[str, Any], message: str
) -> None:
    said = claims(**changes)
    assert await refusal(signed_by_hand({"alg": "HS256"}, said, SECRET)) == message


async def test_an_issuer_that_is_no_text_is_refused() -> None:
    token = signed_by_hand({"alg": "HS256"}, claims(iss=["sentlog"]), SECRET)
    assert await refusal(token) == (
        f"Your sign-in comes from an issuer that is not trusted here. {AGAIN}"
    )


async def test_a_token_for_several_applications_is_taken_if_this_is_one() -> None:
    assert (await viewer(claims(aud=["other", "sentlog"]))).id == "u1"


def _altered(token: str, part: int) -> str:
    """The token with one bit of that part turned over."""
    parts = token.split(".")
    content = bytearray(base64.urlsafe_b64decode(parts[part] + "=="))
    content[len(content) // 2] ^= 1
    parts[part] = base64.urlsafe_b64encode(content).rstrip(b"=").decode()
    return ".".join(parts)


GOOD = signed(claims())


@pytest.mark.parametrize(
    "token",
    [
        _altered(GOOD, 0),
        _altered(GOOD, 1),
        _altered(GOOD, 2),
        GOOD[:-1],
        GOOD.rpartition(".")[0],
        GOOD.rpartition(".")[0] + ".",
        f"{GOOD}.{GOOD}",
        f"{GOOD} x",
        ".",
        "..",
        "...",
        "x",
        "\x00",
        "é" * 20,
        f"{GOOD}é",
        "\ud800",
        signed(claims(), SECRET + "x"),
        signed(claims(), SECRET, "HS512"),
        signed(claims(), rsa_key(), "RS256"),
        forged({"alg": "none"}, claims()),
        forged({"alg": "None"}, claims()),
        forged({"alg": ""}, claims()),
        forged({}, claims()),
        forged({"alg": ["HS256"]}, claims()),
        forged({"alg": {"HS256": 1}}, claims()),
        forged({"alg": "HS256"}, claims()),
        signed_by_hand({"alg": "HS256", "kid": 5}, claims(), SECRET),
        signed_by_hand({"alg": "HS256", "crit": ["x"], "x": 1}, claims(), SECRET),
        signed_by_hand({"alg": "HS256", "b64": False, "crit": ["b64"]}, claims(), SECRET),
        signed_by_hand({"alg": "HS256"}, "text", SECRET),
        signed_by_hand({"alg": "HS256"}, [claims()], SECRET),
        signed_by_hand({"alg": "HS256"}, None, SECRET),
    ],
    ids=range(32),
)
async def test_a_forged_token_gets_no_details(token: str) -> None:
    assert await refusal(token) == INVALID


@pytest.mark.parametrize("depth", [3_000])
async def test_a_deeply_nested_token_is_refused(depth: int) -> None:
    nested = base64.urlsafe_b64encode(b"[" * depth).rstrip(b"=").decode()
    head = forged({"alg": "HS256"}, {}).partition(".")[0]
    digest = hmac.new(SECRET.encode(), f"{head}.{nested}".encode(), hashlib.sha256).digest()
    signature = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert await refusal(f"{head}.{nested}.{signature}") == INVALID
    assert await refusal(f"{nested}.{nested}.{signature}") == INVALID


@pytest.mark.parametrize("algorithm", ["HS256", "RS256"])
async def test_the_public_key_is_no_secret_to_sign_with(algorithm: str) -> None:
    public = public_pem(rsa_key())
    token = signed_by_hand({"alg": algorithm}, claims(), public)
    assert await refusal(token, jwt_key=public, jwt_algorithms=("RS256",)) == INVALID


async def test_a_token_longer_than_the_limit_is_not_decoded() -> None:
    room = LONGEST_TOKEN - len(signed(claims(name="")))
    fits = signed(claims(name="x" * (room * 3 // 4)))
    assert LONGEST_TOKEN - 4 < len(fits) <= LONGEST_TOKEN
    assert (await authenticator().viewer(f"Bearer {fits}")).id == "u1"
    assert await refusal("x" * (LONGEST_TOKEN + 1)) == (
        "The token has 16385 characters; 16384 are allowed."
    )


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (None, "You are not signed in. Send the header Authorization: Bearer with a token."),
        ("", "The header Authorization must be: Bearer, a space and a token."),
        ("Bearer", "The header Authorization must be: Bearer, a space and a token."),
        ("Bearer  ", "The header Authorization must be: Bearer, a space and a token."),
        (GOOD, "The header Authorization must be: Bearer, a space and a token."),
        (f"Bearer{GOOD}", "The header Authorization must be: Bearer, a space and a token."),
        (f"Bearer:{GOOD}", "The header Authorization must be: Bearer, a space and a token."),
        ("Basic dTpw", "The header Authorization must be: Bearer, a space and a token."),
    ],
)
async def test_a_header_that_is_no_bearer_token_says_how_to_send_one(
    header: str | None, message: str
) -> None:
    with pytest.raises(Unauthenticated) as refused:
        await authenticator().viewer(header)
    assert refused.value.message == message


@given(st.text(max_size=200) | st.builds("Bearer {}".format, st.text(max_size=200)))
async def test_no_header_whatsoever_is_a_fault(header: str) -> None:
    with pytest.raises(Unauthenticated):
        await authenticator().viewer(header)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
NAMES = st.sampled_from(
    ["sub", "aud", "iss", "exp", "nbf", "iat", "jti", "name", "district", "schools", "rights"]
)


@given(st.dictionaries(NAMES, ANYTHING, max_size=3))
async def test_whatever_a_signed_token_says_it_makes_a_sound_viewer_or_is_refused(
    changes: dict[str, Any],
) -> None:
    token = signed_by_hand({"alg": "HS256"}, claims(**changes), SECRET)
    try:
        found = await authenticator().viewer(f"Bearer {token}")
    except Unauthenticated:
        return
    assert found.expires_at > NOW
    for text in (found.id, found.name, found.district, *found.schools):
        assert text.strip().encode() != b""
    assert found.schools or changes.get("schools") in (None, [])


# Connections


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
async def test_a_connection_signs_in_by_its_payload(name: str) -> None:
    payload = {name: f"Bearer {GOOD}", "client": {"name": "console"}}
    assert (await authenticator().viewer_of_connection(payload)).id == "u1"


MISSING = "You are not signed in. Send the header Authorization: Bearer with a token."
ONE_TEXT = 'The connection needs one text: {"Authorization": "Bearer …"}.'


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (None, MISSING),
        ({}, MISSING),
        ([], MISSING),
        ("Bearer x", MISSING),
        (5, MISSING),
        ({"token": GOOD}, MISSING),
        ({5: GOOD}, MISSING),
        ({"headers": {"Authorization": f"Bearer {GOOD}"}}, MISSING),
        ({"Authorization": None}, ONE_TEXT),
        ({"Authorization": [f"Bearer {GOOD}"]}, ONE_TEXT),
        ({"Authorization": f"Bearer {GOOD}", "authorization": f"Bearer {GOOD}"}, ONE_TEXT),
        ({"Authorization": GOOD}, "The header Authorization must be: Bearer, a space and a token."),
        ({"Authorization": "Bearer x"}, INVALID),
    ],
)
async def test_a_connection_without_a_token_is_refused(payload: object, message: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        await authenticator().viewer_of_connection(payload)
    assert refused.value.message == message


async def test_a_private_pem_as_the_key_checks_what_it_signed() -> None:
    found = authenticator(jwt_key=private_pem(ec_key()), jwt_algorithms=("ES256",))
    token = signed(claims(), ec_key(), "ES256")
    assert (await found.viewer(f"Bearer {token}")).id == "u1"
