"""What bounds each row that is below its aim: one sentence, from profiles, for docs/performance.md."""

BOUNDS: dict[str, str] = {
    "single": (
        "of about 137 µs of processor time a callback, 63 are Python's (38 of them what a warm process "
        "takes for HTTP, signature, strict JSON, hashes, model and parameters; the rest sockets, and caches"
        " that three processes share), 53 PostgreSQL's (append and folds: 16 index entries), 14 those of "
        "`wrk` and 7 the sealer's. One thread of Python serves all: it runs for 79% of the time, and for "
        "12% waits for a core that `wrk` or PostgreSQL has; 15% of both cores are idle. Single rounds of "
        "one run lie between 0.58 and 0.82; a run of five rounds an hour before gave 0.65."
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
        "256 callers make two batches of about a hundred, and each waits 3 ms longer: both cores are then"
        " idle for 29% of the time, and for 21 to 24% without the delay."
    ),
    "latency": (
        "looked at every 1.5 ms at 6,000 callbacks a second, appends last up to 15 ms (processor, and the "
        "sync of the log), 25 where PostgreSQL makes a new file of its log; once a second a seal takes 50 "
        "ms of one of the two cores. Without seals the 99th percentile is the same: 15 to 38 ms in eight "
        "runs."
    ),
    "large": (
        "measured with 31 million events, in use for a minute; another run of this day, on a quieter "
        "machine, gave 0.76 (0.68 to 0.95). PostgreSQL takes about 70 µs a callback there, not 53 to 60: "
        "of the index over keys that are random (3.2 GB) and of the read model, the pages that a callback"
        " touches are seldom in the processor's caches, and every third one has to be read into "
        "PostgreSQL's 6 GB of buffers. A page that is touched for the first time since a checkpoint is "
        "logged whole (6 KB a callback at first, some 2 after a minute), and a vacuum of the read model, due"
        " each two minutes at this rate, takes a tenth of a core."
    ),
    "large-hundred": "as `large`; the quieter run gave 0.76 (0.54 to 0.90).",
    "disk": "bodies are kept as they came; whoever reads the ledger would need the dictionary for ever.",
    "lookup": (
        "a lookup takes 53 µs of the one thread of Python (17 of them the kernel's, for sockets), which "
        "is busy for 95% of the time, and 4 of PostgreSQL; the constant takes 23 of Python."
    ),
    "sealing": (
        "4 to 5 µs of PostgreSQL and 1 of Python an entry, of some 140 a callback, that is about 4%. "
        "A second run of 31 rounds, not kept, gave 0.94 (0.72 to 1.10): the mark lies within what the "
        "machine's noise leaves open. Six runs of three to eleven rounds before the last improvements "
        "gave 0.92 to 0.98."
    ),
    "memory": (
        "of 129 MB, 101 are there once the packages are imported (SQLAlchemy 13, psycopg 14, FastAPI 12, "
        "asyncio with TLS 10, Alembic 9, with the bare interpreter's 8); 26 come with serving, and 2 in a"
        " million callbacks."
    ),
    "pause": "not profiled yet: the swap waits for what is under way, and all others wait for the swap.",
    "rebuild": (
        "not profiled yet: one connection folds and two make the indexes, beside a reader and a supplier."
    ),
}
