"""Verified tokens are cached as long as their key and their validity period hold."""

import pickle
from dataclasses import dataclass, field
from typing import Any

import jwt
import pytest

from domain.errors import Unauthenticated
from server.auth.authenticator import Authenticator
from server.auth.keys import Key
from server.auth.verified_tokens import Proof, VerifiedTokens
from tests.server.auth.signing import SECRET, Clock, claims, settings, signed

OTHER_SECRET = "another secret of the tests, as long as the first one is, or somewhat longer"


@dataclass
class Issuer:
    """The keys of an issuer who changes them."""

    key: Key | None = field(default_factory=lambda: key_of(SECRET))

    async def find(self, kid: str | None, algorithm: str) -> Key | None:
        return self.key

    async def ready(self) -> bool:
        return True


def key_of(secret: str) -> Key:
    return Key(secret.encode(), frozenset({"HS256"}))


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens whose signatures were checked."""
    checked: list[str] = []
    decode = jwt.decode

    def noted(token: str, *args: Any, **named: Any) -> Any:
        checked.append(token)
        return decode(token, *args, **named)

    monkeypatch.setattr(jwt, "decode", noted)
    return checked


async def test_a_token_is_checked_once_and_means_the_same_each_time(checks: list[str]) -> None:
    authenticator = Authenticator(settings(), Issuer(), clock=Clock())
    token = signed(claims())
    first, second = [await authenticator.viewer(f"Bearer {token}") for _ in range(2)]
    assert first == second
    assert checks == [token]


async def test_a_token_that_is_known_expires_like_any_other() -> None:
    clock = Clock()
    authenticator = Authenticator(settings(), Issuer(), clock=clock)
    token = signed(claims())
    await authenticator.viewer(f"Bearer {token}")
    clock.advance(hours=2)
    with pytest.raises(Unauthenticated, match="expired"):
        await authenticator.viewer(f"Bearer {token}")


async def test_a_token_that_is_known_does_not_hold_before_its_time() -> None:
    clock = Clock()
    authenticator = Authenticator(settings(), Issuer(), clock=clock)
    token = signed(claims(nbf=clock.now.timestamp()))
    await authenticator.viewer(f"Bearer {token}")
    clock.advance(hours=-1)
    with pytest.raises(Unauthenticated, match="not valid yet"):
        await authenticator.viewer(f"Bearer {token}")
    clock.advance(hours=1)
    await authenticator.viewer(f"Bearer {token}")


async def test_claims_that_are_unfit_are_refused_each_time() -> None:
    authenticator = Authenticator(settings(), Issuer(), clock=Clock())
    token = signed(claims(sub=" "))
    for _ in range(2):
        with pytest.raises(Unauthenticated, match="The claim sub"):
            await authenticator.viewer(f"Bearer {token}")


@pytest.mark.parametrize("key", [None, key_of(OTHER_SECRET)], ids=["withdrawn", "replaced"])
async def test_a_token_that_is_known_is_refused_once_its_key_is_gone(key: Key | None) -> None:
    issuer = Issuer()
    authenticator = Authenticator(settings(), issuer, clock=Clock())
    token = signed(claims())
    await authenticator.viewer(f"Bearer {token}")
    issuer.key = key
    with pytest.raises(Unauthenticated):
        await authenticator.viewer(f"Bearer {token}")


async def test_a_token_that_was_refused_is_checked_again(checks: list[str]) -> None:
    authenticator = Authenticator(settings(), Issuer(), clock=Clock())
    token = signed(claims(), OTHER_SECRET)
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await authenticator.viewer(f"Bearer {token}")
    assert checks == [token, token]


def test_the_tokens_that_came_last_are_kept_and_no_text_of_them() -> None:
    verified = VerifiedTokens(most=2)
    proof = Proof(None, "HS256", key_of(SECRET), {})
    for token in ("xyz one", "xyz two"):
        verified.keep(token, proof)
    assert verified.find("xyz one") == proof
    verified.keep("xyz three", proof)
    found = [verified.find(f"xyz {number}") for number in ("one", "two", "three")]
    assert found == [proof, None, proof]
    assert b"xyz" not in pickle.dumps(vars(verified))
