"""What bounds each row that is below its aim: one sentence, from profiles, for docs/performance.md."""

BOUNDS: dict[str, str] = {
    "single": (
        "of about 137 µs of processor time a callback, 63 are Python's (38 of them what a warm process "
        "takes for HTTP, signature, strict JSON, hashes, model and parameters; the rest sockets, and "
        "caches that three processes share), 53 PostgreSQL's (append and folds: 16 index entries), 14 "
        "those of `wrk` and 7 the sealer's. One thread of Python serves all: it runs for 79% of the time, "
        "and for 12% waits for a core that `wrk` or PostgreSQL has; 15% of both cores are idle. It is at "
        "its mark and not past it: four runs of two days, with the same code for a callback, had medians "
        "of 0.76 (five rounds), 0.60 (five), 0.66 (nine) and 0.68 (seven, kept; only in the last "
        "does `wrk` make its requests beforehand)."
    ),
    "hundred": (
        "out of reach here: at the mark an item has 36 µs of both cores together, and `COPY` of nothing "
        "but the rows that are kept takes 19 of them (`hundred-kept`), of `events` alone 7. Profiled with "
        "two workers, which keep both cores busy to 93%: 19 µs of Python (7 checks, 4 hashes and "
        "signature, 2 parameters, warm; the rest sockets, and caches that four processes share) and 37 of "
        "PostgreSQL (17 for an event: parameters, 3 index entries, is it new, is it in conflict; 4 to "
        "compress bodies, by pglz, for this build has no lz4; the rest two folded rows with 10 index "
        "entries). With one worker, PostgreSQL writes one large batch at a time, on purpose (see overload "
        "in docs/reliability.md)."
    ),
    "hundred-kept": (
        "as `hundred`; six items of a message leave six events, but one row of each table of the read model."
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
        "runs. Measured by itself it was 13 to 18 ms in three runs, among all other rows of a long run "
        "38, 22, 24 and 19 (kept); single rounds were 196 and 723 ms, and why is not known."
    ),
    "large": (
        "24 million events, in use for a minute. Pages of the read model and of the index over random "
        "keys are seldom in the processor's caches there, and a vacuum of the read model, due each two "
        "minutes at this rate, takes a tenth of a core. A page that is touched for the first time since a "
        "checkpoint is logged whole: 8.5 KB a callback in the first 12 s, 3.9 after 24 s, 3.4 on a small "
        "ledger. Five runs of five rounds on two days gave 0.82, 0.77, 0.93, 0.69 and 0.88 (kept); the "
        "fourth was the first after three rebuilds, whose tables autovacuum had still to visit."
    ),
    "large-hundred": "as `large`; the five runs gave 0.92, 0.69, 0.92, 0.84 and 0.98.",
    "disk": "bodies are kept as they came; whoever reads the ledger would need the dictionary for ever.",
    "lookup": (
        "a lookup takes 53 µs of the one thread of Python (17 of them the kernel's, for sockets), which "
        "is busy for 95% of the time, and 4 of PostgreSQL; the constant takes 23 of Python. Five rounds "
        "before the nine that are kept gave 0.34."
    ),
    "sealing": (
        "5 µs of PostgreSQL and 1 of Python an entry, and 10 ms a second, of some 140 µs a callback. "
        "Four runs of 31 rounds each gave 0.98, 0.96, 0.94 and 0.94 (single rounds 0.68 to 1.20). A sixth of "
        "both cores is idle otherwise, and pays for a part of it."
    ),
    "sealing-cost": (
        "the same rounds by processor time, without ÷ with: some 10 µs of 145, of which 7 are accounted "
        "for as the seals' own; the four runs gave 0.93, 0.93, 0.90 and 0.94."
    ),
    "memory": (
        "of 129 MB, 101 are there once the packages are imported (SQLAlchemy 13, psycopg 14, FastAPI 12, "
        "asyncio with TLS 10, Alembic 9, with the bare interpreter's 8); 26 come with serving, and 2 in a"
        " million callbacks."
    ),
    "pause": (
        "the swap itself takes 7 ms. Longer are commits while the file system frees the 3 GB of the old "
        "tables (this one discards what is freed): a bare insert beside such a drop waited for 32 to 245 "
        "ms in five tries, at once, index by index or with pauses. Three runs of three rounds gave 78, "
        "444 (138 to 1,950) and 58 ms, when a rebuild still waited for vacuums in vain; since then one run "
        "gave 47 (kept), and a single round on a cold server 544 (see `rebuild`)."
    ),
    "rebuild": (
        "fold and indexes keep both cores busy to 97 to 99%, in four of five seconds the fold. Since it "
        "fills a table without a key and is not held up by vacuums, three rounds right after the ledger was "
        "filled gave 123,089 to 125,519 (kept). One more, looked at second by second, an hour later on a "
        "server that had just come up, gave 89,359 and a pause of 544 ms: the disk was read at its limit "
        "before the fold and before the swap (the ledger is twice the memory), and for a third of the "
        "time autovacuum was at work. Four runs of the day before gave 92,861 to 128,775."
    ),
}
