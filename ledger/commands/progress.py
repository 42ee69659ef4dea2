"""Progress bars with their rate, for commands that count what they do."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from ledger.commands.terminal import err


class _Rate(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s")


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int], Callable[[int], None]]]:
    """Lend what begins a bar on standard error, by what is done and how many there are to do.

    It returns what is to be called with how many more are done. Nothing is drawn where standard error is not
    a terminal.
    """
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, disable=not err.is_terminal) as bars:

        def begin(doing: str, total: int) -> Callable[[int], None]:
            bar = bars.add_task(doing, total=total)
            return lambda done: bars.advance(bar, done)

        yield begin
