"""Has Schemathesis sign its callbacks, over the bytes that it sends. Named to it by `SCHEMATHESIS_HOOKS`."""

from typing import Any

import schemathesis

from tests.support.supplier import NOTIFY_API_KEY, SECRETS


@schemathesis.hook
def before_call(_: Any, __: Any, options: dict[str, Any]) -> None:
    """Sign the request when all else of it is there."""
    options["auth"] = _signed


def _signed(prepared: Any) -> Any:
    """Put the right key and signature in their places, where the request has such places."""
    headers, content = prepared.headers, prepared.body or b""
    if "x-api-key" in headers:
        headers["x-api-key"] = NOTIFY_API_KEY
    if len(headers.get("x-hmac-sha256-signature", "")) == 64:
        content = content.encode() if isinstance(content, str) else content
        headers["x-hmac-sha256-signature"] = SECRETS.sign(content)
    return prepared
