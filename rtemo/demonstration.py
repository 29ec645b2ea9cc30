"""The recordings and the configuration of `rtemo demo`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rtemo.config import Configuration, parse_configuration
from rtemo.outputs.recording import write_recording
from rtemo.sources.simulate import MARKER_PREFIX, Dropout, SimulatedSource, SimulationSettings

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
