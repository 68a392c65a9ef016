"""Every setting of Goalline: typed, frozen, read once from the environment, secrets also from files."""

import os
import re
from collections.abc import Iterable
from difflib import get_close_matches
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_interface
from pathlib import Path
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

_DATABASE = r"sqlite(\+\w+)?://.*|postgresql(\+\w+)?://([^:/]*(:[^@]*)?@)?(\[[^/?]+\]|[^/:?]+)?(:\d*)?([/?].*)?"
_REDIS = r"unix://.+|rediss?://([^/?#]*@)?(\[[^/?#]+\]|[^/:?#@]+)(:\d*)?([/?].*)?"

# Mapped, NAT64 and 6to4: who calls an address in one of these is judged by the IPv4 address inside.
_IPV4_INSIDE = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"), IPv6Network("2002::/16"))

FILES = {
    "GOALLINE_DATABASE_URL_FILE": "database_url",
    "GOALLINE_REDIS_URL_FILE": "redis_url",
    "GOALLINE_ENCRYPTION_KEYS_FILE": "encryption_keys",
    "OPENAI_API_KEY_FILE": "openai_api_key",
}
"""Variables that name a file which holds a secret setting, as containers are given them, with the field it is for."""

MOST_DAYS = 36_500
"""Longest time that words can be kept, if not for ever."""

_LONGEST_SECRET = 65_536


class OutputMode(StrEnum):
    """How the model is held to the reply's schema."""

    JSON_SCHEMA = "json_schema"
    TOOLS = "tools"
    MD_JSON = "md_json"


class LogFormat(StrEnum):
    """How log lines look: for people or for machines."""

    CONSOLE = "console"
    JSON = "json"


class LogLevel(StrEnum):
    """How severe a log line has to be to be written."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"


def _like(pattern: str, example: str) -> AfterValidator:
    # The message must not repeat the value, which may hold a password.
    def check(value: Any) -> Any:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if not re.fullmatch(pattern, text, re.DOTALL):
            raise ValueError(f"must look like {example}")
        return value

    return AfterValidator(check)


def _fit_for_a_header(key: SecretStr) -> SecretStr:
    # The blanks and line breaks around it, which copying brings along, are cut off where it is used.
    if not re.fullmatch(r"[\t -~]*", key.get_secret_value().strip()):
        raise ValueError("has a character that no HTTP header takes, such as a line break or a typographic quote")
    return key


def _networks(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return tuple(_network(number, text.strip()) for number, text in enumerate(value.split(","), start=1))


def _network(number: int, text: str) -> IPv4Network | IPv6Network:
    # Only what was read as an address is repeated. Masks such as /255.0.0.0 are not taken: /0.0.0.255 means another
    # network than it seems to.
    try:
        if not re.fullmatch(r"[0-9A-Fa-f:.]+(/[0-9]{1,3})?", text):
            raise ValueError
        interface = ip_interface(text)
    except ValueError:
        why = f"must be networks such as 10.0.0.0/8,fd00::/8 with commas between them; number {number} is none"
        raise ValueError(why) from None
    network, alone = interface.network, f"{interface.ip}/{interface.max_prefixlen}"
    if "/" not in text:
        raise ValueError(f"{interface.ip} is an address: write {alone} for it alone")
    if interface.ip != network.network_address:
        whole = f"write {network} for all of it, or {alone} for it alone"
        raise ValueError(f"{interface} is an address in the network {network}: {whole}")
    if any(isinstance(network, IPv6Network) and network.subnet_of(other) for other in _IPV4_INSIDE):
        raise ValueError(f"{network} stands for IPv4 addresses: write their own network")
    return network


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("must be an IANA time zone such as Europe/Berlin") from error
    return name


def _secret_in(path: str) -> str:
    # What is wrong is told without the path: somebody may have put the secret itself in its place.
    try:
        with Path(path).open("rb") as file:
            content = file.read(_LONGEST_SECRET + 1)
    except (OSError, ValueError) as error:
        why = (getattr(error, "strerror", None) or "not possible").lower()
        raise PydanticCustomError("secret_file", "names a file that cannot be read: {why}", {"why": why}) from None
    try:
        secret = content.decode().strip()
    except UnicodeDecodeError:
        raise PydanticCustomError("secret_file", "names a file that is not UTF-8 text") from None
    if not secret or len(content) > _LONGEST_SECRET:
        fault = "empty" if not secret else "too large to be a secret"
        raise PydanticCustomError("secret_file", "names a file that is {fault}", {"fault": fault})
    return secret


class _SecretFiles(PydanticBaseSettingsSource):
    """Reads secrets from the files that variables name; white space around a secret is no part of it."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return nothing: all fields are read at once."""
        return None, field.alias or field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the settings that were found in files.

        Raises:
            ValidationError: a file cannot be used, or the setting has a variable of its own as well.
        """
        found: dict[str, Any] = {}
        faults: list[InitErrorDetails] = []
        for variable, name in FILES.items():
            path = os.environ.get(variable)
            if not path:
                continue
            itself = variable.removesuffix("_FILE")
            try:
                if os.environ.get(itself):
                    raise PydanticCustomError("two_places", "is set, and {itself} as well", {"itself": itself})
                found[name] = _secret_in(path)
            except PydanticCustomError as fault:
                faults.append(InitErrorDetails(type=fault, loc=(variable,), input=None))
        if faults:
            raise ValidationError.from_exception_data("Settings", faults, hide_input=True)
        return found


class Settings(BaseSettings):
    """The settings; each field is read from the variable GOALLINE_<FIELD>, or from the alias it names.

    A variable that is set to nothing counts as not set. Those in `FILES` are read from a file as well.
    """

    model_config = SettingsConfigDict(
        env_prefix="GOALLINE_",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return where settings come from: what the caller gives, the environment, and the files that it names."""
        return init_settings, env_settings, _SecretFiles(settings_cls)

    database_url: Annotated[str, _like(_DATABASE, "sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/NAME")] = (
        # It may hold a password.
        Field("sqlite:///goalline.db", description="SQLAlchemy URL of the database.", repr=False)
    )
    redis_url: Annotated[SecretStr, _like(_REDIS, "redis://HOST:PORT/NUMBER, rediss://... or unix://PATH")] | None = (
        Field(None, description="Redis URL of the queue; none means in-process.")
    )
    database_pool_size: PositiveInt = Field(20, description="Most connections one process opens to PostgreSQL.")
    database_timeout_seconds: Annotated[float, Field(ge=1, le=60)] = Field(
        5, description="Longest wait for a connection to the database or for a lock in it."
    )

    encryption_keys: (
        Annotated[SecretStr, _like(r"[\w-]{43}=(\s*,\s*[\w-]{43}=)*", "what `goalline sources key` prints")] | None
    ) = Field(
        None, description="Keys that encrypt the secrets of sources, with commas between them; the first encrypts."
    )
    model: str = Field("gpt-5-mini", description="The LLM that judges.")
    openai_api_key: Annotated[SecretStr, AfterValidator(_fit_for_a_header)] | None = Field(
        None, alias="OPENAI_API_KEY", description="Key for the LLM endpoint."
    )
    openai_base_url: Annotated[str, _like(r"https?://.+", "https://HOST/v1")] | None = Field(
        # It may hold a password.
        None,
        alias="OPENAI_BASE_URL",
        description="Address of any OpenAI-compatible endpoint.",
        repr=False,
    )
    output_mode: OutputMode = Field(
        OutputMode.JSON_SCHEMA, description="How the reply is constrained: json_schema, tools or md_json."
    )
    max_output_tokens: PositiveInt | None = Field(
        None, description="Cap on output tokens, reasoning included; none leaves it to the provider."
    )
    price_per_million: Annotated[str, _like(r"\d+(\.\d+)?,\d+(\.\d+)?", "0.25,2.00")] | None = Field(
        None, description="US dollars per million input and output tokens, as `0.25,2.00`; overrides the price table."
    )
    llm_timeout_seconds: PositiveFloat = Field(120, description="Longest wait for one answer of the LLM.")
    llm_patience_seconds: PositiveFloat = Field(
        60, description="How long one attempt keeps retrying 429s, 5xx and lost connections before it is released."
    )
    give_up_after_seconds: PositiveInt = Field(
        86_400, description="How long an evaluation is released and rung again before it fails as unavailable."
    )

    outbound_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_networks)] = Field(
        (), description="Private networks that outbound webhooks may reach, with commas between them."
    )

    transcript_days: Annotated[int, Field(ge=1, le=MOST_DAYS)] | None = Field(
        None, description="Days after the end of a conversation at which its words are deleted; none keeps them."
    )

    max_turns: PositiveInt = Field(5_000, description="Most turns of a transcript.")
    max_characters: PositiveInt = Field(400_000, description="Most characters of a transcript.")
    max_body_bytes: PositiveInt = Field(4_194_304, description="Most bytes of a request body.")
    request_seconds: PositiveFloat = Field(
        60, description="How long a request may take to arrive whole, and a piece of an answer to be taken."
    )
    max_events_per_conversation: PositiveInt = Field(2_000, description="Most step events of one conversation.")
    max_steps_per_goal: Annotated[int, Field(ge=2, le=20)] = Field(10, description="Most steps of a goal; up to 20.")

    worker_threads: PositiveInt = Field(128, description="Judgements at once in each process of `goalline worker`.")
    delivery_threads: PositiveInt = Field(
        8, description="Messages delivered to subscriptions at once in each process that has a worker."
    )
    embedded_threads: NonNegativeInt = Field(
        32, description="Judgements at once inside `goalline serve` when there is no Redis."
    )
    lease_seconds: PositiveInt = Field(
        30, description="A killed worker's evaluations run again after this time; living workers renew it."
    )
    sweep_seconds: PositiveFloat = Field(5, description="How often leases are renewed and lost work is looked for.")

    shutdown_seconds: PositiveInt = Field(
        10, description="How long judgements and connections are waited for at the end."
    )
    time_zone: Annotated[str, AfterValidator(_known_zone)] = Field(
        "UTC", description="Time zone (IANA) of the project that the first start makes."
    )
    # Which codes there are is for the domain to know, which this module knows nothing of; the commands ask it.
    currency: Annotated[str, _like(r"[A-Z]{3}", "EUR")] = Field(
        "USD", description="Currency (ISO 4217) of the project that the first start makes."
    )
    dashboard_open: bool = Field(
        False, description="Show the pages without sign-in; for demonstrations and private networks only."
    )
    metrics_port: Annotated[int, Field(ge=1, le=65_535)] | None = Field(
        None, description="Port at which `goalline worker` serves its metrics; none serves none."
    )
    metrics_host: str = Field("127.0.0.1", description="Address at which `goalline worker` serves its metrics.")
    wrong_sign_ins_per_minute: PositiveInt = Field(
        10, description="Most wrong keys at sign-in from one address in a minute; then keys from there go unread."
    )
    log_format: LogFormat = Field(LogFormat.CONSOLE, description="Log lines for people (console) or machines (json).")
    log_level: Annotated[LogLevel, BeforeValidator(str.upper)] = Field(
        LogLevel.INFO, description="Least severe level that is logged."
    )

    @model_validator(mode="after")
    def _leases_outlive_sweeps(self) -> Self:
        if self.lease_seconds < 3 * self.sweep_seconds:
            raise ValueError("GOALLINE_LEASE_SECONDS must be at least three times GOALLINE_SWEEP_SECONDS")
        return self


def misspelt(variables: Iterable[str]) -> dict[str, str | None]:
    """Return each variable GOALLINE_... that no setting is read from, with the one that was probably meant."""
    known = {name.upper(): f"GOALLINE_{name.upper()}" for name in Settings.model_fields}
    known |= {name.removeprefix("GOALLINE_"): name for name in FILES}
    # Those of the test suite are its own.
    ours = (name for name in variables if name.startswith("GOALLINE_") and not name.startswith("GOALLINE_TEST_"))
    # Compared without the beginning that all of them share.
    found = {name: name.removeprefix("GOALLINE_") for name in ours}
    return {
        name: next((known[near] for near in get_close_matches(own, known, 1)), None)
        for name, own in found.items()
        if own not in known
    }
