"""The commitment of an entry beside it, made by whoever appends it.

The SQL lies in `migrations/sql/0010_commitment.up.sql` and `.down.sql`.
"""

from pathlib import Path

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.execute((SQL / "0010_commitment.up.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    op.execute((SQL / "0010_commitment.down.sql").read_text(encoding="utf-8"))
