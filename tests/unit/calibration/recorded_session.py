"""Sessions in a folder whose runs were recorded from a simulated participant, in tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from calibration.folder import CalibrationFolder, begin
from calibration.machine import Stage
from rtemo.outputs.recording import write_recording
from rtemo.sources.simulate import SimulatedSource, SimulationSettings
from rtemo.types import Marker
from rtemo.xdf.writer import XdfWriter

LABELS = ("calm", "joy")
TRIAL_S, REST_S = 5.0, 1.0
CONFIG = """
labels = ["calm", "joy"]
[views.eeg]
stream = { type = "EEG" }
features = "differential-entropy"
[views.eye]
stream = { type = "EyeFeatures" }
features = "identity"
[model.settings]
steps = 5
hidden = [8, 6]
latent = 3
imputations = 2
validation_windows = 6
batch_size = 32
"""
MARKERS = """
[markers]
stream = { type = "Markers" }
labels = { "clip/calm" = "calm", "clip/joy" = "joy" }
"""
PROTOCOL = """
name = "moments"
instructions = "Look."
baseline_s = 0.0
[timing]
fixation_s = 0.0
stimulus_s = 5.0
rest_s = 1.0
[[blocks]]
name = "main"
[[blocks.trials]]
label = "calm"
repeat = 4
stimulus = { kind = "text", text = "sea" }
[[blocks.trials]]
label = "joy"
repeat = 4
stimulus = { kind = "text", text = "sun" }
"""


def begun(folder: Path, *, external: bool = False, config: str = "", first: Path | None = None) -> CalibrationFolder:
    """A session that nothing was recorded of yet."""
    lab, protocol = folder / "lab.toml", folder / "protocol.toml"
    lab.write_text(CONFIG.replace("[views.eeg]", config + "[views.eeg]", 1) + (MARKERS if external else ""))
    protocol.write_text(PROTOCOL)
    return begin(folder / "out", "07", lab, None if external else protocol, seed=3, first=first)


def begin_run(session: CalibrationFolder) -> Path:
    """The path of the next run's recording, which is in the journal."""
    logbook = session.logbook
    if logbook.progress.stage is not Stage.CHECK:
        logbook.write("stage", stage="check")
    number = logbook.progress.run + 1
    logbook.write("run", number=number, recording=f"run-{number}.xdf")
    logbook.write("stage", stage="trials")
    return session.path / f"run-{number}.xdf"


def recorded_run(
    session: CalibrationFolder, trials: int = 4, *, cut_s: float = math.inf, answers: Sequence[dict[str, float]] = ()
) -> Path:
    """A run whose trials are all in the journal; of its samples and markers those of the first `cut_s` seconds."""
    path = begin_run(session)
    run = session.logbook.progress.run
    settings = SimulationSettings(
        labels=LABELS, trials=trials, trial_s=TRIAL_S, rest_s=REST_S, eeg_rate_hz=128.0, effect=1.5, participant=1,
        seed=run, start_s=10_000.0 * run,
    )  # fmt: skip
    source = SimulatedSource(settings)

    def stamp_s(item: object) -> float:
        return item.stamp_s if isinstance(item, Marker) else float(item.stamps_s[0])  # type: ignore[attr-defined]

    write_recording(path, source.streams, [item for item in source if stamp_s(item) < settings.start_s + cut_s])
    if session.protocol is not None:
        before = len(session.logbook.progress.attempts)
        clips = [marker for marker in source.markers if marker.text.startswith("clip/")]
        for number, marker in enumerate(clips, start=before + 1):
            said = answers[number - before - 1] if answers else {}
            done_trial(session, number, marker.text.removeprefix("clip/"), marker.stamp_s, said)
    return path


def done_trial(
    session: CalibrationFolder, number: int, label: str, on_s: float, answers: dict[str, float] | None = None
) -> None:
    """A trial that was accepted."""
    write, named = session.logbook.write, {"trial": number, "attempt": 1}
    write("trial-start", run=session.logbook.progress.run, block="main", practice=False, intended=label, **named)
    write("stimulus-on", stamp_s=on_s, flip=True, **named)
    write("stimulus-off", stamp_s=on_s + TRIAL_S, flip=True, **named)
    if answers:
        write("answers", stamp_s=on_s + TRIAL_S, answers=answers, **named)
    write("trial-end", label=label, quality={}, accepted=True, reason="", **named)


def empty_run(session: CalibrationFolder) -> Path:
    """A run that was killed at its start, in the middle of its first trial: its recording holds no stream."""
    path = begin_run(session)
    with XdfWriter(path):
        pass
    return path
