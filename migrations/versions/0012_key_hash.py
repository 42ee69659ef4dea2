"""An event is found by the hash of its key and its digest: the one large random index is half as large.

It rewrites `events` under a lock (20 million rows took a minute and a half), and what an older program
appends after it is refused. No release came before it.

The SQL lies in `migrations/sql/0012_key_hash.up.sql` and `.down.sql`.
"""

from pathlib import Path

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.execute((SQL / "0012_key_hash.up.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    op.execute((SQL / "0012_key_hash.down.sql").read_text(encoding="utf-8"))
