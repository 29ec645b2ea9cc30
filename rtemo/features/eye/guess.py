"""Which channels of a stream look like gaze, pupils and lids: for a proposal that a person then checks."""

from __future__ import annotations

import re
from collections.abc import Sequence

AXES = ("x", "y", "z")
LEFT, RIGHT = {"left", "l"}, {"right", "r"}
ANOTHER = {
    *("origin", "head", "acc", "gyr", "gyro", "scene", "camera", "position", "rotation", "center", "centre"),
    *("prob", "probability"),
}
"""Words of channels that are something else: a probability of a blink is no flag."""
AHEAD = {"direction", "dir", "ray", "normal"}
POINT = {"gaze", "por", "screen", "point", "eye", "norm", "pos", *AXES, *LEFT, *RIGHT}
# What says whether something is valid also says of what: it goes first.
WORDS = {
    "valid": {"valid", "validity", "confidence"},
    "pupil": {"pupil", "diameter", "pupildiameter"},
    "blink": {"blink", "blinking", "blinks"},
    "aperture": {"aperture", "openness", "opening", "lid", "eyelid"},
}
UNITS = {
    "pixels": {"pixel", "pixels", "px"},
    "normalised": {"normalized", "normalised", "norm"},
    "degrees": {"deg", "degree", "degrees"},
}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def guess_columns(labels: Sequence[str]) -> dict[str, str]:
    """Label of a channel by the part that it seems to play, see `rtemo.features.eye.columns.PARTS`.

    Empty where no whole gaze is found. A part that two channels could play is left out.
    """
    found: dict[str, list[str]] = {}
    for label in labels:
        part = _part(label)
        if part:
            found.setdefault(part, []).append(label)
    single = {part: fitting[0] for part, fitting in found.items() if len(fitting) == 1}
    for parts in (("x", "y"), ("direction_x", "direction_y", "direction_z")):
        for sides in (("",), ("_left", "_right")):
            gaze = [part + side for side in sides for part in parts]
            if all(part in single for part in gaze):
                others = [part for part in single if part.split("_")[0] in WORDS]
                return {part: single[part] for part in (*gaze, *others)}
    return {}


def guess_unit(units: Sequence[str]) -> str:
    """``"pixels"``, ``"normalised"`` or ``"degrees"`` where the units of gaze channels say so; else empty."""
    said = {unit.casefold() for unit in units}
    return next((name for name, words in UNITS.items() if said & words), "")


def _part(label: str) -> str:
    """The part that a channel seems to play; empty where it seems to play none."""
    words = {word.casefold() for word in _WORD.findall(label)}
    side = "_left" if words & LEFT else "_right" if words & RIGHT else ""
    axes = [axis for axis in AXES if axis in words]
    if words & ANOTHER or len(axes) > 1:
        return ""
    if axes:
        if words & AHEAD:
            return f"direction_{axes[0]}{side}"
        return f"{axes[0]}{side}" if axes[0] != "z" and words <= POINT else ""
    part = next((part for part, known in WORDS.items() if words & known), "")
    return part + side if part else ""
