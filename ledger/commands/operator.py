"""Names the person who runs a command, for the log of acts."""

import os
import pwd


def operator(called: str | None) -> str:
    """Return who acts: the name that was given beside the operating system's user, or that user alone."""
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # in a container, say
        user = f"uid {os.geteuid()}"
    return user if called is None else f"{called} ({user})"
