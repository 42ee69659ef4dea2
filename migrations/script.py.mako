"""${message}.

Revises: ${down_revision | comma,n}
"""

from alembic import op
${"import sqlalchemy as sa" if "sa." in (upgrades or "") + (downgrades or "") else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    # A draft: write it as SQL in migrations/sql, as its neighbours are.
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
