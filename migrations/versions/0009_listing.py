"""The listing: registered messages in the order of their newest event, by batch and by recipient.

The SQL lies in `migrations/sql/0009_listing.up.sql` and `.down.sql`.
"""

from pathlib import Path

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.execute((SQL / "0009_listing.up.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    op.execute((SQL / "0009_listing.down.sql").read_text(encoding="utf-8"))
