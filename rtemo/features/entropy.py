"""Differential entropy of frequency bands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from rtemo.errors import ConfigurationError
from rtemo.features.base import ClosingWindow, ExtractorSettings, Missing, ViewSource
from rtemo.features.cells import CellStore, not_finite
from rtemo.features.spectrum import DEAP_BANDS, SEED_BANDS, band_bins, entropy_of_variance
from rtemo.types import Floats

Band = tuple[float, float]


class DifferentialEntropySettings(ExtractorSettings):
    """Settings of ``differential-entropy``.

    Parameters
    ----------
    bands : "seed", "deap" or mapping of str to (float, float)
        Bands in Hz, the upper edge outside.
    method : "dft" or "filterbank"
        Power of the window's Hann-windowed spectrum, or variance of what a causal filter bank gives.
    order : int
        Order of the filter bank's Butterworth filters.
    """

    bands: Literal["seed", "deap"] | Annotated[dict[str, Band], Field(min_length=1)] = "seed"
    method: Literal["dft", "filterbank"] = "dft"
    order: Annotated[int, Field(ge=1, le=8)] = 4

    @property
    def band_edges(self) -> Mapping[str, Band]:
        """Edges in Hz by band."""
        if isinstance(self.bands, str):
            return SEED_BANDS if self.bands == "seed" else DEAP_BANDS
        return self.bands


class DifferentialEntropy:
    """Extractor ``differential-entropy``.

    Parameters
    ----------
    settings : DifferentialEntropySettings
    """

    Settings: ClassVar[type[BaseModel]] = DifferentialEntropySettings

    def __init__(self, settings: DifferentialEntropySettings) -> None:
        self._settings = settings
        self._labels: tuple[str, ...] = ()
        self._store = CellStore()
        self._bins: dict[str, range] = {}
        self._length = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Channel by channel, e.g. ``"Fp1:alpha"``."""
        return tuple(f"{label}:{band}" for label in self._labels for band in self._settings.band_edges)

    def reset(self, source: ViewSource) -> None:
        """Forget all samples and find the bins of the bands."""
        description = source.description
        rate_hz = description.nominal_rate_hz
        if rate_hz <= 0:
            raise ConfigurationError(
                f"views.{source.view}: differential-entropy needs a regular stream, found {description}.",
                cure="Choose another stream or another extractor.",
            )
        self._labels = description.channel_labels
        self._store = CellStore()
        self._length = round(rate_hz * source.grid.length_s)
        self._bins = band_bins(self._settings.band_edges, rate_hz, self._length, where=f"views.{source.view}.settings")

    def begin_segment(self) -> None:
        """Nothing is carried from sample to sample."""

    def push(self, cell: int, stamps_s: Floats, values: NDArray[np.generic]) -> None:
        """Keep the samples."""
        self._store.push(cell, stamps_s, values)

    def close(self, window: ClosingWindow) -> Floats | Missing:
        """Entropies, shape (channels * bands,), channel by channel."""
        kept = self._store.samples(window.cells)
        if kept is None:
            return Missing("no samples")
        values = kept[1]
        if not np.isfinite(values).all():
            return Missing(not_finite(self._labels, values))
        n = len(values)
        t = np.arange(n)
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * t / self._length)
        tc = t - t.mean()
        x = values - values.mean(axis=0)
        x = x - np.outer(tc, tc @ x) / (tc @ tc)
        x = np.concatenate([x * hann[:, None], np.zeros((-n % self._length, x.shape[1]))])
        spectrum = np.fft.rfft(x.reshape(-1, self._length, x.shape[1]).sum(axis=0), axis=0)
        power = np.abs(spectrum) ** 2
        energy = np.sum(hann**2)
        rows = [2 * power[bins.start : bins.stop].sum(axis=0) for bins in self._bins.values()]
        variance = np.stack(rows, axis=1) / (self._length * energy)
        return entropy_of_variance(variance).reshape(-1)

    def discard(self, before: int) -> None:
        """Forget old samples."""
        self._store.discard(before)
