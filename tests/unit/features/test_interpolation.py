"""Spherical splines against MNE's own, names of electrodes, and what a repaired window's entropies are."""

from __future__ import annotations

import mne
import numpy as np
import pytest

from rtemo.features.base import ClosingWindow, Missing, Repair, ViewSource
from rtemo.features.entropy import DifferentialEntropy, DifferentialEntropySettings
from rtemo.features.interpolation import MOST_KEPT, Interpolator, place_name, places_of
from rtemo.grid import Grid
from rtemo.types import StreamDescription

OLD_CAP = [
    "Fp1",
    "Fp2",
    "F3",
    "F4",
    "F7",
    "F8",
    "T3",
    "T4",
    "C3",
    "C4",
    "T5",
    "T6",
    "P3",
    "P4",
    "O1",
    "O2",
    "Fz",
    "Cz",
    "Pz",
]
NEW_CAP = [
    "Fp1",
    "AF7",
    "AF3",
    "F1",
    "F3",
    "F5",
    "F7",
    "FT7",
    "FC5",
    "FC3",
    "FC1",
    "C1",
    "C3",
    "C5",
    "T7",
    "TP7",
    "CP5",
    "CP3",
    "CP1",
    "P1",
    "P3",
    "P5",
    "P7",
    "P9",
    "PO7",
    "PO3",
    "O1",
    "Iz",
]
CAPS = pytest.mark.parametrize("labels", [OLD_CAP, NEW_CAP, OLD_CAP[:9]], ids=["19", "28 left", "9"])


def recording(labels, seed=0, seconds=2, rate_hz=250.0):
    """A raw object of MNE with the standard montage, and its samples in uV, (samples, channels)."""
    rng = np.random.default_rng(seed)
    signal = 20 * np.cumsum(rng.normal(size=(len(labels), round(seconds * rate_hz))), axis=1) + 1000 * rng.normal(
        size=(len(labels), 1)
    )
    raw = mne.io.RawArray(signal * 1e-6, mne.create_info(labels, rate_hz, "eeg"), verbose="error")
    built_in = mne.channels.get_builtin_montages()
    name = next(name for name in ("colin27_1005", "standard_1005") if name in built_in)
    raw.set_montage(mne.channels.make_standard_montage(name))
    return raw, signal.T


def mended_by_mne(raw, bad):
    mended = raw.copy()
    mended.info["bads"] = [raw.ch_names[i] for i in bad]
    return 1e6 * mended.interpolate_bads(reset_bads=False, method={"eeg": "spline"}, verbose="error").get_data().T


@CAPS
@pytest.mark.parametrize("bad", [(2,), (0, 5, 7), (1, 3)])
@pytest.mark.filterwarnings("ignore:Only .* head digitization points")
@pytest.mark.filterwarnings("ignore:.*more than 20 mm from head frame origin")
def test_weights_are_those_of_mne(labels, bad):
    raw, signal = recording(labels)
    weights = Interpolator.of(labels).weights(np.array(bad))
    expected = mended_by_mne(raw, bad)[:, bad]
    assert not weights[:, bad].any()
    # Older versions of MNE fit the sphere by iteration.
    modern = tuple(map(int, mne.__version__.split(".")[:2])) >= (1, 10)
    np.testing.assert_allclose(signal @ weights.T, expected, rtol=1e-6 if modern else 1e-2, atol=1e-3)


def test_a_constant_stays_a_constant():
    weights = Interpolator.of(OLD_CAP).weights(np.array([4, 9]))
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-9)


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Fp1", "fp1"),
        ("FP1", "fp1"),
        ("EEG Fp1-Ref", "fp1"),
        ("EEG F3-LE", "f3"),
        ("EEG-T3", "t3"),
        ("Cz.", "cz"),
        ("O1-A2", "o1"),
        ("A1", "a1"),
        ("F3-C3", ""),
        ("ECG", ""),
        ("7", ""),
        ("EEG 3", ""),
        ("", ""),
    ],
)
def test_names_are_read_without_what_devices_put_around_them(label, name):
    assert place_name(label) == name


def test_old_names_are_places_of_the_new_ones():
    old = [f"EEG {label.upper()}-Ref" for label in OLD_CAP]
    new = [{"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}.get(label, label) for label in OLD_CAP]
    np.testing.assert_array_equal(places_of(old), places_of(new))
    np.testing.assert_allclose(np.linalg.norm(places_of(old), axis=1), 1.0)


BIOSEMI = [f"{bank}{i}" for bank in "ABCD" for i in range(1, 33)]
DEPTH = [f"{shaft}{i}" for shaft in "ABCDEFGH" for i in range(1, 11)]


@pytest.mark.parametrize("labels", [BIOSEMI[:64], BIOSEMI, DEPTH])
def test_contacts_that_are_called_like_places_have_none(labels):
    assert not Interpolator.of(labels).located.any()


@pytest.mark.parametrize("more", [["ECG", "Status"], ["F99", "C77"], ["EXG1", "EXG2", "Temp", "Resp"]])
def test_a_few_channels_of_another_kind_leave_a_cap_a_cap(more):
    assert Interpolator.of([*OLD_CAP, *more]).located.tolist() == [True] * len(OLD_CAP) + [False] * len(more)


@pytest.mark.parametrize("labels", [[f"C{i}" for i in range(1, 9)], [str(i) for i in range(1, 20)], OLD_CAP[:5]])
def test_counted_channels_and_few_electrodes_have_no_place(labels):
    made = Interpolator.of(labels)
    assert not made.located.any()
    assert np.isnan(made.weights(np.array([0]))).all()


def test_without_a_place_or_without_neighbours_there_is_no_substitute():
    made = Interpolator.of([*OLD_CAP[:8], "EMG"])
    assert made.located.tolist() == [True] * 8 + [False]
    weights = made.weights(np.array([0, 8]))
    assert np.isfinite(weights[0]).all()
    assert weights[0, 8] == 0
    assert np.isnan(weights[1]).all()
    assert np.isnan(made.weights(np.array([0, 1, 2]))).all()


def test_weights_are_kept_but_not_without_bound():
    made = Interpolator.of(OLD_CAP)
    assert made.weights(np.array([3])) is made.weights(np.array([3]))
    for first in range(19):
        for second in range(first + 1, 19):
            made.weights(np.array([first, second]))
    assert len(made._kept) <= MOST_KEPT


def entropies(signal, length_s, repair, rate_hz=250.0, method="dft"):
    made = DifferentialEntropy(DifferentialEntropySettings(method=method))
    grid = Grid(length_s, length_s)
    made.reset(ViewSource("eeg", StreamDescription("k", "n", "EEG", tuple(OLD_CAP), rate_hz), grid, {}))
    made.push(0, np.arange(len(signal)) / rate_hz, signal)
    window = ClosingWindow(0, 0.0, length_s, grid.cells(0), len(signal), repair)
    return made.close(window)


@pytest.mark.parametrize("seconds", [1, 60], ids=["sums", "whole window"])
@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.filterwarnings("ignore:Only .* head digitization points")
def test_a_repaired_window_has_the_entropies_of_the_interpolated_signal(seconds, broken):
    bad = np.array([1, 6, 17])
    raw, signal = recording(OLD_CAP, seconds=seconds)
    expected = entropies(mended_by_mne(raw, bad), seconds, None)
    if broken:
        signal[10, bad] = np.nan, np.inf, -np.inf
    found = entropies(signal, seconds, Repair(bad, Interpolator.of(OLD_CAP).weights(bad)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-4)


def test_good_channels_of_a_repaired_window_do_not_change_in_a_bit():
    bad = np.array([1, 6])
    _, signal = recording(OLD_CAP, seconds=1)
    clean = entropies(signal, 1, None).reshape(19, 5)
    signal[100, 1] = np.nan
    found = entropies(signal, 1, Repair(bad, Interpolator.of(OLD_CAP).weights(bad))).reshape(19, 5)
    np.testing.assert_array_equal(np.delete(found, bad, axis=0), np.delete(clean, bad, axis=0))


@pytest.mark.parametrize("method", ["dft", "filterbank"])
def test_without_a_substitute_features_of_bad_channels_are_unknown(method):
    bad = np.array([1])
    _, signal = recording(OLD_CAP, seconds=1)
    weights = Interpolator.of(OLD_CAP).weights(bad)
    repair = Repair(bad, weights if method == "filterbank" else np.full_like(weights, np.nan))
    found = entropies(signal, 1, repair, method=method).reshape(19, 5)
    assert np.isnan(found[1]).all()
    assert np.isfinite(np.delete(found, 1, axis=0)).all()


def test_a_good_channel_that_is_not_finite_still_makes_the_view_missing():
    bad = np.array([1])
    _, signal = recording(OLD_CAP, seconds=1)
    signal[3, 1] = signal[3, 4] = np.nan
    assert entropies(signal, 1, Repair(bad, Interpolator.of(OLD_CAP).weights(bad))) == Missing("not finite: F7")
