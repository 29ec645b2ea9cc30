"""Recordings that MNE reads: EDF, BDF, FIF, BrainVision, EEGLAB. One stream for each channel type."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rtemo.errors import RecordingError
from rtemo.types import Chunk, Marker, StreamDescription

CHUNK_S = 2.0
MARKER_KEY = "annotations"
# MNE holds these in volts; rtemo hands out microvolts.
VOLTAGE_TYPES = frozenset({"eeg", "eog", "ecg", "emg", "ecog", "seeg", "dbs", "bio"})
# Names of streams follow LSL's content types where there is one, else MNE's channel type in capitals.
LSL_TYPES = {
    "gsr": "GSR",
    "resp": "Respiration",
    "eyegaze": "Gaze",
    "pupil": "Pupil",
    "temperature": "Temperature",
}
NOT_SIGNALS = frozenset({"stim", "exci", "ias", "syst"})


class MneSource:
    """A recording as streams, one for each MNE channel type, on a clock that starts at its first sample.

    A view picks a stream by ``type`` (``"EEG"``, ``"ECG"``, ``"EOG"``, ...) and its channels by label. Annotations
    become the marker stream of type ``"Markers"``. Stretches that the file marks as not recorded (``BAD_ACQ_SKIP``,
    boundaries) are gaps.

    Parameters
    ----------
    path : path-like
        The file; for BrainVision the ``.vhdr`` header, for EEGLAB the ``.set``.

    Raises
    ------
    RecordingError
        MNE cannot read the file, or it holds no sample.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._warnings: list[str] = []
        self._raw = self._open()
        if self._raw.n_times == 0:
            raise RecordingError(f"{path}: expected samples, found none.", cure="The recording is empty.")
        self._picks = self._picks_by_type()
        self._holes = self._find_holes()
        self._streams = tuple(self._describe(kind, picks) for kind, picks in self._picks.items())

    @property
    def origin(self) -> str:
        """The file, for messages."""
        return str(self._path)

    @property
    def streams(self) -> Sequence[StreamDescription]:
        """One stream for each channel type, then the annotations."""
        markers = StreamDescription(MARKER_KEY, MARKER_KEY, "Markers", ("marker",), 0.0, is_text=True)
        return (*self._streams, markers)

    @property
    def warnings(self) -> Sequence[str]:
        """What MNE warned of on opening."""
        return tuple(self._warnings)

    def close(self) -> None:
        """Release the file."""
        self._raw.close()

    def __iter__(self) -> Iterator[Chunk | Marker]:
        """Two seconds of every stream at a time, each after the markers in them; stamps count from the first sample."""
        markers = self._markers()
        rate_hz = float(self._raw.info["sfreq"])
        for segment, (first, last) in enumerate(self._stretches()):
            step = max(1, round(CHUNK_S * rate_hz))
            for start in range(first, last, step):
                stop = min(start + step, last)
                while markers and markers[0].stamp_s < stop / rate_hz:
                    yield markers.pop(0)
                stamps_s = np.arange(start, stop, dtype=np.float64) / rate_hz
                for stream, (kind, picks) in zip(self._streams, self._picks.items(), strict=True):
                    values = self._read(picks, start, stop)
                    if kind in VOLTAGE_TYPES:
                        values = values * 1e6
                    yield Chunk(stream.key, stamps_s, values.T, segment)
        yield from markers

    def _open(self) -> Any:
        import mne

        options = {"infer_types": True} if self._path.suffix.lower() in (".edf", ".bdf") else {}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                raw = mne.io.read_raw(self._path, preload=False, verbose="error", **options)
            # A foreign parser over a hostile file may raise anything; all of it means the same to the user.
            except Exception as error:
                reason = " ".join(str(error).split())[:300] or type(error).__name__
                raise RecordingError(
                    f"{self._path}: expected a {self._path.suffix} recording, found what MNE cannot read: {reason}.",
                    cure="Check that the file is whole.",
                ) from error
        self._warnings.extend(f"{self._path.name}: {str(w.message).splitlines()[0]}" for w in caught)
        return raw

    def _read(self, picks: list[int], start: int, stop: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        try:
            data, _ = self._raw[picks, start:stop]
        except Exception as error:
            raise RecordingError(
                f"{self._path}: samples {start} to {stop} cannot be read: {error}.",
                cure="The file is damaged there.",
            ) from error
        return np.asarray(data, dtype=np.float64)

    def _picks_by_type(self) -> dict[str, list[int]]:
        picks: dict[str, list[int]] = {}
        for index, kind in enumerate(self._raw.get_channel_types()):
            if kind not in NOT_SIGNALS:
                picks.setdefault(kind, []).append(index)
        return picks

    def _describe(self, kind: str, picks: list[int]) -> StreamDescription:
        name = LSL_TYPES.get(kind, kind.upper())
        labels = tuple(self._raw.ch_names[i] for i in picks)
        unit = "uV" if kind in VOLTAGE_TYPES else ""
        return StreamDescription(
            key=kind,
            name=name,
            type=name,
            channel_labels=labels,
            nominal_rate_hz=float(self._raw.info["sfreq"]),
            channel_units=(unit,) * len(picks),
        )

    def _onset_s(self, onset_s: float) -> float:
        """Onset of an annotation in seconds since the first sample of the file."""
        orig_time = self._raw.annotations.orig_time
        return onset_s - float(self._raw.first_time) if orig_time is not None else onset_s

    def _find_holes(self) -> list[tuple[int, int]]:
        """Sample ranges that were not recorded, in order; a bare boundary is a range of no samples."""
        rate_hz = float(self._raw.info["sfreq"])
        holes = []
        for onset_s, duration_s, text in self._annotations():
            name = text.upper()
            if name.startswith("BAD_ACQ_SKIP"):
                start = round(onset_s * rate_hz)
                holes.append((start, start + round(duration_s * rate_hz)))
            elif "BOUNDARY" in name:
                start = round(onset_s * rate_hz)
                holes.append((start, start))
        return sorted(holes)

    def _stretches(self) -> Iterator[tuple[int, int]]:
        """Unbroken sample ranges ``[first, last)``."""
        first = 0
        for start, stop in self._holes:
            if start > first:
                yield first, min(start, self._raw.n_times)
            first = max(first, stop)
        if first < self._raw.n_times:
            yield first, self._raw.n_times

    def _annotations(self) -> Iterator[tuple[float, float, str]]:
        notes = self._raw.annotations
        for onset, duration, text in zip(notes.onset, notes.duration, notes.description, strict=True):
            yield self._onset_s(float(onset)), float(duration), str(text)

    def _markers(self) -> list[Marker]:
        return [Marker(MARKER_KEY, onset_s, text) for onset_s, _, text in sorted(self._annotations())]
