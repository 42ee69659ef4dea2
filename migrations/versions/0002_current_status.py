"""The read model, current statuses.

The SQL lies in `migrations/sql/0002_current_status.up.sql` and `.down.sql`.
"""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.execute((SQL / "0002_current_status.up.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    op.execute((SQL / "0002_current_status.down.sql").read_text(encoding="utf-8"))
