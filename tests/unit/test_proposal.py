"""A proposed configuration loads, finds the very streams it was made from, and quotes hostile names safely."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtemo.config import Configuration, NetworkSettings, parse_configuration
from rtemo.errors import ConfigurationError, StreamError
from rtemo.features.pipeline import FeaturePipeline
from rtemo.proposal import MAX_CHANNELS, propose, toml_string
from rtemo.types import StreamDescription


def stream(key: str, **told: object) -> StreamDescription:
    given = {"name": "Dev", "type": "EEG", "channel_labels": ("a", "b"), "nominal_rate_hz": 250.0, "hostname": "pc"}
    return StreamDescription(key, **(given | told))  # type: ignore[arg-type]


def loaded(text: str) -> Configuration:
    return parse_configuration(tomllib.loads(text), where="test")


@given(st.text())
def test_a_toml_string_reads_back_as_it_was(text: str) -> None:
    assert tomllib.loads(f"x = {toml_string(text)}") == {"x": text}
    assert toml_string(text).isprintable()


def test_half_a_surrogate_pair_is_no_text() -> None:
    with pytest.raises(ValueError, match="surrogate"):
        toml_string("\ud800")


names = st.text(max_size=30) | st.sampled_from(["EEG", "start", "file", "../../etc/passwd", "\x1b[31m", "]\n[x", "'''"])


@settings(deadline=None)
@given(
    st.lists(
        st.builds(
            lambda name, kind, source, rate, labels, text: stream(
                "",
                name=name,
                type=kind,
                source_id=source,
                nominal_rate_hz=0.0 if text else rate,
                channel_labels=tuple(labels),
                is_text=text,
            ),
            names,
            names,
            names | st.just(""),
            st.sampled_from([0.0, 1.0, 4.0, 32.0, 64.0, 100.0, 62.5, 250.0, 1000.0]),
            st.lists(names, min_size=1, max_size=4, unique=True),
            st.booleans(),
        ),
        max_size=5,
    )
)
def test_whatever_streams_are_there_the_proposal_loads_and_every_view_finds_its_own_stream(
    streams: list[StreamDescription],
) -> None:
    streams = [replace(s, key=str(number)) for number, s in enumerate(streams)]
    try:
        proposal = propose(streams)
    except StreamError:
        # Of a stream that says nothing of itself there is only its host, which others have too.
        assert all(s.is_text or s.own or not (s.name or s.type) or any(_fits(s, o) for o in streams) for s in streams)
        return
    config = loaded(proposal.text)
    assert tuple(config.views) == proposal.views
    assert all(line.isprintable() for line in proposal.text.splitlines())
    # Binding resets every extractor, so bands that do not fit the rate would be refused here.
    pipeline = FeaturePipeline(config, streams, origin="test")
    keys = [bound.key for bound in pipeline.bound.values() if bound is not None]
    assert len(keys) == len(set(keys)) == len(proposal.views)


def _fits(one: StreamDescription, other: StreamDescription) -> bool:
    """Whether whatever a stream says of itself is true of another one as well."""
    pairs = ((one.name, other.name), (one.type, other.type), (one.hostname, other.hostname))
    return one.key != other.key and all(said in ("", theirs) for said, theirs in pairs)


def test_streams_of_one_host_that_say_nothing_else_are_refused_with_a_listing() -> None:
    same = [stream("1", name="", type=""), stream("2", name="0", type=""), stream("3", name="0", type="")]
    with pytest.raises(StreamError, match="no stream can be a view"):
        propose(same)


def test_an_extractor_is_chosen_by_the_type_and_bands_by_the_rate() -> None:
    config = loaded(
        propose(
            [
                stream("1", source_id="a"),
                stream("2", source_id="b", nominal_rate_hz=64.0),
                stream("3", type="Gaze", nominal_rate_hz=120.0),
                stream("4", type="EyeFeatures", nominal_rate_hz=1.0),
                stream("5", name="irregular", nominal_rate_hz=0.0),
            ]
        ).text
    )
    assert [view.features for view in config.views.values()] == [
        "differential-entropy",
        "differential-entropy",
        "statistics",
        "identity",
        "statistics",
    ]
    assert config.views["eeg"].settings == {}
    assert config.views["eeg_2"].settings["bands"]["gamma"] == [31, 32]


def test_streams_that_nothing_tells_apart_become_no_view_and_are_named() -> None:
    twins = [stream("1", name="twin"), stream("2", name="twin")]
    proposal = propose([*twins, stream("3", name="single")])
    assert proposal.views == ("eeg",)
    assert loaded(proposal.text).views["eeg"].stream.name == "single"
    assert len(proposal.left_out) == 2
    with pytest.raises(StreamError, match="nothing tells it apart"):
        propose(twins)


def test_a_stream_of_thousands_of_channels_and_rtemo_s_own_are_left_out() -> None:
    wide = stream("1", name="wide", channel_labels=tuple(map(str, range(MAX_CHANNELS + 1))))
    own = stream("2", name="rtemo-prediction", type="Prediction")
    proposal = propose([wide, own, stream("3", source_id="x")])
    assert proposal.views == ("eeg",)
    assert [line.split(": ")[-1] for line in proposal.left_out] == [
        f"{MAX_CHANNELS + 1} channels, more than {MAX_CHANNELS}",
        "published by rtemo itself",
    ]


def test_a_marker_stream_gives_labels_and_what_it_sent_stands_beside() -> None:
    markers = stream("2", name="psy", type="Markers", is_text=True, nominal_rate_hz=0.0, channel_labels=("1",))
    text = propose([stream("1"), markers], labels=["calm", "tense"], texts={"2": ["clip/calm\n[x]"]}).text
    config = loaded(text)
    assert config.markers is not None
    assert config.markers.stream.matches(markers)
    assert config.markers.labels == {"calm": "calm", "tense": "tense"}
    assert r"clip/calm\n[x]" in text


def test_the_network_is_written_where_it_is_not_the_default() -> None:
    assert "[network]" not in propose([stream("1")]).text
    network = NetworkSettings(scope="machine", session_id="lab-2", known_peers=["10.0.0.7"])
    assert loaded(propose([stream("1")], network=network).text).network == network


def test_labels_that_cannot_be_labels_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="named twice"):
        propose([stream("1")], labels=["calm", "calm"])
