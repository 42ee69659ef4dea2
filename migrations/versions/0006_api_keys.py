"""API keys of clients and auditors, issued and revoked while the service runs.

The SQL lies in `migrations/sql/0006_api_keys.up.sql` and `.down.sql`.
"""

from pathlib import Path

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.execute((SQL / "0006_api_keys.up.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    op.execute((SQL / "0006_api_keys.down.sql").read_text(encoding="utf-8"))
