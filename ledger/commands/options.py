"""Reads what options say that are neither text nor plain numbers; what cannot be read is told at once."""

import re
from datetime import UTC, datetime
from urllib.parse import urlsplit

import typer

from query.filters import period


def percentage(text: str) -> float:
    """Return the share, from 0 to 1, that a percentage such as `5%` or `0.5%` stands for."""
    match = re.fullmatch(r"(\d{1,3}(?:\.\d+)?)%", text, re.ASCII)
    if match is None or float(match[1]) > 100:
        raise typer.BadParameter(f"{text!r} is not a percentage from 0% to 100%, such as 5%.")
    return float(match[1]) / 100


def address(text: str) -> str:
    """Return the address of a service without the slash at its end."""
    try:
        parts = urlsplit(text)
        named = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        named = False
    if not named:
        raise typer.BadParameter(f"{text!r} is not an address such as http://127.0.0.1:8000.")
    return text.rstrip("/")


def moment(text: str) -> datetime:
    """Return the time that a date (its midnight) or a time names, read as the API reads it."""
    try:
        return period(text).start
    except (ValueError, OverflowError):
        raise typer.BadParameter("neither a date (2026-11-23) nor a time (2026-11-23T09:15:02Z)") from None


def past_moment(text: str) -> datetime:
    """Return the time, from 2015 until now, that an ISO 8601 date or time names; no offset means UTC."""
    try:
        named = datetime.fromisoformat(text)
        named = named.replace(tzinfo=UTC) if named.tzinfo is None else named.astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text!r} is not a time such as 2025-11-23T12:00:00Z.") from None
    if not datetime(2015, 1, 1, tzinfo=UTC) <= named <= datetime.now(UTC):
        raise typer.BadParameter(f"{text!r} is not a time from 2015 until now.")
    return named
