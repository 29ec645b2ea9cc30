"""Whether a replay of a session's recording gives what the session gave."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import dataclass
from pathlib import Path

from rtemo.adaptation.log import read_adaptation_log
from rtemo.config import Configuration
from rtemo.model.bundle import Bundle
from rtemo.outputs.folder import EVENTS, PREDICTIONS, QUALITY, RECORDING
from rtemo.outputs.table import column_names, table_row
from rtemo.replay import Replay
from rtemo.session import SKIPPED

TOLERANCE = 1e-5
FIRST_SCORE = 3
NOT_JUDGED = "nan"
ADAPTED = ("label", "p_", "spread", "contribution_")
"""What the columns begin with that the adapted model says; the others know only the frozen one, or none."""
Scores = dict[str, list[str]]
"""By view, as they stand in the table."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a replay compares with the session that it replays.

    Parameters
    ----------
    windows : int
        That were compared: all but the late and the skipped ones.
    late : int
        Windows for which samples came late live; a replay has them in time.
    skipped : int
        Windows that the model had no time for live.
    only_live, only_replay : tuple of int
        Windows that the other one does not have.
    different : tuple of int
        Windows in which labels, masks or coverage differ at all, or a figure by more than 1e-5.
    largest : float
        Largest difference of any figure.
    quality : tuple of int
        Windows in which a quality score differs at all; also among those that were skipped.
    learnt_late : int
        Windows in which what the adapted model says was not compared: before them the session had learnt from a window
        without the samples that came late, and its log does not say what it learnt from.
    """

    windows: int
    late: int
    skipped: int
    only_live: tuple[int, ...]
    only_replay: tuple[int, ...]
    different: tuple[int, ...]
    largest: float
    quality: tuple[int, ...] = ()
    learnt_late: int = 0

    @property
    def holds(self) -> bool:
        """Whether the replay gives the same."""
        return not (self.only_live or self.only_replay or self.different or self.quality)


def late_windows(events: Path) -> set[int]:
    """Windows for which samples came late, from a session's ``events.jsonl``."""
    late: set[int] = set()
    with events.open(encoding="utf-8") as file:
        for line in file:
            event = json.loads(line)
            if event["event"] == "late":
                late.update(range(event["first_window"], event["last_window"] + 1))
    return late


def agreement(folder: Path, config: Configuration, bundle: Bundle, *, device: str = "cpu") -> Agreement:
    """Replay a session's recording, learning when the session learnt, and compare.

    Parameters
    ----------
    folder : Path
        Of the session.
    config : Configuration
    bundle : Bundle
        The very ones that the session ran with.
    device : str
    """
    log = read_adaptation_log(folder / EVENTS)
    replay = Replay(folder / RECORDING, config, bundle, device=device, adaptation_log=log)
    columns = column_names(config.labels, replay.views)
    with (folder / PREDICTIONS).open(encoding="utf-8", newline="") as file:
        live = {int(row["window"]): row for row in csv.DictReader(file)}
    replayed: dict[int, dict[str, str]] = {}
    judged: dict[int, Scores] = {}
    for window, prediction in replay.run():
        replayed[prediction.index] = dict(zip(columns, map(str, table_row(prediction)), strict=True))
        judged[window.index] = {view: list(map(str, scores.tolist())) for view, scores in window.quality.items()}
    late = late_windows(folder / EVENTS)
    skipped = {index for index, row in live.items() if row["label"] == SKIPPED}
    compared = sorted((live.keys() & replayed.keys()) - late - skipped)
    last_adapted = max(compared, default=0)
    differs_after, learnt_late = replay.differs_after, replay.learnt_late
    if differs_after is not None and learnt_late is not None and learnt_late <= differs_after:
        last_adapted = differs_after
    different, largest = [], 0.0
    for index in compared:
        apart = max(
            _apart(live[index][name], replayed[index][name])
            for name in columns
            if name != "age_s" and (index <= last_adapted or not name.startswith(ADAPTED))
        )
        largest = max(largest, apart)
        if apart > TOLERANCE:
            different.append(index)
    return Agreement(
        windows=len(compared),
        late=len(late & live.keys()),
        skipped=len(skipped),
        only_live=tuple(sorted(live.keys() - replayed.keys())),
        only_replay=tuple(sorted(replayed.keys() - live.keys())),
        different=tuple(different),
        largest=largest,
        quality=tuple(
            index
            for index, scores in sorted(judged_live(folder / QUALITY).items())
            if index in judged and index not in late and not _alike(scores, judged[index])
        ),
        learnt_late=sum(index > last_adapted for index in compared),
    )


def judged_live(path: Path) -> dict[int, Scores]:
    """Quality scores of each window, from a session's ``quality.csv``; none where it has none."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        columns, *rows = list(csv.reader(file)) or [[]]
    views = [column.split(":", 1)[0] for column in columns[FIRST_SCORE:]]
    judged: dict[int, Scores] = {}
    for row in rows:
        scores = judged[int(row[0])] = {}
        for view, score in zip(views, row[FIRST_SCORE:], strict=True):
            scores.setdefault(view, []).append(score)
    return judged


def _alike(live: Scores, replayed: Scores) -> bool:
    """Whether scores are the same to the last bit; a view whose stream never came is not in the recording at all."""
    return all(scores == replayed.get(view, [NOT_JUDGED] * len(scores)) for view, scores in live.items())


def _apart(one: str, other: str) -> float:
    """How far two cells of the table are apart; infinitely where they are no numbers and differ."""
    if one == other:
        return 0.0
    try:
        return abs(float(one) - float(other))
    except ValueError:
        return math.inf
