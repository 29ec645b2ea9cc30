"""The sensors of the simulated laboratory. Each gives any of its samples by number, and costs little.

Noise comes from tables that are mixed by amplitude: nothing is filtered while it runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rtemo.sources.schedule import (
    ANCHOR,
    BLINK,
    GAZE,
    NOISE,
    PERSON_EEG,
    PERSON_EYE,
    PERSON_PPS,
    SESSION_EEG,
    SESSION_EYE,
    SESSION_PPS,
    Device,
    Drift,
    Shown,
)
from rtemo.sources.simulate import BAND_UV, BANDS_HZ
from rtemo.types import Floats

_CAP = """
Fp1 Fpz Fp2 AF3 AF4 F7 F5 F3 F1 Fz F2 F4 F6 F8 FT7 FC5 FC3 FC1 FCz FC2 FC4 FC6 FT8 T7 C5 C3 C1 Cz C2 C4 C6 T8
TP7 CP5 CP3 CP1 CPz CP2 CP4 CP6 TP8 P7 P5 P3 P1 Pz P2 P4 P6 P8 PO7 PO5 PO3 POz PO4 PO6 PO8 CB1 O1 Oz O2 CB2
"""
EEG_LABELS = tuple(_CAP.split())
"""The cap of SEED: 62 electrodes of the 10-20 system, in the order of its files."""
WHITE_UV = 1.0
TABLE_S = 32.0
DRIFT_SCALE = 0.25
PAGE_S = 10.0


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel as a bridge describes it."""

    label: str
    unit: str
    type: str


@dataclass(frozen=True, slots=True)
class Told:
    """What is fixed about a device."""

    name: str
    type: str
    rate_hz: float
    chunk: int
    model: str
    channels: tuple[Channel, ...]
    is_text: bool = False


EYE_CHANNELS = (
    Channel("x", "normalized", "Gaze"),
    Channel("y", "normalized", "Gaze"),
    Channel("pupil", "mm", "PupilDiameter"),
    Channel("blink", "", "Blink"),
    Channel("valid", "", "Validity"),
)
PPS_CHANNELS = (
    Channel("ECG", "mV", "ECG"),
    Channel("EDA", "uS", "GSR"),
    Channel("Resp", "a.u.", "Respiration"),
    Channel("Temp", "degC", "Temperature"),
    Channel("EMG", "uV", "EMG"),
    Channel("PPG", "a.u.", "PPG"),
    Channel("AccX", "g", "Accelerometer"),
    Channel("AccY", "g", "Accelerometer"),
)
DESCRIPTIONS: dict[str, Told] = {
    "eeg": Told(
        "SimulatedEEG", "EEG", 1000.0, 20, "62-channel cap", tuple(Channel(x, "microvolts", "EEG") for x in EEG_LABELS)
    ),
    "eye": Told("SimulatedEye", "Gaze", 120.0, 1, "eye tracker", EYE_CHANNELS),
    "pps": Told("SimulatedPeripheral", "Peripheral", 256.0, 8, "peripheral amplifier", PPS_CHANNELS),
    "markers": Told("SimulatedMarkers", "Markers", 0.0, 1, "presenter", (Channel("marker", "", "Marker"),), True),
}


def band_noise(
    random: np.random.Generator, samples: int, rate_hz: float, low_hz: float, high_hz: float
) -> NDArray[np.float32]:
    """Gaussian noise within a band, that can be read round and round; of unit variance, or zero above Nyquist."""
    frequencies = np.fft.rfftfreq(samples, 1 / rate_hz)
    inside = (frequencies >= low_hz) & (frequencies < high_hz)
    spectrum = np.zeros(len(frequencies), dtype=np.complex128)
    parts = random.standard_normal((2, int(inside.sum())))
    spectrum[inside] = parts[0] + 1j * parts[1]
    noise = np.fft.irfft(spectrum, samples)
    return (noise / (noise.std() or 1.0)).astype(np.float32)


class Eeg:
    """Band-limited noise whose band amplitudes follow the emotion, in uV, 62 channels.

    Parameters
    ----------
    shown : Shown
    rate_hz : float
    """

    def __init__(self, shown: Shown, rate_hz: float) -> None:
        settings, channels, bands = shown.settings, len(EEG_LABELS), len(BANDS_HZ)
        person = np.random.default_rng([settings.participant, PERSON_EEG])
        spread = DRIFT_SCALE * settings.effect
        self._effects = spread * person.standard_normal((len(settings.labels) + 1, bands * channels))
        self._effects[-1] = 0.0  # a rest, which is label -1
        session = np.random.default_rng([settings.participant, settings.session, SESSION_EEG])
        self._drift = Drift(session, bands * channels, DRIFT_SCALE)
        random = np.random.default_rng([settings.participant, settings.session, settings.seed, NOISE])
        self._length = 1 << math.ceil(math.log2(max(TABLE_S * rate_hz, 1024)))
        tables = [
            amplitude * band_noise(random, self._length, rate_hz, low_hz, high_hz)
            for (low_hz, high_hz), amplitude in zip(BANDS_HZ, BAND_UV, strict=True)
        ]
        tables.append((WHITE_UV * random.standard_normal(self._length)).astype(np.float32))
        self._tables = np.concatenate(tables)
        # Every channel reads every table at a place of its own, so that no two are alike.
        self._places = random.integers(0, self._length, (bands + 1, 1, channels))
        self._bases = (self._length * np.arange(bands + 1))[:, None, None]
        self._shown, self._rate_hz = shown, rate_hz
        self._gains = np.ones((bands + 1, 1, channels), dtype=np.float32)

    def samples(self, first: int, count: int) -> NDArray[np.float32]:
        """See `Device`."""
        at_s = (first + count // 2) / self._rate_hz
        level = self._drift.at(at_s) + self._effects[self._shown.label_at(at_s)]
        self._gains[:-1, 0] = np.exp(level).reshape(len(BANDS_HZ), -1)
        numbers = np.arange(first, first + count)[:, None]
        noise = self._tables[((self._places + numbers) & (self._length - 1)) + self._bases]
        result: NDArray[np.float32] = np.einsum("bsc,bzc->sc", noise, self._gains)
        return result


class Eye:
    """Gaze in parts of the screen, pupil in mm, blink and validity; a blink closes the eye.

    Parameters
    ----------
    shown : Shown
    rate_hz : float
    """

    def __init__(self, shown: Shown, rate_hz: float) -> None:
        settings = shown.settings
        person = np.random.default_rng([settings.participant, PERSON_EYE])
        labels = len(settings.labels)
        self._pupil_mm = 3.5 + 0.4 * person.standard_normal()
        self._pupil_effects = 0.3 * settings.effect * person.standard_normal(labels)
        # Log rates: blinks of 0.25 Hz and fixations of 0.3 s, in a rest as they are, under an emotion more or less.
        self._blink_effects = np.append(0.5 * settings.effect * person.standard_normal(labels), 0.0)
        self._fixation_effects = np.append(0.3 * settings.effect * person.standard_normal(labels), 0.0)
        session = np.random.default_rng([settings.participant, settings.session, SESSION_EYE])
        self._drift = Drift(session, 1, 0.15)
        self._shown, self._rate_hz = shown, rate_hz
        self._page, self._page_samples = (-1, 0), max(1, round(PAGE_S * rate_hz))
        self._values = np.empty((0, len(EYE_CHANNELS)), dtype=np.float32)
        self._start = 0

    def samples(self, first: int, count: int) -> NDArray[np.float32]:
        """See `Device`."""
        parts = []
        at, last = first, first + count
        while at < last:
            self._turn_to(at // self._page_samples)
            stop = min(last, self._start + len(self._values))
            parts.append(self._values[at - self._start : stop - self._start])
            at = stop
        return parts[0].copy() if len(parts) == 1 else np.concatenate(parts)

    def _random(self, purpose: int, page: int) -> np.random.Generator:
        settings = self._shown.settings
        return np.random.default_rng([settings.participant, settings.session, settings.seed, purpose, page])

    def _turn_to(self, page: int) -> None:
        """Make the page of ten seconds; anew, from there on, where something else is shown than was known."""
        if (page, self._shown.version) == self._page:
            return
        self._page = page, self._shown.version
        self._start = page * self._page_samples
        at_s = np.arange(self._start, self._start + self._page_samples) / self._rate_hz
        random = self._random(GAZE, page)
        # Drawn first: how many numbers the path takes depends on what is shown.
        noise = random.standard_normal((len(at_s), 3)) * (0.002, 0.002, 0.01)
        values = np.empty((len(at_s), len(EYE_CHANNELS)))
        values[:, :2] = self._gaze(at_s, page, random) + noise[:, :2]
        hippus = 0.05 * np.sin(2 * np.pi * 0.3 * at_s) + 0.03 * np.sin(2 * np.pi * 0.71 * at_s + 1.0)
        pupil = self._pupil_mm + self._shown.effect(self._pupil_effects, at_s, 0.7) + hippus
        pupil += self._drift.at(page * PAGE_S)[0] + noise[:, 2]
        values[:, 2] = np.clip(pupil, 1.5, 9.0)
        closed = self._closed(at_s, self._random(BLINK, page))
        values[:, 3], values[:, 4] = closed, ~closed
        values[closed, :3] = np.nan
        self._values = values.astype(np.float32)

    def _gaze(self, at_s: Floats, page: int, random: np.random.Generator) -> Floats:
        """Fixations, and saccades of least jerk between them, of 20 ms and 2 ms a hundredth of the screen."""
        place = self._random(ANCHOR, page).uniform(0.1, 0.9, 2)
        end = self._random(ANCHOR, page + 1).uniform(0.1, 0.9, 2)
        gaze = np.empty((len(at_s), 2))
        moment, stop = float(at_s[0]), float(at_s[-1]) + 1 / self._rate_hz
        while moment < stop:
            mean_s = 0.3 * math.exp(self._fixation_effects[self._shown.label_at(moment)])
            leaves = moment + 0.08 + random.gamma(2.0, max(mean_s - 0.05, 0.01) / 2)
            target = np.clip(place + 0.18 * random.standard_normal(2), 0.05, 0.95)
            if leaves > stop - 0.5:
                leaves, target = max(moment + 0.05, stop - 0.2), end  # the next page starts there
            lasts = 0.020 + 0.2 * float(np.hypot(*(target - place)))
            inside = (at_s >= moment) & (at_s < leaves)
            gaze[inside] = place
            moving = (at_s >= leaves) & (at_s < leaves + lasts)
            share = (at_s[moving] - leaves) / lasts
            gaze[moving] = place + (share**3 * (10 - 15 * share + 6 * share**2))[:, None] * (target - place)
            moment, place = leaves + lasts, target
            if target is end:
                gaze[at_s >= moment] = end
                break
        return gaze

    def _closed(self, at_s: Floats, random: np.random.Generator) -> NDArray[np.bool_]:
        closed = np.zeros(len(at_s), dtype=bool)
        moment, stop = float(at_s[0]), float(at_s[-1])
        while True:
            rate_hz = 0.25 * math.exp(self._blink_effects[self._shown.label_at(moment)])
            moment += 0.3 + random.exponential(1 / rate_hz)
            lasts = random.uniform(0.1, 0.25)
            if moment + lasts > stop:
                return closed
            closed[(at_s >= moment) & (at_s < moment + lasts)] = True
            moment += lasts


class Peripheral:
    """ECG, EDA, respiration, temperature, EMG, PPG and two axes of an accelerometer.

    Parameters
    ----------
    shown : Shown
    rate_hz : float
    """

    def __init__(self, shown: Shown, rate_hz: float) -> None:
        settings = shown.settings
        person = np.random.default_rng([settings.participant, PERSON_PPS])
        effects = settings.effect * person.standard_normal((5, len(settings.labels)))
        self._heart, self._breath, self._eda, self._temp, self._emg = (
            effects * np.array([0.08, 0.05, 0.25, 0.1, 0.2])[:, None]
        )
        self._heart_hz = 1.15 + 0.1 * person.standard_normal()
        session = np.random.default_rng([settings.participant, settings.session, SESSION_PPS])
        self._drift = Drift(session, 3, 0.15)
        random = np.random.default_rng([settings.participant, settings.session, settings.seed, NOISE, 1])
        self._length = 1 << math.ceil(math.log2(max(TABLE_S * rate_hz, 1024)))
        self._noise = random.standard_normal((self._length, len(PPS_CHANNELS)))
        self._shown, self._rate_hz = shown, rate_hz

    def samples(self, first: int, count: int) -> NDArray[np.float32]:
        """See `Device`."""
        numbers = np.arange(first, first + count)
        at_s = numbers / self._rate_hz
        noise = self._noise[numbers & (self._length - 1)]
        follow, drift = self._shown.effect, self._drift.at(float(at_s[0]))
        breath = np.sin(2 * np.pi * (0.25 * at_s + 0.3 * np.sin(2 * np.pi * 0.013 * at_s)))
        beat = self._beats(at_s) + 0.02 * breath
        phase = beat - np.floor(beat)
        values = np.empty((count, len(PPS_CHANNELS)))
        values[:, 0] = _wave(phase, _ECG) + 0.05 * breath
        values[:, 1] = 4.0 * np.exp(drift[0] + follow(self._eda, at_s, 3.0))
        values[:, 2] = (1 + follow(self._breath, at_s, 2.0)) * breath
        values[:, 3] = 33.0 + drift[1] + follow(self._temp, at_s, 8.0)
        values[:, 4] = 10.0 * np.exp(drift[2] + follow(self._emg, at_s, 0.5)) * noise[:, 4]
        values[:, 5] = _wave(phase, _PPG)
        values[:, 6], values[:, 7] = 0.02 * breath, 1.0
        noise = noise * (0.02, 0.01, 0.02, 0.01, 0.0, 0.01, 0.005, 0.005)
        result: NDArray[np.float32] = (values + noise).astype(np.float32)
        return result

    def _beats(self, at_s: Floats) -> Floats:
        """Beats of the heart since the origin: the rate follows the emotion, the count never jumps."""
        beats: Floats = self._heart_hz * (at_s + self._shown.shown_s(at_s) @ self._heart)
        return beats


# Height, place in the beat, and width of each wave.
_ECG = ((0.12, 0.20, 0.025), (-0.12, 0.37, 0.010), (1.1, 0.40, 0.012), (-0.2, 0.43, 0.012), (0.3, 0.65, 0.05))
_PPG = ((1.0, 0.55, 0.10), (0.35, 0.80, 0.10))


def _wave(phase: Floats, waves: tuple[tuple[float, float, float], ...]) -> Floats:
    total = np.zeros(len(phase))
    for height, place, width in waves:
        total += height * np.exp(-0.5 * ((phase - place) / width) ** 2)
    return total


SENSORS: dict[str, Callable[[Shown, float], Device]] = {"eeg": Eeg, "eye": Eye, "pps": Peripheral}
