"""The daily sweep for entries that were missed goes slice by slice, and remembers how far it has come.

The SQL lies in `migrations/sql/0013_sweep.up.sql` and `.down.sql`.
"""

from pathlib import Path

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.execute((SQL / "0013_sweep.up.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    op.execute((SQL / "0013_sweep.down.sql").read_text(encoding="utf-8"))
