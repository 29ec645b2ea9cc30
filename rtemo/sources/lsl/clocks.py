"""Measurements of the clock that an outlet stamps by."""

from __future__ import annotations

import ctypes
from typing import Any

import pylsl

from rtemo.clock import Measurement


def measure_clock(inlet: Any, timeout_s: float) -> Measurement:
    """One clock measurement, with the round trip of its best probe as uncertainty.

    `pylsl.StreamInlet.time_correction` calls the same function and drops the uncertainty. liblsl calls the best
    round trip the uncertainty; the error of the offset is at most half of it.

    Raises
    ------
    pylsl.util.TimeoutError, pylsl.util.LostError
    """
    remote_s, round_trip_s, code = ctypes.c_double(), ctypes.c_double(), ctypes.c_int()
    function = pylsl.lib.lib["lsl_time_correction_ex"]
    function.restype = ctypes.c_double
    offset_s = function(
        inlet.obj,
        ctypes.byref(remote_s),
        ctypes.byref(round_trip_s),
        ctypes.c_double(timeout_s),
        ctypes.byref(code),
    )
    pylsl.util.handle_error(code)
    return Measurement(remote_s.value, float(offset_s), round_trip_s.value)
