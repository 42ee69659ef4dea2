"""The commands of `status-ledger`, a module for what belongs together; `ledger/cli.py` assembles them."""
