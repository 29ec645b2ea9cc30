"""Reading and writing of XDF, the file format of LabRecorder; it uses nothing else of rtemo."""

from __future__ import annotations

from rtemo.xdf.chunks import ClockOffset, Problem, Samples, StreamFooter, StreamHeader, Texts, XdfError
from rtemo.xdf.reader import XdfReader
from rtemo.xdf.writer import XdfWriter

__all__ = [
    "ClockOffset",
    "Problem",
    "Samples",
    "StreamFooter",
    "StreamHeader",
    "Texts",
    "XdfError",
    "XdfReader",
    "XdfWriter",
]
