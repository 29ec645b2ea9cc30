"""The recordings and the configurations of `rtemo demo` and of `rtemo run --demo`."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from rtemo.config import Configuration, NetworkSettings, parse_configuration
from rtemo.outputs.recording import write_recording
from rtemo.sources.laboratory import Laboratory
from rtemo.sources.schedule import LaboratorySettings
from rtemo.sources.simulate import MARKER_PREFIX, Dropout, SimulatedSource, SimulationSettings
from rtemo.types import Chunk, Marker

LABELS = ("negative", "neutral", "positive")
# Seconds since the start of the second session: the eye tracker, the EEG, both at once.
DROPOUTS = (
    Dropout("eye", 40.0, 70.0),
    Dropout("eeg", 90.0, 120.0),
    Dropout("eye", 135.0, 145.0),
    Dropout("eeg", 135.0, 145.0),
)


def configuration() -> Configuration:
    """One-second windows; views eeg and eye; labels from the clips' markers."""
    return parse_configuration(
        {
            "labels": list(LABELS),
            "views": {
                "eeg": {"stream": {"type": "EEG"}, "features": "differential-entropy"},
                "eye": {"stream": {"type": "EyeFeatures"}, "features": "identity"},
            },
            "markers": {"stream": {"type": "Markers"}, "labels": {MARKER_PREFIX + label: label for label in LABELS}},
            "model": {"settings": {"steps": 1500}},
        },
        where="the demonstration",
    )


def record(folder: Path, seed: int) -> tuple[Path, Path]:
    """Record two sessions of one simulated participant, the second with dropouts.

    Parameters
    ----------
    folder : Path
    seed : int

    Returns
    -------
    tuple of Path
        ``calibration.xdf`` and ``session.xdf``.
    """
    calibration = SimulationSettings(labels=LABELS, participant=seed, seed=2 * seed)
    session = replace(calibration, trials=9, seed=2 * seed + 1, start_s=5000.0, dropouts=DROPOUTS)
    paths = folder / "calibration.xdf", folder / "session.xdf"
    for path, settings in zip(paths, (calibration, session), strict=True):
        path.unlink(missing_ok=True)
        source = SimulatedSource(settings)
        write_recording(path, source.streams, source)
    return paths


LIVE_FAULTS = "eye:drop@12+6,eeg:freeze@24+4,eye:drop@32+3,pps:gap@33+2"
LIVE_DURATION_S = 42.0
LIVE_TRIAL_S = 6.0
LIVE_REST_S = 2.0
CALIBRATION_TRIALS = 12
ORIGIN_S = 1000.0
SCREEN = {"resolution_px": [1920, 1080], "size_m": [0.53, 0.30], "distance_m": 0.65}
"""That the simulated participant looks at."""


def laboratory_configuration(network: NetworkSettings) -> Configuration:
    """One-second windows of the simulated laboratory: views eeg, eye and pps."""
    return parse_configuration(
        {
            "labels": list(LABELS),
            "views": {
                "eeg": {"stream": {"type": "EEG"}, "features": "differential-entropy"},
                "eye": {
                    "stream": {"type": "Gaze"},
                    "features": "eye",
                    "columns": {part: part for part in ("x", "y", "pupil", "blink", "valid")},
                    "settings": {"unit": "normalised", "screen": SCREEN},
                },
                "pps": {"stream": {"type": "Peripheral"}, "features": "statistics"},
            },
            "markers": {"stream": {"type": "Markers"}, "labels": {MARKER_PREFIX + label: label for label in LABELS}},
            "model": {"settings": {"steps": 600}},
            "network": network.model_dump(),
        },
        where="the demonstration",
    )


def record_laboratory(path: Path, settings: LaboratorySettings, duration_s: float) -> None:
    """Record a session of the simulated laboratory without waiting for it.

    Parameters
    ----------
    path : Path
        Of the XDF file, which must not exist yet.
    settings : LaboratorySettings
    duration_s : float
    """
    laboratory = Laboratory(settings)
    devices = [laboratory.describe(key).stream for key in ("eeg", "eye", "pps", "markers")]
    numeric = (_chunks(laboratory, stream.key, stream.nominal_rate_hz, duration_s) for stream in devices[:3])
    items = heapq.merge(_markers(laboratory, duration_s), *numeric, key=lambda item: item[0])
    write_recording(path, devices, (item for _, item in items))


def _chunks(
    laboratory: Laboratory, key: str, rate_hz: float, duration_s: float
) -> Iterator[tuple[float, Chunk | Marker]]:
    """Half a second at a time, each with the moment of its end."""
    device, step = laboratory.device(key), round(rate_hz / 2)
    for first in range(0, int(duration_s * rate_hz), step):
        stamps_s = ORIGIN_S + (first + np.arange(step)) / rate_hz
        yield float(stamps_s[-1]), Chunk(key, stamps_s, device.samples(first, step))


def _markers(laboratory: Laboratory, duration_s: float) -> Iterator[tuple[float, Chunk | Marker]]:
    number = 0
    while (marker := laboratory.schedule.marker(number))[0] < duration_s:
        yield ORIGIN_S + marker[0], Marker("markers", ORIGIN_S + marker[0], marker[1])
        number += 1
