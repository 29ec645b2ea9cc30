"""From chunks to feature windows: binding, channels, masks, and live like replay."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtemo.config import parse_configuration
from rtemo.errors import ConfigurationError, StreamError
from rtemo.features.pipeline import FeaturePipeline
from rtemo.features.registry import extractor_names
from rtemo.types import Chunk, StreamDescription

EEG = StreamDescription("1", "Cap", "EEG", ("Fp1", "Fp2", "Cz"), 250.0, source_id="cap-1")
GAZE = StreamDescription("2", "Tobii", "Gaze", ("x", "y"), 60.0)
MARKERS = StreamDescription("3", "Marks", "EEG", ("1",), 0.0, is_text=True)
VIEWS = {
    "eeg": {"stream": {"type": "EEG"}, "features": "differential-entropy"},
    "gaze": {"stream": {"type": "Gaze"}, "features": "statistics"},
}


def pipeline(views=None, streams=(EEG, GAZE, MARKERS), length_s=1.0, hop_s=1.0, **options):
    document = {"labels": ["a"], "window": {"length_s": length_s, "hop_s": hop_s}, "views": views or VIEWS}
    return FeaturePipeline(parse_configuration(document, "test"), streams, origin="rec.xdf", **options)


def eeg(start_s, stop_s, segment=0, seed=0):
    first, stop = round(start_s * 250), round(stop_s * 250)
    steps = np.random.default_rng(seed).normal(size=(20_000, 3))
    values = np.cumsum(steps, axis=0).astype(np.float32)[first:stop]
    return Chunk("1", np.arange(first, stop) / 250 + 1e-4, values, segment)


def gaze(start_s, stop_s, segment=0):
    first, stop = round(start_s * 60), round(stop_s * 60)
    values = np.random.default_rng(1).normal(size=(5000, 2))[first:stop]
    return Chunk("2", np.arange(first, stop) / 60 + 1e-4, values, segment)


def run(made, chunks):
    return [window for chunk in chunks for window in made.push(chunk)] + made.end()


def test_each_view_gets_its_features_and_mask():
    windows = run(pipeline(), [eeg(0, 5), gaze(0, 5)])
    assert [w.index for w in windows] == [0, 1, 2, 3, 4]
    for window in windows:
        assert window.available == {"eeg": True, "gaze": True}
        assert {view: len(values) for view, values in window.features.items()} == {"eeg": 15, "gaze": 12}
        assert window.reason == {}
        assert window.features["eeg"].dtype == np.float64
    np.testing.assert_allclose(windows[2].features["gaze"][0], gaze(2, 3).values[:, 0].mean())


def test_a_missing_view_is_nan_with_coverage_and_reason():
    windows = run(pipeline(), [eeg(0, 4), gaze(0, 1.5), gaze(2.2, 4, segment=1)])
    assert [w.available["gaze"] for w in windows] == [True, False, False, True]
    assert windows[1].reason == {"gaze": "gap"}
    assert windows[1].coverage["gaze"] == pytest.approx(0.5)
    assert np.isnan(windows[1].features["gaze"]).all()
    short = run(pipeline(), [eeg(0, 2), gaze(0, 1.5)])
    assert short[1].reason == {"gaze": "coverage 0.50 < 0.80"}


def test_a_view_is_available_from_its_least_coverage_on():
    views = {"gaze": VIEWS["gaze"] | {"min_coverage": 0.5}}
    assert [w.available["gaze"] for w in run(pipeline(views), [gaze(0.5, 1.5), gaze(1.5, 2.25)])] == [True, True, False]


def test_a_view_without_stream_is_missing_throughout_with_a_warning():
    made = pipeline(streams=(EEG,))
    (window,) = run(made, [eeg(0, 1)])
    assert made.bound["gaze"] is None
    assert made.names["gaze"] == ()
    assert "rec.xdf" in made.warnings[0]
    assert "'gaze'" in made.warnings[0]
    assert window.reason == {"gaze": "no stream"}
    assert window.features["gaze"].shape == (0,)
    assert list(window.features) == ["eeg", "gaze"]


def test_a_required_view_without_stream_is_an_error():
    views = VIEWS | {"gaze": VIEWS["gaze"] | {"required": True}}
    with pytest.raises(StreamError, match=r"rec\.xdf: required view 'gaze'.*type = 'Gaze'.*'Cap'"):
        pipeline(views, streams=(EEG,))


def test_no_view_at_all_is_an_error_that_lists_what_is_there():
    with pytest.raises(StreamError, match=r"no view has a stream.*'Marks'"):
        pipeline(streams=(MARKERS,))
    with pytest.raises(StreamError, match="no stream at all"):
        pipeline(streams=())


def test_two_streams_for_a_view_are_an_error():
    twin = StreamDescription("4", "Cap", "EEG", ("Fp1",), 250.0, source_id="cap-2")
    with pytest.raises(StreamError, match=r"2 fit: .*cap-1.*cap-2.*Say which by source_id"):
        pipeline(streams=(EEG, twin))
    chosen = pipeline({"eeg": VIEWS["eeg"] | {"stream": {"source_id": "cap-2"}}}, streams=(EEG, twin))
    assert chosen.bound["eeg"] == twin


@pytest.mark.parametrize("channels", [["cz"], ["FP2", "Cz"], ["Cz", "Fp1"], ["Fp1", "Fp2", "Cz"]])
def test_channels_are_picked_by_label_whatever_the_case(channels):
    made = pipeline({"eeg": VIEWS["eeg"] | {"channels": channels, "features": "statistics"}})
    picked = [EEG.channel_labels.index(c) for name in channels for c in EEG.channel_labels if c.lower() == name.lower()]
    (window,) = run(made, [eeg(0, 1)])
    np.testing.assert_allclose(window.features["eeg"][::6], eeg(0, 1).values[:, picked].mean(axis=0), atol=1e-6)
    assert made.names["eeg"][0] == f"{EEG.channel_labels[picked[0]]}:mean"


def test_a_wrong_channel_is_an_error_that_lists_the_right_ones():
    views = {"eeg": VIEWS["eeg"] | {"channels": ["Fpz"]}}
    with pytest.raises(StreamError, match=r"view 'eeg'.*no channel 'Fpz'; it has Fp1, Fp2, Cz\. Did you mean 'Fp[12]'"):
        pipeline(views)
    twice = StreamDescription("1", "Cap", "EEG", ("Fp1", "fp1"), 250.0)
    with pytest.raises(StreamError, match="has 2 channels 'FP1'"):
        pipeline({"eeg": VIEWS["eeg"] | {"channels": ["FP1"]}}, streams=(twice,))


def test_an_unknown_extractor_is_an_error_that_lists_the_known_ones():
    with pytest.raises(ConfigurationError, match=r"no extractor 'statistic'.*identity.*Did you mean 'statistics'"):
        pipeline({"eeg": VIEWS["eeg"] | {"features": "statistic"}})
    assert {"differential-entropy", "identity", "statistics"} <= set(extractor_names())


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"band": "seed"}, "unknown key 'band', did you mean 'bands'"),
        ({"method": "fft"}, "'method'.*found 'fft'"),
        ({"order": 0}, "'order'"),
    ],
)
def test_a_wrong_setting_is_an_error_that_names_view_and_key(bad, message):
    with pytest.raises(ConfigurationError, match=rf"views\.eeg\.settings of 'differential-entropy'.*{message}"):
        pipeline({"eeg": VIEWS["eeg"] | {"settings": bad}})


@pytest.mark.parametrize("asked", [{"quality": {"max_line": 2.0}}, {"max_bad_channels": 0.5}])
def test_limits_of_channels_that_nobody_watches_are_refused(asked):
    with pytest.raises(ConfigurationError, match=f"views.gaze.{next(iter(asked))}.*'statistics'"):
        pipeline(VIEWS | {"gaze": VIEWS["gaze"] | asked})
    assert pipeline(VIEWS | {"gaze": VIEWS["gaze"] | {"quality": {"enabled": False}}}).quality_names.keys() == {"eeg"}


def test_two_views_may_share_a_stream():
    views = {"eeg": VIEWS["eeg"], "slow": {"stream": {"type": "EEG"}, "channels": ["Cz"], "features": "statistics"}}
    (window,) = run(pipeline(views), [eeg(0, 1)])
    assert window.available == {"eeg": True, "slow": True}
    assert len(window.features["slow"]) == 6


def test_chunks_of_other_streams_are_passed_over():
    made = pipeline()
    assert made.push(Chunk("unknown", np.arange(5.0), np.zeros((5, 1)))) == []
    assert set(made.late) == {"1", "2"}


def test_smoothing_leaves_missing_windows_missing():
    views = {"gaze": VIEWS["gaze"] | {"smoothing": "mean"}}
    chunks = [gaze(0, 2), gaze(2.5, 5, segment=1)]
    plain, smooth = run(pipeline({"gaze": VIEWS["gaze"]}), chunks), run(pipeline(views), chunks)
    assert [w.available["gaze"] for w in smooth] == [True, True, False, True, True]
    assert np.isnan(smooth[2].features["gaze"]).all()
    expected = np.mean([plain[k].features["gaze"] for k in (0, 1, 3)], axis=0)
    np.testing.assert_allclose(smooth[3].features["gaze"], expected)


def test_live_a_dead_stream_does_not_hold_up_the_others():
    made = pipeline()
    made.push(gaze(0, 0.5))
    assert made.push(eeg(0, 1.2)) == []
    (window,) = made.advance(1.1)
    assert window.available == {"eeg": True, "gaze": False}
    assert made.push(gaze(0.5, 1.0)) == []
    assert made.late == {"1": 0, "2": 30}


def test_live_and_replay_agree_on_the_window_in_which_a_hole_begins():
    chunks = [eeg(0, 1.9), gaze(0, 3.1), eeg(2.5, 4.1, segment=1), gaze(3.1, 4.1)]
    replayed = run(pipeline(ends_are_gaps=True), chunks)
    made, live = pipeline(live=True, lost_after_s=np.inf), []
    for chunk in chunks:
        live += made.push(chunk)
        live += made.advance(float(chunk.stamps_s[-1]) if chunk.stream == "2" else 0.0)
    live += made.end()
    assert made.late == {"1": 0, "2": 0}
    np.testing.assert_equal([asdict(w) for w in live], [asdict(w) for w in replayed])
    assert [w.available["eeg"] for w in live] == [True, False, False, True]


def test_live_and_replay_agree_on_the_window_in_which_a_stream_ends_for_good():
    chunks = [eeg(0, 0.95), gaze(0, 3.1)]
    replayed = run(pipeline(ends_are_gaps=True), chunks)
    made = pipeline(live=True, lost_after_s=np.inf)
    live = [window for chunk in chunks for window in made.push(chunk)] + made.advance(3.2)
    np.testing.assert_equal([asdict(w) for w in live], [asdict(w) for w in replayed])
    assert [w.available["eeg"] for w in live] == [False, False, False]


def test_a_stream_that_ended_is_not_waited_for():
    made = pipeline()
    made.push(gaze(0, 0.5))
    made.push(eeg(0, 2.2))
    assert [w.index for w in made.end_stream("2")] == [0, 1]


def test_a_sample_that_is_not_finite_makes_the_view_missing_and_says_where():
    bad = eeg(0, 3)
    bad.values[300, 1] = np.nan
    windows = run(pipeline({"eeg": VIEWS["eeg"] | {"quality": {"enabled": False}}}), [bad])
    assert [w.reason for w in windows] == [{}, {"eeg": "not finite: Fp2"}, {}]


def test_a_channel_that_is_not_finite_costs_the_view_nothing_but_itself():
    bad, settings = eeg(0, 3), {"max_bad_channels": 0.4, "quality": {"good_after": 1}}
    bad.values[300, 1] = np.nan
    windows = run(pipeline({"eeg": VIEWS["eeg"] | settings}), [bad])
    whole = run(pipeline({"eeg": VIEWS["eeg"]}), [eeg(0, 3)])
    assert [w.bad for w in windows] == [{}, {"eeg": {"Fp2": "not finite"}}, {}]
    assert [w.reason for w in windows] == [{}] * 3
    assert np.isnan(windows[1].features["eeg"][5:10]).all()
    for mended, clean in zip(windows, whole, strict=True):
        rest = np.isfinite(mended.features["eeg"])
        np.testing.assert_array_equal(mended.features["eeg"][rest], clean.features["eeg"][rest])
    few = run(pipeline({"eeg": VIEWS["eeg"]}), [bad])
    assert few[1].reason == {"eeg": "bad channels 1 of 3: Fp2 not finite"}


@given(
    st.data(), st.sampled_from([(1.0, 1.0), (1.0, 0.5), (0.5, 0.8), (1.0, 0.3)]), st.sampled_from(["none", "kalman"])
)
@settings(deadline=None, max_examples=40)
def test_the_same_samples_give_the_same_bits_however_they_are_cut(data, shape, smoothing):
    views = {
        "eeg": VIEWS["eeg"] | {"smoothing": smoothing, "settings": {"bands": {"low": [4, 12], "high": [12, 40]}}},
        "bank": VIEWS["eeg"] | {"channels": ["Cz"], "settings": {"method": "filterbank"}},
        "gaze": VIEWS["gaze"],
    }
    parts = [eeg(0, 0.9), gaze(0.2, 1.5), eeg(0.9, 2.1), eeg(2.1, 3.3), gaze(1.9, 4, segment=1), eeg(3.3, 4)]
    parts += [gaze(4, 4.7), eeg(4.5, 6, segment=1), gaze(4.7, 6)]
    cut = []
    for part in parts:
        at = sorted(data.draw(st.lists(st.integers(1, len(part.stamps_s) - 1), max_size=4)))
        pieces = zip(np.split(part.stamps_s, at), np.split(part.values, at), strict=True)
        cut += [Chunk(part.stream, stamps, values, part.segment) for stamps, values in pieces]
    one, other = (pipeline(views, length_s=shape[0], hop_s=shape[1], lost_after_s=1.0) for _ in range(2))
    whole, pieces = run(one, parts), run(other, cut)
    np.testing.assert_equal([asdict(window) for window in whole], [asdict(window) for window in pieces])
    assert one.late == other.late
