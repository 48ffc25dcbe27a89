"""The settings: their parsing, and that the documentation agrees."""

import re
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import SecretStr

from delivery.gateways import GatewaySettings
from domain.status import DeliveryMode
from domain.viewer import Right
from server.settings.reports import ReportSettings
from server.settings.settings import (
    HMAC_ALGORITHMS,
    PUBLIC_KEY_ALGORITHMS,
    Settings,
    SettingsError,
    variable,
    variables,
)
from tests.tables import table

DOCUMENT = Path(__file__).parents[3] / "docs" / "settings.md"


def problems(**environ: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment(environ)
    assert str(refused.value) == "\n".join(refused.value.problems)
    return refused.value.problems


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    rows = re.findall(r"^\| `(SENTLOG_\w+)` \| (.+?) \| .+ \|$", DOCUMENT.read_text(), re.MULTILINE)
    documented = {name: default.strip("`") for name, default in rows}
    settings = Settings.from_environment({})
    shown = {
        variable(field): "not set" if value is None else str(value) for field, value in settings
    }
    shown["SENTLOG_DATA_DIR"] = str(settings.data_dir.relative_to(Path.cwd()))
    shown["SENTLOG_CORS_ORIGINS"] = ",".join(settings.cors_origins) or "not set"
    shown["SENTLOG_TRUSTED_PROXIES"] = ",".join(map(str, settings.trusted_proxies))
    shown["SENTLOG_JWT_ALGORITHMS"] = ",".join(settings.jwt_algorithms)
    shown["SENTLOG_DATABASE_URL"] = "sentlog.sqlite3` in `SENTLOG_DATA_DIR"
    assert documented == shown
    assert settings.database_url.database == str(Path.cwd() / "var" / "sentlog.sqlite3")


def test_every_setting_is_documented_once_and_none_that_does_not_exist() -> None:
    text = DOCUMENT.read_text()
    assert sorted(re.findall(r"^\| `(SENTLOG_\w+)`", text, re.MULTILINE)) == sorted(variables())
    mentioned = set(re.findall(r"SENTLOG_[A-Z]\w*[A-Z]", text)) - {"SENTLOG_TEST"}
    assert mentioned <= set(variables())


def test_the_documentation_lists_every_algorithm() -> None:
    line = next(line for line in DOCUMENT.read_text().splitlines() if "`SENTLOG_JWT_ALG" in line)
    named = re.findall(
        r"\b(?:[HRPE]S\d{3}|EdDSA|Ed25519|Ed448)\b",
        line.partition("meaning")[0].split("|")[3].partition("Never both")[0],
    )
    assert named == [*HMAC_ALGORITHMS, *PUBLIC_KEY_ALGORITHMS]


def revealed(value: object) -> object:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def test_every_value_comes_from_the_mapping(tmp_path: Path) -> None:
    settings = Settings.from_environment(
        {
            "SENTLOG_DATA_DIR": str(tmp_path),
            "SENTLOG_HOST": "0.0.0.0",
            "SENTLOG_PORT": "9",
            "SENTLOG_JWT_KEY": "not shown",
            "SENTLOG_JWT_ALGORITHMS": "rs256, ES256 eddsa,RS256",
            "SENTLOG_JWT_AUDIENCE": "log",
            "SENTLOG_JWT_ISSUER": "https://id.example",
            "SENTLOG_JWT_LEEWAY": "0",
            "SENTLOG_JWT_CLAIM_DISTRICT": "org.district",
            "SENTLOG_JWT_CLAIM_SCHOOLS": "https://id.example/schools",
            "SENTLOG_JWT_CLAIM_RIGHTS": "realm_access.roles",
            "SENTLOG_JWT_CLAIM_NAME": "preferred_username",
            "SENTLOG_JWT_RIGHTS": '{"Sentlog Admins":["VIEW_LOG","VIEW_AUDIT"],"offline_access":[]}',
            "SENTLOG_EXECUTOR": "STOCK",
            "SENTLOG_CORS_ORIGINS": "https://portal.example, http://127.0.0.1:5173",
            "SENTLOG_CONNECTIONS": "20",
            "SENTLOG_VIEWER_CONNECTIONS": "3",
            "SENTLOG_VIEWER_SUBSCRIPTIONS": "2",
            "SENTLOG_INGEST_BYTES": "1000",
            "SENTLOG_HEADER_BYTES": "2048",
            "SENTLOG_HEADER_SECONDS": "1.5",
            "SENTLOG_BODY_SECONDS": "2.5",
            "SENTLOG_ANSWER_SECONDS": "3.5",
            "SENTLOG_KEEP_ALIVE_SECONDS": "4",
            "SENTLOG_PROCESS_SECONDS": "5",
            "SENTLOG_OPERATION_COST": "10",
            "SENTLOG_OPERATION_SECONDS": "0.5",
            "SENTLOG_BUDGET_CAPACITY": "100",
            "SENTLOG_BUDGET_PER_SECOND": "1",
            "SENTLOG_GET_QUERIES": "true",
            "SENTLOG_DOCUMENTS": str(tmp_path / "documents.json"),
            "SENTLOG_DOCUMENTS_MODE": "Only",
            "SENTLOG_LOG_LEVEL": "DEBUG",
            "SENTLOG_LOG_FORMAT": "console",
            "SENTLOG_GATEWAYS": '{"EMAIL":"smtp"}',
            "SENTLOG_GATEWAY_LIMITS": '{"smtp":2.5}',
            "SENTLOG_MAIL_FROM": "office@plainview.example",
            "SENTLOG_SMTP_URL": "smtp://host",
            "SENTLOG_MAILGUN_URL": "https://api.eu.mailgun.net",
            "SENTLOG_MAILGUN_DOMAIN": "mail.example",
            "SENTLOG_MAILGUN_KEY": "not shown",
            "SENTLOG_MAILGUN_SIGNING_KEY": "not shown",
            "SENTLOG_TWILIO_URL": "http://127.0.0.1:1",
            "SENTLOG_TWILIO_ACCOUNT_SID": "AC1",
            "SENTLOG_TWILIO_AUTH_TOKEN": "not shown",
            "SENTLOG_TWILIO_FROM": "+16125550100",
            "SENTLOG_PUBLIC_URL": "https://log.example",
            "SENTLOG_TRUSTED_PROXIES": "10.0.0.5, 2001:db8::/32 10.0.0.5,UNIX:",
            "SENTLOG_DISTRICTS": '{"plainview":{"mail_from":"plainview@mail.example"}}',
            "PATH": "/bin",
        }
    )
    assert settings.data_dir == tmp_path
    assert settings.demo_dir == tmp_path / "demo"
    assert settings.database_url.database == str(tmp_path / "sentlog.sqlite3")
    assert settings.jwt_key is not None
    assert settings.jwt_key.get_secret_value() == "not shown"
    providers = settings.model_dump(include={*GatewaySettings.model_fields})
    assert {name: revealed(value) for name, value in providers.items()} == {
        "gateways": {DeliveryMode.EMAIL: "smtp"},
        "mail_from": "office@plainview.example",
        "smtp_url": "smtp://host",
        "mailgun_url": "https://api.eu.mailgun.net",
        "mailgun_domain": "mail.example",
        "mailgun_key": "not shown",
        "mailgun_signing_key": "not shown",
        "twilio_url": "http://127.0.0.1:1",
        "twilio_account_sid": "AC1",
        "twilio_auth_token": "not shown",
        "twilio_from": "+16125550100",
    }
    assert settings.gateway_limits == {"smtp": 2.5}
    assert settings.public_url == "https://log.example"
    assert settings.districts["plainview"].model_dump(exclude_unset=True) == {
        "mail_from": "plainview@mail.example"
    }
    others = {"data_dir", "database_url", "jwt_key", "public_url", "districts", "gateway_limits"}
    assert settings.model_dump(
        exclude={*others, *GatewaySettings.model_fields, *ReportSettings.model_fields}
    ) == {
        "host": "0.0.0.0",
        "port": 9,
        "jwt_algorithms": ("RS256", "ES256", "EdDSA"),
        "jwt_audience": "log",
        "jwt_issuer": "https://id.example",
        "jwt_leeway": 0,
        "jwt_claim_district": "org.district",
        "jwt_claim_schools": "https://id.example/schools",
        "jwt_claim_rights": "realm_access.roles",
        "jwt_claim_name": "preferred_username",
        "jwt_rights": {
            "Sentlog Admins": (Right.VIEW_LOG, Right.VIEW_AUDIT),
            "offline_access": (),
        },
        "trusted_proxies": (ip_network("10.0.0.5"), ip_network("2001:db8::/32"), "unix:"),
        "executor": "stock",
        "cors_origins": ("https://portal.example", "http://127.0.0.1:5173"),
        "connections": 20,
        "viewer_connections": 3,
        "viewer_subscriptions": 2,
        "ingest_bytes": 1000,
        "header_bytes": 2048,
        "header_seconds": 1.5,
        "body_seconds": 2.5,
        "answer_seconds": 3.5,
        "keep_alive_seconds": 4,
        "process_seconds": 5,
        "operation_cost": 10,
        "operation_seconds": 0.5,
        "budget_capacity": 100,
        "budget_per_second": 1,
        "get_queries": True,
        "documents": tmp_path / "documents.json",
        "documents_mode": "only",
        "log_level": "debug",
        "log_format": "console",
    }


def test_the_environment_of_the_process_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTLOG_PORT", "9")
    monkeypatch.setenv("SENTLOG_NONSENSE", "1")
    assert Settings().port == 8000
    assert Settings.from_environment({}).port == 8000


def test_an_empty_variable_counts_as_not_set() -> None:
    settings = Settings.from_environment({"SENTLOG_PORT": "", "SENTLOG_JWT_KEY": ""})
    assert settings.port == 8000
    assert settings.jwt_key is None
    assert "port" not in settings.model_fields_set


def test_variables_of_the_test_suite_are_passed_over() -> None:
    assert Settings.from_environment({"SENTLOG_TEST_PG_HOME": "/x"}) == Settings()


def test_settings_cannot_be_changed() -> None:
    settings = Settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 9
    assert settings.port == 8000


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("postgresql://u:p@h:5/d", "postgresql+psycopg://u:p@h:5/d"),
        ("postgres://h/d", "postgresql+psycopg://h/d"),
        ("postgresql+psycopg://h/d", "postgresql+psycopg://h/d"),
        ("postgresql:///d?host=/run/pg", "postgresql+psycopg:///d?host=%2Frun%2Fpg"),
        ("sqlite:////data/log.db", "sqlite+aiosqlite:////data/log.db"),
        ("sqlite:///log.db", "sqlite+aiosqlite:///log.db"),
        ("sqlite+aiosqlite:///log.db", "sqlite+aiosqlite:///log.db"),
    ],
)
def test_a_database_is_reached_by_the_driver_that_is_here(written: str, url: str) -> None:
    settings = Settings.from_environment({"SENTLOG_DATABASE_URL": written})
    assert settings.database_url.render_as_string(hide_password=False) == url


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("mysql://u:pass-word@h/d", "mysql is not supported"),
        ("postgresql+asyncpg://u:pass-word@h/d", "postgresql+asyncpg is not supported"),
        ("pass-word", "it is not a URL"),
        ("postgresql://u:pass-word@h:port/d", "it is not a URL"),
        ("sqlite://", "a database in memory cannot be shared between connections"),
        ("sqlite:///:memory:", "a database in memory cannot be shared between connections"),
    ],
)
def test_another_database_is_refused_without_showing_the_password(
    written: str, reason: str
) -> None:
    assert problems(SENTLOG_DATABASE_URL=written) == (
        f"SENTLOG_DATABASE_URL: the value (a secret, not shown) is refused: {reason}."
        " It takes postgresql://user:password@host/name or sqlite:///file.",
    )


BAD_VALUES = """
    SENTLOG_PORT | 65536 | it should be less than or equal to 65535 | the TCP port to listen on, 0 for any that is free
    SENTLOG_PORT | http | it should be a valid integer, unable to parse string as an integer | the TCP port to listen on, 0 for any that is free
    SENTLOG_JWT_LEEWAY | 301 | it should be less than or equal to 300 | the seconds by which clocks may differ, 0 to 300
    SENTLOG_JWT_CLAIM_DISTRICT |   | String should have at least 1 character | the name of a claim
    SENTLOG_JWT_RIGHTS | {"Admins":["VIEW"]} | Admins.0: it should be 'VIEW_LOG', 'VIEW_RECIPIENTS', 'CANCEL_MESSAGES', 'CREATE_REPORTS', 'INGEST_MESSAGES', 'READ_INBOX', 'VIEW_SYSTEM' or 'VIEW_AUDIT' | JSON, a group or role of an identity provider to rights: {"Sentlog Admins":["VIEW_LOG"]}
    SENTLOG_JWT_RIGHTS | [] | it is no object of JSON | JSON, a group or role of an identity provider to rights: {"Sentlog Admins":["VIEW_LOG"]}
    SENTLOG_CORS_ORIGINS | https://portal.example * | * is not the origin of a page | origins of pages, with commas between: https://portal.example
    SENTLOG_LOG_LEVEL | LOUD | it should be 'debug', 'info', 'warning' or 'error' | debug, info, warning or error
    SENTLOG_LOG_FORMAT | xml | it should be 'json' or 'console' | json or console
    SENTLOG_DATA_DIR | ~nobody-of-this-name/log | there is no user with this name | the folder for the server's own files
"""
"""A variable, its value, why that is refused, and what the variable takes."""


@pytest.mark.parametrize(("name", "value", "reason", "takes"), table(BAD_VALUES))
def test_a_bad_value_is_named_with_what_the_variable_takes(
    name: str, value: str, reason: str, takes: str
) -> None:
    problem = f"{name}: {value!r} is refused: {reason}. It takes {takes}."
    assert problems(**{name: value}) == (problem,)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("none", "none would accept unsigned tokens"),
        ("HS256,None", "none would accept unsigned tokens"),
        ("HS257", "HS257 is not known"),
        ("HS256,RS256", "a secret and a public key cannot both be the key"),
        ("EdDSA HS512", "a secret and a public key cannot both be the key"),
        (",", "it names none"),
    ],
)
def test_algorithms_that_would_let_forgers_in_are_refused(written: str, reason: str) -> None:
    (problem,) = problems(SENTLOG_JWT_ALGORITHMS=written)
    assert problem.startswith(
        f"SENTLOG_JWT_ALGORITHMS: {written!r} is refused: {reason}. It takes either some of HS256"
    )


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("SENTLOG_DATABASE_URI", "SENTLOG_DATABASE_URL"),
        ("SENTLOG_JWT_ALGORITHM", "SENTLOG_JWT_ALGORITHMS"),
        ("SENTLOG_LOGLEVEL", "SENTLOG_LOG_LEVEL"),
        ("sentlog_port", "SENTLOG_PORT"),
        ("Sentlog_Jwt_Key", "SENTLOG_JWT_KEY"),
    ],
)
def test_an_unknown_variable_is_an_error_that_names_the_nearest_and_not_the_value(
    name: str, nearest: str
) -> None:
    assert problems(**{name: "pass-word"}) == (
        f"{name}: there is no such setting. The nearest is {nearest}: correct the name, or unset it.",
    )


def test_one_start_shows_every_problem_on_a_line_of_its_own() -> None:
    found = problems(
        SENTLOG_PORTS="1", SENTLOG_PORT="x", SENTLOG_DATABASE_URL="x", SENTLOG_LOG_FORMAT="x"
    )
    assert [line.partition(":")[0] for line in found] == [
        "SENTLOG_PORTS",
        "SENTLOG_DATABASE_URL",
        "SENTLOG_PORT",
        "SENTLOG_LOG_FORMAT",
    ]
    assert not any("\n" in line for line in found)


def test_neither_repr_nor_text_shows_a_secret() -> None:
    settings = Settings.from_environment(
        {"SENTLOG_JWT_KEY": "pass-word", "SENTLOG_DATABASE_URL": "postgresql://u:pass-word@h/d"}
    )
    for shown in (repr(settings), str(settings), repr(settings.model_dump())):
        assert "pass-word" not in shown


def test_an_error_of_the_constructor_does_not_show_what_it_was_given() -> None:
    with pytest.raises(ValueError, match="mysql is not supported") as refused:
        Settings.model_validate({"database_url": "mysql://u:pass-word@h/d"})
    assert "pass-word" not in str(refused.value)
