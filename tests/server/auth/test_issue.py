"""Development tokens are accepted by the server, and the demo's key is made once."""

import stat
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.errors import Unauthenticated
from domain.viewer import Right, Viewer
from server.auth.authenticator import Authenticator
from server.auth.issue import DEMO_KEY, demo_key, for_signing, make_token, with_demo_key
from server.auth.key_sources import connect_keys
from server.settings.settings import Settings, SettingsError
from tests.server.auth.signing import (
    NOW,
    SECRET,
    Clock,
    ec_key,
    no_client,
    private_pem,
    public_pem,
    rsa_key,
    settings,
)


def token(config: Settings, **changes: Any) -> str:
    given: dict[str, Any] = {
        "id": "u1",
        "name": "Nguyễn, An",
        "district": "plainview",
        "schools": ["b", "a"],
        "rights": [Right.VIEW_LOG, Right.CANCEL_MESSAGES],
        "expires_in": timedelta(hours=8),
        "now": NOW,
    }
    return make_token(config, **{**given, **changes})


def authenticator(config: Settings, clock: Clock) -> Authenticator:
    return Authenticator(config, connect_keys(config, no_client(), clock=clock), clock=clock)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"jwt_algorithms": ("HS512", "HS256")},
        {"jwt_audience": "log", "jwt_issuer": "https://id.example", "jwt_leeway": 0},
        {"jwt_claim_schools": "org.schools", "jwt_claim_district": "https://id.example/district"},
        {"jwt_claim_name": "preferred_username", "jwt_claim_rights": "scope"},
        {"jwt_key": private_pem(rsa_key()), "jwt_algorithms": ("PS256", "RS256")},
        {"jwt_key": private_pem(ec_key()), "jwt_algorithms": ("ES256",)},
    ],
    ids=range(7),
)
async def test_a_server_with_the_same_settings_takes_the_token_until_it_expires(
    fields: dict[str, Any],
) -> None:
    config, clock = settings(**fields), Clock()
    made, server = f"Bearer {token(config)}", authenticator(config, clock)
    expires_at = NOW + timedelta(hours=8, seconds=config.jwt_leeway)
    assert await server.viewer(made) == Viewer(
        id="u1",
        name="Nguyễn, An",
        district="plainview",
        schools=frozenset({"a", "b"}),
        rights=frozenset({Right.VIEW_LOG, Right.CANCEL_MESSAGES}),
        expires_at=expires_at,
    )
    clock.now = expires_at
    with pytest.raises(Unauthenticated):
        await server.viewer(made)


async def test_a_claim_that_is_called_as_a_registered_one_cannot_spoil_the_token() -> None:
    config = settings(jwt_claim_name="sub")
    found = await authenticator(config, Clock()).viewer(f"Bearer {token(config)}")
    assert (found.id, found.name) == ("u1", "u1")


async def test_no_schools_make_a_token_for_the_whole_district() -> None:
    config = settings()
    found = await authenticator(config, Clock()).viewer(f"Bearer {token(config, schools=())}")
    assert found.schools == frozenset()


@pytest.mark.parametrize("expires_in", [timedelta(0), timedelta(seconds=-1)])
def test_a_token_that_has_expired_already_is_not_made(expires_in: timedelta) -> None:
    with pytest.raises(ValueError, match="has expired already"):
        token(settings(), expires_in=expires_in)


def test_a_public_key_makes_no_token() -> None:
    config = settings(jwt_key=public_pem(rsa_key()), jwt_algorithms=("RS256",))
    with pytest.raises(SettingsError, match="which check tokens and sign none"):
        token(config)


def test_the_demo_key_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "var" / "demo"
    made = demo_key(folder)
    assert len(made) == 64
    assert demo_key(folder) == made
    assert [file.name for file in folder.iterdir()] == [DEMO_KEY]
    assert stat.S_IMODE((folder / DEMO_KEY).stat().st_mode) == 0o600


def test_each_demo_has_a_key_of_its_own(tmp_path: Path) -> None:
    assert demo_key(tmp_path / "a") != demo_key(tmp_path / "b")


def test_demos_that_start_together_agree_on_the_key(tmp_path: Path) -> None:
    start, found = threading.Barrier(8), list[str]()

    def read() -> None:
        start.wait()
        found.append(demo_key(tmp_path))

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [demo_key(tmp_path)] * 8
    assert [file.name for file in tmp_path.iterdir()] == [DEMO_KEY]


@pytest.mark.parametrize("content", ["", "short", "\n"])
def test_a_spoilt_demo_key_is_named_and_not_replaced(content: str, tmp_path: Path) -> None:
    file = tmp_path / DEMO_KEY
    file.write_text(content)
    with pytest.raises(SettingsError) as refused:
        demo_key(tmp_path)
    assert refused.value.problems == (
        f"{file}: it holds no key. Delete it and start the demo again.",
    )
    assert file.read_text() == content


async def test_a_token_made_beside_a_demo_is_taken_by_it(tmp_path: Path) -> None:
    config = Settings(data_dir=tmp_path)
    demo = with_demo_key(config)
    made = token(for_signing(config))
    assert (await authenticator(demo, Clock()).viewer(f"Bearer {made}")).id == "u1"


def test_a_key_that_is_set_comes_before_the_demo_key(tmp_path: Path) -> None:
    demo_key(tmp_path / "demo")
    config = settings(data_dir=tmp_path)
    assert for_signing(config) == with_demo_key(config) == config
    assert config.jwt_key is not None
    assert config.jwt_key.get_secret_value() == SECRET


def test_without_a_key_and_a_demo_there_is_no_token_and_no_key_is_made(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        for_signing(Settings(data_dir=tmp_path))
    assert refused.value.problems == (
        f"SENTLOG_JWT_KEY: it is not set, and no demo has been started in {tmp_path / 'demo'}."
        " Set the key that the server has, or SENTLOG_DATA_DIR to the folder of the demo.",
    )
    assert list(tmp_path.iterdir()) == []
