"""After how many days a message without a final status is overdue. Pure."""

from typing import NamedTuple


class Terms(NamedTuple):
    """Days after which a message without a final status is overdue, by the channel that it is on."""

    nhsapp: int = 4
    sms: int = 4
    email: int = 4
    letter: int = 7
    secondary: int = 10
    """For one that went on to a second channel, whichever it is."""

    @property
    def no_channel(self) -> int:
        """For one on no channel yet, or on one without a term: the shortest of a first channel's."""
        return min(self.nhsapp, self.sms, self.email, self.letter)

    def days(self, channel: str | None, *, second: bool) -> int:
        """Return the term of a message."""
        match channel:
            case _ if second:
                return self.secondary
            case "nhsapp":
                return self.nhsapp
            case "sms":
                return self.sms
            case "email":
                return self.email
            case "letter":
                return self.letter
            case _:
                return self.no_channel
