"""Facts to current status: ranks, the fold, and the tables it keeps.

The fold is SQL over a relation named `delivered` (events): one file a projected table, in `sql/`.
"""
