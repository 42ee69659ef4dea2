"""The field of a text is written into the query that makes a leaf, and no longer called.

The SQL lies in `migrations/sql/0011_leaf_text.up.sql` and `.down.sql`.
"""

from pathlib import Path

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.execute((SQL / "0011_leaf_text.up.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    op.execute((SQL / "0011_leaf_text.down.sql").read_text(encoding="utf-8"))
