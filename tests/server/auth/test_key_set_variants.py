"""Key sets as issuers write them: duplicate keys, empty members, and the new names of EdDSA."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed448

from server.auth.authenticator import Authenticator
from server.auth.jwks import RotatingKeys, parse_key_set
from server.auth.keys import Key, PrivateKey
from tests.server.auth.signing import (
    Clock,
    claims,
    ec_key,
    ed_key,
    jwk,
    key_set,
    private_pem,
    rsa_key,
    settings,
    signed,
)
from tests.server.auth.test_issue import authenticator, token

ED448 = ed448.Ed448PrivateKey.generate()


def keys_of(*members: dict[str, Any]) -> RotatingKeys:
    async def read() -> bytes:
        return key_set(*members)

    return RotatingKeys(read, clock=Clock())


@pytest.mark.parametrize("kid", ["a", None])
@pytest.mark.parametrize(
    "members",
    [
        [jwk(rsa_key(), "a"), jwk(rsa_key(), "a")],
        [jwk(rsa_key(), "a"), jwk(ec_key(), "b"), jwk(rsa_key(), "a", alg="RS256", use="sig")],
        [jwk(rsa_key(), "a", alg="RS256"), jwk(rsa_key(), "a", alg="RS512")],
        [jwk(rsa_key(), "a"), jwk(rsa_key(), "an alias")],
    ],
)
async def test_a_key_that_is_listed_twice_is_one(
    members: list[dict[str, Any]], kid: str | None
) -> None:
    found = await keys_of(*members).find(kid, "RS256")

    assert found is not None
    assert (found.material, found.kid) == (rsa_key().public_key(), "a")


@pytest.mark.parametrize("kid", ["a", None])
async def test_two_keys_of_one_name_and_algorithm_are_still_in_doubt(kid: str | None) -> None:
    keys = keys_of(jwk(rsa_key(), "a"), jwk(rsa_key(2), "a"), jwk(rsa_key(), "a"))

    assert await keys.find(kid, "RS256") is None


@pytest.mark.parametrize(
    "members",
    [
        {"use": None},
        {"use": ""},
        {"key_ops": None},
        {"key_ops": []},
        {"alg": None},
        {"alg": ""},
        {"use": None, "key_ops": None, "alg": None},
    ],
)
def test_members_that_are_null_or_empty_count_as_absent(members: dict[str, Any]) -> None:
    document = key_set({**jwk(ec_key(), "a"), **members})

    assert parse_key_set(document) == (Key(ec_key().public_key(), frozenset({"ES256"}), "a"),)


@pytest.mark.parametrize(
    ("key", "alg", "algorithms"),
    [
        (ed_key(), None, {"EdDSA", "Ed25519"}),
        (ed_key(), "EdDSA", {"EdDSA", "Ed25519"}),
        (ed_key(), "Ed25519", {"EdDSA", "Ed25519"}),
        (ED448, "EdDSA", {"EdDSA", "Ed448"}),
        (ED448, "Ed448", {"EdDSA", "Ed448"}),
    ],
)
def test_a_key_serves_all_names_of_eddsa_on_its_curve(
    key: PrivateKey, alg: str | None, algorithms: set[str]
) -> None:
    document = key_set(jwk(key, "a", alg=alg))

    assert parse_key_set(document) == (Key(key.public_key(), frozenset(algorithms), "a"),)


@pytest.mark.parametrize(("key", "alg"), [(ed_key(), "Ed448"), (ED448, "Ed25519")])
def test_a_key_that_is_listed_for_another_curve_is_passed_over(key: PrivateKey, alg: str) -> None:
    document = key_set(jwk(ec_key(), "b"), jwk(key, "a", alg=alg))

    assert [key.kid for key in parse_key_set(document)] == ["b"]


@pytest.mark.parametrize("alg", ["EdDSA", "Ed25519", None])
async def test_an_issuer_may_name_the_curve_of_its_algorithm(alg: str | None) -> None:
    said = settings(jwt_key="https://id.example/keys", jwt_algorithms=("EdDSA", "Ed25519"))
    found = Authenticator(said, keys_of(jwk(ed_key(), "a", alg=alg)), clock=Clock())
    for name in ("EdDSA", "Ed25519"):
        bearer = f"Bearer {signed(claims(), ed_key(), name, kid='a')}"
        assert (await found.viewer(bearer)).id == "u1"


@pytest.mark.parametrize(("key", "algorithm"), [(ed_key(), "Ed25519"), (ED448, "Ed448")])
async def test_a_token_that_is_made_under_the_name_of_the_curve_is_taken(
    key: PrivateKey, algorithm: str
) -> None:
    said = settings(jwt_key=private_pem(key), jwt_algorithms=(algorithm,))

    assert (await authenticator(said, Clock()).viewer(f"Bearer {token(said)}")).id == "u1"
