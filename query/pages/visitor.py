"""Who looks at the pages. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

from eventstore.caller import Caller


class Visitor(NamedTuple):
    """An auditor who is signed in."""

    caller: Caller
    form_token: str
    """What every form of the session carries, and no other site can know."""
    headers: Mapping[str, str] = {}
    """What each answer to this visitor bears: a session's cookie, where it was renewed."""
