"""The outlet of a calibration session's own markers."""

from __future__ import annotations

import pylsl

from rtemo.types import STIMULUS_STREAM


class StimulusOutlet:
    """Outlet ``rtemo-stimulus`` of type ``Markers``: one text a marker, stamped with the moment that it is about.

    From one thread at a time: liblsl makes an outlet's samples in a factory of its own.

    Parameters
    ----------
    session : str
        Makes the source_id unique.

    Attributes
    ----------
    source_id : str
    xml : bytes
        The stream's description.
    """

    def __init__(self, session: str) -> None:
        self.source_id = f"{STIMULUS_STREAM}-{session}"
        info = pylsl.StreamInfo(STIMULUS_STREAM, "Markers", 1, pylsl.IRREGULAR_RATE, pylsl.cf_string, self.source_id)
        info.set_channel_labels(["marker"])
        info.desc().append_child_value("manufacturer", "rtemo")
        info.desc().append_child_value("session", session)
        self._outlet: pylsl.StreamOutlet | None = pylsl.StreamOutlet(info)
        self.xml: bytes = self._outlet.get_info().as_xml().encode("utf-8")

    def push(self, text: str, stamp_s: float) -> None:
        """Send a marker; after `close` nothing is sent."""
        if self._outlet is not None:
            # LSL takes a stamp of 0 for "now".
            self._outlet.push_sample([text.replace("\0", "")], stamp_s)

    def close(self) -> None:
        """Take the outlet off the network. Idempotent."""
        self._outlet = None
