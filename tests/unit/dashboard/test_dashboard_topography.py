"""Maps of the scalp against MNE's own interpolation, with and without bad channels."""

from __future__ import annotations

import numpy as np
import pytest

from rtemo.dashboard.topography import BLOCK, Topography, _on_the_head
from rtemo.features.interpolation import Interpolator, places_of

CAP = [
    "Fp1",
    "Fp2",
    "F7",
    "F3",
    "Fz",
    "F4",
    "F8",
    "T7",
    "C3",
    "Cz",
    "C4",
    "T8",
    "P7",
    "P3",
    "Pz",
    "P4",
    "P8",
    "O1",
    "O2",
]


@pytest.fixture(scope="module")
def topography():
    return Topography([*CAP, "ECG"], size=24)


def by_mne(places, values, points):
    """What MNE's splines show at points of the sphere."""
    from mne.channels.interpolation import _make_interpolation_matrix

    return _make_interpolation_matrix(places, points) @ values


def points_of(topography):
    along = np.linspace(-1, 1, len(topography.inside))
    x, y = np.meshgrid(along, along)
    edge = max(np.pi / 2, np.arccos(places_of(CAP)[:, 2]).max())
    return _on_the_head(x[topography.inside], y[topography.inside], edge)


def test_a_map_is_that_of_mne(topography):
    values = np.random.default_rng(0).normal(size=20)
    picture = topography.picture(values)
    expected = by_mne(places_of(CAP), values[:19], points_of(topography))
    np.testing.assert_allclose(picture[topography.inside], expected, rtol=0, atol=1e-6)
    assert np.isnan(picture[~topography.inside]).all()


@pytest.mark.parametrize("bad", [("Fz",), ("Fp1", "O2", "C4")])
def test_a_map_without_bad_channels_is_that_of_the_others(topography, bad):
    values = np.random.default_rng(1).normal(size=20)
    good = [label not in bad for label in CAP]
    expected = by_mne(places_of(CAP)[good], values[:19][good], points_of(topography))
    values[[CAP.index(label) for label in bad]] = 1e6
    picture = topography.picture(values, bad)
    # What is interpolated lies on the others' spline but for MNE's regularisation.
    np.testing.assert_allclose(picture[topography.inside], expected, rtol=0, atol=2e-3)


def test_a_value_that_is_none_is_a_bad_channel(topography):
    values = np.random.default_rng(2).normal(size=20)
    expected = topography.picture(values, ["Cz"])
    values[CAP.index("Cz")] = np.nan
    np.testing.assert_array_equal(topography.picture(values), expected)


def test_the_map_meets_the_electrodes():
    wide = Topography(CAP)
    along = np.linspace(-1, 1, 64)
    for axis in (0, 1):
        values = wide.positions[:, axis]
        picture = wide.picture(values)
        # To half a pixel, and what is between electrodes.
        x, y = np.meshgrid(along, along)
        wanted = (x, y)[axis]
        near = np.hypot(x, y) < 0.7
        np.testing.assert_allclose(picture[near], wanted[near], atol=0.1)


def test_electrodes_lie_where_they_are_seen_from_above(topography):
    at = dict(zip([*CAP, "ECG"], topography.positions, strict=True))
    assert np.hypot(*at["Cz"]) < 0.15
    assert at["T7"][0] < -0.7
    assert at["T8"][0] > 0.7
    assert at["Fp1"][1] > 0.7
    assert at["O1"][1] < -0.7
    assert np.isnan(at["ECG"]).all()
    assert np.nanmax(np.hypot(*topography.positions.T)) <= 1 + 1e-9


def test_the_operator_is_made_anew_only_where_the_bad_channels_change(topography):
    values = np.ones(20)
    topography.picture(values, ["Fz"])
    before = topography._operator
    topography.picture(2 * values, ("Fz", "unheard of", "ECG"))
    assert topography._operator is before
    topography.picture(values, ["Pz"])
    assert topography._operator is not before


def test_a_constant_is_a_constant(topography):
    picture = topography.picture(np.full(20, 3.0), ["Fz", "Pz"])
    np.testing.assert_allclose(picture[topography.inside], 3.0, atol=1e-6)


def test_without_enough_places_there_is_no_map():
    few = Topography(["x", "y", "pupil"], size=8)
    assert not few.known
    assert few.picture(np.zeros(3)) is None
    left = Topography(CAP[:7], size=8)
    assert left.known
    assert left.picture(np.zeros(7), CAP[:1]) is not None
    assert left.picture(np.zeros(7), CAP[:2]) is None


def test_channels_without_a_place_cost_nothing(monkeypatch: pytest.MonkeyPatch):
    sizes: list[int] = []

    class Watched(Interpolator):
        def __init__(self, places: np.ndarray) -> None:
            sizes.append(len(places))
            super().__init__(places)

    monkeypatch.setattr("rtemo.dashboard.topography.Interpolator", Watched)
    unknown = [f"unheard of {number}" for number in range(1000)]
    among = Topography([*unknown[:500], *CAP, *unknown[500:]], size=8)
    assert max(sizes) <= len(CAP) + BLOCK
    values = np.random.default_rng(3).normal(size=1019)
    alone = Topography(CAP, size=8)
    np.testing.assert_array_equal(among.picture(values, ["Cz"]), alone.picture(values[500:519], ["Cz"]))
    assert among.positions.shape == (1019, 2)
    sizes.clear()
    assert not Topography(unknown, size=8).known
    assert sizes == []
