"""Settings: whatever is wrong stops the start with one line that names it, and no secret is ever shown."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from ledger.database_url import database_url, libpq_url
from ledger.settings import DatabaseSettings, Settings, SettingsInvalid, random_environment

REQUIRED = {
    "NOTIFY_API_KEY": "sesame-notify",
    "CLIENT_API_KEY": "sesame-client",
    "HMAC_SECRET": "APPLICATION.sesame-hmac",
}
SECRETS = [name.upper() for name in Settings.SECRETS]
REFERENCE = "@Microsoft.KeyVault(SecretUri=https://vault.test/secrets/sesame)"

Environment = Callable[..., None]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Environment:
    """Sets the environment to the required settings, and those given; None leaves one out."""
    monkeypatch.chdir(tmp_path)  # no .env of the developer's
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)

    def be(**changes: str | None) -> None:
        for name, value in (REQUIRED | changes).items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)

    return be


def complaint(settings: type[DatabaseSettings] = Settings) -> str:
    """Return what stops the start: one line without a secret."""
    with pytest.raises(SettingsInvalid) as raised:
        settings.load()
    told = str(raised.value)
    assert "\n" not in told
    assert "sesame" not in told
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    return told


def test_the_required_ones_are_enough(environment: Environment) -> None:
    environment()
    settings = Settings.load()
    assert not settings.deployed
    assert settings.hmac_secret.get_secret_value() == "APPLICATION.sesame-hmac"
    assert settings.database_url is None


@pytest.mark.parametrize(
    ("name", "value", "wrong"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318", "must be an http or https address"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://", "must be an http or https address"),
        ("APPLICATIONINSIGHTS_CONNECTION_STRING", "sesame", "has no InstrumentationKey"),
        ("APPLICATIONINSIGHTS_CONNECTION_STRING", "InstrumentationKey=sesame", "has no InstrumentationKey"),
        (
            "APPLICATIONINSIGHTS_CONNECTION_STRING",
            REFERENCE,
            "is a Key Vault reference that was not resolved",
        ),
        ("METRICS_API_KEY", "sesame ", "begins or ends with white space"),
        ("TRACES_SAMPLED", "1.5", "less than or equal to 1"),
    ],
)
def test_telemetry_that_would_go_nowhere_stops_the_start(
    environment: Environment, name: str, value: str, wrong: str
) -> None:
    environment(**{name: value})
    told = complaint()
    assert f": {name}" in told
    assert wrong in told


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        (None, "is not set"),
        ("", "is empty"),
        (REFERENCE, "is a Key Vault reference that was not resolved"),
        (" sesame", "begins or ends with white space"),
        ("sesame\n", "begins or ends with white space"),
        (" ", "begins or ends with white space"),
    ],
    ids=["unset", "empty", "unresolved", "space before", "line end after", "nothing but space"],
)
def test_a_required_one_that_is_no_use_stops_the_start_by_name(
    environment: Environment, name: str, value: str | None, wrong: str
) -> None:
    environment(**{name: value})
    assert complaint() == f"The settings do not allow a start: {name} {wrong}"


def test_all_that_is_wrong_is_told_at_once(environment: Environment) -> None:
    environment(
        NOTIFY_API_KEY=None, CLIENT_API_KEY="", HMAC_SECRET=REFERENCE, MAX_ITEMS="many", ENVIRONMENT="moon"
    )
    told = complaint()
    for expected in (
        "NOTIFY_API_KEY is not set",
        "CLIENT_API_KEY is empty",
        "HMAC_SECRET is a Key Vault reference that was not resolved",
        "MAX_ITEMS: ",
        "ENVIRONMENT: ",
    ):
        assert told.count(expected) == 1


@pytest.mark.parametrize(
    "name", ["AUDITOR_API_KEY", "RECIPIENT_KEY", "DATABASE_URL", "LOG_LEVEL", "MAX_ITEMS"]
)
@pytest.mark.parametrize("value", ["", " "], ids=["empty", "blank"])
def test_an_optional_one_that_is_blank_counts_as_unset(
    environment: Environment, name: str, value: str
) -> None:
    environment()
    unset = Settings.load()
    environment(**{name: value})
    assert Settings.load() == unset


@pytest.mark.parametrize(
    "name", ["AUDITOR_API_KEY", "RECIPIENT_KEY", "DATABASE_URL", "MIGRATION_DATABASE_URL"]
)
def test_an_optional_one_that_is_an_unresolved_reference_stops_the_start(
    environment: Environment, name: str
) -> None:
    environment(**{name: REFERENCE})
    assert f"{name} is a Key Vault reference that was not resolved" in complaint()


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize(
    ("listed", "secrets"),
    [
        ("", []),
        ("sesame-1", ["sesame-1"]),
        ("sesame-1,sesame-2", ["sesame-1", "sesame-2"]),
        (",sesame-1,,sesame-2,", ["sesame-1", "sesame-2"]),
        (r"ses\,ame-1,sesame-2", ["ses,ame-1", "sesame-2"]),
    ],
)
def test_previous_secrets_are_a_list_with_commas(
    environment: Environment, name: str, listed: str, secrets: list[str]
) -> None:
    environment(**{f"{name}_PREVIOUS": listed})
    previous = getattr(Settings.load(), f"{name}_previous".lower())
    assert [secret.get_secret_value() for secret in previous] == secrets


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize(
    ("listed", "wrong"),
    [
        (REFERENCE, "is a Key Vault reference that was not resolved"),
        (f"sesame-1,{REFERENCE}", "is a Key Vault reference that was not resolved"),
        ("sesame-1, sesame-2", "begins or ends with white space"),
    ],
    ids=["unresolved", "unresolved within", "space within"],
)
def test_previous_secrets_that_are_no_use_stop_the_start_by_name(
    environment: Environment, name: str, listed: str, wrong: str
) -> None:
    environment(**{f"{name}_PREVIOUS": listed})
    assert complaint() == f"The settings do not allow a start: {name}_PREVIOUS {wrong}"


def test_the_ring_of_recipient_keys_begins_with_the_current_one(environment: Environment) -> None:
    environment(RECIPIENT_KEY="sesame-1", RECIPIENT_KEY_PREVIOUS="sesame-2,sesame-3")
    assert Settings.load().recipient_keys == ("sesame-1", "sesame-2", "sesame-3")


def test_without_a_current_recipient_key_there_is_no_ring(environment: Environment) -> None:
    environment(RECIPIENT_KEY_PREVIOUS="sesame-2")
    assert Settings.load().recipient_keys == ()


def test_a_secret_that_is_no_text_stops_the_start_by_name(environment: Environment) -> None:
    environment(HMAC_SECRET="sesame\udcff")  # how Python shows a byte of the environment that is not UTF-8
    assert complaint() == "The settings do not allow a start: HMAC_SECRET is not Unicode text"


def test_trusted_proxies_are_addresses_and_networks(environment: Environment) -> None:
    environment()
    assert Settings.load().trusted_proxies == ()
    environment(TRUSTED_PROXIES="10.0.1.0/24, 192.0.2.1,2001:db8::/64")
    assert [str(one) for one in Settings.load().trusted_proxies] == [
        "10.0.1.0/24",
        "192.0.2.1/32",
        "2001:db8::/64",
    ]


@pytest.mark.parametrize(
    ("listed", "wrong"),
    [
        ("*", "'*' does not appear to be an IPv4 or IPv6 network"),
        ("10.0.1.0/24,gateway.test", "'gateway.test' does not appear to be an IPv4 or IPv6 network"),
        ("10.0.1.4:8080", "'10.0.1.4:8080' does not appear to be an IPv4 or IPv6 network"),
        ("10.0.1.4/24", "10.0.1.4/24 has host bits set"),
        ("0.0.0.0/0", "0.0.0.0/0 is everybody"),
        ("10.0.1.4,::/0", "::/0 is everybody"),
    ],
)
def test_trusted_proxies_that_are_none_or_everybody_stop_the_start(
    environment: Environment, listed: str, wrong: str
) -> None:
    environment(TRUSTED_PROXIES=listed)
    told = complaint()
    assert ": TRUSTED_PROXIES must " in told
    assert told.endswith(f": {wrong}")


@pytest.mark.parametrize("where", ["dev", "int", "pre", "prd"])
@pytest.mark.parametrize("settings", [Settings, DatabaseSettings])
@pytest.mark.parametrize("url", [None, "", " "], ids=["unset", "empty", "blank"])
def test_deployed_without_a_database_url_it_does_not_start(
    environment: Environment, where: str, settings: type[DatabaseSettings], url: str | None
) -> None:
    environment(ENVIRONMENT=where, DATABASE_URL=url)
    assert complaint(settings) == "The settings do not allow a start: DATABASE_URL is not set"


def test_deployed_with_a_database_url_it_starts(environment: Environment) -> None:
    environment(ENVIRONMENT="prd", DATABASE_URL="postgresql://ledger@db.test/ledger")
    assert Settings.load().deployed


def test_a_command_that_only_speaks_to_the_database_needs_no_secret(environment: Environment) -> None:
    environment(**dict.fromkeys(REQUIRED))
    assert DatabaseSettings.load().database_url is None


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2"])
@pytest.mark.parametrize("space", ["", " ", "\n"])
def test_a_database_url_may_have_any_usual_form(environment: Environment, scheme: str, space: str) -> None:
    rest = "ledger:p%40ss+psycopg@db.test:5433/ledger?sslmode=require"
    environment(DATABASE_URL=f"{space}{scheme}://{rest}{space}")
    with database_url(Settings.load()) as url:
        assert url == f"postgresql://{rest}"


def test_a_url_of_key_words_is_left_as_it_is() -> None:
    assert libpq_url("host=db.test dbname=ledger") == "host=db.test dbname=ledger"


@pytest.mark.parametrize("migrating", [True, False])
@pytest.mark.parametrize("owner", ["postgres://owner@db.test/ledger", None])
def test_migrations_work_as_the_schemas_owner_where_one_is_named(
    environment: Environment, owner: str | None, migrating: bool
) -> None:
    environment(DATABASE_URL="postgres://service@db.test/ledger", MIGRATION_DATABASE_URL=owner)
    user = "owner" if owner and migrating else "service"
    with database_url(DatabaseSettings.load(), migrating=migrating) as url:
        assert url == f"postgresql://{user}@db.test/ledger"


@pytest.mark.parametrize("name", ["hmac_secret", "max_items", "environment"])
def test_settings_do_not_change(environment: Environment, name: str) -> None:
    environment()
    with pytest.raises(ValidationError, match="frozen"):
        setattr(Settings.load(), name, "local")


def test_no_secret_is_ever_shown(environment: Environment) -> None:
    environment(
        AUDITOR_API_KEY="sesame-auditor",
        DATABASE_URL="postgresql://ledger:sesame@db.test/ledger",
        MIGRATION_DATABASE_URL="postgresql://owner:sesame@db.test/ledger",
        **{f"{name}_PREVIOUS": "sesame-1,sesame-2" for name in SECRETS},
    )
    settings = Settings.load()
    for shown in (repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()):
        assert "sesame" not in shown


def test_a_random_environment_is_one_that_loads(environment: Environment) -> None:
    environment(**dict.fromkeys(REQUIRED))
    Path(".env").write_text(random_environment(), encoding="utf-8")
    settings = Settings.load()
    secrets = [getattr(settings, name).get_secret_value() for name in Settings.SECRETS]
    assert len(set(secrets)) == len(secrets)
    assert all(len(secret) >= 32 for secret in secrets)


def test_two_random_environments_share_no_secret() -> None:
    one, other = (set(random_environment().splitlines()) for _ in range(2))
    assert {line for line in one & other if "=" in line} == {"ENVIRONMENT=local"}


def test_the_environment_comes_before_the_env_file(environment: Environment) -> None:
    environment()
    Path(".env").write_text("NOTIFY_API_KEY=sesame-file\nMAX_ITEMS=7\n", encoding="utf-8")
    settings = Settings.load()
    assert settings.notify_api_key.get_secret_value() == "sesame-notify"
    assert settings.max_items == 7
