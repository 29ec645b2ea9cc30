"""Which stream is meant, at first and when one comes back."""

from __future__ import annotations

from dataclasses import replace

from rtemo.config import StreamSelector
from rtemo.sources.lsl.matching import Ambiguous, Visible, Wanted, choose_comeback, choose_first

EEG = Visible("u1", "cap", "EEG", "cap-7", "lab", is_text=False)
WANTED = Wanted("view:eeg", StreamSelector(type="EEG"))


def test_the_stream_that_fits_is_chosen():
    assert choose_first(WANTED, [replace(EEG, uid="u2", type="Gaze"), EEG]) == EEG
    assert choose_first(WANTED, []) is None


def test_two_streams_that_fit_are_not_chosen_between():
    choice = choose_first(WANTED, [EEG, replace(EEG, uid="u2")])
    assert isinstance(choice, Ambiguous)
    assert "cap-7" in str(choice)
    assert "u2" in str(choice)


def test_a_text_stream_of_the_same_name_and_type_is_no_view():
    assert choose_first(WANTED, [replace(EEG, uid="u2", is_text=True), EEG]) == EEG
    either = Wanted("markers", StreamSelector(type="EEG"), None)
    assert isinstance(choose_first(either, [replace(EEG, uid="u2", is_text=True), EEG]), Ambiguous)


def test_what_rtemo_itself_publishes_is_read_only_where_it_is_named():
    own = Visible("u9", "rtemo-events", "Markers", "rtemo-events-1", "lab", is_text=True)
    by_type = Wanted("markers", StreamSelector(type="Markers"), None)
    by_name = Wanted("markers", StreamSelector(name="rtemo-events"), None)
    assert choose_first(by_type, [own]) is None
    assert choose_first(by_name, [own]) == own


def test_a_stream_comes_back_by_its_source_id_whatever_else_is_there():
    back = replace(EEG, uid="u2")
    other = replace(EEG, uid="u3", source_id="cap-8")
    assert choose_comeback(EEG, [EEG, other, back], {"u1"}, None) == back


def test_a_stream_comes_back_under_a_new_source_id_if_it_is_the_only_one():
    back = replace(EEG, uid="u2", source_id="cap-7-again", created_s=105.0)
    assert choose_comeback(EEG, [EEG, back], {"u1"}, 100.0) == back
    elsewhere = replace(back, uid="u3", hostname="other")
    assert choose_comeback(EEG, [elsewhere], {"u1"}, 100.0) is None
    assert isinstance(choose_comeback(EEG, [back, replace(back, uid="u4")], set(), 100.0), Ambiguous)


def test_another_device_of_the_same_kind_that_was_there_before_is_no_comeback():
    other = replace(EEG, uid="u2", source_id="cap-8", created_s=99.0)
    assert choose_comeback(EEG, [other], {"u1"}, 100.0) is None
    assert choose_comeback(EEG, [replace(other, created_s=101.0)], {"u1"}, None) is None


def test_an_empty_source_id_names_nobody():
    known = replace(EEG, source_id="")
    one, two = replace(known, uid="u2", created_s=9.0), replace(known, uid="u3", hostname="other", created_s=9.0)
    assert choose_comeback(known, [one, two], {"u1"}, 8.0) == one


def test_a_stream_of_another_kind_is_no_comeback():
    assert choose_comeback(EEG, [replace(EEG, uid="u2", is_text=True)], {"u1"}, 0.0) is None
    assert choose_comeback(EEG, [replace(EEG, uid="u2", type="EMG")], {"u1"}, 0.0) is None
