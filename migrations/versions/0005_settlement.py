"""How operators settle what was refused, and the log of what they do.

The SQL lies in `migrations/sql/0005_settlement.up.sql` and `.down.sql`.
"""

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.execute((SQL / "0005_settlement.up.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    op.execute((SQL / "0005_settlement.down.sql").read_text(encoding="utf-8"))
