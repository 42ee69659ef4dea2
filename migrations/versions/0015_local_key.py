"""An event is unique by its message and its digest: the random index keeps eight bytes of an event.

It makes an index and a primary key under a lock, and what an older program appends after it is refused. No
release came before it.

The SQL lies in `migrations/sql/0015_local_key.up.sql` and `.down.sql`.
"""

from pathlib import Path

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.execute((SQL / "0015_local_key.up.sql").read_text(encoding="utf-8"))


def downgrade() -> None:
    op.execute((SQL / "0015_local_key.down.sql").read_text(encoding="utf-8"))
