"""The settings of the server; the only place that reads the environment.

Every setting is an environment variable `SENTLOG_…`. `docs/settings.md` lists them; a test keeps both in agreement.
A setting is something that an operator chooses. Tuning constants and opened files or connections do not belong here.
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import orjson
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from delivery.gateways import GatewaySettings
from domain.viewer import Right
from server.settings.connections import ConnectionSettings
from server.settings.proxies import ProxySettings
from server.settings.reports import ReportSettings

PREFIX: Final = "SENTLOG_"

TEST_PREFIX: Final = "SENTLOG_TEST_"
"""Variables of the test suite, which a server that a test starts inherits: they are no settings."""

HMAC_ALGORITHMS: Final = ("HS256", "HS384", "HS512")
"""One secret signs and checks."""

PUBLIC_KEY_ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512"),
    *("PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512"),
    *("EdDSA", "Ed25519", "Ed448"),
)
"""A private key signs, its public key checks."""

_DRIVERS: Final = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
}

_ORIGIN: Final = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?")


class SettingsError(Exception):
    """The settings are invalid; `problems` holds one line for each.

    A line names the variable, shows its value unless that is a secret, and says what to do.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _absolute(folder: Path) -> Path:
    """The folder as an absolute path, so that it stays the same if the working directory changes."""
    try:
        return folder.expanduser().absolute()
    except RuntimeError:
        raise ValueError("there is no user with this name") from None


def _with_driver(value: object) -> object:
    """Parse a database URL and set the driver for its database. Raises `ValueError`."""
    if not isinstance(value, str):
        return value
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):
        raise ValueError("it is not a URL") from None
    if url.drivername not in _DRIVERS:
        raise ValueError(f"{url.drivername} is not supported")
    url = url.set(drivername=_DRIVERS[url.drivername])
    # Each connection to an in-memory SQLite database opens a database of its own.
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise ValueError("a database in memory cannot be shared between connections")
    return url


def _sqlite_file(values: dict[str, Any]) -> URL:
    """The default database: a SQLite file in the data folder."""
    return URL.create("sqlite+aiosqlite", database=str(values["data_dir"] / "sentlog.sqlite3"))


def _algorithms(value: object) -> object:
    """Split a list at commas and spaces, and return the algorithms as RFC 7518 spells them."""
    if not isinstance(value, str):
        return value
    spelling = {name.lower(): name for name in (*HMAC_ALGORITHMS, *PUBLIC_KEY_ALGORITHMS)}
    names = value.replace(",", " ").split()
    for name in names:
        if name.lower() == "none":
            raise ValueError("none would accept unsigned tokens")
        if name.lower() not in spelling:
            raise ValueError(f"{name} is not known")
    return tuple(dict.fromkeys(spelling[name.lower()] for name in names))


def _of_one_kind(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError("it names none")
    # With both kinds an attacker could sign with HMAC and use the public key as the secret.
    hmac = set(names) & set(HMAC_ALGORITHMS)
    if hmac and hmac != set(names):
        raise ValueError("a secret and a public key cannot both be the key")
    return names


def _origins(value: object) -> object:
    """Split a list at commas and spaces; each entry must be an origin as a browser writes it (RFC 6454, 6.2)."""
    if not isinstance(value, str):
        return value
    names = value.replace(",", " ").split()
    for name in names:
        if not _ORIGIN.fullmatch(name):
            raise ValueError(f"{name} is not the origin of a page")
    return tuple(dict.fromkeys(names))


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


Claim = Annotated[str, Field(min_length=1)]


class Settings(GatewaySettings, ReportSettings, ConnectionSettings, ProxySettings, BaseSettings):
    """All settings of the server.

    The constructor reads no environment; `from_environment` does. A field's description completes the sentence "It takes …"
    of an error. `repr=False` marks a secret: errors and logs never show its value.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        enable_decoding=False,
        frozen=True,
        extra="forbid",
        validate_default=True,
        hide_input_in_errors=True,
        str_strip_whitespace=True,
        arbitrary_types_allowed=True,
    )

    data_dir: Annotated[Path, AfterValidator(_absolute)] = Field(
        default=Path("var"), description="the folder for the server's own files"
    )
    database_url: Annotated[URL, BeforeValidator(_with_driver)] = Field(
        default_factory=_sqlite_file,
        repr=False,
        exclude=True,  # from dumps, where a URL becomes a tuple with the password in it
        description="postgresql://user:password@host/name or sqlite:///file",
    )
    host: str = Field(default="127.0.0.1", min_length=1, description="the address to listen on")
    port: int = Field(
        default=8000,
        ge=0,
        le=65535,
        description="the TCP port to listen on, 0 for any that is free",
    )

    jwt_key: SecretStr | None = Field(
        default=None,
        repr=False,
        description="a secret, a key in PEM, file:/path to either or to a JWKS, or the https address of a JWKS",
    )
    jwt_algorithms: Annotated[
        tuple[str, ...], BeforeValidator(_algorithms), AfterValidator(_of_one_kind)
    ] = Field(
        default=("HS256",),
        description=f"either some of {', '.join(HMAC_ALGORITHMS)} (a secret)"
        f" or some of {', '.join(PUBLIC_KEY_ALGORITHMS)} (a public key)",
    )
    jwt_audience: str = Field(
        default="sentlog", min_length=1, description="what a token's aud must name"
    )
    jwt_issuer: str = Field(
        default="sentlog", min_length=1, description="what a token's iss must be"
    )
    jwt_leeway: int = Field(
        default=30, ge=0, le=300, description="the seconds by which clocks may differ, 0 to 300"
    )
    jwt_claim_district: Claim = Field(default="district", description="the name of a claim")
    jwt_claim_schools: Claim = Field(default="schools", description="the name of a claim")
    jwt_claim_rights: Claim = Field(default="rights", description="the name of a claim")
    jwt_claim_name: Claim = Field(default="name", description="the name of a claim")
    jwt_rights: Mapping[Claim, tuple[Right, ...]] = Field(
        default={},
        description='JSON, a group or role of an identity provider to rights: {"Sentlog Admins":["VIEW_LOG"]}',
    )

    gateway_limits: Mapping[str, Annotated[float, Field(gt=0)]] = Field(
        default={},
        description='JSON, gateway to hand-overs a second: {"twilio":1,"mailgun":100}',
    )
    districts: Mapping[str, GatewaySettings] = Field(
        default={},
        repr=False,
        description="JSON, a district's id to the settings of gateways that are other for it, in lower case:"
        ' {"plainview":{"twilio_from":"+16125550100"}}',
    )

    executor: Annotated[Literal["fast", "strict", "stock"], BeforeValidator(_lower)] = Field(
        default="fast",
        description="fast; stock to answer as the GraphQL library does; strict to report faults of fast",
    )

    cors_origins: Annotated[tuple[str, ...], BeforeValidator(_origins)] = Field(
        default=(), description="origins of pages, with commas between: https://portal.example"
    )

    operation_cost: int = Field(
        default=200_000, ge=1, description="the objects that one operation may return"
    )
    operation_seconds: float = Field(
        default=30.0, gt=0, description="the seconds that one operation may take, more than 0"
    )
    budget_capacity: int = Field(
        default=2_000_000, ge=1, description="the objects that a viewer may ask for at once"
    )
    budget_per_second: int = Field(
        default=50_000, ge=1, description="the objects that a viewer gets back each second"
    )

    get_queries: bool = Field(default=False, description="true to take queries by GET, or false")
    documents: Annotated[Path, AfterValidator(_absolute)] | None = Field(
        default=None, description="the file that lists the documents of clients"
    )
    documents_mode: Annotated[Literal["off", "allow", "only"], BeforeValidator(_lower)] = Field(
        default="off",
        description="off, allow to take documents of the list by id, or only to take no others",
    )

    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = (
        Field(default="info", description="debug, info, warning or error")
    )
    log_format: Annotated[Literal["json", "console"], BeforeValidator(_lower)] = Field(
        default="json", description="json or console"
    )

    @field_validator("gateways", "gateway_limits", "districts", "jwt_rights", mode="before")
    @classmethod
    def _parse_json(cls, value: object) -> object:
        """Parse a JSON object, unless it is parsed already. Raises `ValueError`."""
        if not isinstance(value, str):
            return value
        try:
            read = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise ValueError(f"it is not JSON ({error.msg}, character {error.pos + 1})") from None
        if not isinstance(read, dict):
            raise ValueError("it is no object of JSON")
        return read

    @property
    def demo_dir(self) -> Path:
        """The folder of `sentlog demo`, apart from the data of a real server."""
        return self.data_dir / "demo"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Use only the arguments: otherwise the environment of the process would leak into tests."""
        return (init_settings,)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """The settings in `environ`; an empty variable counts as not set.

        Raises `SettingsError` with all problems, so that one start shows them all.
        """
        source = EnvSettingsSource(cls)
        source.env_vars = {name.lower(): environ[name] for name in variables() if environ.get(name)}
        problems = [_unknown(name) for name in sorted(environ) if _is_unknown(name)]
        try:
            settings = cls(**source())
        except ValidationError as error:
            problems += [
                _problem(detail, environ) for detail in error.errors() if _has_a_cause(detail)
            ]
        if problems:
            raise SettingsError(*problems)
        return settings


def variable(field: str) -> str:
    """The environment variable of a field of `Settings`."""
    return f"{PREFIX}{field.upper()}"


def variables() -> tuple[str, ...]:
    """Every environment variable that is a setting, in the order of `Settings`."""
    return tuple(variable(field) for field in Settings.model_fields)


def _is_unknown(name: str) -> bool:
    """Whether a variable has our prefix, in any case, but is no setting; `sentlog_port` is a typing error."""
    is_ours = name.upper().startswith(PREFIX) and not name.upper().startswith(TEST_PREFIX)
    return is_ours and name not in variables()


def _unknown(name: str) -> str:
    # The value is not shown: behind a misspelled name it may be a secret.
    near = get_close_matches(name.upper(), variables(), n=1, cutoff=0)[0]
    return (
        f"{name}: there is no such setting. The nearest is {near}: correct the name, or unset it."
    )


def _has_a_cause(detail: ErrorDetails) -> bool:
    """Whether the error is a cause, not the follow-up of another error: a default that could not be computed."""
    return detail["type"] != "default_factory_not_called"


def _problem(detail: ErrorDetails, environ: Mapping[str, str]) -> str:
    """One line about a variable with an invalid value."""
    field = str(detail["loc"][0])
    name, field_info = variable(field), Settings.model_fields[field]
    value = repr(environ[name]) if field_info.repr else "the value (a secret, not shown)"
    reason = detail["msg"].removeprefix("Value error, ").replace("Input should", "it should")
    if detail["type"] == "extra_forbidden":
        reason = "there is no such setting"
    if path := ".".join(str(part) for part in detail["loc"][1:] if part != "[key]"):
        reason = f"{path}: {reason}"
    return f"{name}: {value} is refused: {reason}. It takes {field_info.description}."
