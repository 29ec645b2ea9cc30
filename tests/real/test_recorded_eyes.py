"""Fixations, saccades and blinks of recorded eyes, against what the trackers marked, pymovements and the EEG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from eye_matching import agreement, overlap, pairs, within
from eye_recordings import (
    BLINK,
    FIXATION,
    SACCADE,
    EyeRecording,
    MarkedEvent,
    read_eyelink,
    read_neon,
    read_pico,
    without_blinks,
)
from scipy.signal import butter, sosfiltfilt

from rtemo.features.eye import EyeSettings, detect_events

pyxdf = pytest.importorskip("pyxdf")
pytestmark = pytest.mark.real
TOLERANCE_S = 0.05


def events_of(recording: EyeRecording, signals: dict[str, np.ndarray], **settings: object) -> list[MarkedEvent]:
    """Events by rtemo, in the form of the tracker's."""
    resolution = recording.units_per_degree
    known = {} if np.isnan(resolution) else {"units_per_degree": resolution}
    found = detect_events(
        recording.stamps_s,
        np.column_stack(list(signals.values())),
        labels=tuple(signals),
        columns={role: role for role in signals},
        settings=EyeSettings(**known, **settings),
    )
    return [MarkedEvent(event.kind, "", event.start_s, event.stop_s, event.amplitude) for event in found]


def of_kind(events: Sequence[MarkedEvent], kind: str) -> list[MarkedEvent]:
    return [event for event in events if event.kind == kind]


@pytest.fixture(scope="module")
def talking(data_folder: Path) -> EyeRecording:
    """EyeLink at 500 Hz, 41 s, with ten blinks."""
    folder = data_folder / "eye_eyelink"
    return read_eyelink(folder / "002_rlmw_samples_short.asc", folder / "002_rlmw_events_short.asc")


@pytest.fixture(scope="module")
def reading(data_folder: Path) -> EyeRecording:
    """EyeLink at 500 Hz, the first 24.5 s of somebody who reads: one trial and the beginning of the second."""
    return read_eyelink(data_folder / "eye_eyelink" / "binoRemote500.asc").until(24.5)


def test_readers_give_what_the_files_hold(talking, reading, data_folder):
    assert len(talking.stamps_s) == 20465
    assert [len(talking.events(BLINK, eye)) for eye in ("left", "right")] == [11, 10]
    assert len(talking.events(FIXATION)) == 258
    assert len(talking.events(SACCADE)) == 257, "one of 258 has no start"
    assert [len(without_blinks(talking.events(SACCADE, eye), talking.events(BLINK))) for eye in ("left", "right")] == [
        118,
        119,
    ]
    assert reading.units_per_degree == pytest.approx(35.95, abs=0.01)
    assert reading.rate_hz == 500
    neon = read_neon(data_folder / "eye_neon" / "demo_recording")
    assert [len(neon.events(kind)) for kind in (FIXATION, SACCADE, BLINK)] == [23, 22, 2]
    pico = read_pico(data_folder / "pico_eeg_gaze" / "test_pico_eeg.xdf")
    assert [len(pico.events(BLINK, eye)) for eye in ("left", "right", "both")] == [16, 11, 8]


def test_eyelinks_resolution_agrees_with_its_own_amplitudes(reading):
    degrees = []
    for saccade in without_blinks(reading.events(SACCADE, "left"), reading.events(BLINK)):
        first, stop = np.searchsorted(reading.stamps_s, [saccade.start_s - 1e-6, saccade.stop_s - 1e-6])
        ends = [reading.values[f"{axis}_left"][[first, stop - 1]] for axis in "xy"]
        moved = np.hypot(*(end[1] - end[0] for end in ends)) / reading.units_per_degree
        degrees.append((moved, saccade.amplitude_deg))
    moved, given = np.array(degrees).T
    assert np.median(np.abs(moved - given)) < 0.1


@pytest.mark.parametrize("source", ["pupil", "validity"])
@pytest.mark.parametrize("eye", ["left", "right"])
def test_blinks_are_those_of_eyelink(talking, eye, source):
    found = of_kind(events_of(talking, talking.of_eye(eye), blink_source=source), BLINK)
    assert agreement(found, talking.events(BLINK, eye), within(TOLERANCE_S)).f1 == 1


def test_both_eyes_blink_where_each_does(talking):
    found = of_kind(events_of(talking, talking.values), BLINK)
    assert agreement(found, talking.events(BLINK, "right"), within(TOLERANCE_S)).f1 == 1


@pytest.mark.parametrize("threshold", [30.0, "adaptive"])
@pytest.mark.parametrize("eye", ["left", "right"])
@pytest.mark.parametrize("name", ["talking", "reading"])
def test_saccades_and_fixations_are_those_of_eyelink(request, name, eye, threshold):
    recording = request.getfixturevalue(name)
    found = events_of(recording, recording.of_eye(eye), velocity_threshold=threshold)
    true = without_blinks(recording.events(SACCADE, eye), recording.events(BLINK))
    saccades = agreement(of_kind(found, SACCADE), true, overlap)
    assert saccades.f1 >= 0.95
    assert saccades.found == pytest.approx(saccades.true, rel=0.08)
    assert agreement(of_kind(found, FIXATION), recording.events(FIXATION, eye), overlap).f1 >= 0.94
    matched = pairs(of_kind(found, SACCADE), true, overlap)
    ours, theirs = np.array([(f.amplitude_deg, t.amplitude_deg) for f, t in matched]).T
    assert np.corrcoef(ours, theirs)[0, 1] >= 0.99
    assert np.median(np.abs(ours - theirs)) <= 0.3
    edges = np.array([(f.start_s - t.start_s, f.stop_s - t.stop_s) for f, t in matched])
    assert np.abs(np.median(edges, axis=0)).max() <= 0.006, "start and stop, by three samples"


def test_the_lid_makes_no_saccades(talking):
    for eye in ("left", "right"):
        found = of_kind(events_of(talking, talking.of_eye(eye)), SACCADE)
        for blink in talking.events(BLINK, eye):
            lid = MarkedEvent(BLINK, "", blink.start_s - 0.03, blink.stop_s + 0.03)
            assert not any(overlap(saccade, lid) for saccade in found)


@pytest.mark.parametrize("threshold", [30.0, "adaptive"])
def test_a_fixation_counts_though_the_recording_breaks_off_in_it(data_folder, threshold):
    staring = read_eyelink(data_folder / "eye_eyelink" / "monoRemote250.asc")
    found = events_of(staring, staring.of_eye("left"), velocity_threshold=threshold)
    true = staring.events(FIXATION)
    assert len(true) == 4, "one a trial"
    matched = pairs(of_kind(found, FIXATION), true, overlap)
    assert len(matched) == len(found) == 4
    assert all(abs(ours.stop_s - theirs.stop_s) < TOLERANCE_S for ours, theirs in matched)


@pytest.mark.parametrize(
    ("settings", "fixations"), [({"velocity_threshold": 30.0}, "ivt"), ({"method": "dispersion"}, "idt")]
)
def test_fixations_are_those_of_pymovements(talking, settings, fixations):
    pytest.importorskip("pymovements")
    from eye_peers import events_by_pymovements

    short = talking.until(20.0)
    signals = short.of_eye("right")
    theirs = events_by_pymovements(short.stamps_s, signals, short.rate_hz, short.units_per_degree, fixations=fixations)
    ours = events_of(short, signals, **settings)
    assert agreement(of_kind(ours, FIXATION), of_kind(theirs, FIXATION), overlap).f1 >= 0.96
    assert agreement(of_kind(ours, BLINK), of_kind(theirs, BLINK), within(TOLERANCE_S)).f1 == 1


def test_the_lids_aperture_tells_of_neons_blinks(data_folder):
    neon = read_neon(data_folder / "eye_neon" / "demo_recording")
    found = of_kind(events_of(neon, neon.values), BLINK)
    assert agreement(found, neon.events(BLINK), overlap).f1 == 1, "one lid falls by itself at 7.4 s, which is no blink"
    assert agreement(found, neon.events(BLINK), within(TOLERANCE_S, onset_only=True)).recall == 1


def test_events_of_neon_never_bridge_its_gaps(data_folder):
    neon = read_neon(data_folder / "eye_neon" / "multi_part")
    holes = np.flatnonzero(np.diff(neon.stamps_s) > 1)
    assert len(holes) == 2
    for event in events_of(neon, neon.values):
        for hole in holes:
            if event.kind == BLINK:
                worn_s = neon.stamps_s[hole + 1] + 0.4
                assert not neon.stamps_s[hole] < event.start_s < worn_s, (
                    "nothing is known of lids before the glasses are on"
                )
            assert event.stop_s <= neon.stamps_s[hole] + 0.01 or event.start_s >= neon.stamps_s[hole + 1] - 0.01


@pytest.fixture(scope="module")
def headset(data_folder: Path) -> EyeRecording:
    """46 s of a headset whose directions have no pupil."""
    return read_pico(data_folder / "pico_eeg_gaze" / "test_pico_eeg.xdf")


@pytest.mark.parametrize("source", ["flag", "validity"])
def test_a_headset_blinks_where_both_its_flags_are_set(headset, source):
    longest_s = 1.0
    usual = [b for b in headset.events(BLINK, "both") if 0.04 < b.stop_s - b.start_s < longest_s]
    found = of_kind(events_of(headset, headset.values, blink_source=source), BLINK)
    assert agreement(found, usual, within(TOLERANCE_S)).f1 == 1


def test_the_eeg_sees_every_blink_of_the_headset_and_no_other(headset, data_folder):
    streams, _ = pyxdf.load_xdf(str(data_folder / "pico_eeg_gaze" / "test_pico_eeg.xdf"), dejitter_timestamps=False)
    gaze, eeg = (next(s for s in streams if s["info"]["type"][0] == kind) for kind in ("Gaze", "EEG"))
    labels = [channel["label"][0] for channel in eeg["info"]["desc"][0]["channels"][0]["channel"]]
    frontal = sum(eeg["time_series"][:, labels.index(label)].astype(float) for label in ("Fp1", "Fp2"))
    sos = butter(2, (0.5, 8.0), btype="bandpass", fs=512, output="sos")
    frontal = sosfiltfilt(sos, frontal)
    stamps_s = eeg["time_stamps"] - gaze["time_stamps"][0]
    found = of_kind(events_of(headset, headset.values), BLINK)
    near = [(stamps_s > blink.start_s - 0.1) & (stamps_s < blink.stop_s + 0.2) for blink in found]
    assert len(found) >= 6
    assert all(frontal[inside].max() > 80 for inside in near)
    elsewhere = ~np.any(near, axis=0) & (stamps_s > 0) & (stamps_s < headset.stamps_s[-1])
    assert frontal[elsewhere].max() < 100
