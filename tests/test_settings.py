"""The settings: read from the environment, checked at the start, frozen, and silent about secrets."""

from ipaddress import ip_network
from typing import Any

import pytest
from pydantic import ValidationError

from goalline.settings import LogFormat, LogLevel, OutputMode, Settings, misspelt

SECRET = "xyzzyplugh"


def variable(name: str) -> str:
    return Settings.model_fields[name].alias or f"GOALLINE_{name.upper()}"


def set_to(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> Settings:
    monkeypatch.setenv(variable(name), value)
    return Settings()


DEFAULTS: dict[str, Any] = {
    "database_url": "sqlite:///goalline.db",
    "redis_url": None,
    "openai_api_key": None,
    "openai_base_url": None,
    "output_mode": OutputMode.JSON_SCHEMA,
    "max_output_tokens": None,
    "price_per_million": None,
    "embedded_threads": 32,
    "worker_threads": 128,
    "lease_seconds": 30,
    "sweep_seconds": 5,
    "max_steps_per_goal": 10,
    "outbound_networks": (),
    "transcript_days": None,
    "time_zone": "UTC",
    "currency": "USD",
    "metrics_port": None,
    "metrics_host": "127.0.0.1",
    "dashboard_open": False,
    "log_format": LogFormat.CONSOLE,
    "log_level": LogLevel.INFO,
}

GOOD = [
    ("database_url", "postgresql://goalline:p%40ss@db.example:5432/goalline"),
    ("database_url", "postgresql+psycopg://goalline:sl/ash#and?more@db.example/goalline"),
    ("database_url", "postgresql://goalline@[::1]:5432/goalline?sslmode=require"),
    ("database_url", "postgresql:///goalline?host=/var/run/postgresql"),
    ("database_url", "postgresql+psycopg://postgres@/postgres?host=/tmp/socket"),
    ("database_url", "sqlite:////var/lib/goalline/goalline.db"),
    ("openai_base_url", "http://127.0.0.1:8001/v1"),
    ("price_per_million", "0.25,2"),
    ("time_zone", "America/Argentina/Buenos_Aires"),
    ("currency", "EUR"),
    ("max_steps_per_goal", "2"),
    ("max_steps_per_goal", "20"),
    ("transcript_days", "1"),
    ("transcript_days", "36500"),
    ("output_mode", "tools"),
    ("log_format", "json"),
    ("log_level", "DEBUG"),
    ("embedded_threads", "0"),
    ("metrics_port", "9100"),
    ("dashboard_open", "true"),
]
GOOD_REDIS = ["redis://localhost", "redis://:p%2Fss@[::1]:6379/0?protocol=3", "rediss://u:p@h:6380/1", "unix:///tmp/s"]

BAD = [
    ("database_url", f"mysql://goalline:{SECRET}@db.example/goalline"),
    ("database_url", f"postgres://goalline:{SECRET}@db.example/goalline"),
    ("database_url", f"postgresql://goalline:{SECRET}@db.example:port/goalline"),
    ("database_url", f"goalline-{SECRET}.db"),
    ("redis_url", f"http://:{SECRET}@redis.example"),
    ("redis_url", f"redis://:{SECRET}@redis.example:port/0"),
    ("redis_url", "redis://"),
    ("redis_url", f"localhost:6379/{SECRET}"),
    ("openai_base_url", f"api.example/{SECRET}"),
    ("openai_api_key", f"sk-{SECRET}\nsk-another"),
    ("openai_api_key", f"“sk-{SECRET}”"),
    ("openai_api_key", f"sk-{SECRET}\u00a0x"),
    ("price_per_million", "0.25"),
    ("price_per_million", "0.25, 2"),
    ("price_per_million", "-1,2"),
    ("output_mode", SECRET),
    ("log_format", SECRET),
    ("log_level", SECRET),
    ("time_zone", SECRET),
    ("time_zone", "../../etc/passwd"),
    ("currency", SECRET),
    ("currency", "eur"),
    ("currency", "EURO"),
    ("max_steps_per_goal", "1"),
    ("max_steps_per_goal", "21"),
    *(("outbound_networks", value) for value in (SECRET, f"10.0.0.0/8,{SECRET}", "10.0.0.0/8,", "[]", "10.0.0.0/33")),
    ("outbound_networks", "10.0.0.0/255.0.0.0"),
    ("transcript_days", "0"),
    ("transcript_days", "36501"),
    ("dashboard_open", SECRET),
    ("embedded_threads", "-1"),
    ("metrics_port", "0"),
    ("metrics_port", "65536"),
    ("metrics_port", SECRET),
    *(
        (name, "0")
        for name, field in Settings.model_fields.items()
        if name.startswith(("max_", "llm_", "worker_", "lease_", "sweep_", "shutdown_", "give_up_", "database_pool"))
        and field.annotation is not str
    ),
]


@pytest.mark.parametrize(("name", "value"), DEFAULTS.items(), ids=DEFAULTS)
def test_without_any_variable_the_defaults_hold(name: str, value: object) -> None:
    assert getattr(Settings(), name) == value


@pytest.mark.parametrize(("name", "value"), GOOD)
def test_a_good_value_is_read_from_its_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    assert str(getattr(set_to(monkeypatch, name, value), name)).casefold() == value.casefold()


@pytest.mark.parametrize("url", GOOD_REDIS)
def test_a_good_address_of_redis_is_read_from_its_variable(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    redis_url = set_to(monkeypatch, "redis_url", url).redis_url
    assert redis_url is not None
    assert redis_url.get_secret_value() == url


@pytest.mark.parametrize("key", ["sk-sample", " sk-sample\n", 'with space and ~!"#'])
def test_a_key_that_a_header_takes_is_read_with_what_copying_left_around_it(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    read = set_to(monkeypatch, "openai_api_key", key).openai_api_key
    assert read is not None
    assert read.get_secret_value() == key


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_is_refused_without_being_repeated(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    with pytest.raises(ValidationError) as refused:
        set_to(monkeypatch, name, value)
    (error,) = refused.value.errors(include_input=False)
    assert error["loc"][0] in (name, variable(name))
    assert SECRET not in str(refused.value)


def test_networks_are_read_with_commas_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    read = set_to(monkeypatch, "outbound_networks", "10.0.0.0/8, 192.0.2.7/32,fd00::/8,::/0").outbound_networks
    assert read == tuple(map(ip_network, ("10.0.0.0/8", "192.0.2.7/32", "fd00::/8", "::/0")))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("10.0.0.0/8 192.168.0.0/16", "must be networks such as 10.0.0.0/8,fd00::/8 with commas .* number 1 is none"),
        ("10.0.0.0/8,internal", "number 2 is none"),
        ("10.0.0.5", "10.0.0.5 is an address: write 10.0.0.5/32 for it alone"),
        ("fd00::5", "fd00::5 is an address: write fd00::5/128 for it alone"),
        ("10.1.2.3/8", "write 10.0.0.0/8 for all of it, or 10.1.2.3/32 for it alone"),
        ("::ffff:10.0.0.0/104", "stands for IPv4 addresses: write their own network"),
        ("64:ff9b::a00:0/104", "stands for IPv4 addresses: write their own network"),
        ("2002:a00::/24", "stands for IPv4 addresses: write their own network"),
    ],
)
def test_what_is_no_network_is_told_with_what_to_write(monkeypatch: pytest.MonkeyPatch, value: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        set_to(monkeypatch, "outbound_networks", value)


def test_a_level_may_be_written_small(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set_to(monkeypatch, "log_level", "warning").log_level is LogLevel.WARNING


def test_a_lease_outlives_three_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOALLINE_SWEEP_SECONDS", "10")
    assert set_to(monkeypatch, "lease_seconds", "30").lease_seconds == 30
    with pytest.raises(ValidationError, match="GOALLINE_LEASE_SECONDS must be at least three times GOALLINE_SWEEP"):
        set_to(monkeypatch, "lease_seconds", "29")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_variable_that_is_set_to_nothing_counts_as_not_set(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert set_to(monkeypatch, name, "") == Settings.model_construct()


def test_settings_cannot_be_changed() -> None:
    settings = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.model = "another"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database_url", f"postgresql://goalline:{SECRET}@db.example/goalline"),
        ("redis_url", f"redis://:{SECRET}@redis.example/0"),
        ("openai_api_key", f"sk-{SECRET}"),
    ],
)
def test_a_secret_does_not_show(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    settings = set_to(monkeypatch, name, value)
    assert SECRET not in f"{settings} {settings!r}"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_says_what_it_is_for(name: str) -> None:
    description = Settings.model_fields[name].description
    assert description
    assert description.endswith(".")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_read_from_the_variable_of_its_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    values = dict(GOOD) | {
        "redis_url": GOOD_REDIS[0],
        "openai_api_key": "sk-sample",
        "encryption_keys": "A" * 43 + "=",
        "outbound_networks": "10.0.0.0/8",
        "model": "a-model",
        "sweep_seconds": "2",
    }
    assert set_to(monkeypatch, name, values.get(name, "47")) != Settings.model_construct()


def test_a_misspelt_variable_is_found_with_the_one_that_was_meant() -> None:
    assert misspelt(["GOALLINE_MODLE", "GOALLINE_REDIS_ULR"]) == {
        "GOALLINE_MODLE": "GOALLINE_MODEL",
        "GOALLINE_REDIS_ULR": "GOALLINE_REDIS_URL",
    }


def test_an_unknown_variable_that_resembles_none_is_found_too() -> None:
    assert misspelt(["GOALLINE_QQ"]) == {"GOALLINE_QQ": None}


def test_right_variables_and_other_programs_variables_are_no_misspellings() -> None:
    right = [variable(name) for name in Settings.model_fields]
    assert misspelt([*right, "PATH", "OPENAI_ORGANIZATION", "GOALLINE_TEST_DATABASE_URL"]) == {}
