"""Which stream a view reads, which channels of it, and which features it keeps."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rtemo.config import ViewSettings
from rtemo.errors import ConfigurationError, StreamError
from rtemo.types import StreamDescription

Selection = slice | NDArray[np.intp]
"""Of the channels of a chunk."""


def pick_features(view: str, patterns: Sequence[str], names: Sequence[str]) -> NDArray[np.intp]:
    """Indices, ascending, of the features whose names fit a pattern such as ``"pupil_*"``.

    Raises
    ------
    ConfigurationError
        Nothing fits a pattern.
    """
    picked: set[int] = set()
    for pattern in patterns:
        fitting = {i for i, name in enumerate(names) if fnmatch.fnmatchcase(name, pattern)}
        if not fitting:
            raise ConfigurationError(
                f"views.{view}.subset: {pattern!r} fits none of the features: {', '.join(names)}.",
                cure="Correct the name; what a device lacks has no features.",
            )
        picked |= fitting
    return np.array(sorted(picked), dtype=np.intp)


def differences(was: StreamDescription, now: StreamDescription) -> list[str]:
    """Where a stream is not what a view was made for: other channels, another rate; one line each."""
    found = []
    if was.channel_labels != now.channel_labels:
        found.append(
            f"channels {', '.join(was.channel_labels)} were expected, {', '.join(now.channel_labels)} were found"
        )
    # Recorders write measured or rounded rates: 59.999996 Hz is 60 Hz.
    if not np.isclose(now.nominal_rate_hz, was.nominal_rate_hz, rtol=1e-3, atol=0):
        found.append(f"{was.nominal_rate_hz:g} Hz was expected, {now.nominal_rate_hz:g} Hz was found")
    return found


def told(description: StreamDescription) -> tuple[object, ...]:
    """What an extractor is made for."""
    return description.channel_labels, description.channel_units, description.nominal_rate_hz


def find_stream(
    view: str, settings: ViewSettings, streams: Iterable[StreamDescription], origin: str
) -> StreamDescription | None:
    """The one numeric stream that a view's selector fits, or None where the view may do without.

    Raises
    ------
    StreamError
        The selector fits several streams, or none and the view is required.
    """
    streams = list(streams)
    fitting = [stream for stream in streams if not stream.is_text and settings.stream.matches(stream)]
    if len(fitting) > 1:
        raise StreamError(
            f"{origin}: view {view!r} wants the stream with {settings.stream}, and {len(fitting)} fit: "
            f"{listing(fitting)}.",
            cure=_how_to_choose(fitting),
        )
    if not fitting and settings.required:
        raise StreamError(
            f"{origin}: required view {view!r} wants a stream with {settings.stream}. Found: {listing(streams)}.",
            cure=f"Correct [views.{view}] stream, or drop required = true.",
        )
    return fitting[0] if fitting else None


def _how_to_choose(fitting: Sequence[StreamDescription]) -> str:
    """What a user can do where several streams fit."""
    differ = [
        field for field in ("source_id", "name", "type", "hostname") if len({getattr(s, field) for s in fitting}) > 1
    ]
    if differ:
        return f"Say which by {' or '.join(differ)}."
    return "Nothing tells them apart (name, type, source_id, host): take one of them out of the recording."


def listing(streams: Iterable[StreamDescription]) -> str:
    """Streams in one line, for messages."""
    return "; ".join(str(stream) for stream in streams) or "no stream at all"


def channels_called(wanted: str, labels: Sequence[str]) -> list[int]:
    """Indices of the channels with a label, as it is written or else whatever the case."""
    exact = [i for i, label in enumerate(labels) if label == wanted]
    return exact or [i for i, label in enumerate(labels) if label.casefold() == wanted.casefold()]


def pick_channels(
    view: str, settings: ViewSettings, stream: StreamDescription, origin: str
) -> tuple[StreamDescription, Selection | None]:
    """The stream with a view's channels only, and how to cut them from a chunk (None for all as they are).

    Raises
    ------
    StreamError
        A channel is not there, or a label fits several.
    """
    if settings.channels == "all":
        return stream, None
    labels = stream.channel_labels
    picked: list[int] = []
    for wanted in settings.channels:
        fitting = channels_called(wanted, labels)
        if len(fitting) != 1:
            problem = f"has {len(fitting)} channels {wanted!r}" if fitting else f"has no channel {wanted!r}"
            near = difflib.get_close_matches(wanted.casefold(), [label.casefold() for label in labels], n=1)
            hint = next((label for label in labels if near and label.casefold() == near[0]), "")
            raise StreamError(
                f"{origin}: view {view!r}: stream {stream} {problem}; it has {', '.join(labels)}.",
                cure=f"Did you mean {hint!r}?" if hint and not fitting else f"Correct [views.{view}] channels.",
            )
        picked.append(fitting[0])
    units = stream.channel_units
    description = replace(
        stream,
        channel_labels=tuple(labels[i] for i in picked),
        channel_units=tuple(units[i] for i in picked) if len(units) == len(labels) else units,
    )
    if picked == list(range(len(labels))):
        return description, None
    if picked == list(range(picked[0], picked[0] + len(picked))):
        return description, slice(picked[0], picked[0] + len(picked))
    return description, np.asarray(picked, dtype=np.intp)
