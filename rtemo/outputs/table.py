"""predictions.csv and quality.csv: one row a window, flushed as it comes."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Generic, TextIO, TypeVar

from rtemo.outputs.lines import LineFile
from rtemo.outputs.quality import quality_channels, quality_scores
from rtemo.types import FeatureWindow, Prediction

PER_VIEW = ("weight", "contribution", "available", "coverage")
T = TypeVar("T")
Cells = Sequence[str | int | float]


@dataclass(frozen=True, slots=True)
class Layout(Generic[T]):
    """What a table holds.

    Parameters
    ----------
    columns : sequence of str
    row : callable
        The cells of one window's row.
    """

    columns: Sequence[str]
    row: Callable[[T], Cells]


def prediction_layout(labels: Sequence[str], views: Sequence[str]) -> Layout[Prediction]:
    """Of predictions.csv; labels and views in the order of the prediction's arrays."""
    return Layout(column_names(labels, views), table_row)


def quality_layout(names: Mapping[str, Sequence[str]]) -> Layout[FeatureWindow]:
    """Of quality.csv; `names` says of each watched view what its scores are of."""
    views = tuple(names)

    def row(window: FeatureWindow) -> Cells:
        return [window.index, window.start_s, window.stop_s, *quality_scores(window, views).tolist()]

    return Layout(["window", "start", "stop", *quality_channels(names)], row)


def column_names(labels: Sequence[str], views: Sequence[str]) -> list[str]:
    """Columns of predictions.csv, in order."""
    return [
        *("window", "start", "stop", "label"),
        *(f"p_{label}" for label in labels),
        "spread",
        *(f"{what}_{view}" for what in PER_VIEW for view in views),
        *(f"shadow_{label}" for label in labels),
        "age_s",
    ]


def table_row(prediction: Prediction) -> list[str | int | float]:
    """Cells of a prediction's row."""
    p = prediction
    return [
        *(p.index, p.start_s, p.stop_s, p.label),
        *p.probabilities.tolist(),
        p.spread,
        *p.posterior_weights.tolist(),
        *p.contributions.tolist(),
        *(int(there) for there in p.available),
        *p.coverage.tolist(),
        *p.shadow.tolist(),
        p.age_s,
    ]


def _csv_line(cells: Cells) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


class LiveTable(Generic[T]):
    """A table of a live session, which a full disk does not end: see `LineFile`.

    Parameters
    ----------
    path : path-like
        The file, which must not exist yet.
    layout : Layout
    """

    def __init__(self, path: str | Path, layout: Layout[T]) -> None:
        self._layout = layout
        self._lines = LineFile(path)
        self._lines.write(_csv_line(layout.columns).encode("utf-8"))

    def write(self, item: T) -> None:
        """Write one row, to disk if it takes it, else with a later one."""
        self._lines.write(_csv_line(self._layout.row(item)).encode("utf-8"))

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._lines.close()


class Table(Generic[T]):
    """A table of a replay; a context manager.

    The file is opened at the first row, so that a replay that is refused leaves an older one as it is. Numbers are
    written so that reading them gives the same float64. Times are LSL local-clock seconds.

    Parameters
    ----------
    path : path-like
        The file; an older one is replaced.
    layout : Layout
    """

    def __init__(self, path: str | Path, layout: Layout[T]) -> None:
        self._path = Path(path)
        self._layout = layout
        self._file: TextIO | None = None

    def write(self, item: T) -> None:
        """Write one row and flush it."""
        if self._file is None:
            self._file = self._path.open("w", encoding="utf-8", newline="")
            self._file.write(_csv_line(self._layout.columns))
        self._file.write(_csv_line(self._layout.row(item)))
        self._file.flush()

    def __enter__(self) -> Table[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Idempotent."""
        if self._file is not None:
            self._file.close()
