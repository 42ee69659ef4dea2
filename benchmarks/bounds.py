"""What bounds each row that is below its aim: one sentence, from profiles, for docs/performance.md."""

BOUNDS: dict[str, str] = {
    "single": (
        "of about 150 µs of processor time a callback, 70 are Python's (HTTP, signature, strict JSON,"
        " hashes, model, parameters), 56 PostgreSQL's (append and folds), 14 those of `wrk` and 10 "
        "the sealer's; a bare `INSERT` takes 115 with `pgbench`. One thread of Python serves all: it runs "
        "for 77% of the time, and for 15% waits for a core that `wrk` or PostgreSQL has."
    ),
    "hundred": (
        "an item costs about 25 µs in Python (checks, hashes, parameters) and 35 in PostgreSQL (an "
        "event, two folded rows, their indexes), while `COPY` takes 7 for a row."
    ),
    "peers": "as `single`; the peer appends in process, without HTTP, signature or projection.",
    "peers-hundred": "as `hundred`; the peer neither checks an item nor folds it.",
    "slow-commit": (
        "not profiled yet: 256 callers make two batches of about a hundred, and each waits 3 ms longer."
    ),
    "latency": (
        "not profiled yet: at 5,000 callbacks a second the median is 3 ms, and the 99th percentile moves "
        "between 15 and 60 ms from run to run, whatever the rule for batches."
    ),
    "large": (
        "4.2 million events here, not yet 20, and not profiled. The guess: keys are hashes and message ids "
        "random, so that appends touch index pages all over, more of them than the processor's caches hold."
    ),
    "large-hundred": "as `large`.",
    "disk": "bodies are kept as they came; whoever reads the ledger would need the dictionary for ever.",
    "lookup": (
        "not profiled since: by its rate a lookup takes 71 µs of the one thread of Python, of which the "
        "constant's 25 are the server's."
    ),
    "sealing": (
        "10 µs of PostgreSQL and 2 of Python an entry: 5 to write out and hash the leaf (three calls of an "
        "SQL function that is not inlined among them), 2.4 for its row and two index entries; with both "
        "cores busy all of it is taken from callbacks."
    ),
    "pause": ("not profiled yet: the swap waits for what is under way, and all others wait for the swap."),
    "rebuild": (
        "not profiled yet: one connection folds and two make the indexes, beside a reader and a supplier."
    ),
}
