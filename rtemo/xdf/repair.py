"""Repair of an XDF file: every whole chunk is copied, what is damaged is left out, and missing footers are added.

The original is only read, in two passes and bounded memory: a survey of what can be kept, then the copy.
"""

from __future__ import annotations

import datetime
import struct
from pathlib import Path
from typing import BinaryIO
from xml.etree import ElementTree

import numpy as np

from rtemo.xdf.appending import AppendFile
from rtemo.xdf.chunks import (
    BOUNDARY,
    BOUNDARY_UUID,
    CLOCK_OFFSET,
    CLOCK_OFFSET_LENGTH,
    FILE_HEADER,
    MAGIC,
    SAMPLES,
    STREAM_FOOTER,
    STREAM_HEADER,
    Samples,
    packed_chunk,
    parse_xml,
)
from rtemo.xdf.markup import facts_xml, footer_facts, footer_xml, serialised, strict_header, strict_xml
from rtemo.xdf.reader import Place, XdfReader
from rtemo.xdf.samples import SampleParser
from rtemo.xdf.survey import ADDED, MENDED, Findings, Progress, StreamTally, Survey
from rtemo.xdf.window import FileWindow
from rtemo.xdf.writer import packed_samples

COPY_BYTES = 1 << 20


def _no_progress(done: int, size: int) -> None:
    """Tell nobody."""


def repair(path: str | Path, out: str | Path, progress: Progress = _no_progress) -> Findings:
    """Write a repaired copy of a file, unless it is fine or nothing in it can be kept.

    Parameters
    ----------
    path : path-like
        Is not touched.
    out : path-like
        Must not exist yet. Made only where there is something to repair, and not left half-written.
    progress : callable
        Takes bytes done and bytes in all, of both passes together.

    Returns
    -------
    Findings

    Raises
    ------
    XdfError
        The file is no XDF.
    FileExistsError
        There is something at `out` already.
    OSError
        One of the files cannot be read or written.
    """
    if Path(out).exists():
        raise FileExistsError(f"{out} exists already")
    with XdfReader(path) as reader:
        survey = Survey(reader, lambda done, size: progress(done, 2 * size))
        if survey.findings.fine or not survey.findings.streams:
            return survey.findings
        target = AppendFile(out)
        try:
            with reader.path.open("rb", buffering=0) as source:
                copy = _Copy(reader, survey, source, target)
                copy.run(lambda done, size: progress(size + done, 2 * size))
        except BaseException:
            target.close()
            target.path.unlink()
            raise
        target.close()
        return survey.findings


class _Copy:
    """The second pass."""

    def __init__(self, reader: XdfReader, survey: Survey, source: BinaryIO, target: AppendFile) -> None:
        self._reader = reader
        self._survey = survey
        self._source = source
        self._target = target
        self._tallies = {tally.stream_id: tally for tally in survey.findings.streams}
        self._written: set[int] = set()
        self._window = FileWindow(source)
        # What is damaged was noted by the survey.
        self._parser = SampleParser(self._window, reader.streams, lambda offset, cause: None)

    def run(self, progress: Progress) -> None:
        self._target.write(MAGIC)
        if self._survey.findings.lacks_file_header:
            now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")
            self._target.write(packed_chunk(FILE_HEADER, facts_xml(version="1.0", datetime=now)))
        for place in self._reader.places():
            self._window.limit = place.end
            if place.start not in self._survey.left_out:
                self._copy(place)
            progress(place.end, self._reader.size)
        for tally in self._tallies.values():
            self._ensure_header(tally.stream_id)
            if tally.footer == ADDED:
                xml = footer_xml(tally.samples, tally.first_stamp_s, tally.last_stamp_s)
                self._target.write(packed_chunk(STREAM_FOOTER, struct.pack("<I", tally.stream_id) + xml))

    def _copy(self, place: Place) -> None:
        if place.tag == BOUNDARY:
            self._target.write(packed_chunk(BOUNDARY, BOUNDARY_UUID))
            return
        if place.tag == FILE_HEADER and place.start in self._survey.loose:
            xml = strict_xml(self._window.read(place.body, place.end - place.body))
            self._target.write(packed_chunk(FILE_HEADER, xml))
            return
        if place.tag not in (STREAM_HEADER, SAMPLES, CLOCK_OFFSET, STREAM_FOOTER):
            self._copy_bytes(place)
            return
        stream_id = int(struct.unpack("<I", self._window.read(place.body, 4))[0])
        self._ensure_header(stream_id)
        if place.tag == SAMPLES:
            self._copy_samples(place)
        elif place.tag == CLOCK_OFFSET:
            content = self._window.read(place.body, CLOCK_OFFSET_LENGTH - 2)
            self._target.write(packed_chunk(CLOCK_OFFSET, content))
        elif place.tag == STREAM_FOOTER:
            self._copy_footer(place, self._tallies[stream_id])

    def _ensure_header(self, stream_id: int) -> None:
        """Write a stream's header before anything else of it, wherever it stands in the original."""
        if stream_id not in self._written:
            self._written.add(stream_id)
            place = self._survey.headers[stream_id]
            if place.start in self._survey.loose:
                xml = strict_header(stream_id, self._window.read(place.body + 4, place.end - place.body - 4))
                self._target.write(packed_chunk(STREAM_HEADER, struct.pack("<I", stream_id) + xml))
            else:
                self._copy_bytes(place)

    def _copy_samples(self, place: Place) -> None:
        """Copy a chunk; of a damaged one, what can be read."""
        damaged = place.start in self._survey.damaged
        # Stamps that are left out follow from samples before, so every chunk is parsed.
        for item in self._parser.parse(place.start, place.body, place.end):
            if damaged:
                header = self._reader.streams[item.stream_id]
                values = item.values if isinstance(item, Samples) else item.texts
                stated = np.zeros(len(item.stamps_s), dtype=bool)
                content = packed_samples(
                    item.stream_id, header.channel_format, header.channel_count, item.stamps_s, stated, values
                )
                self._target.write(packed_chunk(SAMPLES, content))
        if not damaged:
            self._copy_bytes(place)

    def _copy_footer(self, place: Place, tally: StreamTally) -> None:
        """Copy a footer, with the counts and stamps of what was kept where the old ones no longer hold."""
        if tally.footer != MENDED and place.start not in self._survey.loose:
            self._copy_bytes(place)
            return
        root = parse_xml(strict_xml(self._window.read(place.body + 4, place.end - place.body - 4)))
        for key, value in footer_facts(tally.samples, tally.first_stamp_s, tally.last_stamp_s).items():
            for old in root.findall(key):
                root.remove(old)
            ElementTree.SubElement(root, key).text = value
        self._target.write(packed_chunk(STREAM_FOOTER, struct.pack("<I", tally.stream_id) + serialised(root)))

    def _copy_bytes(self, place: Place) -> None:
        self._source.seek(place.start)
        left = place.end - place.start
        while left:
            piece = self._source.read(min(left, COPY_BYTES))
            if not piece:
                raise OSError(f"{self._reader.path} became shorter while it was read")
            self._target.write(piece)
            left -= len(piece)
