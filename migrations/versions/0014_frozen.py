"""Pages of the append-only tables are frozen by the first vacuum that comes by.

The SQL lies in `migrations/sql/0014_frozen.up.sql` and `.down.sql`.
"""

from pathlib import Path

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.execute((SQL / "0014_frozen.up.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    op.execute((SQL / "0014_frozen.down.sql").read_text(encoding="utf-8"))
