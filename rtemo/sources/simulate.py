"""A simulated participant: EEG and eye features whose statistics depend on the emotion of the moment.

It proves mechanics and serves demonstrations; nothing about accuracy on people follows from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtemo.types import Chunk, Floats, Marker, StreamDescription

EEG_LABELS = ("Fp1", "Fp2", "F3", "F4", "T7", "T8", "O1", "O2")
EYE_LABELS = ("pupil_mean", "pupil_sd", "dispersion_x", "dispersion_y", "fixation_s", "blink_hz")
BANDS_HZ = ((1.0, 4.0), (4.0, 8.0), (8.0, 14.0), (14.0, 31.0), (31.0, 50.0))
BAND_UV = (12.0, 7.0, 8.0, 4.0, 2.5)
MARKER_PREFIX = "clip/"
REST = "rest"
CHUNK_S = 0.5


@dataclass(frozen=True, slots=True)
class Dropout:
    """A stretch in which one stream sends nothing, in seconds since the start."""

    stream: str
    start_s: float
    stop_s: float


@dataclass(frozen=True, slots=True)
class SimulationSettings:
    """What is simulated.

    Parameters
    ----------
    labels : tuple of str
        Emotions; each trial shows one, announced by the marker ``clip/<label>`` and ended by ``rest``.
    trials : int
        Number of trials; labels come in shuffled rounds.
    trial_s, rest_s : float
        Length of a trial and of the rest after it.
    eeg_rate_hz : float
    effect : float
        How far the emotions lie apart, in standard deviations of the slow drift.
    participant : int
        Seeds what stays the same for one person: which channels and bands carry which emotion.
    seed : int
        Seeds what differs between sessions: noise, drift, order of trials.
    start_s : float
        LSL local-clock time of the first sample.
    dropouts : tuple of Dropout
        Stretches without samples.
    """

    labels: tuple[str, ...] = ("negative", "neutral", "positive")
    trials: int = 12
    trial_s: float = 15.0
    rest_s: float = 3.0
    eeg_rate_hz: float = 250.0
    effect: float = 0.8
    participant: int = 0
    seed: int = 0
    start_s: float = 1000.0
    dropouts: tuple[Dropout, ...] = ()


class SimulatedSource:
    """A simulated session as a source: streams ``eeg``, ``eye`` (1 Hz) and ``markers``.

    Parameters
    ----------
    settings : SimulationSettings
    """

    def __init__(self, settings: SimulationSettings | None = None) -> None:
        self.settings = settings or SimulationSettings()
        self._random = np.random.default_rng([self.settings.participant, self.settings.seed])
        self.markers, state, self.duration_s = _schedule(self.settings, self._random)
        self._eeg = _eeg(self.settings, state, self.duration_s, self._random)
        self._eye = _eye(self.settings, state, self.duration_s, self._random)

    @property
    def origin(self) -> str:
        """Name for messages."""
        return f"simulated participant {self.settings.participant}"

    @property
    def streams(self) -> Sequence[StreamDescription]:
        """EEG, eye features and markers."""
        uv = ("uV",) * len(EEG_LABELS)
        rate_hz = self.settings.eeg_rate_hz
        return (
            StreamDescription("eeg", "SimulatedEEG", "EEG", EEG_LABELS, rate_hz, "simulated-eeg", "simulator", uv),
            StreamDescription("eye", "SimulatedEye", "EyeFeatures", EYE_LABELS, 1.0, "simulated-eye", "simulator"),
            StreamDescription(
                "markers",
                "SimulatedMarkers",
                "Markers",
                ("marker",),
                0.0,
                "simulated-markers",
                "simulator",
                is_text=True,
            ),
        )

    @property
    def warnings(self) -> Sequence[str]:
        """None."""
        return ()

    def close(self) -> None:
        """Nothing is held."""

    def __iter__(self) -> Iterator[Chunk | Marker]:
        """Half a second of every stream at a time."""
        markers = list(self.markers)
        rates_hz = {"eeg": self.settings.eeg_rate_hz, "eye": 1.0}
        values = {"eeg": self._eeg, "eye": self._eye}
        segments = dict.fromkeys(rates_hz, 0)
        silent = dict.fromkeys(rates_hz, False)
        for step in range(int(np.ceil(self.duration_s / CHUNK_S))):
            stop_s = (step + 1) * CHUNK_S
            while markers and markers[0].stamp_s - self.settings.start_s < stop_s:
                yield markers.pop(0)
            for key, rate_hz in rates_hz.items():
                first = int(np.ceil(step * CHUNK_S * rate_hz - 1e-9))
                last = min(int(np.ceil(stop_s * rate_hz - 1e-9)), len(values[key]))
                at_s = np.arange(first, last, dtype=np.float64) / rate_hz
                there = self._there(key, at_s)
                # A dropout may begin or end inside the step: each unbroken run is a chunk of its own segment.
                for run in np.split(np.arange(len(at_s)), np.flatnonzero(np.diff(there.astype(int))) + 1):
                    if len(run) == 0:
                        continue
                    if not there[run[0]]:
                        silent[key] = True
                        continue
                    if silent[key]:
                        silent[key], segments[key] = False, segments[key] + 1
                    stamps_s = self.settings.start_s + at_s[run]
                    yield Chunk(key, stamps_s, values[key][first + run], segments[key])

    def _there(self, key: str, at_s: Floats) -> NDArray[np.bool_]:
        there = np.ones(len(at_s), dtype=bool)
        for dropout in self.settings.dropouts:
            if dropout.stream == key:
                there &= ~((at_s >= dropout.start_s) & (at_s < dropout.stop_s))
        return there


def _schedule(
    settings: SimulationSettings, random: np.random.Generator
) -> tuple[list[Marker], list[tuple[float, float, int]], float]:
    """Markers, and the trials as (start, stop, label) in seconds since the start, and the duration."""
    markers, trials, at_s = [], [], settings.rest_s
    order: list[int] = []
    for _ in range(settings.trials):
        if not order:
            order = random.permutation(len(settings.labels)).tolist()
        label = order.pop()
        markers.append(Marker("markers", settings.start_s + at_s, MARKER_PREFIX + settings.labels[label]))
        trials.append((at_s, at_s + settings.trial_s, label))
        at_s += settings.trial_s
        markers.append(Marker("markers", settings.start_s + at_s, REST))
        at_s += settings.rest_s
    return markers, trials, at_s


def _level(trials: list[tuple[float, float, int]], at_s: Floats, effects: Floats, drift: Floats) -> Floats:
    """Log level over time of each quantity, shape (samples, quantities): its drift plus the trial's effect."""
    level = drift.copy()
    for start_s, stop_s, label in trials:
        level[(at_s >= start_s) & (at_s < stop_s)] += effects[label]
    return level


def _drift(random: np.random.Generator, seconds: int, quantities: int, scale: float) -> Floats:
    """Slow autoregressive drift, one value a second; shape (seconds, quantities)."""
    noise = random.standard_normal((seconds, quantities))
    drift = np.empty_like(noise)
    drift[0] = noise[0]
    for i in range(1, seconds):
        drift[i] = 0.9 * drift[i - 1] + np.sqrt(1 - 0.9**2) * noise[i]
    return scale * drift


def _eeg(
    settings: SimulationSettings, trials: list[tuple[float, float, int]], duration_s: float, random: np.random.Generator
) -> NDArray[np.float32]:
    """Band-limited noise whose band amplitudes follow the emotion, in uV; shape (samples, channels)."""
    from scipy.signal import butter, sosfilt  # the simulated laboratory, which starts fast, needs none of it

    person = np.random.default_rng([settings.participant, 1])
    channels, bands = len(EEG_LABELS), len(BANDS_HZ)
    effects = 0.25 * settings.effect * person.standard_normal((len(settings.labels), channels * bands))
    seconds = int(np.ceil(duration_s))
    drift = _drift(random, seconds, channels * bands, 0.25)
    level = _level(trials, np.arange(seconds, dtype=np.float64), effects, drift).reshape(seconds, channels, bands)
    samples = round(duration_s * settings.eeg_rate_hz)
    at_s = np.arange(samples) / settings.eeg_rate_hz
    total = np.zeros((samples, channels))
    for band, (low_hz, high_hz) in enumerate(BANDS_HZ):
        sos = butter(4, (low_hz, high_hz), btype="bandpass", fs=settings.eeg_rate_hz, output="sos")
        carrier = sosfilt(sos, random.standard_normal((samples, channels)), axis=0)
        carrier *= BAND_UV[band] / carrier.std(axis=0)
        for channel in range(channels):
            gain = np.exp(np.interp(at_s, np.arange(seconds), level[:, channel, band]))
            total[:, channel] += gain * carrier[:, channel]
    return total.astype(np.float32)


def _eye(
    settings: SimulationSettings, trials: list[tuple[float, float, int]], duration_s: float, random: np.random.Generator
) -> NDArray[np.float32]:
    """Eye features of each second; shape (seconds, features)."""
    person = np.random.default_rng([settings.participant, 2])
    effects = settings.effect * person.standard_normal((len(settings.labels), len(EYE_LABELS)))
    seconds = int(np.ceil(duration_s))
    drift = _drift(random, seconds, len(EYE_LABELS), 1.0)
    level = _level(trials, np.arange(seconds, dtype=np.float64), effects, drift)
    return (level + 0.3 * random.standard_normal(level.shape)).astype(np.float32)
