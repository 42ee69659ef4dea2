"""What clients register: batches, references, recipients.

The SQL lies in `migrations/sql/0004_registrations.up.sql` and `.down.sql`.
"""

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.execute((SQL / "0004_registrations.up.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    op.execute((SQL / "0004_registrations.down.sql").read_text(encoding="utf-8"))
