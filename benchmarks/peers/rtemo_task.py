"""The benchmark's configuration of rtemo, and a bundle trained on recordings from the outlets' own generators.

Run ``python rtemo_task.py --hop 1 --out FOLDER`` to make the bundle.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from common import LENGTH_S
from live_outlets import DEVICES, network

from rtemo.config import Configuration, parse_configuration
from rtemo.types import Chunk, Marker, StreamDescription

LABELS = ("calm", "tense", "glad")
FEATURES = {"eeg": "differential-entropy", "eye": "statistics", "pps": "statistics"}
MARKERS = StreamDescription("markers", "BenchmarkMarkers", "Markers", ("marker",), 0.0, is_text=True)
TRIALS, TRIAL_S = 12, 10.0


def configuration(hop_s: float, views: Sequence[str], session: str, *, markers: bool = False) -> Configuration:
    """One-second windows of these views.

    Parameters
    ----------
    hop_s : float
    views : sequence of str
    session : str
        LSL session.
    markers : bool
        Whether to read labels.
    """
    config = {
        "labels": list(LABELS),
        "window": {"length_s": LENGTH_S, "hop_s": hop_s},
        "views": {view: {"stream": {"name": DEVICES[view].name}, "features": FEATURES[view]} for view in views},
        "model": {"settings": {"steps": 300}},
        "network": network(session).model_dump(),
    }
    if markers:
        config["markers"] = {"stream": {"type": "Markers"}, "labels": {label: label for label in LABELS}}
    return parse_configuration(config, "the benchmark")


def recording() -> Iterator[Chunk | Marker]:
    """Trials of three labels, each louder than the one before, a second at a time."""
    signals = {key: device.signal() for key, device in DEVICES.items()}
    for trial in range(TRIALS):
        begin_s = 1000.0 + trial * TRIAL_S
        yield Marker(MARKERS.key, begin_s, LABELS[trial % len(LABELS)])
        for second in range(int(TRIAL_S)):
            for key, device in DEVICES.items():
                rate = round(device.rate_hz)
                samples = np.arange(second * rate, (second + 1) * rate)
                stamps_s = begin_s + (samples + 0.5) / device.rate_hz
                values = signals[key][samples % len(signals[key])] * np.float32(1 + trial % len(LABELS) / 4)
                values[:, -1] = samples + trial * TRIAL_S * rate
                yield Chunk(key, stamps_s, values)


def make_bundle(hop_s: float, folder: Path) -> None:
    """Record, train and save."""
    from rtemo.extraction import extract
    from rtemo.model.bundle import save_bundle
    from rtemo.outputs.recording import write_recording
    from rtemo.training import train_bundle

    config = configuration(hop_s, tuple(DEVICES), "none", markers=True)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "calibration.xdf"
        streams = [*(device.described(key) for key, device in DEVICES.items()), MARKERS]
        write_recording(path, streams, recording())
        trained = train_bundle(config, [extract(path, config)], [], device="cpu")
    save_bundle(folder, trained.bundle)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hop", type=float, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    make_bundle(arguments.hop, arguments.out)


if __name__ == "__main__":
    main()
