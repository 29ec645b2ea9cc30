"""What a dashboard shows over time, as a table: CSV."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np

from rtemo.dashboard.state import DashboardState
from rtemo.labels import label_windows
from rtemo.printable import printable

_FORMULA = ("=", "+", "-", "@")
"""What a spreadsheet takes for a formula."""


def write_csv(path: str | Path, state: DashboardState, start_s: float, stop_s: float) -> int:
    """Write the predictions whose windows end in a stretch of the session's clock.

    Lines that begin with ``#`` say which session it is and what the columns are; then come the columns' names and a row
    a window. A cell is empty where there is no value. An older file is replaced once the new one is complete.

    Parameters
    ----------
    path : path-like
    state : DashboardState
    start_s, stop_s : float
        The window's end lies in ``[start_s, stop_s]``.

    Returns
    -------
    int
        Rows.

    Raises
    ------
    OSError
        The file cannot be written; an older one is as it was.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            file.writelines(f"# {line}\n" for line in _preamble(state))
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(_header(state))
            rows = _rows(state, start_s, stop_s)
            writer.writerows(rows)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return len(rows)


def _preamble(state: DashboardState) -> list[str]:
    layout = state.layout
    session = "none" if layout is None else printable(f"{layout.session} on {layout.hostname}")
    return [
        f"session: {session}",
        "start_s, stop_s: of the window, seconds of the session's LSL clock; age_s: seconds",
        "p, shadow: probabilities of the adapted and the frozen model; weight: of the view in the posterior; "
        "contribution: to the probability of the most probable label",
        "available: 1 or 0; coverage: fraction of the expected samples; label: of the trial that the window lies in",
    ]


def _header(state: DashboardState) -> list[str]:
    labels, views = state.predictions.labels, state.predictions.views
    return [
        "start_s",
        "stop_s",
        "label",
        *(printable(f"{what}_{label}") for what in ("p", "shadow") for label in labels),
        *(
            printable(f"{what}_{view}")
            for what in ("weight", "contribution", "available", "coverage")
            for view in views
        ),
        "age_s",
    ]


def _rows(state: DashboardState, start_s: float, stop_s: float) -> list[list[str]]:
    history, layout = state.predictions, state.layout
    stops = history.stop_s
    shown = slice(int(np.searchsorted(stops, start_s, "left")), int(np.searchsorted(stops, stop_s, "right")))
    ends = stops[shown]
    starts = ends - (0.0 if layout is None else layout.length_s)
    labels, _ = label_windows(starts, ends, state.trials.segments())
    columns = [
        history.probabilities[shown],
        history.shadow[shown],
        history.weights[shown],
        history.contributions[shown],
        history.available[shown],
        history.coverage[shown],
        history.age_s[shown, None],
    ]
    table = np.concatenate(columns, axis=1)
    return [
        [_number(start), _number(stop), _text(str(label)), *map(_number, row)]
        for start, stop, label, row in zip(starts.tolist(), ends.tolist(), labels, table.tolist(), strict=True)
    ]


def _number(value: float) -> str:
    if not np.isfinite(value):
        return ""
    return repr(int(value)) if value == int(value) and abs(value) < 1e9 else repr(value)


def _text(text: str) -> str:
    clean = printable(text)
    return f"'{clean}" if clean.startswith(_FORMULA) else clean
