"""A tile a stream: state in shape, word and colour; a missing view looks unlike a weight of zero."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from dashboard_words import stream
from panel_lab import PanelLab, picture, pixels_of, window_state

from rtemo.dashboard.messages import Attached, Detached
from rtemo.dashboard.theme import DARK
from rtemo.dashboard.tiles import SHAPES, StreamTile

pytestmark = pytest.mark.gui


def tiles(lab: PanelLab) -> dict[str, StreamTile]:
    lab.frame()
    return {tile.key: tile for tile in lab.window.tiles.tiles}


def image(lab: PanelLab, key: str = "view:eeg") -> np.ndarray:
    lab.frame()
    return picture(lab.window.tiles._tiles[key])


def test_each_state_has_a_shape_a_word_and_a_colour(lab: PanelLab):
    assert len(set(SHAPES.values())) == len(SHAPES)
    colours = {"live": DARK.good, "stale": DARK.warning, "lost": DARK.critical, "waiting": DARK.muted}
    for state, colour in colours.items():
        lab.live(streams=(stream(state=state),))
        assert tiles(lab)["view:eeg"].state == state
        assert pixels_of(image(lab), colour) > 20, state


def test_states_differ_without_colour_too(lab: PanelLab):
    seen = []
    for state in ("waiting", "live", "stale", "lost"):
        lab.live(streams=(stream(state=state),))
        # Which pixels are written on, whatever their colour.
        seen.append((image(lab).max(axis=2) > 90).tobytes())
    assert len(set(seen)) == 4


def test_age_rate_coverage_and_quality_are_told(lab: PanelLab):
    lab.live(
        streams=(stream(age_s=0.021, rate_hz=249.8, nominal_hz=250.0, late=3),),
        window=window_state(quality={"eeg": 0.91}, bad={"eeg": {"F3": "flat", "O1": "noise"}}),
    )
    lab.say()
    tile = tiles(lab)["view:eeg"]
    assert (tile.age, tile.rate, tile.late) == ("21 ms old", "250 of 250 Hz", 3)
    (view,) = tile.views
    assert (view.weight, view.coverage, view.quality, view.bad) == (0.5, 1.0, 0.91, 2)


def test_age_is_told_in_fit_units(lab: PanelLab):
    for age_s, said in ((None, "no sample yet"), (7.24, "7.2 s old"), (600.0, "10 min old")):
        lab.live(streams=(stream(age_s=age_s),))
        assert tiles(lab)["view:eeg"].age == said


def test_a_missing_view_is_not_a_view_of_weight_zero(lab: PanelLab):
    lab.live(streams=(stream(),))
    lab.say(weights=(0.0, 0.6, 0.4))
    zero, tile_zero = image(lab), tiles(lab)["view:eeg"].views[0]
    lab.say(ago_s=-1.0, weights=(0.0, 0.6, 0.4), available=(False, True, True))
    missing, tile_missing = image(lab), tiles(lab)["view:eeg"].views[0]
    assert (tile_zero.missing, tile_zero.weight) == ("", 0.0)
    assert tile_missing.missing == "missing"
    assert np.isnan(tile_missing.weight)
    assert (zero != missing).any(axis=2).mean() > 0.02
    # A bar of length zero has its foot, in the view's colour; where the view is missing there is no bar.
    assert pixels_of(zero, DARK.views[0]) > 20
    assert pixels_of(missing, DARK.views[0]) == 0
    # Which is hatched.
    assert pixels_of(zero, DARK.raised) > 10 * pixels_of(missing, DARK.raised)


def test_a_missing_view_says_why(lab: PanelLab):
    lab.live(streams=(stream(),), window=window_state(missing={"eeg": "coverage 0.31 < 0.80"}))
    lab.say(available=(False, True, True))
    assert tiles(lab)["view:eeg"].views[0].missing == "coverage 0.31 < 0.80"


def test_bars_are_as_long_as_weights_up_to_one(lab: PanelLab):
    lab.live(streams=(stream(),))
    lengths = []
    for number, weight in enumerate((0.25, 0.5, 0.8, 1.0)):
        lab.say(ago_s=-0.3 * number, weights=(weight, 0.0, 0.0))
        lengths.append((image(lab) == (217, 140, 179)).all(axis=2).any(axis=0).sum())
    assert DARK.views[0] == "#d98cb3"
    assert np.allclose(np.array(lengths) / lengths[-1], (0.25, 0.5, 0.8, 1.0), atol=0.02)


def test_what_was_last_said_of_a_silent_session_is_not_said_of_now(lab: PanelLab):
    lab.live()
    lab.say()
    assert tiles(lab)["view:eeg"].state == "live"
    lab.clock.advance(5.0)
    found = tiles(lab)
    assert {tile.state for tile in found.values()} == {"unknown"}
    assert {(tile.age, tile.rate) for tile in found.values()} == {("", "")}
    assert found["view:eeg"].views[0].missing == "not heard"


def test_streams_that_vanish_and_return_have_one_tile_each_time(lab: PanelLab):
    lab.live()
    assert list(tiles(lab)) == ["view:eeg", "view:eye", "view:pps"]
    lab.live(streams=(stream("view:pps"),))
    assert list(tiles(lab)) == ["view:pps"]
    lab.live()
    assert list(tiles(lab)) == ["view:eeg", "view:eye", "view:pps"]
    column = lab.window.tiles._column
    placed = [column.itemAt(at).widget() for at in range(column.count() - 1)]
    assert placed == [lab.window.tiles._tiles[key] for key in ("view:eeg", "view:eye", "view:pps")]


def test_another_session_has_its_own_tiles(lab: PanelLab):
    lab.live()
    assert tiles(lab)
    lab.state.take(Attached(lab.layout.model_copy(update={"session": "another"})))
    assert tiles(lab) == {}


def test_names_from_the_network_are_plain_and_short(lab: PanelLab):
    lab.live(streams=(stream(name="<img src=x>\n\x1b[31m" + "y" * 400),))
    name = tiles(lab)["view:eeg"].name
    assert name.startswith(r"<img src=x>\n\x1b[31m")
    assert len(name) <= 40


def test_many_streams_scroll_and_nothing_is_squeezed(open_lab: Callable[..., PanelLab]):
    lab = open_lab(size=(1024, 640))
    lab.live(streams=tuple(stream(f"view:{number}", views=("eeg",)) for number in range(12)))
    lab.frame(2)
    heights = {tile.height() for tile in lab.window.tiles._tiles.values()}
    assert len(heights) == 1
    assert heights.pop() > 60


def test_the_same_tiles_are_not_painted_again(lab: PanelLab, monkeypatch: pytest.MonkeyPatch):
    lab.live()
    lab.say()
    lab.frame()
    painted: list[str] = []
    for key, tile in lab.window.tiles._tiles.items():
        monkeypatch.setattr(tile, "update", lambda *_, key=key: painted.append(key))
    lab.frame(3)
    assert painted == []
    lab.live(streams=(stream("view:eeg", nominal_hz=250.0, age_s=0.9), stream("view:eye"), stream("view:pps")))
    lab.frame()
    assert "view:eeg" in painted


def test_an_old_prediction_is_not_shown_as_what_views_are_worth_now(lab: PanelLab):
    lab.live()
    lab.say()
    assert tiles(lab)["view:eeg"].views[0].weight == 0.5
    lab.clock.advance(3.0)
    lab.live()
    view = tiles(lab)["view:eeg"].views[0]
    assert view.missing == ""
    assert np.isnan([view.weight, view.contribution, view.coverage]).all()
    assert pixels_of(image(lab), DARK.views[0]) < 100
    lab.say()
    assert tiles(lab)["view:eeg"].views[0].weight == 0.5


def test_a_session_that_is_over_or_gone_has_no_live_tile(lab: PanelLab):
    lab.live()
    lab.say()
    assert tiles(lab)["view:eeg"].state == "live"
    lab.state.take(Detached("it is gone"))
    assert {tile.state for tile in tiles(lab).values()} == {"unknown"}
    lab.state.take(Attached(lab.layout))
    lab.live()
    assert tiles(lab)["view:eeg"].state == "live"
    lab.live(ending=True)
    assert {tile.state for tile in tiles(lab).values()} == {"unknown"}


def test_what_an_old_window_said_is_not_said_of_now(lab: PanelLab):
    window = window_state(stop_s=lab.session_s - 5.0, quality={"eeg": 0.9}, bad={"eeg": {"F3": "flat"}})
    lab.live(window=window)
    lab.say(ago_s=5.0)
    view = tiles(lab)["view:eeg"].views[0]
    assert view.missing == "no window of now"
    assert np.isnan([view.weight, view.coverage, view.quality]).all()
    assert view.bad == 0


def test_a_prediction_that_lies_ahead_is_none_of_now(lab: PanelLab):
    lab.say(ago_s=-900.0)
    lab.live()
    assert np.isnan(tiles(lab)["view:eeg"].views[0].weight)
