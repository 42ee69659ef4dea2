"""What bounds each row that is below its aim: one sentence, from profiles, for docs/performance.md."""

BOUNDS: dict[str, str] = {
    "single": (
        "of about 137 µs of processor time a callback, 63 are Python's (38 of them what a warm process "
        "takes for HTTP, signature, strict JSON, hashes, model and parameters; the rest sockets, and caches"
        " that three processes share), 53 PostgreSQL's (append and folds: 16 index entries), 14 those of "
        "`wrk` and 7 the sealer's. One thread of Python serves all: it runs for 79% of the time, and for "
        "12% waits for a core that `wrk` or PostgreSQL has; 15% of both cores are idle. Single rounds of "
        "one run lie between 0.58 and 0.79."
    ),
    "hundred": (
        "an item costs 18 µs in Python (checks, hashes, parameters) and 35 in PostgreSQL (an event and two "
        "folded rows with 16 index entries; 4 of them to compress bodies), while `COPY` takes 7 for a row. "
        "Two workers keep both cores busy to 94%, so this is what two cores can do; with one, PostgreSQL "
        "writes one large batch at a time, on purpose (see overload in docs/reliability.md)."
    ),
    "peers": "as `single`; the peer appends in process, without HTTP, signature or projection.",
    "peers-hundred": "as `hundred`; the peer neither checks an item nor folds it.",
    "slow-commit": (
        "not profiled yet: 256 callers make two batches of about a hundred, and each waits 3 ms longer."
    ),
    "latency": (
        "looked at every 1.5 ms at 6,000 callbacks a second, appends last up to 15 ms (processor, and the "
        "sync of the log), 25 where PostgreSQL makes a new file of its log; once a second a seal takes 50 "
        "ms of one of the two cores. Without seals the 99th percentile is the same: 15 to 38 ms in eight "
        "runs."
    ),
    "large": (
        "measured so with 4.2 million events, and before message ids were KSUIDs. With 20 million, in use "
        "for a minute: 0.74 (0.72 to 0.83, three rounds of 4 s beside 10,866 callbacks/s; not kept as a "
        "result). PostgreSQL takes 73 µs a callback there, not 53: idempotency keys are random, the index "
        "over them has 2.5 GB, and a page of it that is touched for the first time since a checkpoint is "
        "logged whole (6 KB a callback at first, 1 after a minute; within seconds of a checkpoint the ratio"
        " is 0.5)."
    ),
    "large-hundred": "as `large`; with 20 million events 0.72 (0.65 to 0.75).",
    "disk": "bodies are kept as they came; whoever reads the ledger would need the dictionary for ever.",
    "lookup": (
        "not profiled since: by its rate a lookup takes 60 µs of the one thread of Python, of which the "
        "constant's 23 are the server's."
    ),
    "sealing": (
        "5.5 µs of PostgreSQL and 1.1 of Python an entry, of some 137 a callback, that is 4.8%; each "
        "second 3.3 ms for the seal itself, and as much for a checkpoint and its anchor. Single rounds of "
        "one run lie between 0.82 and 1.09, so that a median of nine moves by 0.03: six runs of this day "
        "gave 0.98, 0.95, 0.93, 0.92, 0.92 and 0.92, the second and third with a larger ledger on the side "
        "that seals, and all of them before leaves were hashed ahead of being sorted (0.7 µs less)."
    ),
    "memory": "not profiled yet: nearly all of it is there before the first callback; see `growth`.",
    "pause": "not profiled yet: the swap waits for what is under way, and all others wait for the swap.",
    "rebuild": (
        "not profiled yet: one connection folds and two make the indexes, beside a reader and a supplier."
    ),
}
