"""The keys of a JWKS: which are used, when the set is reread, and what happens if it cannot be read."""

import asyncio
import gzip
from pathlib import Path

import httpx2
import pytest
from jwt.algorithms import RSAAlgorithm

from server.auth.jwks import LARGEST, RotatingKeys, parse_key_set
from server.auth.key_sources import connect_keys
from server.auth.keys import Key, KeysUnavailable, UnusableKey
from tests.server.auth.signing import (
    Clock,
    client,
    ec_key,
    ed_key,
    jwk,
    key_set,
    no_client,
    rsa_key,
    settings,
    weak_rsa_key,
)
from tests.server.auth.test_keys import ADDRESS, RSA

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
    config = settings(jwt_key=f"file:{file}", jwt_algorithms=("RS256",))
    keys = connect_keys(config, no_client(), clock=clock)
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

    config = settings(jwt_key=ADDRESS, jwt_algorithms=("RS256",))
    async with client(respond) as fake:
        keys = connect_keys(config, fake, clock=Clock())
        with pytest.raises(KeysUnavailable):
            await keys.find("a", "RS256")
    assert [str(request.url) for request in asked] == [ADDRESS]
    assert asked[0].headers["accept-encoding"] == "identity"


async def test_an_answer_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.auth.jwks.ANSWER_SECONDS", 0.0)

    async def never(request: httpx2.Request) -> httpx2.Response:
        await asyncio.Event().wait()
        raise AssertionError

    config = settings(jwt_key=ADDRESS, jwt_algorithms=("RS256",))
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(never)) as fake:
        keys = connect_keys(config, fake, clock=Clock())
        with pytest.raises(KeysUnavailable):
            await keys.find("a", "RS256")
