"""The log: facts, in order, for ever.

An *entry* is one request of a proven sender, kept verbatim. An *event* is an immutable fact that an
entry states. Both are only ever appended.
"""
