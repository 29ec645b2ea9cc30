"""The figures: what they are made from, by hand, and that each kind can be drawn."""

from __future__ import annotations

import io
import itertools

import made_up_results as made
import matplotlib.image
import numpy as np
import pytest

from rtemo.evaluation.baselines.registry import METHODS
from rtemo.evaluation.study.report import canvas as on
from rtemo.evaluation.study.report.content import Paragraph, Picture
from rtemo.evaluation.study.report.figures import Bars, Curve, Curves, Points, bar_chart, line_chart, scatter
from rtemo.evaluation.study.report.maps import Heat, Reliability, heat_maps, matrix_grid, reliability_grid
from rtemo.evaluation.study.report.sections import SECTIONS
from rtemo.evaluation.study.report.sections.calibration import pooled_bins
from rtemo.evaluation.study.report.sections.contributions import agreement
from rtemo.evaluation.study.report.statistics import Summary

EVIL = "_$\\frac{a}$ <b> \x1b[0m 漢字 " + "long " * 40
POINT = Summary(0.5, 0.1, 3)


def pixels(png: bytes) -> np.ndarray:
    return matplotlib.image.imread(io.BytesIO(png), format="png")[..., :3]


def has(png: bytes, colour: str) -> bool:
    """Whether a colour occurs in a figure."""
    wanted = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    return bool((np.abs(pixels(png) - wanted).max(axis=-1) < 0.01).any())


def test_all_methods_of_the_registry_can_be_told_apart_without_colour_too() -> None:
    looks = dict(zip(METHODS, on.looks(list(METHODS)), strict=True))
    for a, b in itertools.combinations(looks, 2):
        assert (looks[a].colour, str(looks[a].dashes), looks[a].marker) != (
            looks[b].colour,
            str(looks[b].dashes),
            looks[b].marker,
        )
    few = on.looks(["mean", "knn", "iterative", "soft-impute", "dccae", "corrnet", "conet"])
    assert len({(str(look.dashes), look.marker) for look in few}) == len(few)
    assert all(look.colour != on.OURS for name, look in looks.items() if name != "simvae")


def test_lines_are_drawn_with_names_that_mean_something_to_matplotlib() -> None:
    curve = Curve("simvae", EVIL, [0.0, 0.5, 1.0], [POINT, None, Summary(0.7, None, 1)])
    png = line_chart([Curves(EVIL, [curve], EVIL, chance=0.25)] * 3, EVIL, percent_x=True, ticks=[0.0, 1.0])
    assert has(png, on.OURS)


def test_lines_without_a_single_point_are_an_empty_figure() -> None:
    png = line_chart([Curves("", [Curve("lr", "LR", [0.1], [None])], "accuracy")], "rate")
    assert pixels(png).std() > 0


@pytest.mark.parametrize(("second", "shorter"), [("x", 2), ("y", 1)])
def test_bars_have_the_length_of_their_means(second: str, shorter: int) -> None:
    """Panels of the same figure have one scale; others have one each, which their bar fills but for a margin."""
    png = bar_chart(
        ["a"], [Bars("", {"x": [Summary(1.0, None, 1)]}, "x"), Bars("", {"x": [Summary(0.5, None, 1)]}, second)]
    )
    wide = (np.abs(pixels(png) - np.array([0, 0x72 / 255, 0xB2 / 255])).max(axis=-1) < 0.01).any(axis=0)
    edges = np.flatnonzero(np.diff(np.r_[False, wide, False].astype(int)))
    lengths = (edges[1::2] - edges[::2])[:2]
    assert lengths[0] == pytest.approx(shorter * lengths[1], abs=3 * shorter)


def test_bars_points_and_maps_are_drawn_with_gaps_and_hostile_names() -> None:
    assert has(bar_chart([EVIL, "b"], [Bars(EVIL, {EVIL: [POINT, None]}, EVIL, chance=0.5)]), on.OURS_WITHOUT)
    assert pixels(scatter([Points(EVIL, {EVIL: [(0.1, 0.2)], "b": []}, EVIL, EVIL)])).std() > 0
    assert pixels(heat_maps([Heat(EVIL, ["0.1"], ["0.1", "1"], [[POINT, None]])], "c2", "c1", "accuracy")).std() > 0
    assert pixels(matrix_grid([(EVIL, np.full((3, 4), np.nan)), ("b", np.ones((3, 4)))], "x", "y")).std() > 0
    bins = np.array([np.nan, 0.5, 1.0])
    assert has(reliability_grid([Reliability(EVIL, bins, bins, np.array([0.0, 0.5, 0.5]))]), on.OURS_WITHOUT)


def test_a_heat_map_without_a_value_is_drawn() -> None:
    assert pixels(heat_maps([Heat("", ["0.1"], ["0.1"], [[None]])], "c2", "c1", "accuracy")).std() > 0


def test_drawing_leaves_the_settings_of_matplotlib_alone() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    line_chart([Curves("", [Curve("lr", "LR", [0.1, 0.2], [POINT, POINT])], "accuracy")], "rate")
    assert dict(mpl.rcParams) == before


def test_bins_of_all_runs_are_pooled_by_their_windows() -> None:
    def run(seed: int, confidence: list[float | None], accuracy: list[float | None], share: list[float]):  # type: ignore[no-untyped-def]
        arrays = {"reliability.confidence": confidence, "reliability.accuracy": accuracy, "reliability.share": share}
        return made.result("calibration", "lr", seed, arrays=arrays)

    found = pooled_bins(
        [
            run(0, [None, 0.6, 0.9], [None, 0.5, 1.0], [0.0, 0.25, 0.75]),
            run(1, [None, None, 0.8], [None, None, 0.6], [0.0, 0.0, 1.0]),
        ]
    )
    assert found is not None
    confidence, accuracy, share = found
    assert np.isnan(confidence[0])
    assert confidence[1:] == pytest.approx([0.6, (0.75 * 0.9 + 0.8) / 1.75])
    assert accuracy[1:] == pytest.approx([0.5, (0.75 + 0.6) / 1.75])
    assert share == pytest.approx([0.0, 0.125, 0.875])


def test_runs_without_bins_or_with_damaged_ones_are_left_out() -> None:
    assert (
        pooled_bins(
            [
                made.result("calibration", "lr", 0),
                made.result(
                    "calibration",
                    "lr",
                    1,
                    arrays={"reliability.confidence": [1], "reliability.accuracy": "x", "reliability.share": [1]},
                ),
            ]
        )
        is None
    )


def test_rank_agreement_is_kendalls_tau() -> None:
    def run(contribution: list[float], permutation: list[float]):  # type: ignore[no-untyped-def]
        figures = {f"contribution.v{k}": value for k, value in enumerate(contribution)}
        return made.result(
            "contributions", "simvae", 0, figures | {f"permutation.v{k}": v for k, v in enumerate(permutation)}
        )

    assert agreement(run([0.1, 0.2], [0.3, 0.4]), "contribution") == (1.0, True)
    assert agreement(run([0.1, 0.2], [0.4, 0.3]), "contribution") == (-1.0, False)
    # Of three pairs of views two stand in the same order: (2 - 1) / 3.
    tau, same = agreement(run([0.3, 0.2, 0.1], [0.5, 0.1, 0.2]), "contribution") or (0.0, False)
    assert tau == pytest.approx(1 / 3)
    assert same
    assert agreement(run([0.1, 0.1], [0.4, 0.3]), "contribution") is None
    assert agreement(run([0.1], [0.4]), "contribution") is None


def test_matrices_that_are_none_or_of_other_windows_are_told_and_left_out() -> None:
    runs = made.figure5()[:4]
    settings = dict(runs[0].task.settings)
    damaged = made.result("figure5", "mean", 0, arrays={"original": [[1, 2], [3]], "recovered.mean": "x"}, **settings)
    other = made.result("figure5", "knn", 0, arrays={"original": [[1.0]], "recovered.knn": [[1.0]]}, **settings)
    failed = made.result("figure5", "iterative", 0, error="ValueError: no", **settings)
    blocks = SECTIONS["figure5"]([runs[3], damaged, other, failed]).blocks
    told = [block.text for block in blocks if isinstance(block, Paragraph)]
    assert len([block for block in blocks if isinstance(block, Picture)]) == 1
    assert any("Mean: no matrices were kept" in line for line in told)
    assert any("Iterative ridge: ValueError: no" in line for line in told)


def test_the_figures_of_a_study_are_drawn() -> None:
    for experiment, runs in (("figure3", made.figure3(1)), ("missing-test", made.missing(1))):
        pictures = [block for block in SECTIONS[experiment](runs).blocks if isinstance(block, Picture)]
        assert pictures
        assert has(pictures[0].png, on.OURS if experiment == "figure3" else on.OURS_WITHOUT)
