"""Colours stay apart for every eye, and can be read."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from rtemo.dashboard.theme import LARGEST, SMALLEST, THEMES, Theme, style_sheet

Floats = NDArray[np.float64]
# Machado, Oliveira and Fernandes 2009, severity 1, for linear RGB.
EYES = {
    "usual": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = np.array([0.9505, 1.0, 1.089])
themes = pytest.mark.parametrize("theme", THEMES.values(), ids=list(THEMES))
eyes = pytest.mark.parametrize("eye", EYES.values(), ids=list(EYES))


def linear(colour: str) -> Floats:
    parts = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def lab(rgb: Floats) -> Floats:
    part = XYZ @ np.clip(rgb, 0, 1) / WHITE
    f = np.where(part > 0.008856, np.cbrt(part), 7.787 * part + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def closest(colours: tuple[str, ...], eye: Floats) -> float:
    """The smallest CIELAB distance of two of them; 2.3 is a just noticeable difference."""
    seen = [lab(eye @ linear(colour)) for colour in colours]
    return min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2))


def contrast(a: str, b: str) -> float:
    """WCAG 2, from 1 to 21."""
    low, high = sorted(float(linear(colour) @ XYZ[1]) for colour in (a, b))
    return (high + 0.05) / (low + 0.05)


def test_the_measures_know_black_from_white_and_red_from_green():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert lab(linear("#ffffff")) == pytest.approx([100, 0, 0], abs=0.05)
    assert closest(("#d7191c", "#5d7a00"), EYES["usual"]) > 3 * closest(("#d7191c", "#5d7a00"), EYES["deuteranopia"])


@themes
@eyes
def test_six_classes_four_views_and_all_states_can_be_told_apart(theme: Theme, eye: Floats):
    assert closest(theme.classes[:6], eye) > 18
    assert closest(theme.views[:4], eye) > 20
    assert closest((theme.good, theme.warning, theme.critical), eye) > 20


@themes
def test_no_colour_of_a_class_or_view_is_used_twice(theme: Theme):
    assert len(set(theme.classes)) == len(theme.classes) == 8
    assert len(set(theme.views)) == len(theme.views) == 8
    assert theme.of_class(8) == theme.of_class(0)
    assert theme.of_view(9) == theme.of_view(1)


@themes
def test_text_can_be_read_and_graphics_can_be_seen(theme: Theme):
    for text in (theme.text, theme.muted, theme.good, theme.warning, theme.critical, theme.accent):
        assert min(contrast(text, ground) for ground in (theme.ground, theme.panel, theme.raised)) >= 4.5, text
    for graphic in (*theme.classes, *theme.views):
        assert contrast(graphic, theme.panel) >= 3, graphic
    # The shadow's line, in the colour of text, lies on the classes.
    for graphic in theme.classes:
        assert contrast(graphic, theme.text) >= 2, graphic
    # Alarms are written in the ground's colour on theirs.
    for alarm in (theme.warning, theme.critical):
        assert contrast(theme.ground, alarm) >= 4.5


@themes
def test_letters_grow_with_the_scale(theme: Theme):
    sizes = [style_sheet(theme, scale) for scale in (SMALLEST, 1.0, LARGEST)]
    assert ["font-size: 7.5pt" in sizes[0], "font-size: 10.0pt" in sizes[1], "font-size: 20.0pt" in sizes[2]] == [
        True
    ] * 3
