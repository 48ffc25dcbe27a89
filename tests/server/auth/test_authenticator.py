"""Sign-in: which tokens make a viewer, and that every other one is turned away without a fault."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from itertools import product
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
    told, clock = settings(**fields), clock or Clock()
    return Authenticator(told, connect_keys(told, no_client(), clock=clock), clock=clock)


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

    told = settings(jwt_key="https://id.example/keys", jwt_algorithms=("RS256", "ES256"))
    clock = Clock()
    async with client(answer) as fake:
        found = Authenticator(told, connect_keys(told, fake, clock=clock), clock=clock)
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

    told = settings(jwt_key="https://id.example/keys", jwt_algorithms=("RS256",))
    async with client(answer) as fake:
        found = Authenticator(told, connect_keys(told, fake, clock=Clock()), clock=Clock())
        with pytest.raises(Unauthenticated) as refused:
            await found.viewer(f"Bearer {signed(claims(), rsa_key(), 'PS256', kid='a')}")
        assert refused.value.message == INVALID
        assert asked == []
        token = signed(claims(), rsa_key(), "RS256", kid="a")
        assert (await found.viewer(f"Bearer {token}")).id == "u1"


async def test_while_no_keys_can_be_had_the_caller_is_not_blamed() -> None:
    told = settings(jwt_key="https://id.example/keys", jwt_algorithms=("RS256",))
    async with client(lambda request: httpx2.Response(503)) as fake:
        found = Authenticator(told, connect_keys(told, fake, clock=Clock()), clock=Clock())
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


def at(**by: float) -> float:
    return (NOW + timedelta(**by)).timestamp()


EXPIRED = "Your sign-in has expired. Sign in again."
EARLY = "Your sign-in is not valid yet. Check that the clocks are right."


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"exp": at(seconds=-29.5)}, None),
        ({"exp": at(seconds=-30)}, EXPIRED),
        ({"exp": 0}, EXPIRED),
        ({"nbf": at(seconds=30)}, None),
        ({"nbf": at(seconds=30.5)}, EARLY),
        ({"iat": at(seconds=30)}, None),
        ({"iat": at(seconds=31)}, EARLY),
        ({"iat": at(days=-1), "nbf": at(days=-1)}, None),
        ({"iat": 0}, None),
        ({"exp": at(days=-1), "nbf": at(days=1)}, EARLY),
    ],
)
async def test_times_are_judged_by_the_given_clock_with_thirty_seconds_of_leeway(
    changes: dict[str, Any], message: str | None
) -> None:
    token = signed(claims(**changes))
    if message is None:
        assert (await authenticator().viewer(f"Bearer {token}")).id == "u1"
    else:
        assert await refusal(token) == message


async def test_a_token_is_refused_from_the_moment_that_its_viewer_expires() -> None:
    clock = Clock()
    found = authenticator(clock, jwt_leeway=0)
    token = f"Bearer {signed(claims())}"
    expires_at = (await found.viewer(token)).expires_at
    assert expires_at == NOW + timedelta(hours=1)
    clock.now = expires_at - timedelta(microseconds=1)
    assert (await found.viewer(token)).expires_at == expires_at
    clock.now = expires_at
    with pytest.raises(Unauthenticated) as refused:
        await found.viewer(token)
    assert refused.value.message == EXPIRED


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "value",
    ["1580493600", True, [1], {}, -1, 1e300, float("nan"), float("inf"), 10**400, 253402300800],
)
async def test_a_time_that_is_none_is_refused(name: str, value: object) -> None:
    token = signed_by_hand({"alg": "HS256"}, claims(**{name: value}), SECRET)
    assert await refusal(token) == (
        f"The claim {name} of your sign-in must be a time in seconds since 1970. {AGAIN}"
    )


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
async def test_a_token_that_was_not_signed_here_tells_its_maker_nothing(token: str) -> None:
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


# What the claims say


@pytest.mark.parametrize(
    ("schools", "expected"),
    [
        (..., frozenset()),
        (None, frozenset()),
        ([], frozenset()),
        (["a"], frozenset({"a"})),
        (["a", "b c", "a"], frozenset({"a", "b c"})),
    ],
)
async def test_no_schools_are_all_schools(schools: object, expected: frozenset[str]) -> None:
    assert (await viewer(claims(schools=schools))).schools == expected


@pytest.mark.parametrize("schools", ["", "harrison-high", 5, 0, False, {}, {"a": 1}])
async def test_schools_that_are_no_list_are_refused_and_not_taken_for_all(schools: object) -> None:
    assert await refusal(signed(claims(schools=schools))) == (
        f"The claim schools of your sign-in must be a list of texts. {AGAIN}"
    )


@pytest.mark.parametrize("school", ["", " ", None, 5, ["a"]])
async def test_a_school_that_is_no_text_is_refused(school: object) -> None:
    assert await refusal(signed(claims(schools=["a", school]))) == (
        f"The claim schools of your sign-in must be a text. {AGAIN}"
    )


@pytest.mark.parametrize(
    ("rights", "expected"),
    [
        (..., set()),
        (None, set()),
        ([], set()),
        ("", set()),
        (["VIEW_LOG", "CREATE_REPORTS"], {Right.VIEW_LOG, Right.CREATE_REPORTS}),
        ("openid VIEW_LOG  INGEST_MESSAGES", {Right.VIEW_LOG, Right.INGEST_MESSAGES}),
        (["view_log", "VIEW", "admin", "VIEW_LOG "], set()),
        (["VIEW_LOG VIEW_RECIPIENTS"], set()),
    ],
)
async def test_rights_are_a_list_or_a_scope_and_other_systems_rights_are_passed_over(
    rights: object, expected: set[Right]
) -> None:
    assert (await viewer(claims(rights=rights))).rights == expected


@pytest.mark.parametrize("rights", [5, True, {"VIEW_LOG": True}, [5], [["VIEW_LOG"]], [None]])
async def test_rights_of_another_type_are_refused(rights: object) -> None:
    assert await refusal(signed(claims(rights=rights))) == (
        "The claim rights of your sign-in must be a list of texts, or one text with spaces"
        f" or commas between the rights. {AGAIN}"
    )


@pytest.mark.parametrize("name", [..., None, "", " ", "\u00a0\n"])
async def test_without_a_name_the_id_is_shown(name: object) -> None:
    assert (await viewer(claims(name=name))).name == "u1"


@pytest.mark.parametrize("name", ["Nguyễn", "Zoë", "王小明", "محمد", "شیرین‌بانو", "A\u00a0B"])
async def test_a_name_may_be_in_any_script(name: str) -> None:
    assert (await viewer(claims(name=name))).name == name


@pytest.mark.parametrize(
    ("claim", "text"),
    [
        *(("sub", ""), ("sub", " "), ("district", ""), ("district", " ")),
        *product(("sub", "name", "district"), ("a\x00b", "a\nb", "a\x9bb", "\ud800")),
    ],
)
async def test_a_text_that_could_not_be_stored_or_logged_is_refused(claim: str, text: str) -> None:
    token = signed_by_hand({"alg": "HS256"}, claims(**{claim: text}), SECRET)
    assert await refusal(token) == f"The claim {claim} of your sign-in must be a text. {AGAIN}"


@pytest.mark.parametrize("district", [..., None, 5, ["plainview"], {"id": "plainview"}])
async def test_a_token_without_a_district_is_refused(district: object) -> None:
    assert await refusal(signed(claims(district=district))) == (
        f"The claim district of your sign-in must be a text. {AGAIN}"
    )


async def test_claims_have_configurable_names_paths_and_addresses_among_them() -> None:
    said = claims(
        name=...,
        district=...,
        schools=...,
        rights=...,
        org={"unit": {"district": "plainview"}},
        realm_access={"roles": ["VIEW_LOG", "offline"]},
        preferred_username="admin",
        **{"https://id.example/schools": ["a"]},
    )
    found = await viewer(
        said,
        jwt_claim_district="org.unit.district",
        jwt_claim_rights="realm_access.roles",
        jwt_claim_name="preferred_username",
        jwt_claim_schools="https://id.example/schools",
    )
    assert found == Viewer(
        id="u1",
        name="admin",
        district="plainview",
        schools=frozenset({"a"}),
        rights=frozenset({Right.VIEW_LOG}),
        expires_at=NOW + timedelta(seconds=3630),
    )


async def test_a_claim_of_the_very_name_comes_before_the_path() -> None:
    said = claims(**{"a.b": "very", "a": {"b": "path"}})
    assert (await viewer(said, jwt_claim_district="a.b")).district == "very"


@pytest.mark.parametrize("said", [{"a": "text"}, {"a": ["b"]}, {"a": {"c": 1}}, {}])
async def test_a_path_that_leads_nowhere_is_no_claim(said: dict[str, Any]) -> None:
    token = signed(claims(**said))
    assert await refusal(token, jwt_claim_district="a.b") == (
        f"The claim a.b of your sign-in must be a text. {AGAIN}"
    )


async def test_the_audience_and_the_issuer_are_configurable() -> None:
    said = claims(aud="log", iss="https://id.example")
    fields = {"jwt_audience": "log", "jwt_issuer": "https://id.example"}
    assert (await viewer(said, **fields)).id == "u1"
    assert await refusal(signed({**said, "iss": "sentlog"}), **fields) == (
        f"Your sign-in comes from an issuer that is not trusted here. {AGAIN}"
    )
    assert await refusal(signed({**said, "aud": "sentlog"}), **fields) == (
        f"Your sign-in is meant for another application. {AGAIN}"
    )


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
