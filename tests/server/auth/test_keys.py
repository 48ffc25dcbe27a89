"""The keys: what is one, where they are, and a JWKS that changes under a running server."""

import asyncio
import gzip
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
from jwt.algorithms import RSAAlgorithm

from server.auth.jwks import LARGEST, RotatingKeys, parse_key_set
from server.auth.key_sources import connect_keys, signing_key
from server.auth.keys import (
    Key,
    KeysUnavailable,
    OneKey,
    PublicKey,
    UnusableKey,
    algorithms_of,
    parse_pem,
)
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
    for told in (pem, pem.replace("\n", "\\n"), f"file:{file}", f"file://{file}"):
        found = settings(jwt_key=told, jwt_algorithms=("ES256",))
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
    told = settings(jwt_key=f"file:{file}", jwt_algorithms=("RS256",))
    with pytest.raises(SettingsError) as refused:
        connect_keys(told, no_client(), clock=Clock())
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

    told = settings(jwt_key=address, jwt_algorithms=("RS256",))
    async with client(answer) as fake:
        keys = connect_keys(told, fake, clock=Clock())
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
    told = {"address": ADDRESS, "set": f"file:{file}", "public": public_pem(rsa_key())}[kind]
    with pytest.raises(SettingsError) as refused:
        signing_key(settings(jwt_key=told, jwt_algorithms=("RS256",)))
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


# A key set


def test_a_set_gives_its_public_keys_for_signatures_and_passes_over_the_rest() -> None:
    private = {**RSAAlgorithm.to_jwk(rsa_key(), as_dict=True), "key_ops": ["verify"]}
    document = key_set(
        jwk(rsa_key(), "any"),
        jwk(rsa_key(), "one", alg="PS384", use="sig", key_ops=["sign", "verify"]),
        jwk(ec_key(), "ec"),
        jwk(ed_key(), None),
        {**private, "kid": "private"},
        jwk(rsa_key(), "encryption", use="enc"),
        jwk(rsa_key(), "wrapping", key_ops=["wrapKey"]),
        jwk(rsa_key(), "odd operations", key_ops="verify"),
        jwk(rsa_key(), "other algorithm", alg="RSA-OAEP"),
        jwk(ec_key(), "not its algorithm", alg="RS256"),
        jwk(rsa_key(), "odd algorithm", alg=["RS256"]),
        jwk(weak_rsa_key(), "weak"),
        jwk(rsa_key(), "broken", n="!"),
        jwk(rsa_key(), "odd modulus", n=5),
        {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"},
        {"kty": "unheard of", "kid": "new"},
        {**jwk(rsa_key(), "x"), "kid": 5},
        "not a key",
    )
    rsa = rsa_key().public_key()
    assert parse_key_set(document) == (
        Key(rsa, frozenset(RSA), "any"),
        Key(rsa, frozenset({"PS384"}), "one"),
        Key(ec_key().public_key(), frozenset({"ES256"}), "ec"),
        Key(ed_key().public_key(), frozenset({"EdDSA", "Ed25519"}), None),
        Key(rsa, frozenset(RSA), "private"),
    )


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "it is not JSON"),
        (b"\xff", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b"[]", "it is not a JWKS with a public key for signatures"),
        (b"{}", "it is not a JWKS with a public key for signatures"),
        (b'{"keys": {}}', "it is not a JWKS with a public key for signatures"),
        (
            key_set({"kty": "oct", "k": "c2VjcmV0"}),
            "it is not a JWKS with a public key for signatures",
        ),
    ],
)
def test_what_is_no_key_set_says_why(document: bytes, reason: str) -> None:
    with pytest.raises(UnusableKey) as refused:
        parse_key_set(document)
    assert str(refused.value) == reason


class Issuer:
    """An issuer's key set that counts how often it was read."""

    def __init__(self, *members: object) -> None:
        self.document = key_set(*members)
        self.fault: Exception | None = None
        self.reads = 0
        self.was_asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def read(self) -> bytes:
        self.reads += 1
        self.was_asked.set()
        await self.may_answer.wait()
        if self.fault is not None:
            raise self.fault
        return self.document


async def test_a_set_is_read_once_in_five_minutes() -> None:
    issuer, clock = Issuer(jwk(rsa_key(), "a")), Clock()
    keys = RotatingKeys(issuer.read, clock=clock)
    key = Key(rsa_key().public_key(), frozenset(RSA), "a")
    for minutes, reads in [(0, 1), (4.9, 1), (0.1, 2), (0, 2)]:
        clock.advance(minutes=minutes)
        assert await keys.find("a", "RS256") == key
        assert issuer.reads == reads


async def test_a_withdrawn_key_is_gone_after_five_minutes() -> None:
    issuer, clock = Issuer(jwk(rsa_key(), "a"), jwk(ec_key(), "b")), Clock()
    keys = RotatingKeys(issuer.read, clock=clock)
    assert await keys.find("a", "RS256") is not None
    issuer.document = key_set(jwk(ec_key(), "b"))
    clock.advance(minutes=4.9)
    assert await keys.find("a", "RS256") is not None
    clock.advance(minutes=0.1)
    assert await keys.find("a", "RS256") is None


async def test_a_new_key_is_found_at_once_and_invented_ones_cause_one_reading_in_ten_seconds() -> (
    None
):
    issuer, clock = Issuer(jwk(rsa_key(), "a")), Clock()
    keys = RotatingKeys(issuer.read, clock=clock)
    assert await keys.find("a", "RS256") is not None
    clock.advance(seconds=10)
    issuer.document = key_set(jwk(rsa_key(), "a"), jwk(rsa_key(2), "b"))
    assert await keys.find("b", "RS256") == Key(rsa_key(2).public_key(), frozenset(RSA), "b")
    assert issuer.reads == 2
    for number in range(100):
        assert await keys.find(f"invented {number}", "RS256") is None
    assert issuer.reads == 2
    clock.advance(seconds=9.9)
    assert await keys.find("invented", "RS256") is None
    assert issuer.reads == 2
    clock.advance(seconds=0.1)
    assert await keys.find("invented", "RS256") is None
    assert issuer.reads == 3


@pytest.mark.parametrize(
    ("kid", "algorithm", "chosen"),
    [
        ("a", "RS256", 0),
        ("a", "ES256", 1),
        ("b", "RS256", None),
        ("b", "PS256", 2),
        ("A", "RS256", None),
        ("", "ES256", None),
        (None, "ES256", 1),
        (None, "RS256", 0),
        (None, "PS256", None),
        (None, "EdDSA", None),
    ],
)
async def test_a_key_is_chosen_by_its_name_and_algorithm_and_without_a_name_only_if_alone(
    kid: str | None, algorithm: str, chosen: int | None
) -> None:
    issuer = Issuer(jwk(rsa_key(), "a"), jwk(ec_key(), "a"), jwk(rsa_key(2), "b", alg="PS256"))
    members = parse_key_set(issuer.document)
    keys = RotatingKeys(issuer.read, clock=Clock())
    assert await keys.find(kid, algorithm) == (None if chosen is None else members[chosen])


@pytest.mark.parametrize(
    "fault", [httpx2.ConnectError("down"), TimeoutError(), OSError(), UnusableKey("nonsense")]
)
async def test_the_last_keys_serve_on_for_a_day_while_the_set_cannot_be_read(
    fault: Exception,
) -> None:
    issuer, clock = Issuer(jwk(rsa_key(), "a")), Clock()
    keys = RotatingKeys(issuer.read, clock=clock)
    key = await keys.find("a", "RS256")
    assert key is not None
    issuer.fault = fault
    clock.advance(hours=23, minutes=59)
    assert await keys.find("a", "RS256") == key
    assert issuer.reads == 2
    assert await keys.find("a", "RS256") == key
    assert issuer.reads == 2
    clock.advance(minutes=1)
    with pytest.raises(KeysUnavailable) as unavailable:
        await keys.find("a", "RS256")
    assert unavailable.value.code == "INTERNAL"
    assert await keys.ready() is False
    issuer.fault = None
    clock.advance(seconds=10)
    assert await keys.find("a", "RS256") == key
    assert await keys.ready() is True


async def test_without_any_keys_nobody_is_judged_and_the_issuer_is_asked_again_after_a_pause() -> (
    None
):
    issuer, clock = Issuer(jwk(rsa_key(), "a")), Clock()
    issuer.fault = httpx2.ConnectError("down")
    keys = RotatingKeys(issuer.read, clock=clock)
    for _ in range(3):
        with pytest.raises(KeysUnavailable) as unavailable:
            await keys.find("a", "RS256")
    assert unavailable.value.message == (
        "Sign-ins cannot be checked at the moment: the keys of their issuer are out of reach."
        " Try again in a minute."
    )
    assert issuer.reads == 1
    issuer.fault = None
    clock.advance(seconds=10)
    assert await keys.ready() is True
    assert issuer.reads == 2


async def test_a_hundred_waiting_tokens_cause_one_reading() -> None:
    issuer = Issuer(jwk(rsa_key(), "a"))
    issuer.may_answer.clear()
    keys = RotatingKeys(issuer.read, clock=Clock())
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(keys.find("a", "RS256")) for _ in range(100)]
        await issuer.was_asked.wait()
        issuer.may_answer.set()
    key = Key(rsa_key().public_key(), frozenset(RSA), "a")
    assert [task.result() for task in tasks] == [key] * 100
    assert issuer.reads == 1


async def test_who_can_be_answered_does_not_wait_for_a_reading() -> None:
    issuer, clock = Issuer(jwk(rsa_key(), "a")), Clock()
    keys = RotatingKeys(issuer.read, clock=clock)
    key = await keys.find("a", "RS256")
    clock.advance(minutes=5)
    issuer.may_answer.clear()
    issuer.was_asked.clear()
    reading = asyncio.create_task(keys.find("a", "RS256"))
    await issuer.was_asked.wait()
    other = asyncio.create_task(keys.find("a", "RS256"))
    await asyncio.sleep(0)
    assert (other.done(), reading.done()) == (True, False)
    issuer.may_answer.set()
    assert await other == await reading == key
    assert issuer.reads == 2


async def test_a_caller_who_goes_away_in_a_reading_does_not_make_the_next_one_pause() -> None:
    issuer = Issuer(jwk(rsa_key(), "a"))
    issuer.may_answer.clear()
    keys = RotatingKeys(issuer.read, clock=Clock())
    gone = asyncio.create_task(keys.find("a", "RS256"))
    await issuer.was_asked.wait()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    issuer.may_answer.set()
    assert await keys.find("a", "RS256") is not None
    assert issuer.reads == 2


async def test_a_set_in_a_file_is_read_again_and_half_a_file_changes_nothing(
    tmp_path: Path,
) -> None:
    file, clock = tmp_path / "keys.json", Clock()
    file.write_bytes(key_set(jwk(rsa_key(), "a")))
    told = settings(jwt_key=f"file:{file}", jwt_algorithms=("RS256",))
    keys = connect_keys(told, no_client(), clock=clock)
    assert await keys.find("a", "RS256") is not None
    file.write_bytes(key_set(jwk(rsa_key(2), "b"))[:50])
    clock.advance(minutes=5)
    assert await keys.find("a", "RS256") is not None
    file.write_bytes(key_set(jwk(rsa_key(2), "b")))
    clock.advance(seconds=10)
    assert await keys.find("b", "RS256") == Key(rsa_key(2).public_key(), frozenset(RSA), "b")
    assert await keys.find("a", "RS256") is None


GOOD = key_set(jwk(rsa_key(), "a"))


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(500, content=GOOD),
        httpx2.Response(404, content=GOOD),
        httpx2.Response(302, headers={"location": "https://evil.example/keys"}),
        httpx2.Response(200, content=GOOD + b" " * LARGEST),
        httpx2.Response(200, content=gzip.compress(GOOD), headers={"content-encoding": "gzip"}),
        httpx2.Response(200, content=b"<html>"),
    ],
)
async def test_an_answer_that_is_no_key_set_is_not_taken(answer: httpx2.Response) -> None:
    asked: list[httpx2.Request] = []

    def respond(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return answer

    told = settings(jwt_key=ADDRESS, jwt_algorithms=("RS256",))
    async with client(respond) as fake:
        keys = connect_keys(told, fake, clock=Clock())
        with pytest.raises(KeysUnavailable):
            await keys.find("a", "RS256")
    assert [str(request.url) for request in asked] == [ADDRESS]
    assert asked[0].headers["accept-encoding"] == "identity"


async def test_an_answer_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.auth.jwks.ANSWER_SECONDS", 0.0)

    async def never(request: httpx2.Request) -> httpx2.Response:
        await asyncio.Event().wait()
        raise AssertionError

    told = settings(jwt_key=ADDRESS, jwt_algorithms=("RS256",))
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(never)) as fake:
        keys = connect_keys(told, fake, clock=Clock())
        with pytest.raises(KeysUnavailable):
            await keys.find("a", "RS256")
