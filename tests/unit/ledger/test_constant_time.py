"""Nothing secret is compared in a time that tells of it: `==` and `in` stand at nothing that could be."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("eventstore", "ingest", "ledger", "projections", "query")

SOUNDS_SECRET = re.compile(r"secret|signature|api_key|token|hmac|password|candidate|\bhash", re.IGNORECASE)

PUBLIC = {
    # where: what is compared, and no secret
    "eventstore/merkle.py": {"hashed == root"},
    "eventstore/notes.py": {"len(root) != HASH_SIZE", "signature[:4] != self.key_id"},
    "eventstore/checkpoints.py": {"merkle.root(anchored.size, hashes) != anchored.root"},
    "ingest/endpoint.py": {
        "len(signatures) == 1",
        "name == b'x-hmac-sha256-signature'",
    },
    # whether a client sends the number again that it sent before: in the process that registers, of its own
    "ingest/registering.py": {"keys.token(one.recipient_key_id, message.nhs_number) != one.recipient_token"},
    "ledger/audit/entries.py": {"leaves.hash_of(entry, committed) != leaves.bytes_of(leaf['hash'])"},
    "ledger/audit/growth.py": {"kept[32 * at:32 * at + 32] != hashes[at]"},
    "ledger/audit/notes.py": {"signature[:4] != signer.key_id"},
    "ledger/audit/swaps.py": {"tree.root({one: since[other].hash, other: since[one].hash}) == root"},
    "ledger/entra.py": {"one.keyword == b'password'"},
    "query/page.py": {
        "listed.recipient_token == token"
    },  # a condition, which the database looks up in an index
}


def comparisons(source: str) -> Iterator[str]:
    """Yield the comparisons of a module that sound as if something secret were compared."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare) and any(
            isinstance(operator, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for operator in node.ops
        ):
            text = ast.unparse(node)
            if SOUNDS_SECRET.search(text):
                yield text


@pytest.mark.parametrize("package", PACKAGES)
def test_secrets_are_compared_by_compare_digest_alone(package: str) -> None:
    for module in sorted((ROOT / package).rglob("*.py")):
        name = module.relative_to(ROOT).as_posix()
        found = set(comparisons(module.read_text()))
        assert found <= PUBLIC.get(name, set()), f"{name}: use hmac.compare_digest, or say why not"


def test_a_comparison_that_would_tell_is_found() -> None:
    assert list(comparisons("if sent == self.api_key: pass\nif secret in secrets: pass\n")) == [
        "sent == self.api_key",
        "secret in secrets",
    ]
