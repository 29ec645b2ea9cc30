"""predictions.csv: one row a window, flushed as it comes."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TextIO

from rtemo.outputs.lines import LineFile
from rtemo.types import Prediction

PER_VIEW = ("weight", "contribution", "available", "coverage")


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


def _csv_line(cells: Sequence[str | int | float]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


class LiveTable:
    """Writes predictions.csv of a live session, which a full disk does not end: see `LineFile`.

    Parameters
    ----------
    path : path-like
        The file, which must not exist yet.
    labels, views : sequence of str
        In the order of the prediction's arrays.
    """

    def __init__(self, path: str | Path, labels: Sequence[str], views: Sequence[str]) -> None:
        self._lines = LineFile(path)
        self._lines.write(_csv_line(column_names(labels, views)).encode("utf-8"))

    def write(self, prediction: Prediction) -> None:
        """Write one row, to disk if it takes it, else with a later one."""
        self._lines.write(_csv_line(table_row(prediction)).encode("utf-8"))

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._lines.close()


class PredictionTable:
    """Writes predictions.csv; a context manager.

    The file is opened at the first row, so that a replay that is refused leaves an older one as it is. Numbers are
    written so that reading them gives the same float64. Times are LSL local-clock seconds.

    Parameters
    ----------
    path : path-like
        The file; an older one is replaced.
    labels, views : sequence of str
        In the order of the prediction's arrays.
    """

    def __init__(self, path: str | Path, labels: Sequence[str], views: Sequence[str]) -> None:
        self._path = Path(path)
        self._columns = column_names(labels, views)
        self._file: TextIO | None = None

    def write(self, prediction: Prediction) -> None:
        """Write one row and flush it."""
        if self._file is None:
            self._file = self._path.open("w", encoding="utf-8", newline="")
            self._file.write(_csv_line(self._columns))
        self._file.write(_csv_line(table_row(prediction)))
        self._file.flush()

    def __enter__(self) -> PredictionTable:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Idempotent."""
        if self._file is not None:
            self._file.close()
