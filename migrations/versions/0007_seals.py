"""The sealed ledger: leaves, tiles, checkpoints, and the sealer's state.

The SQL lies in `migrations/sql/0007_seals.up.sql` and `.down.sql`.
"""

from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.execute((SQL / "0007_seals.up.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    op.execute((SQL / "0007_seals.down.sql").read_text(encoding="utf-8"))
