"""What is wrong with the labels of a recording, or may be."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from calibration.labels.bids import DURATION, ONSET, TRIAL_TYPE, LabelFile
from calibration.labels.survey import Survey, reach_s, viewed, windows_in
from calibration.labels.track import NO_LABEL, seconds
from rtemo.config import Configuration
from rtemo.labels import EDGE_S, has_no_duration, label_of

Kind = Literal["overlap", "outside", "unknown label", "zero length", "no duration", "gap", "no window"]
SHARE_MISSING = 0.05
"""Of a segment that a stream may miss before it is worth a word."""
LEAST_MISSING_S = 0.5
MOST_PROBLEMS = 1000
MOST_ONSETS = 5


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong.

    Parameters
    ----------
    kind : str
    error : bool
        Whether training would refuse the file, or leave a label out; else it is for a person to judge.
    segments : tuple of int
        Numbers of the segments, counted from 0; none where it is of the whole.
    text : str
        One line.
    """

    kind: Kind
    error: bool
    segments: tuple[int, ...]
    text: str


def check_labels(labels: LabelFile, config: Configuration | None, survey: Survey | None) -> tuple[Problem, ...]:
    """Everything that is wrong with labels, in order of the segments.

    Parameters
    ----------
    labels : LabelFile
    config : Configuration, optional
        Without it, any label is right, and windows are not known.
    survey : Survey, optional
        Without it, nothing is said of the recording's ends and gaps.

    Returns
    -------
    tuple of Problem
        The first `MOST_PROBLEMS`.
    """
    found = [*_overlaps(labels, config), *_of_segments(labels, config)]
    if survey is not None:
        found += _of_recording(labels, config, survey)
    if config is not None:
        found += [*_of_windows(labels, config, survey), *_without_duration(labels, config)]
    found.sort(key=lambda problem: problem.segments[:1] or (-1,))
    return tuple(found[:MOST_PROBLEMS])


def _name(number: int) -> str:
    return f"segment {number + 1}"


def _overlaps(labels: LabelFile, config: Configuration | None) -> Iterator[Problem]:
    segments = labels.track.segments
    for first, second, overlap_s in labels.track.overlaps():
        one, other = segments[first], segments[second]
        # Training looks at labels that it knows, and no others.
        known = config is None or {one.label, other.label} <= set(config.labels)
        text = f"{_name(first)} ({one}) and {_name(second)} ({other}) overlap by {seconds(overlap_s)} s"
        yield Problem("overlap", known, (first, second), text)


def _of_segments(labels: LabelFile, config: Configuration | None) -> Iterator[Problem]:
    for number, segment in enumerate(labels.track.segments):
        if segment.duration_s <= EDGE_S:
            yield Problem("zero length", True, (number,), f"{_name(number)} ({segment}) has no length")
        if config is not None and segment.label and segment.label not in config.labels:
            yield _unknown(segment.label, config.labels, (number,), f"{_name(number)} ({segment})")
    if config is not None:
        names = {cells[TRIAL_TYPE].strip() for cells in labels.others} - {"", NO_LABEL, *config.labels}
        for name in sorted(names):
            near = _near(name, config.labels)
            if near:
                yield _unknown(name, config.labels, (), f"a row of type {name[:80]!r}")


def _without_duration(labels: LabelFile, config: Configuration) -> Iterator[Problem]:
    """Rows that were meant as labels, perhaps, and that training passes over."""
    aliases = config.markers.labels if config.markers is not None else {}
    onsets: dict[str, list[str]] = {}
    for cells in labels.others:
        label = label_of(cells[TRIAL_TYPE], aliases)
        if label in config.labels and has_no_duration(cells[DURATION]):
            onsets.setdefault(label, []).append(cells[ONSET].strip()[:20])
    for label, at in onsets.items():
        rows = "1 row" if len(at) == 1 else f"{len(at)} rows"
        where = ", ".join(at[:MOST_ONSETS]) + (", ..." if len(at) > MOST_ONSETS else "")
        does = "has the duration n/a: it labels" if len(at) == 1 else "have the duration n/a: they label"
        yield Problem("no duration", False, (), f"{rows} of label {label!r} (onset {where}) {does} no window")


def _unknown(label: str, known: Sequence[str], numbers: tuple[int, ...], where: str) -> Problem:
    near = _near(label, known)
    hint = f"did you mean {near!r}?" if near else f"labels are {', '.join(known)}"
    return Problem("unknown label", bool(near), numbers, f"{where}: {label[:80]!r} is no label: {hint}")


def _near(label: str, known: Sequence[str]) -> str:
    if label in known:
        return ""
    by_case = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(label.casefold()[:80], by_case, n=1, cutoff=0.75)
    return by_case[near[0]] if near else ""


def _of_recording(labels: LabelFile, config: Configuration | None, survey: Survey) -> Iterator[Problem]:
    # The last window may end after the last sample.
    reach = (survey.stop_s if config is None else reach_s(survey, config)) - survey.first_s
    spans = viewed(survey, config)
    for number, segment in enumerate(labels.track.segments):
        over_s = max(-segment.start_s, segment.stop_s - reach)
        if segment.start_s >= survey.duration_s or segment.stop_s <= 0:
            text = f"{_name(number)} ({segment}) lies outside the recording, which lasts {seconds(survey.duration_s)} s"
            yield Problem("outside", True, (number,), text)
            continue
        if over_s > EDGE_S:
            text = f"{_name(number)} ({segment}) goes {seconds(over_s)} s beyond the recording"
            yield Problem("outside", False, (number,), text)
        start_s = survey.first_s + max(segment.start_s, 0.0)
        stop_s = survey.first_s + min(segment.stop_s, survey.duration_s)
        for span in spans:
            missing_s = span.missing_s(start_s, stop_s)
            if missing_s > max(SHARE_MISSING * (stop_s - start_s), LEAST_MISSING_S):
                text = (
                    f"{_name(number)} ({segment}): stream {span.stream.name!r} has no samples in "
                    f"{missing_s:.1f} of {stop_s - start_s:.1f} s"
                )
                yield Problem("gap", False, (number,), text)


def _of_windows(labels: LabelFile, config: Configuration, survey: Survey | None) -> Iterator[Problem]:
    counts = dict.fromkeys(config.labels, 0)
    for number, segment in enumerate(labels.track.segments):
        if segment.label not in counts:
            continue
        # Without the recording, whose clock the grid of windows is on, a segment may be lucky.
        if survey is None:
            windows = int(segment.duration_s >= config.window.length_s - EDGE_S)
        else:
            stop_s = min(segment.stop_s, reach_s(survey, config) - survey.first_s)
            windows = windows_in(
                replace(segment, start_s=max(segment.start_s, 0.0), stop_s=stop_s), survey.first_s, config
            )
        counts[segment.label] += windows
        outside = survey is not None and (segment.start_s >= survey.duration_s or segment.stop_s <= 0)
        if not (windows or outside) and segment.duration_s > EDGE_S:
            text = f"{_name(number)} ({segment}) holds no window of {config.window.length_s:g} s"
            yield Problem("no window", False, (number,), text)
    for label in (label for label, windows in counts.items() if not windows):
        yield Problem("no window", True, (), f"label {label!r} is in no window: training cannot learn it")


def summary(problems: Sequence[Problem]) -> str:
    """How much is wrong, in a few words."""
    errors = sum(problem.error for problem in problems)
    counts = ((errors, "error"), (len(problems) - errors, "warning"))
    return ", ".join(f"{count} {name}{'s' * (count > 1)}" for count, name in counts if count) or "nothing is wrong"
