"""What a session publishes on LSL: predictions and events."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import pylsl

from rtemo.outputs.events import Event
from rtemo.types import EVENT_STREAM, PREDICTION_STREAM, Floats, Prediction

MANUFACTURER = "rtemo"


def prediction_channels(labels: Sequence[str], views: Sequence[str]) -> list[str]:
    """Labels of the prediction stream's channels, in order."""
    return [
        *(f"p:{label}" for label in labels),
        *(f"shadow:{label}" for label in labels),
        *(f"{what}:{view}" for what in ("weight", "contribution", "available", "coverage") for view in views),
        "age_s",
    ]


def prediction_sample(prediction: Prediction) -> Floats:
    """A prediction as the values of these channels."""
    p = prediction
    return np.concatenate(
        [
            p.probabilities,
            p.shadow,
            p.posterior_weights,
            p.contributions,
            p.available.astype(np.float64),
            p.coverage,
            [p.age_s],
        ]
    )


class PredictionOutlet:
    """Outlet ``rtemo-prediction`` of type ``Prediction``: one sample a window, stamped with the window's end.

    Probabilities are NaN for a window that the model had no time for.

    Parameters
    ----------
    labels, views : sequence of str
        In the order of the prediction's arrays.
    session : str
        Makes the source_id unique.

    Attributes
    ----------
    xml : bytes
        The stream's description.
    """

    def __init__(self, labels: Sequence[str], views: Sequence[str], *, session: str) -> None:
        channels = prediction_channels(labels, views)
        info = pylsl.StreamInfo(
            PREDICTION_STREAM,
            "Prediction",
            len(channels),
            pylsl.IRREGULAR_RATE,
            pylsl.cf_double64,
            f"{PREDICTION_STREAM}-{session}",
        )
        info.set_channel_labels(channels)
        description = info.desc()
        description.append_child_value("manufacturer", MANUFACTURER)
        description.append_child_value("session", session)
        self._outlet = pylsl.StreamOutlet(info)
        self.xml: bytes = self._outlet.get_info().as_xml().encode("utf-8")

    def write(self, prediction: Prediction) -> None:
        """Publish a prediction; from one thread at a time."""
        self._outlet.push_sample(prediction_sample(prediction), prediction.stop_s)

    def close(self) -> None:
        """Take the outlet off the network."""
        del self._outlet


class EventOutlet:
    """Outlet ``rtemo-events`` of type ``Markers``: each event as one JSON string, as in ``events.jsonl``.

    Parameters
    ----------
    session : str
        Makes the source_id unique.

    Attributes
    ----------
    xml : bytes
        The stream's description.
    """

    def __init__(self, *, session: str) -> None:
        info = pylsl.StreamInfo(
            EVENT_STREAM, "Markers", 1, pylsl.IRREGULAR_RATE, pylsl.cf_string, f"{EVENT_STREAM}-{session}"
        )
        # liblsl makes an outlet's samples in a factory of its own, which bears one thread at a time.
        self._lock = threading.Lock()
        info.set_channel_labels(["event"])
        info.desc().append_child_value("manufacturer", MANUFACTURER)
        info.desc().append_child_value("session", session)
        self._outlet = pylsl.StreamOutlet(info)
        self.xml: bytes = self._outlet.get_info().as_xml().encode("utf-8")

    def write(self, event: Event) -> None:
        """Publish an event; from any thread."""
        with self._lock:
            self._outlet.push_sample([event.as_json()], event.stamp_s)

    def close(self) -> None:
        """Take the outlet off the network."""
        with self._lock:
            del self._outlet
