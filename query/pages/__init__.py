"""Pages for auditors: search, a message's timeline, entries as evidence, an overview, the ledger's health.

They are HTML that needs no script, and speak to no other host. Who may see them is not decided here.
"""
