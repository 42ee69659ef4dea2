"""What the tests share: a supplier's callbacks, a plain fold, a running service."""
