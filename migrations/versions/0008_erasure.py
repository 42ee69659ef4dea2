"""Erasure of a message through one function, what the guards let it do, and the log of who looked.

The SQL lies in `migrations/sql/0008_erasure.up.sql` and `.down.sql`.
"""

from pathlib import Path

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.execute((SQL / "0008_erasure.up.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    op.execute((SQL / "0008_erasure.down.sql").read_text(encoding="utf-8"))
