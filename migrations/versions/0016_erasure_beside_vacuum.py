"""An erasure waits for a vacuum of the entries where no append waits behind it.

The SQL lies in `migrations/sql/0016_erasure_beside_vacuum.up.sql` and `.down.sql`.
"""

from pathlib import Path

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.execute((SQL / "0016_erasure_beside_vacuum.up.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    op.execute((SQL / "0016_erasure_beside_vacuum.down.sql").read_text(encoding="utf-8"))
