"""Differential entropy of frequency bands, window by window as samples come, or in a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from rtemo.errors import ConfigurationError
from rtemo.features.base import ClosingWindow, ExtractorSettings, Missing, ViewSource
from rtemo.features.cells import CellStore, not_finite
from rtemo.features.dft import BandPlan, band_variances
from rtemo.features.filterbank import FilterBank
from rtemo.features.partial_sums import MAX_EXCESS, PartialSums
from rtemo.features.spectrum import DEAP_BANDS, SEED_BANDS, entropy_of_variance
from rtemo.types import Floats

Band = tuple[float, float]

MAX_TABLE_BYTES = 48_000_000
"""Windows that would need larger tables for `PartialSums` (about 40 s at any rate) are transformed whole."""


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


class _Variances(Protocol):
    """What gives the band variances of a window."""

    def begin_segment(self) -> None: ...

    def push(self, cell: int, values: NDArray[np.generic]) -> None: ...

    def variances(self, window: ClosingWindow) -> Floats | None: ...

    def discard(self, before: int) -> None: ...


class _WholeWindows:
    """Band variances of long windows, from all their samples at once."""

    def __init__(self, plan: BandPlan) -> None:
        self._plan = plan
        self._store = CellStore()

    def begin_segment(self) -> None:
        """Nothing is carried from sample to sample."""

    def push(self, cell: int, values: NDArray[np.generic]) -> None:
        """Keep the samples."""
        self._store.push(cell, np.empty(0), values)

    def variances(self, window: ClosingWindow) -> Floats | None:
        """Shape (bands, channels); NaN where a sample is not finite or a bad channel has no substitute."""
        kept = self._store.samples(window.cells)
        if kept is None:
            return None
        samples = kept[1]
        if window.repair is not None:
            samples = samples.copy()
            window.repair.mend(samples)
        with np.errstate(invalid="ignore", over="ignore"):
            return np.ascontiguousarray(band_variances(self._plan, samples.T).T)

    def discard(self, before: int) -> None:
        """Forget old samples."""
        self._store.discard(before)


class DifferentialEntropy:
    """Extractor ``differential-entropy``: ``1/2 ln(2 pi e var)`` of each band of each channel, in nat.

    The variance is that of the detrended window, from its Hann-windowed DFT (one-sided, divided by the window's
    energy) or, with ``method = "filterbank"``, of the filtered signal in the window. A silent channel has the entropy
    of `VARIANCE_FLOOR`. A sample that is not finite makes the view missing, unless its channel counts as bad.

    A bad channel has the entropies of the sum of good channels that stands in for it: those of the same sum of samples,
    as DFT and detrending are linear. With ``method = "filterbank"``, or where nothing can stand in for it, they are
    NaN.

    Parameters
    ----------
    settings : DifferentialEntropySettings
    """

    Settings: ClassVar[type[BaseModel]] = DifferentialEntropySettings
    repairs = True

    def __init__(self, settings: DifferentialEntropySettings) -> None:
        self._settings = settings
        self._labels: tuple[str, ...] = ()
        self._nominal = 0.0
        self._variances: _Variances | None = None

    @property
    def bands(self) -> Mapping[str, Band]:
        """Edges in Hz by band."""
        return self._settings.band_edges

    @property
    def names(self) -> tuple[str, ...]:
        """Channel by channel, e.g. ``"Fp1:alpha"``."""
        return tuple(f"{label}:{band}" for label in self._labels for band in self._settings.band_edges)

    def reset(self, source: ViewSource) -> None:
        """Forget all samples and find the bins or filters of the bands."""
        description, grid = source.description, source.grid
        rate_hz = description.nominal_rate_hz
        where = f"views.{source.view}.settings"
        if rate_hz <= 0:
            raise ConfigurationError(
                f"views.{source.view}: differential-entropy needs a regular stream, found {description}.",
                cure="Choose another stream or another extractor.",
            )
        self._labels = description.channel_labels
        self._nominal = rate_hz * grid.length_s
        bands = self._settings.band_edges
        if self._settings.method == "filterbank":
            self._variances = FilterBank(bands, rate_hz, self._settings.order, description.channels, where=where)
            return
        plan = BandPlan.of(bands, rate_hz, round(rate_hz * grid.length_s), where=where)
        small = PartialSums.table_bytes(plan) <= MAX_TABLE_BYTES
        self._variances = PartialSums(plan, description.channels, grid, rate_hz) if small else _WholeWindows(plan)

    def begin_segment(self) -> None:
        """Let go what the filters carry."""
        self._engine.begin_segment()

    def push(self, cell: int, stamps_s: Floats, values: NDArray[np.generic]) -> None:
        """Take samples in."""
        with np.errstate(invalid="ignore", over="ignore"):
            self._engine.push(cell, values)

    def close(self, window: ClosingWindow) -> Floats | Missing:
        """Entropies, shape (channels * bands,), channel by channel."""
        if window.samples > MAX_EXCESS * self._nominal + 1:
            return Missing(f"{window.samples} samples where about {self._nominal:.0f} were expected")
        with np.errstate(invalid="ignore", over="ignore"):
            variances = self._engine.variances(window)
        if variances is None:
            return Missing("no samples")
        bad = np.empty(0, dtype=np.intp) if window.repair is None else window.repair.bad
        if self._settings.method == "filterbank":
            variances[:, bad] = np.nan
        if not np.isfinite(variances).all():
            good = variances.copy()
            good[:, bad] = 0.0
            if not np.isfinite(good).all():
                return Missing(not_finite(self._labels, good))
        return entropy_of_variance(variances).T.reshape(-1)

    def discard(self, before: int) -> None:
        """Forget old samples."""
        self._engine.discard(before)

    @property
    def _engine(self) -> _Variances:
        if self._variances is None:
            raise RuntimeError("reset comes first")
        return self._variances
