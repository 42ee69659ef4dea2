"""The ledger, append-only.

The SQL lies in `migrations/sql/0001_ledger.up.sql` and `.down.sql`.
"""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.execute((SQL / "0001_ledger.up.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    op.execute((SQL / "0001_ledger.down.sql").read_text(encoding="utf-8"))
