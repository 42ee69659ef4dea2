"""Roles and what each may do.

The SQL lies in `migrations/sql/0003_roles.up.sql` and `.down.sql`.
"""

from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.execute((SQL / "0003_roles.up.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    op.execute((SQL / "0003_roles.down.sql").read_text(encoding="utf-8"))
