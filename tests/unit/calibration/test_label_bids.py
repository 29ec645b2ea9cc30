"""Events files: nothing of a foreign one is lost, nothing is overwritten without a backup, hostile ones are refused."""

from __future__ import annotations

import datetime
import itertools
import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.labels import replacing
from calibration.labels.bids import (
    LabelFile,
    label_text,
    new_label_file,
    read_label_file,
    write_label_file,
)
from calibration.labels.track import LabelSegment, LabelTrack
from rtemo.errors import LabelError
from rtemo.labels import read_events

LABELS = ["sad", "joy"]
NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
FOREIGN = (
    "stim_file\tonset\tduration\ttrial_type\tresponse_time\n"
    "a.mp4\t1.50\t10.0\tjoy\t0.7\n"
    "n/a\t3.0\t0\tbutton\t0.20\n"
    "b.mp4\t12\t5\tclip/sad\tn/a\n"
    "n/a\tn/a\tn/a\tcomment\tn/a\n"
    "c.mp4\t14\t9\tfixation\tn/a\n"
    "d.mp4\t30\t2\tn/a\tn/a\n"
)


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "run-1_events.tsv"
    path.write_text(FOREIGN)
    return path


def read(path: Path) -> LabelFile:
    return read_label_file(path, LABELS, {"clip/sad": "sad"})


def test_what_is_no_file_holds_nothing(tmp_path: Path) -> None:
    assert read_label_file(tmp_path / "no_events.tsv") == LabelFile()


def test_labelled_rows_are_segments_and_the_rest_is_kept(events: Path) -> None:
    found = read(events)
    assert [(one.start_s, one.stop_s, one.label) for one in found.track.segments] == [
        (1.5, 11.5, "joy"),
        (12, 17, "sad"),
        (30, 32, ""),
    ]
    assert [row["trial_type"] for row in found.others] == ["button", "comment", "fixation"]
    assert found.track.segments[0].cells["stim_file"] == "a.mp4"


def test_without_labels_every_row_with_a_length_is_a_segment(events: Path) -> None:
    assert [one.label for one in read_label_file(events).track.segments] == ["joy", "clip/sad", "fixation", ""]


def test_a_stretch_of_another_kind_is_a_segment_where_it_overlaps_none(events: Path) -> None:
    events.write_text("onset\tduration\ttrial_type\n0\t5\tbaseline\n4\t5\tjoy\n20\t5\tbaseline\n22\t1\tbaseline\n")
    found = read(events)
    assert [(one.start_s, one.label) for one in found.track.segments] == [(4, "joy"), (20, "baseline")]
    assert [row["onset"] for row in found.others] == ["0", "22"]


def test_a_file_that_was_not_changed_is_written_as_it_was(events: Path) -> None:
    rows = sorted(label_text(read(events)).splitlines()[1:])
    assert rows == sorted(FOREIGN.splitlines()[1:])
    assert label_text(read(events)).splitlines()[0] == FOREIGN.splitlines()[0]


def test_only_what_is_changed_is_written_anew(events: Path) -> None:
    found = read(events)
    track = found.track.move(0, stop_s=11).relabel(1, "joy").add(LabelSegment(40, 45.5, "sad", {"trial": "9"}))
    text = label_text(LabelFile(track, found.others, found.columns))
    assert text.splitlines()[0].split("\t")[-1] == "trial"
    assert "a.mp4\t1.5\t9.5\tjoy\t0.7\tn/a\n" in text
    assert "b.mp4\t12\t5\tjoy\tn/a\tn/a\n" in text
    assert "n/a\t40\t5.5\tsad\tn/a\t9\n" in text
    assert "n/a\tn/a\tn/a\tcomment\tn/a\tn/a\n" in text


def test_training_reads_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "run-1_events.tsv"
    segments = [LabelSegment(0.1234564, 1.1234566, "joy"), LabelSegment(1.1234566, 7.7777777, "sad")]
    write_label_file(path, new_label_file(segments))
    first, second = read_events(path, LABELS, {}, origin_s=1e6)
    assert first.stop_s <= second.start_s + 1e-9
    assert second.start_s == pytest.approx(1e6 + 1.1234566, abs=6e-7)


@given(st.lists(st.integers(1, 10**8), min_size=2, max_size=20, unique=True))
def test_neighbours_that_touch_never_overlap_in_the_file(edges: list[int]) -> None:
    moments = sorted(edge / 3e3 for edge in edges)
    track = LabelTrack(tuple(LabelSegment(a, b, "joy") for a, b in itertools.pairwise(moments)))
    rows = [line.split("\t") for line in label_text(LabelFile(track)).splitlines()[1:]]
    for before, after in itertools.pairwise(rows):
        assert float(before[0]) + float(before[1]) <= float(after[0]) + 1e-8


def test_the_old_file_is_kept_even_twice_in_a_second(events: Path) -> None:
    found = read(events)
    written = write_label_file(events, LabelFile(found.track.delete(0), found.others, found.columns), now=NOW)
    assert [path.name for path in written.backups] == ["run-1_events.tsv.20260102T030405Z.bak"]
    assert written.backups[0].read_text() == FOREIGN
    again = read(events)
    written = write_label_file(events, LabelFile(again.track.delete(0), again.others, again.columns), now=NOW)
    assert [path.name for path in written.backups] == ["run-1_events.tsv.20260102T030405Zr2.bak"]


def test_what_would_not_change_is_not_written(events: Path) -> None:
    write_label_file(events, read(events), now=NOW)
    assert write_label_file(events, read(events), now=NOW).files == ()


def test_a_file_that_somebody_changed_meanwhile_is_not_replaced(events: Path) -> None:
    found = read(events)
    events.write_text(FOREIGN + "d.mp4\t50\t2\tjoy\tn/a\n")
    with pytest.raises(LabelError, match="somebody has changed the file"):
        write_label_file(events, found, expected=found.fingerprint)
    assert "d.mp4\t50" in events.read_text()
    written = write_label_file(events, found)
    assert written.fingerprint == read(events).fingerprint != ""


def test_a_disk_that_is_full_leaves_the_old_file(events: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    found = read(events)
    monkeypatch.setattr(replacing, "_write", full)
    with pytest.raises(OSError, match="No space"):
        write_label_file(events, LabelFile(found.track.delete(0), found.others, found.columns))
    assert events.read_text() == FOREIGN
    assert [path.name for path in events.parent.iterdir()] == [events.name]


def test_the_sidecar_says_what_columns_and_labels_mean_and_keeps_what_it_said(events: Path) -> None:
    sidecar = events.with_suffix(".json")
    sidecar.write_text('{"trial_type": {"Levels": {"joy": "A funny film"}}, "Site": {"Description": "Graz"}}')
    write_label_file(events, read(events), levels=LABELS, descriptions={"stim_file": "The film."}, now=NOW)
    said = json.loads(sidecar.read_text())
    assert said["onset"]["Units"] == "s"
    assert said["stim_file"] == {"Description": "The film."}
    assert said["response_time"]["Description"]
    assert said["trial_type"]["Levels"] == {"joy": "A funny film", "sad": "Label 'sad' of the configuration."}
    assert said["Site"] == {"Description": "Graz"}
    assert (events.parent / "run-1_events.json.20260102T030405Z.bak").is_file()


@pytest.mark.parametrize("broken", ["{", "[1]", '{"onset": 3}', "[" * 100_000])
def test_a_broken_sidecar_is_kept_and_replaced(events: Path, broken: str) -> None:
    sidecar = events.with_suffix(".json")
    sidecar.write_text(broken)
    write_label_file(events, read(events), now=NOW)
    assert isinstance(json.loads(sidecar.read_text()), dict)
    assert (events.parent / "run-1_events.json.20260102T030405Z.bak").read_text() == broken


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "found none"),
        (b"onset\tduration\n0\t1\n", "found onset, duration"),
        (b"onset\tonset\tduration\ttrial_type\n", "found twice onset"),
        (b"onset\tduration\ttrial_type\n0\t1\tjoy\textra\n", "line 2: expected 3 cells, found 4"),
        (b"onset\tduration\ttrial_type\nsoon\t1\tjoy\n", "line 2: expected seconds in column 'onset'"),
        (b"onset\tduration\ttrial_type\n0\t-1\tjoy\n", "line 2: expected seconds in column 'duration'"),
        (b"onset\tduration\ttrial_type\n0\tnan\tjoy\n", "'duration', found 'nan'"),
        (b"onset\tduration\ttrial_type\n0\t\tjoy\n", "'duration', found ''"),
        (b'"onset"\t"duration"\t"trial_type"\n', "without quotes"),
        (b"onset\tduration\ttrial_type\n0\n", "found none"),
        (b"\xff\xfe\x00", "cannot be read as tab-separated text"),
        (b"onset\tduration\ttrial_type\n0\t1\t" + b"x" * 200_000, "cannot be read as tab-separated text"),
    ],
)
def test_what_is_no_events_file_is_refused_and_says_where(events: Path, content: bytes, said: str) -> None:
    events.write_bytes(content)
    if content.endswith(b"0\n"):
        assert read(events).track.segments == ()
        return
    with pytest.raises(LabelError, match=said):
        read(events)


def test_a_file_of_a_million_rows_is_refused(events: Path) -> None:
    events.write_text("onset\tduration\ttrial_type\n" + "0\t1\tx\n" * 100_001)
    with pytest.raises(LabelError, match="at most 100000 rows"):
        read(events)


def test_spreadsheets_marks_and_line_ends_are_understood(events: Path) -> None:
    events.write_bytes(b"\xef\xbb\xbfonset\tduration\ttrial_type\r\n0\t1\tjoy\r\n\r\n")
    assert [one.label for one in read(events).track.segments] == ["joy"]


HEADER = b"onset\tduration\ttrial_type\tnote\n"
RAW = {
    "quoted": HEADER + b'1\t2\tjoy\t"hello"\n5\t2\tsad\tx\n',
    "open quote": HEADER + b'1\t2\tjoy\t"hello\n5\t2\tsad\tx\n8\t1\tjoy\ty"\n',
    "quote within": HEADER + b'1\t2\tjoy\tsay "hi"\n5\t2\tsad\t""\n',
    "empty cells": HEADER + b"1\t2\tjoy\t\n5\t2\tsad\t\n7\t2\t\t\n",
    "blanks": HEADER + b"1 \t2\tjoy \t a\n5\t2\t sad\tb \n",
    "apostrophes and backslashes": HEADER + b"1\t2\tjoy\t'a\\\n5\t2\tsad\t\\n\n",
    "spreadsheet": b"\xef\xbb\xbf" + (HEADER + b"1\t2\tjoy\ta\n5\t2\tsad\tb\n").replace(b"\n", b"\r\n"),
    "no last line end": HEADER + b"1\t2\tjoy\ta\n5\t2\tsad\tb",
    "odd letters": HEADER + "1\t2\tjoy\ta\u2028b\x0b\x85\n5\t2\tsad\t\u00a0\n".encode(),
    "numbers": HEADER + b"1.000\t2e0\tjoy\ta\n5\t+2.\tsad\tb\n",
    "an instant": HEADER + b"1\t2\tjoy\ta\n2\tn/a\tjoy\tq\n5\t2\tsad\tb\n",
}
UNTIDY = {
    "order": HEADER + b"5\t2\tjoy\ta\n1\t2\tsad\tb\n",
    "short rows": HEADER + b"1\t2\tjoy\n5\n",
    "empty lines": HEADER + b"\n1\t2\tjoy\ta\n\n\n",
    "mixed line ends": HEADER + b"1\t2\tjoy\ta\r\n5\t2\tsad\tb\r",
}


@pytest.mark.parametrize("content", (RAW | UNTIDY).values(), ids=(RAW | UNTIDY).keys())
def test_reading_and_writing_alone_changes_no_byte(events: Path, content: bytes) -> None:
    events.write_bytes(content)
    written = write_label_file(events, read(events), now=NOW)
    assert events.read_bytes() == content
    assert [path.suffix for path in written.files] == [".json"]


@pytest.mark.parametrize("content", RAW.values(), ids=RAW.keys())
def test_an_edit_changes_its_row_and_no_other_byte(events: Path, content: bytes) -> None:
    events.write_bytes(content)
    found = read(events)
    (sad,) = [number for number, one in enumerate(found.track.segments) if one.label == "sad"]
    write_label_file(events, replace(found, track=found.track.relabel(sad, "joy")), expected=found.fingerprint)
    before, after = content.split(b"\n"), events.read_bytes().split(b"\n")
    (changed,) = [number for number, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    cells = before[changed].split(b"\t")
    assert after[changed].split(b"\t") == [*cells[:2], b"joy", *cells[3:]]


def test_what_is_undone_is_written_as_it_was(events: Path) -> None:
    events.write_bytes(UNTIDY["mixed line ends"])
    found = read(events)
    write_label_file(events, replace(found, track=found.track.delete(0)))
    write_label_file(events, found)
    assert events.read_bytes() == UNTIDY["mixed line ends"]


@pytest.mark.parametrize("content", (RAW | UNTIDY).values(), ids=(RAW | UNTIDY).keys())
def test_editor_and_training_read_the_same_labels(events: Path, content: bytes) -> None:
    events.write_bytes(content)
    seen = [(one.start_s, one.stop_s, one.label) for one in read(events).track.segments if one.label]
    assert seen == [(one.start_s, one.stop_s, one.label) for one in read_events(events, LABELS, {}, 0.0)]


def test_a_labelled_row_of_unknown_duration_is_kept_and_no_segment(events: Path) -> None:
    events.write_bytes(RAW["an instant"])
    found = read(events)
    assert [one.label for one in found.track.segments] == ["joy", "sad"]
    assert [row["note"] for row in found.others] == ["q"]


def test_tabs_and_line_ends_in_a_cell_become_blanks(events: Path) -> None:
    segments = [LabelSegment(0, 1, "joy", {"note": "a\tb\r\nc", "more\tyet": "", "none": ""})]
    write_label_file(events, new_label_file(segments))
    assert events.read_bytes().splitlines() == [
        b"onset\tduration\ttrial_type\tnote\tmore yet\tnone",
        b"0\t1\tjoy\ta b  c\tn/a\tn/a",
    ]
    with pytest.raises(LabelError, match="twice a b"):
        write_label_file(events, new_label_file([LabelSegment(0, 1, "joy", {"a b": "1", "a\tb": "2"})]))


def linked(tmp_path: Path) -> tuple[Path, Path]:
    """An events file in a store, and the link to it beside a recording."""
    store, beside = tmp_path / "store", tmp_path / "recordings"
    store.mkdir()
    beside.mkdir()
    target, link = store / "0a1b", beside / "run-1_events.tsv"
    target.write_text(FOREIGN)
    target.chmod(0o640)
    try:
        link.symlink_to(Path("../store/0a1b"))
    except OSError:
        pytest.skip("no links here")
    return target, link


def test_a_link_is_written_through_and_its_backup_lies_beside_it(tmp_path: Path) -> None:
    target, link = linked(tmp_path)
    found = read(link)
    written = write_label_file(link, replace(found, track=found.track.delete(0)), expected=found.fingerprint, now=NOW)
    assert link.is_symlink()
    assert "a.mp4" not in target.read_text()
    assert link.read_text() == target.read_text()
    assert [path.parent for path in (*written.files, *written.backups)] == [link.parent] * 3
    assert written.backups[0].read_text() == FOREIGN
    assert [path.name for path in target.parent.iterdir()] == [target.name]


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
def test_a_file_keeps_its_mode_and_so_does_its_backup(tmp_path: Path) -> None:
    target, link = linked(tmp_path)
    found = read(link)
    written = write_label_file(link, replace(found, track=found.track.delete(0)))
    assert [stat.S_IMODE(path.stat().st_mode) for path in (target, *written.backups)] == [0o640, 0o640]


def test_a_new_file_behind_a_link_to_nothing_is_made_there(tmp_path: Path) -> None:
    target, link = linked(tmp_path)
    target.unlink()
    write_label_file(link, new_label_file([LabelSegment(0, 1, "joy")]), expected="")
    assert link.is_symlink()
    assert target.is_file()


cells = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=8).filter(lambda t: t.strip())


@given(st.lists(st.tuples(cells, cells), max_size=5))
def test_any_text_of_a_foreign_column_comes_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]):
    path = tmp_path_factory.mktemp("any") / "x_events.tsv"
    segments = [LabelSegment(n, n + 1, "joy", {"note": a, 'odd "name"': b}) for n, (a, b) in enumerate(rows)]
    write_label_file(path, new_label_file(segments))
    back = read(path).track.segments
    assert [(one.cells["note"], one.cells['odd "name"']) for one in back] == rows
    assert len(read_events(path, LABELS, {}, 0.0)) == len(rows)
