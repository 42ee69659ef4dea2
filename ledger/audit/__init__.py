"""The auditor's verifier: it checks what the ledger says of itself, and shares no code with what wrote it.

Nothing here imports the writer's packages or speaks to a database (`make check` holds it): two programs
that read the same formats, described in docs/proof.md, must come to the same bytes.
"""
