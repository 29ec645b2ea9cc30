"""The front end: whitened, canonical, and untroubled by missing rows."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from toys import small_settings

from rtemo.model.front_end import fit_front_end
from rtemo.model.settings import make_settings


def _views(windows: int = 3000, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(windows, 2))
    views = [np.hstack([shared, rng.normal(size=(windows, extra))]) for extra in (4, 2)]
    mixed = [
        x @ rng.normal(size=(x.shape[1], x.shape[1] + 1)) + 0.1 * rng.normal(size=(windows, x.shape[1] + 1))
        for x in views
    ]
    return [(x - x.mean(0)) / x.std(0) for x in mixed]


def test_pca_outputs_are_white() -> None:
    views = _views()
    outputs = fit_front_end(views, small_settings(front_end="pca", pca_size=4))(views)
    for out, size in zip(outputs, (4, 4), strict=True):
        assert out.shape[1] == size
        assert_allclose(np.cov(out.T), np.eye(size), atol=0.01)


def test_cca_finds_what_the_views_share() -> None:
    views = _views()
    a, b = fit_front_end(views, small_settings(front_end="cca", cca_size=3, front_end_ridge=1e-6))(views)
    correlations = [abs(np.corrcoef(a[:, i], b[:, i])[0, 1]) for i in range(3)]
    assert correlations[0] > 0.9
    assert correlations[1] > 0.9
    assert correlations[2] < 0.3
    whitened = [np.linalg.svd(x - x.mean(0), full_matrices=False)[0] for x in views]
    exact = np.linalg.svd(whitened[0].T @ whitened[1])[1]
    assert_allclose(correlations, exact[:3], atol=0.01)


def test_both_puts_canonical_and_principal_directions_side_by_side() -> None:
    views = _views()
    front_end = fit_front_end(views, small_settings(front_end="both", cca_size=2, pca_size=3))
    assert front_end.dims == (5, 5)
    assert front_end.features == (7, 5)


@pytest.mark.parametrize("kind", ["pca", "cca", "both", "none"])
def test_missing_rows_stay_missing_and_change_little(kind: str) -> None:
    views = _views()
    holed = [x.copy() for x in views]
    rng = np.random.default_rng(1)
    for x in holed:
        x[rng.random(len(x)) < 0.2] = np.nan
    settings = small_settings(front_end=kind, cca_size=2, pca_size=2)
    whole, partial = fit_front_end(views, settings)(views), fit_front_end(holed, settings)(holed)
    for full, out, x in zip(whole, partial, holed, strict=True):
        there = np.isfinite(x).all(axis=1)
        assert np.isnan(out[~there]).all()
        assert np.isfinite(out[there]).all()
        for column in range(out.shape[1]):
            assert abs(np.corrcoef(full[there, column], out[there, column])[0, 1]) > 0.95


@pytest.mark.parametrize("kind", ["pca", "cca", "both"])
def test_constant_features_and_few_windows_give_finite_maps(kind: str) -> None:
    rng = np.random.default_rng(0)
    views = [rng.normal(size=(3, 8)), np.zeros((3, 4)), np.full((3, 2), np.nan)]
    views[2][0] = 1.0
    front_end = fit_front_end(views, small_settings(front_end=kind))
    for out in front_end(views):
        assert out.shape[1] >= 1
        assert np.isfinite(out[0]).all()


def test_outputs_and_inputs_are_clamped() -> None:
    views = _views()
    front_end = fit_front_end(views, small_settings(front_end="pca"))
    wild = [np.full((1, x.shape[1]), 1e12) for x in views]
    assert all(np.abs(out).max() <= 8 for out in front_end(wild))


def test_shrunk_directions_are_smaller_the_less_they_vary() -> None:
    rng = np.random.default_rng(0)
    spread = np.array([3.0, 1.0, 0.1])
    x = rng.standard_normal((4000, 3)) * spread
    out = fit_front_end([x], small_settings(front_end="shrunk", pca_size=3, pca_ridge=1.0))([x])[0]
    variance = x.var(axis=0)
    # Whitening with a ridge of the mean variance leaves v / (v + mean) of each direction.
    np.testing.assert_allclose(out.var(axis=0), variance / (variance + variance.mean()), rtol=0.05)
    whole = fit_front_end([x], small_settings(front_end="shrunk", pca_size=3, pca_ridge=0.0))([x])[0]
    white = fit_front_end([x], small_settings(front_end="pca", pca_size=3))([x])[0]
    np.testing.assert_allclose(whole, white)


@pytest.mark.parametrize(("kind", "sizes"), [("shrunk", (4, 2)), ("pca", (4, 2)), ("both", (4, 2)), ("cca", (0, 0))])
def test_what_only_psi_sees_are_the_next_principal_components_shrunk(kind: str, sizes: tuple[int, int]) -> None:
    views = _views()
    settings = small_settings(front_end=kind, pca_size=3, cca_size=2, imputer_size=7)
    front_end = fit_front_end(views, settings)
    assert front_end.dims_beyond == sizes
    inputs = front_end.inputs(views)
    own = np.hstack(front_end(views))
    assert_allclose(inputs[:, : own.shape[1]], own)
    whole = fit_front_end(views, small_settings(front_end="shrunk", pca_size=7))(views)
    expected = [out[:, 3:] for out in whole] if sum(sizes) else []
    assert_allclose(inputs[:, own.shape[1] :], np.hstack([*expected, np.zeros((len(own), 0))]), atol=1e-9)
    there = front_end.there(np.array([[True, False]]))[0]
    ours, theirs = front_end.dims
    assert_allclose(there, np.repeat([True, False, True, False], [ours, theirs, *sizes]))


def test_a_single_view_has_nothing_beyond_as_there_is_nothing_to_tell() -> None:
    view = _views()[:1]
    assert fit_front_end(view, small_settings(front_end="shrunk", pca_size=3)).dims_beyond == (0,)


@pytest.mark.parametrize("front_end", ["pca", "shrunk", "cca", "both"])
def test_a_row_that_is_not_finite_has_no_say(front_end):
    rng = np.random.default_rng(5)
    views = [rng.normal(size=(50, 6)), rng.normal(size=(50, 4))]
    settings = make_settings("default", {"front_end": front_end, "pca_size": 3, "cca_size": 2})
    absent, infinite = ([x.copy() for x in views] for _ in range(2))
    absent[0][7], infinite[0][7] = np.nan, np.inf
    for one, other in zip(fit_front_end(absent, settings).maps, fit_front_end(infinite, settings).maps, strict=True):
        np.testing.assert_array_equal(one.offset, other.offset)
        np.testing.assert_array_equal(one.matrix, other.matrix)


@pytest.mark.parametrize("front_end", ["shrunk", "pca", "none"])
def test_the_inverse_gives_the_smallest_features_that_have_the_image(front_end: str) -> None:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((200, 6)) @ rng.standard_normal((6, 6)) / 3 + 1.0
    view = fit_front_end([x], make_settings("default", {"front_end": front_end, "pca_size": 3})).maps[0]
    u = view(x) / 4
    found = view.inverse(u)
    assert_allclose(view(found), u, atol=1e-9)
    if view.matrix is None:
        assert_allclose(found, u)
        return
    # Whatever else has the same image differs by what the map does not see, and is farther from the mean.
    assert_allclose((found - view.offset) @ np.linalg.svd(view.matrix)[0][:, 3:], 0, atol=1e-9)
