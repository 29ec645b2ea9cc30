"""Fixations, saccades and blinks beside those of trackers and pymovements: `python benchmarks/eye_events.py` (seconds).

Needs the recordings (RTEMO_DATA, see CONTRIBUTING.md). Truth is what the tracker marked: EyeLink for each eye, Neon
for both, Pico only blinks. Each eye of an EyeLink recording is a case of its own, and the counts of both are added;
"both eyes" gives both to the detector at once, and truth is what both did, from the mean start to the mean stop.

A blink is found if it starts and stops within 50 ms of a marked one; saccades and fixations if they overlap. A saccade
that the tracker marks around a blink is the lid's and counts as none. Kappa is Cohen's over samples that are fixation,
saccade, blink or neither; samples in the lid's saccades, before and after the blink itself, are left out.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np
from eye_matching import Agreement, labels_at, overlap, pairs, within
from eye_peers import DISPERSION_DEG, VELOCITY_DEG_S, events_by_pymovements
from eye_recordings import (
    BLINK,
    EYES,
    FIXATION,
    SACCADE,
    EyeRecording,
    MarkedEvent,
    eyelink_recordings,
    neon_recordings,
    read_pico,
    without_blinks,
)
from rich.console import Console
from rich.table import Table
from sklearn.metrics import cohen_kappa_score

from rtemo.features.eye import EyeSettings, detect_events

TOLERANCE_S = 0.05
RESULTS = Path(__file__).parent / "results"
RECORDINGS = Path(os.environ.get("RTEMO_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


@dataclass(frozen=True)
class Case:
    """Signals as a detector gets them, and what is to be found in them.

    Parameters
    ----------
    recording : EyeRecording
    signals : dict of str to numpy.ndarray
        Of one eye or of both.
    true : list of MarkedEvent
    lid : list of MarkedEvent
        Saccades of the tracker around blinks.
    """

    recording: EyeRecording
    signals: dict[str, np.ndarray]
    true: list[MarkedEvent]
    lid: list[MarkedEvent]


Method = Callable[[Case], list[MarkedEvent]]


def case_of(recording: EyeRecording, signals: dict[str, np.ndarray], marked: Sequence[MarkedEvent]) -> Case:
    """A case with the lid's saccades set apart."""
    saccades = [event for event in marked if event.kind == SACCADE]
    kept = without_blinks(saccades, [event for event in marked if event.kind == BLINK])
    others = [event for event in marked if event.kind != SACCADE]
    return Case(recording, signals, others + kept, [event for event in saccades if event not in kept])


def cases(recording: EyeRecording) -> list[Case]:
    """Each eye by itself where the tracker marks them so, else one case."""
    by_eye = [(recording.of_eye(eye), [e for e in recording.marked if e.eye == eye]) for eye in EYES]
    if any("x" in signals for signals, _ in by_eye):
        return [case_of(recording, signals, marked) for signals, marked in by_eye if signals]
    return [case_of(recording, recording.values, recording.marked)]


def case_of_both_eyes(recording: EyeRecording) -> Case:
    """Both eyes at once; true is what both did."""
    marked = []
    for kind in recording.kinds:
        for one, other in pairs(recording.events(kind, "left"), recording.events(kind, "right"), overlap):
            start_s, stop_s, amplitude = (
                float(np.mean([getattr(one, name), getattr(other, name)]))
                for name in ("start_s", "stop_s", "amplitude_deg")
            )
            marked.append(MarkedEvent(kind, "both", start_s, stop_s, amplitude))
    return case_of(recording, recording.values, marked)


def rtemo(**settings: object) -> Method:
    """The detector of rtemo, with settings."""

    def method(case: Case) -> list[MarkedEvent]:
        resolution = case.recording.units_per_degree
        known = {} if np.isnan(resolution) else {"units_per_degree": resolution}
        events = detect_events(
            case.recording.stamps_s,
            np.column_stack(list(case.signals.values())),
            labels=tuple(case.signals),
            columns={role: role for role in case.signals},
            settings=EyeSettings(**known, **settings),
        )
        return [MarkedEvent(event.kind, "", event.start_s, event.stop_s, event.amplitude) for event in events]

    return method


def pymovements(fixations: str) -> Method:
    """The detectors of pymovements, fixations by `fixations`."""

    def method(case: Case) -> list[MarkedEvent]:
        known = case.recording
        return events_by_pymovements(
            known.stamps_s, case.signals, known.rate_hz, known.units_per_degree, fixations=fixations
        )

    return method


METHODS: dict[str, Method] = {
    "rtemo, adaptive": rtemo(velocity_threshold="adaptive"),
    "rtemo, 30 deg/s": rtemo(velocity_threshold=VELOCITY_DEG_S),
    "rtemo, dispersion": rtemo(method="dispersion", dispersion_threshold=DISPERSION_DEG),
    "pymovements, ivt": pymovements("ivt"),
    "pymovements, idt": pymovements("idt"),
}


def of_kind(events: Sequence[MarkedEvent], kind: str) -> list[MarkedEvent]:
    """Events of one kind."""
    return [event for event in events if event.kind == kind]


def compare(cases: Sequence[Case], method: Method) -> dict[str, dict[str, float | int | None]]:
    """All figures of a method on the cases together."""
    found = [method(case) for case in cases]
    kinds = cases[0].recording.kinds
    figures = {}
    if BLINK in kinds:
        figures[BLINK] = blink_figures([of_kind(f, BLINK) for f in found], [of_kind(c.true, BLINK) for c in cases])
    if SACCADE in kinds:
        figures[SACCADE] = saccade_figures(
            [of_kind(f, SACCADE) for f in found], [of_kind(c.true, SACCADE) for c in cases]
        )
        figures[FIXATION] = duration_figures(
            [of_kind(f, FIXATION) for f in found], [of_kind(c.true, FIXATION) for c in cases]
        )
        figures["samples"] = {"kappa": kappa(cases, found)}
    return {name: {key: rounded(value) for key, value in row.items()} for name, row in figures.items()}


def rounded(value: float) -> float | int | None:
    """To four digits; None for what does not exist."""
    if isinstance(value, int):
        return value
    return None if np.isnan(value) else round(float(value), 4)


Lists = Sequence[Sequence[MarkedEvent]]
"""Events of each case."""


def all_pairs(found: Lists, true: Lists, nearness: Callable) -> list[tuple[MarkedEvent, MarkedEvent]]:
    """Pairs within each case, of all cases."""
    return [pair for f, t in zip(found, true, strict=True) for pair in pairs(f, t, nearness)]


def counted(found: Lists, true: Lists, matched: int) -> dict[str, float]:
    """Counts, precision, recall and F1."""
    counts = Agreement(sum(map(len, found)), sum(map(len, true)), matched)
    return {
        "found": counts.found,
        "true": counts.true,
        "precision": counts.precision,
        "recall": counts.recall,
        "f1": counts.f1,
    }


def blink_figures(found: Lists, true: Lists) -> dict[str, float]:
    """Blinks within the tolerance, by onset and offset, and by onset alone."""
    row = counted(found, true, len(all_pairs(found, true, within(TOLERANCE_S))))
    onset = counted(found, true, len(all_pairs(found, true, within(TOLERANCE_S, onset_only=True))))
    return row | {"f1_onset": onset["f1"]} | differences_ms(all_pairs(found, true, overlap))


def duration_figures(found: Lists, true: Lists) -> dict[str, float]:
    """Events by overlap, and how much later they start and stop than the tracker's."""
    matched = all_pairs(found, true, overlap)
    return counted(found, true, len(matched)) | differences_ms(matched)


def differences_ms(matched: Sequence[tuple[MarkedEvent, MarkedEvent]]) -> dict[str, float]:
    """Medians of found minus true."""
    apart = np.array([(f.start_s - t.start_s, f.stop_s - t.stop_s) for f, t in matched]).reshape(-1, 2) * 1000
    start, stop, duration = (
        float(np.median(x)) if len(x) else float("nan") for x in (apart[:, 0], apart[:, 1], apart[:, 1] - apart[:, 0])
    )
    return {"start_ms": start, "stop_ms": stop, "duration_ms": duration}


def saccade_figures(found: Lists, true: Lists) -> dict[str, float]:
    """As of durations, and how amplitudes agree."""
    matched = all_pairs(found, true, overlap)
    both = np.array([(f.amplitude_deg, t.amplitude_deg) for f, t in matched]).reshape(-1, 2)
    both = both[np.isfinite(both).all(axis=1)]
    amplitudes = {"amplitude_error_deg": float("nan"), "amplitude_bias_deg": float("nan"), "amplitude_r": float("nan")}
    if len(both) > 2:
        apart = both[:, 0] - both[:, 1]
        amplitudes = {
            "amplitude_error_deg": float(np.median(np.abs(apart))),
            "amplitude_bias_deg": float(np.median(apart)),
            "amplitude_r": float(np.corrcoef(both.T)[0, 1]),
        }
    return duration_figures(found, true) | amplitudes


def kappa(cases: Sequence[Case], found: Lists) -> float:
    """Cohen's kappa over samples, without those of the lid's saccades outside blinks."""
    ours, theirs = [], []
    for case, events in zip(cases, found, strict=True):
        stamps_s = case.recording.stamps_s
        truth = labels_at(stamps_s, case.true)
        keep = (labels_at(stamps_s, case.lid) == 0) | (labels_at(stamps_s, of_kind(case.true, BLINK)) > 0)
        ours.append(labels_at(stamps_s, events)[keep])
        theirs.append(truth[keep])
    return float(cohen_kappa_score(np.concatenate(ours), np.concatenate(theirs)))


def unmarked(cases: Sequence[Case], method: Method) -> dict[str, float | int | None]:
    """Saccades that the tracker does not mark, and how many of them the other eye makes at the same time too.

    Noise of one eye is seldom noise of the other, so those are saccades that the tracker does not report.
    """
    extra = []
    for case in cases:
        found = of_kind(method(case), SACCADE)
        matched = {f for f, _ in pairs(found, of_kind(case.true, SACCADE), overlap)}
        extra.append([event for event in found if event not in matched])
    together = [event.amplitude_deg for pair in pairs(*extra, overlap) for event in pair]
    return {
        "unmarked": sum(map(len, extra)),
        "in_both_eyes": len(together),
        "smallest_deg": rounded(min(together, default=np.nan)),
        "largest_deg": rounded(max(together, default=np.nan)),
        "smallest_marked_deg": rounded(
            min(event.amplitude_deg for case in cases for event in of_kind(case.true, SACCADE))
        ),
    }


def lid_ms(cases: Sequence[Case]) -> dict[str, list[float]]:
    """Least, median and greatest time that the lid moves before and after a blink: the tracker's saccade around it."""
    apart = np.array([
        (blink.start_s - lid.start_s, lid.stop_s - blink.stop_s)
        for case in cases
        for lid, blink in pairs(case.lid, of_kind(case.true, BLINK), overlap)
    ])  # fmt: skip
    rows = zip(("before", "after"), (1000 * apart).T, strict=True)
    return {name: [round(float(np.quantile(row, q)), 1) for q in (0, 0.5, 1)] for name, row in rows}


def blink_sources(recordings: dict[str, list[Case]]) -> dict[str, dict]:
    """Blinks by each thing that can tell of them, where the tracker marks blinks by another."""
    neon, pico = recordings["demo_recording"], recordings["test_pico_eeg"][0]
    both = [case_of(pico.recording, pico.signals, pico.recording.events(BLINK, "both"))]
    left = {role: column for role, column in pico.signals.items() if role != "blink_right"}
    left = [case_of(pico.recording, left, pico.recording.events(BLINK, "left"))]
    sources = [
        ("EyeLink 500 Hz, pupil", recordings["002_rlmw_samples_short"], "pupil"),
        ("EyeLink 500 Hz, validity", recordings["002_rlmw_samples_short"], "validity"),
        ("Neon, aperture", neon, "aperture"),
        ("Neon, pupil", neon, "pupil"),
        ("Pico, both flags", both, "flag"),
        ("Pico, left flag alone", left, "flag"),
        ("Pico, both flags, by validity", both, "validity"),
    ]
    rows = {}
    for name, these, source in sources:
        found = [of_kind(rtemo(blink_source=source)(case), BLINK) for case in these]
        row = blink_figures(found, [of_kind(case.true, BLINK) for case in these])
        rows[name] = {key: rounded(value) for key, value in row.items()}
    return rows


def against_pymovements(recordings: dict[str, list[Case]]) -> dict[str, dict]:
    """Our detectors with pymovements' as truth: like with like."""
    like = {
        "30 deg/s, ivt": ("rtemo, 30 deg/s", "pymovements, ivt"),
        "dispersion, idt": ("rtemo, dispersion", "pymovements, idt"),
        "adaptive, microsaccades": ("rtemo, adaptive", "pymovements, ivt"),
    }
    rows = {}
    for recording, these in recordings.items():
        if SACCADE not in these[0].recording.kinds:
            continue
        for name, (ours, theirs) in like.items():
            other = [replace(case, true=METHODS[theirs](case)) for case in these]
            rows[f"{recording}: {name}"] = compare(other, METHODS[ours])
    return rows


HEADERS = {
    BLINK: {"found": "blinks", "true": "true", "f1": "F1", "f1_onset": "on F1", "start_ms": "on ms"},
    SACCADE: {
        "found": "sacc.",
        "true": "true",
        "f1": "F1",
        "amplitude_error_deg": "deg",
        "amplitude_r": "r",
        "duration_ms": "long ms",
    },
    FIXATION: {"found": "fix.", "true": "true", "f1": "F1", "duration_ms": "long ms"},
    "samples": {"kappa": "kappa"},
}


def shown(key: str, value: float | int | None) -> str:
    """A cell of a table."""
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    return f"{value:.0f}" if key.endswith("_ms") else f"{value:.3f}"


def show(title: str, rows: dict[str, dict[str, dict]]) -> None:
    """Print rows of figures by kind."""
    table = Table(title=title, title_justify="left")
    table.add_column("", no_wrap=True)
    kinds = [kind for kind in HEADERS if any(kind in row for row in rows.values())]
    columns = [(kind, key, header) for kind in kinds for key, header in HEADERS[kind].items()]
    for _, _, header in columns:
        table.add_column(header, justify="right")
    for name, row in rows.items():
        table.add_row(name, *(shown(key, row.get(kind, {}).get(key)) for kind, key, _ in columns))
    Console(width=200).print(table)


def main() -> None:
    """Print the tables and write the figures."""
    read = [
        *eyelink_recordings(RECORDINGS),
        *neon_recordings(RECORDINGS),
        read_pico(RECORDINGS / "pico_eeg_gaze" / "test_pico_eeg.xdf"),
    ]
    recordings = {recording.name: cases(recording) for recording in read}
    trackers, extra, lids = {}, {}, {}
    for recording in read:
        of_each = recordings[recording.name]
        if SACCADE in recording.kinds:
            for name, method in METHODS.items():
                trackers[f"{recording.name}: {name}"] = compare(of_each, method)
        if len(of_each) > 1 and SACCADE in recording.kinds:
            together = [case_of_both_eyes(recording)]
            trackers[f"{recording.name}: rtemo, adaptive, both eyes"] = compare(together, METHODS["rtemo, adaptive"])
            lids[recording.name] = lid_ms(of_each)
            extra[recording.name] = {name: unmarked(of_each, METHODS[name]) for name in list(METHODS)[:2]}
    show("Against the tracker", trackers)
    print("Saccades that the tracker does not mark:", extra)
    print("The lid moves before and after a blink, ms:", lids)
    peers = against_pymovements(recordings)
    show("rtemo against pymovements", peers)
    sources = blink_sources(recordings)
    show("Blinks by source", {name: {BLINK: row} for name, row in sources.items()})
    made_by = {package: version(package) for package in ("rtemo", "numpy", "pymovements")}
    document = {
        "versions": {"python": platform.python_version(), **made_by},
        "tolerance_s": TOLERANCE_S,
        "trackers": trackers,
        "unmarked_saccades": extra,
        "lid_ms": lids,
        "pymovements": peers,
        "blink_sources": sources,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "eye_events.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
