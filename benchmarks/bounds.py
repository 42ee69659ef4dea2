"""What bounds each row that is below its aim: one sentence, from profiles, for docs/performance.md."""

BOUNDS: dict[str, str] = {}
