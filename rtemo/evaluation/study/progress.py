"""How far a study is, and how long it still takes."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TextIO

from rtemo.evaluation.study.task import Result, Task
from rtemo.printable import printable

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

LINE_EVERY_S: Final = 10.0
"""So often at most is a line written where there is no terminal, but for tasks that failed."""
Group = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a study is.

    Parameters
    ----------
    total, done, failed : int
        Tasks that are wished; that have figures; that have an error.
    left_s : float or None
        An estimate; None while nothing is known.
    last : Result, optional
        What just came.
    """

    total: int
    done: int
    failed: int
    left_s: float | None
    last: Result | None = None


OnProgress = Callable[[Progress], None]


class TimeLeft:
    """How long tasks will take, by how long those of the same method on the same data took.

    A method that has not run on a data set yet counts as on the other ones; a method that never ran counts as the mean
    of all.

    Parameters
    ----------
    tasks : iterable of Task
        Those to come.
    known : iterable of Result
        Those that were run before.
    """

    def __init__(self, tasks: Iterable[Task], known: Iterable[Result] = ()) -> None:
        self._left = Counter(_group(task) for task in tasks)
        self._spent: Counter[Group] = Counter()
        self._count: Counter[Group] = Counter()
        for result in known:
            self._learn(result)

    def take(self, result: Result) -> None:
        """A task is over."""
        self._left[_group(result.task)] -= 1
        self._learn(result)

    def seconds(self, workers: int) -> float | None:
        """What is left with so many workers; None while nothing is known."""
        if not self._count:
            return None
        left = +self._left
        each = {group: self._mean(group) for group in left}
        together = sum(number * each[group] for group, number in left.items())
        # The last task cannot be shared.
        return max([together / max(workers, 1), *each.values()]) if left else 0.0

    def _learn(self, result: Result) -> None:
        # An error may come at once, and says nothing of how long the next ones take.
        if result.error is None:
            self._spent[_group(result.task)] += result.seconds  # type: ignore[assignment]
            self._count[_group(result.task)] += 1

    def _mean(self, group: Group) -> float:
        alike = [known for known in self._count if known == group] or [
            known for known in self._count if known[0] == group[0]
        ]
        chosen = alike or list(self._count)
        return sum(self._spent[known] for known in chosen) / sum(self._count[known] for known in chosen)


def _group(task: Task) -> Group:
    return task.method or task.experiment, task.dataset


@contextlib.contextmanager
def shown(stream: TextIO | None = None) -> Iterator[OnProgress]:
    """Show progress on stderr: a bar on a terminal, else a line now and then."""
    stream = stream or sys.stderr
    if not stream.isatty():
        yield _Lines(stream).show
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    columns = (
        BarColumn(bar_width=12),
        TextColumn("{task.fields[count]}", markup=False, table_column=Column(no_wrap=True)),
        # On a narrow terminal it is this column that is cut.
        TextColumn(
            "{task.fields[note]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)
        ),
    )
    with Progress(*columns, console=Console(file=stream), transient=True, expand=True) as bar:
        yield _Bar(bar).show


class _Bar:
    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._task = bar.add_task("study", total=None, count="", note="")

    def show(self, at: Progress) -> None:
        note = "" if at.last is None else name_of(at.last.task)
        self._bar.update(self._task, total=at.total, completed=at.done + at.failed, count=_told(at), note=note)
        if at.last is not None and at.last.error is not None:
            self._bar.console.print(_failure(at.last), markup=False, highlight=False, soft_wrap=True)


class _Lines:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._next = 0.0

    def show(self, at: Progress) -> None:
        lines = []
        if at.last is not None and at.last.error is not None:
            lines.append(_failure(at.last))
        now, over = time.monotonic(), at.done + at.failed == at.total
        if over or now >= self._next:
            self._next = now + LINE_EVERY_S
            lines.append(_told(at))
        self._stream.write("".join(line + "\n" for line in lines))
        self._stream.flush()


def name_of(task: Task) -> str:
    """A task in one line."""
    settings = ", ".join(f"{name} {value}" for name, value in task.settings.items() if value is not None)
    parts = (task.experiment, task.dataset, task.method, settings, f"seed {task.seed}")
    return printable(" · ".join(filter(None, parts)))


def duration(seconds: float) -> str:
    """About so long, for people.

    Examples
    --------
    >>> duration(42), duration(400), duration(10_000), duration(300_000)
    ('42 s', '7 min', '2 h 47 min', '3 d 11 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def _told(at: Progress) -> str:
    over = at.done + at.failed == at.total
    left = "" if at.left_s is None or over else f"about {duration(at.left_s)} left"
    return "  ".join(
        filter(None, (f"{at.done + at.failed}/{at.total} tasks", f"{at.failed} failed" * bool(at.failed), left))
    )


def _failure(result: Result) -> str:
    return f"failed: {name_of(result.task)}: {result.error}"
