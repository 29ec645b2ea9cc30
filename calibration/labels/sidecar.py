"""The JSON beside an events file, which says what its columns mean (BIDS)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

MOST_BYTES: Final = 4 * 2**20
COLUMNS: Final[Mapping[str, Mapping[str, str]]] = {
    "onset": {
        "Description": "Where the segment begins, since the first sample of the recording's data streams.",
        "Units": "s",
    },
    "duration": {"Description": "How long the segment lasts.", "Units": "s"},
    "trial_type": {"Description": "The label of the segment, n/a where it has none."},
    "trial": {"Description": "Number of the trial in the calibration protocol."},
    "attempt": {"Description": "How often the trial had been begun, this time included."},
    "intended": {"Description": "The label that the stimulus was to evoke."},
    "practice": {"Description": "Whether the trial was for practice: such trials have no label."},
    "valence": {"Description": "Self-report on the Self-Assessment Manikin, 1 (unpleasant) to 9 (pleasant)."},
    "arousal": {"Description": "Self-report on the Self-Assessment Manikin, 1 (calm) to 9 (excited)."},
    "dominance": {"Description": "Self-report on the Self-Assessment Manikin, 1 (controlled) to 9 (in control)."},
    "emotion": {"Description": "Self-report: the emotion that was chosen."},
}
UNKNOWN: Final = "Not described."


def sidecar_path(events: str | Path) -> Path:
    """Where the sidecar of an events file lies."""
    return Path(events).with_suffix(".json")


def sidecar_text(path: Path, columns: Sequence[str], labels: Sequence[str], descriptions: Mapping[str, str]) -> bytes:
    """What a sidecar says: what it said, and a description of every column and label that it did not describe.

    Parameters
    ----------
    path : Path
        The old sidecar, if there is one. One that cannot be read as JSON is replaced.
    columns : sequence of str
    labels : sequence of str
    descriptions : mapping of str to str
        Of columns, which go before those of `COLUMNS`.
    """
    document = _old(path)
    for name in columns:
        known = document.setdefault(name, {})
        if not isinstance(known, dict) or known:
            continue
        described = dict(COLUMNS.get(name, {}))
        if name in descriptions or not described:
            described["Description"] = descriptions.get(name, UNKNOWN)
        known.update(described)
    kind = document["trial_type"] if isinstance(document.get("trial_type"), dict) else None
    if kind is not None and labels:
        levels = kind.setdefault("Levels", {})
        if isinstance(levels, dict):
            for label in labels:
                levels.setdefault(label, f"Label {label!r} of the configuration.")
    return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode()


def _old(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MOST_BYTES:
            return {}
        document = json.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError):
        # Nothing is lost: the caller keeps a copy.
        return {}
    return document if isinstance(document, dict) else {}
