"""The root of every error that Status Ledger raises on purpose.

An error's docstring is its message: the sentence that a developer reads here is the one that an
operator sees.
"""


class LedgerError(Exception):
    """Status Ledger could not do what it was asked."""

    def __init__(self, detail: str = "") -> None:
        """Take what is particular to this case; it follows the docstring's sentence."""
        self.detail = detail
        sentence = (type(self).__doc__ or "").strip().partition("\n")[0]
        super().__init__(f"{sentence.rstrip('.')}: {detail}" if detail else sentence)
