"""Keys: which are valid, where they come from, and how they are refused."""

from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
)

from server.auth.jwks import LARGEST
from server.auth.key_sources import connect_keys, signing_key
from server.auth.keys import Key, OneKey, PublicKey, UnusableKey, algorithms_of, parse_pem
from server.settings.settings import SettingsError
from tests.server.auth.signing import (
    SECRET,
    Clock,
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
    weak_rsa_key,
)

RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
ADDRESS = "https://id.example/keys"
MAKE_ONE = "python -c 'import secrets; print(secrets.token_urlsafe(48))'"


# What a key is


@pytest.mark.parametrize(
    ("material", "algorithms"),
    [
        (b"x" * 31, ()),
        (b"x" * 32, ("HS256",)),
        (b"x" * 48, ("HS256", "HS384")),
        (b"x" * 64, ("HS256", "HS384", "HS512")),
        (weak_rsa_key().public_key(), ()),
        (rsa_key().public_key(), RSA),
        (ec_key().public_key(), ("ES256",)),
        (ec.generate_private_key(ec.SECP384R1()).public_key(), ("ES384",)),
        (ec.generate_private_key(ec.SECP521R1()).public_key(), ("ES512",)),
        (ec.generate_private_key(ec.SECP256K1()).public_key(), ()),
        (ed_key().public_key(), ("EdDSA", "Ed25519")),
        (ed448.Ed448PrivateKey.generate().public_key(), ("EdDSA", "Ed448")),
    ],
)
def test_a_key_serves_the_algorithms_of_its_kind_and_strength(
    material: bytes | PublicKey, algorithms: tuple[str, ...]
) -> None:
    assert algorithms_of(material) == algorithms


def test_a_pem_may_have_its_line_ends_written_out() -> None:
    assert parse_pem(public_pem(ec_key()).replace("\n", "\\n")) == ec_key().public_key()


def _dsa_pem() -> str:
    key = dsa.generate_private_key(1024).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _x25519_pem() -> str:
    key = x25519.X25519PrivateKey.generate().public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _locked_pem() -> str:
    lock = BestAvailableEncryption(b"pass-word")
    return ec_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock).decode()


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        (_locked_pem(), "the PEM is locked by a passphrase: give it without"),
        (
            public_pem(ec_key())[:60],
            "the PEM cannot be read: give it whole, from BEGIN to END",
        ),
        (
            "-----BEGIN PRIVATE KEY-----\nnonsense\n-----END PRIVATE KEY-----",
            "the PEM cannot be read: give it whole, from BEGIN to END",
        ),
        (
            "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----",
            "the PEM cannot be read: give it whole, from BEGIN to END",
        ),
        (_dsa_pem(), "the PEM is not an RSA, EC or Ed key: give one of these"),
        (_x25519_pem(), "the PEM is not an RSA, EC or Ed key: give one of these"),
    ],
    ids=["locked", "cut off", "no private key", "no certificate", "DSA", "X25519"],
)
def test_a_pem_that_is_no_key_for_tokens_says_why(pem: str, reason: str) -> None:
    with pytest.raises(UnusableKey) as refused:
        parse_pem(pem)
    assert str(refused.value) == reason


# Where the setting says it is


async def test_a_secret_is_the_key_whatever_kid_a_token_names() -> None:
    keys = connect_keys(settings(), no_client(), clock=Clock())
    key = Key(SECRET.encode(), frozenset({"HS256"}))
    assert keys == OneKey(key)
    assert await keys.find("foreign", "HS256") == key
    assert await keys.find(None, "HS512") is None
    assert await keys.ready() is True


@pytest.mark.parametrize(
    "pem", [public_pem(ec_key()), private_pem(ec_key())], ids=["public", "private"]
)
async def test_a_pem_checks_with_its_public_half(pem: str, tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_text(pem)
    expected = OneKey(Key(ec_key().public_key(), frozenset({"ES256"})))
    for config in (pem, pem.replace("\n", "\\n"), f"file:{file}", f"file://{file}"):
        found = settings(jwt_key=config, jwt_algorithms=("ES256",))
        assert connect_keys(found, no_client(), clock=Clock()) == expected


async def test_a_secret_in_a_file_loses_the_line_end_and_the_byte_order_mark(
    tmp_path: Path,
) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"\xef\xbb\xbf" + SECRET.encode() + b"\r\n")
    keys = connect_keys(settings(jwt_key=f"file:{file}"), no_client(), clock=Clock())
    assert keys == OneKey(Key(SECRET.encode(), frozenset({"HS256"})))


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (
            {"jwt_key": None},
            "SENTLOG_JWT_KEY: it is not set, so nobody could sign in. Set it to a secret"
            f" ({MAKE_ONE}), a public key in PEM, file:/path to one, or the https address of a JWKS.",
        ),
        (
            {"jwt_key": "x" * 31},
            f"SENTLOG_JWT_KEY: the secret has 31 bytes and HS256 needs 32. Make one: {MAKE_ONE}",
        ),
        (
            {"jwt_key": "x" * 63, "jwt_algorithms": ("HS256", "HS512")},
            f"SENTLOG_JWT_KEY: the secret has 63 bytes and HS512 needs 64. Make one: {MAKE_ONE}",
        ),
        (
            {"jwt_algorithms": ("RS256",)},
            "SENTLOG_JWT_ALGORITHMS: RS256 does not go with SENTLOG_JWT_KEY, which is a secret."
            " It goes with HS256, HS384, HS512.",
        ),
        (
            {"jwt_key": public_pem(rsa_key())},
            "SENTLOG_JWT_ALGORITHMS: HS256 does not go with SENTLOG_JWT_KEY, which is a key in PEM."
            f" It goes with {', '.join(RSA)}.",
        ),
        (
            {"jwt_key": public_pem(rsa_key()), "jwt_algorithms": ("RS256", "ES256")},
            "SENTLOG_JWT_ALGORITHMS: ES256 does not go with SENTLOG_JWT_KEY, which is a key in PEM."
            f" It goes with {', '.join(RSA)}.",
        ),
        (
            {"jwt_key": public_pem(weak_rsa_key()), "jwt_algorithms": ("RS256",)},
            "SENTLOG_JWT_KEY: the key is too weak or of a kind that tokens do not use. Give an RSA key"
            " of 2048 bits or more, an EC key on P-256, P-384 or P-521, or an Ed25519 key.",
        ),
        (
            {"jwt_key": _locked_pem()},
            "SENTLOG_JWT_KEY: the PEM is locked by a passphrase: give it without.",
        ),
        (
            {"jwt_key": key_set(jwk(rsa_key(), "a")).decode()},
            "SENTLOG_JWT_KEY: a JWKS does not go here. Put it into a file and give file:/path.",
        ),
        (
            {"jwt_key": __file__},
            "SENTLOG_JWT_KEY: this is the path of a file. Write file: before it.",
        ),
        (
            {"jwt_key": ADDRESS},
            "SENTLOG_JWT_ALGORITHMS: HS256 goes with a secret, and SENTLOG_JWT_KEY names a JWKS, whose"
            " keys are public. Set it to what their issuer signs by, RS256 or ES256 as a rule.",
        ),
        (
            {"jwt_key": "http://id.example/keys", "jwt_algorithms": ("RS256",)},
            "SENTLOG_JWT_KEY: http://id.example is not safe: keys could be forged on the way."
            " Give its https address.",
        ),
        (
            {"jwt_key": "http://127.0.0.1.example/keys", "jwt_algorithms": ("RS256",)},
            "SENTLOG_JWT_KEY: http://127.0.0.1.example is not safe: keys could be forged on the way."
            " Give its https address.",
        ),
        (
            {"jwt_key": "https://id.example:port/", "jwt_algorithms": ("RS256",)},
            "SENTLOG_JWT_KEY: the address cannot be read. Give https://host/path.",
        ),
    ],
)
def test_a_key_that_cannot_be_used_is_refused_with_the_way_out(
    fields: dict[str, Any], problem: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        connect_keys(settings(**fields), no_client(), clock=Clock())
    assert refused.value.problems == (problem,)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read: No such file or directory. Correct the path or its permissions."),
        (b"\xff\xfe\x00", "is not text. Give a JWKS, a PEM or a secret."),
        (b"{", "{0}: it is not JSON. Give a JWKS, a PEM or a secret."),
        (
            b'{"keys": []}',
            "{0}: it is not a JWKS with a public key for signatures. Give a JWKS, a PEM or a secret.",
        ),
        (
            b"x" * (LARGEST + 1),
            "{0}: it has more than 262144 bytes. Give a JWKS, a PEM or a secret.",
        ),
    ],
)
def test_a_file_that_holds_no_key_is_named(
    content: bytes | None, problem: str, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    config = settings(jwt_key=f"file:{file}", jwt_algorithms=("RS256",))
    with pytest.raises(SettingsError) as refused:
        connect_keys(config, no_client(), clock=Clock())
    expected = problem.replace("{0}", f"{file}") if "{0}" in problem else f"{file} {problem}"
    assert refused.value.problems == (f"SENTLOG_JWT_KEY: {expected}",)


@pytest.mark.parametrize(
    "address",
    [
        ADDRESS,
        "http://localhost:9/keys",
        "http://127.0.0.1/keys",
        "http://127.8.8.8/keys",
        "http://[::1]:9/keys",
    ],
)
async def test_an_address_is_asked_when_the_first_token_comes(address: str) -> None:
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        return httpx2.Response(200, content=key_set(jwk(rsa_key(), "a")))

    config = settings(jwt_key=address, jwt_algorithms=("RS256",))
    async with client(answer) as fake:
        keys = connect_keys(config, fake, clock=Clock())
        assert asked == []
        found = await keys.find("a", "RS256")
    assert found == Key(rsa_key().public_key(), frozenset(RSA), "a")
    assert asked == [address]


# What signs


def test_a_secret_signs_by_the_first_algorithm() -> None:
    assert signing_key(settings(jwt_algorithms=("HS384", "HS256"))) == (SECRET.encode(), "HS384")


def test_a_private_pem_signs(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_text(private_pem(ed_key()))
    material, algorithm = signing_key(settings(jwt_key=f"file:{file}", jwt_algorithms=("EdDSA",)))
    assert not isinstance(material, bytes)
    assert (material.public_key(), algorithm) == (ed_key().public_key(), "EdDSA")


@pytest.mark.parametrize("kind", ["address", "set", "public"])
def test_public_keys_sign_nothing(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(key_set(jwk(rsa_key(), "a")))
    config = {"address": ADDRESS, "set": f"file:{file}", "public": public_pem(rsa_key())}[kind]
    with pytest.raises(SettingsError) as refused:
        signing_key(settings(jwt_key=config, jwt_algorithms=("RS256",)))
    assert refused.value.problems == (
        "SENTLOG_JWT_KEY: it names public keys, which check tokens and sign none."
        " Let their issuer make the token, or give the private key in PEM, or a secret.",
    )


def test_a_key_that_serves_nobody_does_not_sign_either() -> None:
    with pytest.raises(SettingsError) as refused:
        signing_key(settings(jwt_key="x" * 31))
    assert refused.value.problems == (
        f"SENTLOG_JWT_KEY: the secret has 31 bytes and HS256 needs 32. Make one: {MAKE_ONE}",
    )
