"""Recordings of eye trackers, with the events that the trackers marked: EyeLink, Pupil Labs Neon, Pico (Tobii).

All times are seconds from the first sample. An event holds the samples at ``start_s <= t < stop_s``, so trackers that
give an event's last sample get one sample period added.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyxdf

FIXATION, SACCADE, BLINK = "fixation", "saccade", "blink"
EYES = ("left", "right")


@dataclass(frozen=True)
class MarkedEvent:
    """One event on the time of its recording; degrees are NaN where unknown or without meaning."""

    kind: str
    eye: str
    start_s: float
    stop_s: float
    amplitude_deg: float = float("nan")


@dataclass(frozen=True)
class EyeRecording:
    """Samples and what the tracker made of them.

    Parameters
    ----------
    name : str
        File or folder.
    stamps_s : numpy.ndarray, (samples,)
        Seconds from the first sample.
    values : dict of str to numpy.ndarray, (samples,)
        Signals by role, as ``columns`` of the extractor ``eye`` name them: ``x_left`` or ``x``, ``pupil_left``,
        ``aperture_left``, ``blink_left``, ``direction_x``, ``valid``; NaN where the tracker has none.
    rate_hz : float
        Nominal rate of the samples.
    units_per_degree : float
        Pixels a degree of visual angle; NaN for directions.
    marked : tuple of MarkedEvent
        The tracker's events, in order of time.
    kinds : tuple of str
        Kinds of event that the tracker looked for. No blinks in `marked` means something only if blinks are in here.
    """

    name: str
    stamps_s: np.ndarray
    values: dict[str, np.ndarray]
    rate_hz: float
    units_per_degree: float
    marked: tuple[MarkedEvent, ...]
    kinds: tuple[str, ...]

    def events(self, kind: str, eye: str | None = None) -> list[MarkedEvent]:
        """Events of one kind; of one eye, or of all."""
        return [event for event in self.marked if event.kind == kind and eye in (None, event.eye)]

    def of_eye(self, eye: str) -> dict[str, np.ndarray]:
        """The signals of one eye under names without the eye: ``x``, ``y``, ``pupil``."""
        ending = f"_{eye}"
        return {role.removesuffix(ending): column for role, column in self.values.items() if role.endswith(ending)}

    def until(self, stop_s: float) -> EyeRecording:
        """The beginning of the recording, with the events that end in it."""
        keep = self.stamps_s < stop_s
        values = {role: column[keep] for role, column in self.values.items()}
        marked = tuple(event for event in self.marked if event.stop_s <= stop_s)
        return EyeRecording(
            self.name, self.stamps_s[keep], values, self.rate_hz, self.units_per_degree, marked, self.kinds
        )


def without_blinks(saccades: Iterable[MarkedEvent], blinks: Iterable[MarkedEvent]) -> list[MarkedEvent]:
    """Saccades of the eyes; those around a blink are the lid's, by the EyeLink manual."""
    closed = list(blinks)
    return [
        saccade
        for saccade in saccades
        if not any(
            blink.start_s < saccade.stop_s and saccade.start_s < blink.stop_s and blink.eye in (saccade.eye, "both")
            for blink in closed
        )
    ]


def read_eyelink(*paths: Path) -> EyeRecording:
    """Read an EyeLink recording as text; samples and events may be in files of their own.

    Pixels a degree are the mean of the ``RES`` of the blocks where the file gives it, else the median of displacement
    over amplitude of its saccades of at least one degree.
    """
    lines = [line for path in paths for line in path.read_text(encoding="latin-1").splitlines()]
    eyes = _eyelink_eyes(lines)
    rate_hz = float(next(m[1] for line in lines if (m := re.match(r"(?:EVENTS|SAMPLES)\s.*RATE\s+([\d.]+)", line))))
    roles = [f"{signal}_{eye}" for eye in eyes for signal in ("x", "y", "pupil")]
    rows = [line.split()[: 1 + len(roles)] for line in lines if line[:1].isdigit()]
    table = np.array([[np.nan if cell == "." else float(cell) for cell in row] for row in rows])
    origin_ms = float(table[0, 0])
    values = dict(zip(roles, table[:, 1:].T, strict=True))
    for eye in eyes:
        lost = ~(values[f"pupil_{eye}"] > 0)  # EyeLink writes a pupil of 0 where it sees none
        for signal in ("x", "y", "pupil"):
            values[f"{signal}_{eye}"][lost] = np.nan
    marked, resolutions = [], []
    for line in lines:
        parts = line.split()
        if line.startswith(("EFIX", "ESACC", "EBLINK")) and int(parts[2]) != EYELINK_UNKNOWN_MS:
            marked.append(_eyelink_event(parts, origin_ms, rate_hz))
        if line.startswith("ESACC") and "." not in parts[5:10] and float(parts[9]) >= 1:
            x0, y0, x1, y1, degrees = map(float, parts[5:10])
            resolutions.append(np.hypot(x1 - x0, y1 - y0) / degrees)
    ends = re.findall(r"^END.*RES\s+([\d.]+)\s+([\d.]+)", "\n".join(lines), re.MULTILINE)
    given = [float(number) for pair in ends for number in pair]
    marked.sort(key=lambda event: event.start_s)
    return EyeRecording(
        paths[0].stem,
        (table[:, 0] - origin_ms) / 1000,
        values,
        rate_hz,
        float(np.mean(given) if given else np.median(resolutions)),
        tuple(marked),
        (FIXATION, SACCADE, BLINK),
    )


EYELINK_UNKNOWN_MS = 2**32 - 1  # start of a saccade that came out of a blink


def _eyelink_eyes(lines: list[str]) -> list[str]:
    words = next(line for line in lines if line.startswith("START")).split()
    return [eye for eye in EYES if eye.upper() in words]


def _eyelink_event(parts: list[str], origin_ms: float, rate_hz: float) -> MarkedEvent:
    kind = {"EFIX": FIXATION, "ESACC": SACCADE, "EBLINK": BLINK}[parts[0]]
    eye = {"L": "left", "R": "right"}[parts[1]]
    start_s = (float(parts[2]) - origin_ms) / 1000
    stop_s = (float(parts[3]) - origin_ms) / 1000 + 1 / rate_hz
    known = kind == SACCADE and parts[9] != "."
    return MarkedEvent(kind, eye, start_s, stop_s, float(parts[9]) if known else float("nan"))


NEON_KINDS = {0: SACCADE, 1: FIXATION, 4: BLINK}  # event_type of the native files
NEON_RATE_HZ = 200.0


def read_neon(folder: Path) -> EyeRecording:
    """Read a native Neon recording, all parts of it: gaze in scene pixels, pupils and lids in millimetres.

    ``valid`` is 0 while the glasses are not worn; the file repeats one value there. A folder without a single blink is
    taken as one whose blinks were not looked for: in ``multi_part`` both lids close several times and none is marked.
    """
    parts = sorted(folder.glob("gaze ps*.raw"), key=lambda path: int(path.stem.removeprefix("gaze ps")))
    numbers = [path.stem.removeprefix("gaze ") for path in parts]
    stamps_ns = np.concatenate([np.fromfile(folder / f"gaze {n}.time", "<i8") for n in numbers])
    gaze, state, fixations, blinks = (
        np.concatenate([np.fromfile(folder / f"{name} {n}.raw", _neon_dtype(folder, name)) for n in numbers])
        for name in ("gaze", "eye_state", "fixations", "blinks")
    )
    worn = np.concatenate([np.fromfile(folder / f"worn {n}.raw", "u1") for n in numbers]) > 0
    columns = {"x": gaze["x"], "y": gaze["y"]}
    for eye in EYES:
        columns[f"pupil_{eye}"] = state[f"pupil_diameter_{eye}_mm"]
        columns[f"aperture_{eye}"] = state[f"eyelid_aperture_{eye}_mm"]
    values = {role: column.astype(float) for role, column in columns.items()}
    values["valid"] = worn.astype(float)
    marked = []
    for row in (*fixations, *blinks):
        kind = NEON_KINDS[int(row["event_type"])]
        start_s, stop_s = ((int(row[f"{end}_timestamp_ns"]) - int(stamps_ns[0])) / 1e9 for end in ("start", "end"))
        degrees = float(row["amplitude_angle_deg"]) if kind == SACCADE else float("nan")
        marked.append(MarkedEvent(kind, "both", start_s, stop_s, degrees))
    marked.sort(key=lambda event: event.start_s)
    large = fixations[fixations["amplitude_angle_deg"] >= 1]
    return EyeRecording(
        folder.name,
        (stamps_ns - stamps_ns[0]) / 1e9,
        values,
        NEON_RATE_HZ,
        float(np.median(large["amplitude_pixels"] / large["amplitude_angle_deg"])),
        tuple(marked),
        (FIXATION, SACCADE, BLINK) if len(blinks) else (FIXATION, SACCADE),
    )


def _neon_dtype(folder: Path, name: str) -> np.dtype:
    return np.dtype(ast.literal_eval((folder / f"{name}.dtype").read_text(encoding="utf-8").strip()))


def read_pico(path: Path) -> EyeRecording:
    """Read the gaze of the Pico headset: a direction of both eyes, and a blink flag for each.

    Its blinks are runs of those flags: of the left, of the right, and of both at once. A direction of zero length means
    that there was none.
    """
    streams, _ = pyxdf.load_xdf(str(path), dejitter_timestamps=False)
    stream = next(stream for stream in streams if stream["info"]["name"][0] == "Unity.TobiiGaze")
    labels = [channel["label"][0] for channel in stream["info"]["desc"][0]["channels"][0]["channel"]]
    table = dict(zip(labels, np.asarray(stream["time_series"], dtype=float).T, strict=True))
    stamps_s = stream["time_stamps"] - stream["time_stamps"][0]
    rate_hz = float(stream["info"]["nominal_srate"][0])
    values = {f"direction_{axis.lower()}": table[f"GazeRayDirection{axis}"] for axis in "XYZ"}
    none = np.sqrt(sum(column**2 for column in values.values())) < 0.5
    values = {role: np.where(none, np.nan, column) for role, column in values.items()}
    flags = {eye: table[f"Is{eye.capitalize()}EyeBlinking"] for eye in EYES}
    values |= {f"blink_{eye}": flag for eye, flag in flags.items()}
    flags["both"] = np.minimum(flags["left"], flags["right"])
    marked = [
        MarkedEvent(BLINK, eye, *span) for eye, flag in flags.items() for span in runs_s(flag > 0.5, stamps_s, rate_hz)
    ]
    marked.sort(key=lambda event: event.start_s)
    return EyeRecording(path.stem, stamps_s, values, rate_hz, float("nan"), tuple(marked), (BLINK,))


def runs_s(inside: np.ndarray, stamps_s: np.ndarray, rate_hz: float) -> list[tuple[float, float]]:
    """Start and stop of every run of true samples; it stops at the next sample; the last one lasts a period."""
    edges = np.diff(np.concatenate([[0], inside.astype(int), [0]]))
    ends_s = np.append(stamps_s, stamps_s[-1] + 1 / rate_hz)
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [(float(stamps_s[a]), float(ends_s[b])) for a, b in zip(starts, stops, strict=True)]


def eyelink_recordings(data: Path) -> list[EyeRecording]:
    """The four EyeLink recordings: 250, 500 (two) and 1000 Hz."""
    folder = data / "eye_eyelink"
    return [
        read_eyelink(folder / "002_rlmw_samples_short.asc", folder / "002_rlmw_events_short.asc"),
        read_eyelink(folder / "binoRemote500.asc"),
        read_eyelink(folder / "mono1000.asc"),
        read_eyelink(folder / "monoRemote250.asc"),
    ]


def neon_recordings(data: Path) -> list[EyeRecording]:
    """The two Neon recordings."""
    return [read_neon(data / "eye_neon" / name) for name in ("demo_recording", "multi_part")]
