"""Makes ids that sort by time (UUIDv7, RFC 9562), so that new rows land at the end of an index. Pure."""

from datetime import UTC, datetime
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_FIXED = 0x7 << 76 | 0x2 << 62
_FREE = ~(0xF << 76 | 0x3 << 62)
# Of 128 bits: those that name the version and the variant, and the others.


def time_ordered_uuid(moment: datetime, randomness: bytes) -> UUID:
    """Return a UUIDv7 of `moment` (milliseconds) and ten bytes of randomness."""
    since = moment - _EPOCH
    milliseconds = (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
    return UUID(int=(milliseconds << 80 | int.from_bytes(randomness, "big")) & _FREE | _FIXED)
