"""What all contestants of ``live_latency.py`` share: the task, and the record of when each window was done.

Runs in the peers' own environments too, so nothing but NumPy is needed.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LENGTH_S = 1.0
WARM_UP_S = 3.0
BANDS_HZ = ((1, 4), (4, 8), (8, 14), (14, 31), (31, 50))
EEG_NAME, EEG_RATE_HZ, EEG_CHANNELS = "BenchmarkEEG", 1000.0, 62
EEG_SAMPLES = int(LENGTH_S * EEG_RATE_HZ)
_HANN = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(EEG_SAMPLES) / EEG_SAMPLES)).astype(np.float32)
_SCALE = 2 / (EEG_SAMPLES * float(np.sum(_HANN**2)))


def differential_entropy(window: NDArray[np.float32]) -> NDArray[np.float64]:
    """Differential entropy as most code computes it: Hann, rfft, band power, logarithm.

    Parameters
    ----------
    window : ndarray of float32, shape (channels, 1000)

    Returns
    -------
    ndarray, shape (channels, 5)
    """
    flat = window - window.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(flat * _HANN, axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    # The window is a second long: bin k is k Hz.
    bands = [power[:, low:high].sum(axis=1) for low, high in BANDS_HZ]
    return 0.5 * np.log(2 * np.pi * np.e * _SCALE * np.stack(bands, axis=1))


def task_parser(description: str | None) -> argparse.ArgumentParser:
    """Options of every contestant."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--hop", type=float, required=True, help="seconds between two windows, which last one second")
    parser.add_argument("--windows", type=int, required=True, help="how many to time")
    parser.add_argument("--out", type=Path, required=True, help="where the record goes (.npz)")
    return parser


class Record:
    """Notes when windows were done; begins to count after a few seconds.

    Parameters
    ----------
    windows : int
        How many to note.
    last : int
        How many numbers of last samples come with each.
    """

    def __init__(self, windows: int, last: int = 1) -> None:
        self._rows = np.full((windows, 2 + last), np.nan)
        self._count = 0
        self._from_s: float | None = None
        self._used: tuple[float, float] = (0.0, 0.0)
        self._ended: tuple[float, float] = (0.0, 0.0)

    def add(self, ready_s: float, stop_s: float, *last: float) -> bool:
        """Note a window.

        Parameters
        ----------
        ready_s : float
            LSL clock when its features were there.
        stop_s : float
            Its end.
        last : float
            Number of the last sample in it, by stream; NaN where unknown.

        Returns
        -------
        bool
            Whether there are enough.
        """
        if self._from_s is None:
            self._from_s = stop_s + WARM_UP_S
        if stop_s < self._from_s or self._count == len(self._rows):
            return self._count == len(self._rows)
        if self._count == 0:
            self._used = (time.perf_counter(), _cpu_s())
        self._rows[self._count] = ready_s, stop_s, *last
        self._count += 1
        if self._count == len(self._rows):
            self._ended = (time.perf_counter(), _cpu_s())
            return True
        return False

    def save(self, path: Path, **versions: str) -> None:
        """Write everything, with what the process used meanwhile."""
        wall_s, cpu_s = (end - begin for begin, end in zip(self._used, self._ended, strict=True))
        memory = {
            line.split(":")[0]: int(line.split()[1]) / 1024
            for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines()
            if line.startswith(("VmRSS", "VmHWM"))
        }
        facts = {
            "wall_s": wall_s,
            "cpu_s": cpu_s,
            "rss_mb": memory.get("VmRSS"),
            "peak_rss_mb": memory.get("VmHWM"),
            "numpy": np.__version__,
            **versions,
        }
        np.savez(path, rows=self._rows[: self._count], facts=json.dumps(facts))


def _cpu_s() -> float:
    """Of all threads of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
