"""Settings: the only reader of the environment. `.env` is read too, for development."""

import secrets
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from eventstore.errors import LedgerError
from ledger.setting_values import (
    AnchorsPlace,
    Insights,
    LogName,
    LongSecret,
    Proxies,
    Secret,
    Secrets,
    WebAddress,
    refuse_unresolved,
)
from query.terms import Terms


class SettingsInvalid(LedgerError):
    """The settings do not allow a start."""


def _days(default: int, which: str) -> Any:
    """Return the setting of a term in days."""
    return Field(
        default, ge=1, le=365, description=f"days until a message {which} without a final status is overdue"
    )


class DatabaseSettings(BaseSettings):
    """What a command needs that only speaks to the database."""

    model_config = SettingsConfigDict(
        frozen=True, env_file=".env", env_file_encoding="utf-8", extra="ignore", env_ignore_empty=False
    )

    environment: Literal["local", "dev", "int", "pre", "prd"] = Field(
        "local", description="where the service runs; every value but `local` counts as deployed"
    )
    database_url: SecretStr | None = Field(
        None,
        description="PostgreSQL; without it, locally, the service starts its own, and without a password "
        "it brings an Entra token to a server of Azure's",
    )
    migration_database_url: SecretStr | None = Field(
        None, description="PostgreSQL as the owner of the schema; `DATABASE_URL` unless given"
    )
    database_connections: int = Field(
        10,
        ge=4,
        le=1000,
        description="connections of one process, at most; three of them are for callbacks alone",
    )
    data_directory: Path = Field(
        Path(".data"), description="where the service's own PostgreSQL keeps its data"
    )
    allow_unsafe_database: bool = Field(
        False, description="start on a database whose commits are not durable; for experiments only"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="the least level logged"
    )
    overdue_days_nhsapp: int = _days(Terms().nhsapp, "on the NHS App")
    overdue_days_sms: int = _days(Terms().sms, "by SMS")
    overdue_days_email: int = _days(Terms().email, "by email")
    overdue_days_letter: int = _days(Terms().letter, "by letter")
    overdue_days_secondary: int = _days(Terms().secondary, "that went on to a second channel")

    @property
    def overdue_terms(self) -> Terms:
        """After how many days a message without a final status is overdue."""
        return Terms(
            self.overdue_days_nhsapp,
            self.overdue_days_sms,
            self.overdue_days_email,
            self.overdue_days_letter,
            self.overdue_days_secondary,
        )

    @property
    def deployed(self) -> bool:
        """Whether this is not somebody's own machine."""
        return self.environment != "local"

    @field_validator("*", mode="before")
    @classmethod
    def _resolved(cls, value: object, info: ValidationInfo) -> object:
        if not isinstance(value, str):
            return value
        refuse_unresolved(value)
        field = cls.model_fields[info.field_name or ""]
        if not value.strip() and not field.is_required():
            return field.get_default(call_default_factory=True)
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @classmethod
    def load(cls) -> Self:
        """Return the settings of this process; raises `SettingsInvalid` naming each that is wrong."""
        try:
            settings = cls()
        except ValidationError as error:
            raise SettingsInvalid("; ".join(_complaint(one) for one in error.errors())) from None
        if settings.deployed and settings.database_url is None:
            raise SettingsInvalid("DATABASE_URL is not set")
        return settings


class SealingSettings(DatabaseSettings):
    """What a command needs that seals the ledger."""

    ledger_name: LogName = Field(
        "localhost/status-ledger",
        description="host and path that name this ledger in its checkpoints, for ever",
    )
    sealing_key: LongSecret | None = Field(
        None,
        description="the key that signs checkpoints; without it nothing is signed, "
        "and feed and proofs are empty",
    )
    sealing_key_previous: Secrets = Field((), description="sealing keys whose checkpoints are still believed")
    anchors: AnchorsPlace = Field(
        ".data/anchors",
        description="where checkpoints are kept outside the database: a folder, or the `https` address of a "
        "container of Azure's, which the service enters as itself",
    )


class Settings(SealingSettings):
    """What the service needs."""

    SECRETS: ClassVar = (
        "notify_api_key",
        "client_api_key",
        "auditor_api_key",
        "hmac_secret",
        "recipient_key",
        "sealing_key",
        "session_secret",
    )
    """What `init` makes up; `METRICS_API_KEY` is another one, which nobody needs on their own machine."""

    notify_api_key: Secret = Field(description="the key that the supplier sends as `x-api-key`")
    notify_api_key_previous: Secrets = Field((), description="keys of the supplier that are still accepted")
    client_api_key: Secret = Field(description="the key that clients send as `x-api-key`")
    client_api_key_previous: Secrets = Field((), description="keys of clients that are still accepted")
    auditor_api_key: Secret | None = Field(
        None, description="the key that auditors send as `x-api-key`; without it their routes answer 401"
    )
    auditor_api_key_previous: Secrets = Field((), description="keys of auditors that are still accepted")
    hmac_secret: Secret = Field(
        description="the secret that signs callbacks; for NHS Notify `APPLICATION_ID.API_KEY`"
    )
    hmac_secret_previous: Secrets = Field((), description="signing secrets that are still accepted")
    hmac_secrets_archive: Secrets = Field(
        (),
        description="retired signing secrets: auditors verify old entries with them, and no callback passes",
    )
    recipient_key: Secret | None = Field(
        None,
        description="the key of the tokens that stand for NHS numbers; without it registration answers 503, "
        "and `nhsNumber` finds nothing",
    )
    recipient_key_previous: Secrets = Field((), description="recipient keys that stored tokens still use")
    seal_every: float = Field(
        1.0,
        ge=0,
        le=3600,
        description="seconds between two seals, and two looks at what is to be listed; `0`: the service does "
        "neither, `status-ledger seal` does, and on Azure Functions a timer",
    )
    session_secret: LongSecret | None = Field(
        None,
        description="what signs the sessions of the auditors' pages; without it nobody can sign in to them",
    )
    session_secret_previous: Secrets = Field((), description="secrets whose sessions still last")
    metrics_api_key: Secret | None = Field(
        None,
        description="the key of whoever reads `/metrics`; without it they are open locally, "
        "and answer 401 elsewhere",
    )
    metrics_api_key_previous: Secrets = Field((), description="keys that still read `/metrics`")
    otel_exporter_otlp_endpoint: WebAddress | None = Field(
        None, description="the OpenTelemetry collector that traces and metrics go to, by OTLP over HTTP"
    )
    applicationinsights_connection_string: Insights | None = Field(
        None, description="the Application Insights that traces and metrics go to"
    )
    traces_sampled: float = Field(
        0.05,
        ge=0,
        le=1,
        description="share of requests that are traced, where some exporter is set and the caller has not "
        "decided; callbacks only where the caller did",
    )
    trusted_proxies: Proxies = Field(
        (),
        description="addresses and networks, comma-separated, of proxies whose `X-Forwarded-For` tells from "
        "where a request comes; without it that is the connection's address, whatever headers claim",
    )
    max_body_bytes: int = Field(1024 * 1024, ge=1024, description="the largest callback, in bytes")
    max_items: int = Field(1000, ge=1, le=100_000, description="the most items in one callback")
    max_batch_body_bytes: int = Field(
        64 * 1024 * 1024, ge=1024, description="the largest batch that a client registers, in bytes"
    )
    max_waiting_requests: int = Field(
        1000, ge=1, description="callbacks that may wait to be written, then 429"
    )
    max_waiting_bytes: int = Field(
        4 * 1024 * 1024, ge=1024, description="bytes that may wait to be written, then 429"
    )
    max_waiting_seconds: float = Field(
        0.5, gt=0, description="seconds that a callback may have to wait for its turn, then 429"
    )
    max_streams: int = Field(2, ge=0, description="reads that may be streamed at once, then 429")
    quarantine_max_requests: int = Field(100_000, ge=0, description="callbacks that the quarantine may hold")
    quarantine_max_bytes: int = Field(1024**3, ge=0, description="bytes that the quarantine may hold")

    @property
    def recipient_keys(self) -> tuple[str, ...]:
        """The ring of recipient keys, the current one first; without a current one it is empty."""
        return _ring(self.recipient_key, self.recipient_key_previous)

    @property
    def session_secrets(self) -> tuple[str, ...]:
        """The ring of session secrets, the current one first; without a current one it is empty."""
        return _ring(self.session_secret, self.session_secret_previous)


def _ring(current: SecretStr | None, previous: tuple[SecretStr, ...]) -> tuple[str, ...]:
    if current is None:
        return ()
    return tuple(secret.get_secret_value() for secret in (current, *previous))


def _complaint(error: Any) -> str:
    name = str(error["loc"][0]).upper() if error["loc"] else "settings"
    match error["type"]:
        case "missing":
            return f"{name} is not set"
        case "value_error":
            return f"{name} {error['ctx']['error']}"
        case _:
            return f"{name}: {error['msg'][:1].lower()}{error['msg'][1:]}"


def random_environment() -> str:
    """Return the text of a `.env` for development, with fresh secrets."""
    lines = [
        "# Made by `status-ledger init` for development on this machine. Never commit it.",
        "ENVIRONMENT=local",
    ]
    lines += [f"{name.upper()}={secrets.token_urlsafe(24)}" for name in Settings.SECRETS]
    return "\n".join(lines) + "\n"
