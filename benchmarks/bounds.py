"""What bounds each row that is below its aim: one sentence, from profiles, for docs/performance.md."""

BOUNDS: dict[str, str] = {
    "single": (
        "of about 195 µs of processor time a callback, 84 are Python's (HTTP, signature, strict JSON,"
        " hashes, model, parameters), 83 PostgreSQL's (append and folds), 18 those of `wrk` and 10 "
        "the sealer's; a bare `INSERT` takes 120 with `pgbench`. A fifth of both cores is idle, for "
        "64 callers wait for answers that come a batch at a time."
    ),
    "hundred": (
        "an item costs about 25 µs in Python (checks, hashes, parameters) and 35 in PostgreSQL (an "
        "event, two folded rows, their indexes), while `COPY` takes 8 for a row."
    ),
    "peers": "as `single`; the peer appends in process, without HTTP, signature or projection.",
    "peers-hundred": "as `hundred`; the peer neither checks an item nor folds it.",
    "slow-commit": (
        "of 64 callers half are in the batch that waits for its commit, and the others are one batch "
        "more: with two under way nobody is left to be read."
    ),
    "disk": "bodies are kept as they came; whoever reads the ledger would need the dictionary for ever.",
    "sealing": (
        "10 µs of PostgreSQL and 2 of Python an entry: its leaf, two index entries, its part of a tile."
    ),
}
