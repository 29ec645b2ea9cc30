"""Edits as a script asks for them: by number, and by stretch and label."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from calibration.labels.track import LabelSegment, LabelTrack, checked_label
from rtemo.errors import LabelError

SAME_S = 1e-3
"""A stretch whose edges are that near to a segment's is this segment: people write milliseconds."""


def deleted(track: LabelTrack, numbers: Iterable[int]) -> LabelTrack:
    """Without the segments of these numbers, all counted before any is deleted.

    Raises
    ------
    LabelError
        There is no such segment.
    """
    gone = [track.segment(number) for number in sorted(set(numbers))]
    return LabelTrack(tuple(one for one in track.segments if not any(one is other for other in gone)))


def labelled(
    track: LabelTrack, start_s: float, stop_s: float, label: str, *, labels: Collection[str] | None = None
) -> LabelTrack:
    """With a label for a stretch: a segment with just these edges is given another label, else there is one more.

    Parameters
    ----------
    track : LabelTrack
    start_s, stop_s : float
        Since the first sample of the recording.
    label : str
        Empty or ``n/a``: none.
    labels : collection of str, optional
        The only ones that are taken.

    Raises
    ------
    LabelError
        The label is not among `labels`, the stretch has no length, or another segment lies in it.
    """
    wanted = checked_label(label)
    if labels is not None and wanted and wanted not in labels:
        raise LabelError(
            f"{wanted!r} is not among the labels {', '.join(labels)}.", cure="Add it to labels of the configuration."
        )
    for number, segment in enumerate(track.segments):
        if abs(segment.start_s - start_s) <= SAME_S and abs(segment.stop_s - stop_s) <= SAME_S:
            return track.relabel(number, wanted)
    return track.add(LabelSegment(start_s, stop_s, wanted))
