"""Sounds and videos in the participant's window, with a player that does what the test says, and with the real one."""

from __future__ import annotations

import builtins
import struct
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest
from presenter_lab import PresenterLab, plain
from PySide6.QtCore import QBuffer, QByteArray, QIODevice
from pytestqt.qtbot import QtBot

from calibration.presenter.media import MediaPlayer, media_support, qt_player
from calibration.presenter.window import LOAD_LIMIT_S, PresenterWindow
from calibration.scenes import (
    Fixation,
    Key,
    MediaEnded,
    MediaFailed,
    Rest,
    ScreenEvent,
    Shown,
    SoundStimulus,
    VideoStimulus,
)
from rtemo.clock import LslClock

pytestmark = pytest.mark.gui


@pytest.fixture
def lab(qtbot: QtBot) -> Iterator[PresenterLab]:
    lab = PresenterLab()
    yield lab
    lab.window.close()


@pytest.fixture
def video(tmp_path: Path) -> VideoStimulus:
    path = tmp_path / "clip.avi"
    path.write_bytes(b"any")
    return VideoStimulus(2, path)


@pytest.fixture
def sound(tmp_path: Path) -> SoundStimulus:
    path = tmp_path / "tone.wav"
    path.write_bytes(b"any")
    return SoundStimulus(2, path)


def prepared(lab: PresenterLab, scene: VideoStimulus | SoundStimulus) -> None:
    lab.shown(Fixation(1))
    lab.window.prepare(scene)
    lab.until(lambda: bool(lab.players))


def test_a_prepared_video_flips_with_its_first_picture_and_plays_from_then_on(lab: PresenterLab, video: VideoStimulus):
    prepared(lab, video)
    lab.player.hears.frame(plain("#106030"))
    lab.player.hears.ready()
    assert lab.seen().pixelColor(320, 40).name() == "#000000", "nothing of it is seen before its onset"
    assert lab.player.told == ["load clip.avi as video"]
    lab.clock.advance_to(300.0)
    assert lab.shown(video) == Shown(2, 300.0, flip=False)
    assert lab.player.told == ["load clip.avi as video", "play"]
    assert lab.seen().pixelColor(320, 200).name() == "#106030"
    lab.player.hears.frame(plain("#a01010"))
    assert lab.seen().pixelColor(320, 200).name() == "#a01010"
    assert lab.square() == "#ffffff"
    assert lab.window.events() == [], "a video's further pictures are no onsets"


def test_the_fixation_is_on_the_screen_before_loading_begins(lab: PresenterLab, video: VideoStimulus):
    lab.window.show(Fixation(1))
    lab.window.prepare(video)
    assert not lab.players
    lab.until(lambda: bool(lab.players))
    assert lab.window.events() == [Shown(1, 100.0, flip=False)]


def test_a_video_that_was_not_prepared_is_shown_when_it_is_ready(lab: PresenterLab, video: VideoStimulus):
    lab.shown(Fixation(1))
    lab.window.show(video)
    lab.clock.advance(5.0)
    assert lab.square() == "#000000", "what was there stays until then"
    assert lab.window.events() == []
    lab.player.hears.frame(plain("#106030"))
    lab.player.hears.ready()
    lab.settle()
    assert lab.window.events() == [Shown(2, 105.0, flip=False)]


def test_the_end_of_a_video_is_told_and_its_last_picture_stays(lab: PresenterLab, video: VideoStimulus):
    prepared(lab, video)
    lab.player.hears.frame(plain("#106030"))
    lab.player.hears.ready()
    lab.shown(video)
    lab.clock.advance(20.0)
    lab.player.hears.ended()
    assert lab.window.events() == [MediaEnded(2, 120.0)]
    assert lab.seen().pixelColor(320, 200).name() == "#106030"


def test_what_plays_is_stopped_when_another_scene_is_wanted(lab: PresenterLab, video: VideoStimulus):
    prepared(lab, video)
    player, hears = lab.player, lab.player.hears
    hears.frame(plain("#106030"))
    hears.ready()
    lab.shown(video)
    lab.window.show(Rest(3, "rest", 1, 2))
    assert player.told[-1] == "stop"
    hears.ended()
    hears.frame(plain("#ff0000"))
    lab.settle()
    assert lab.window.events() == [Shown(3, 100.0, flip=False)]


def test_a_video_that_fails_while_it_is_prepared_is_told_and_leaves_the_scene(lab: PresenterLab, video: VideoStimulus):
    prepared(lab, video)
    lab.player.hears.failed("no decoder\x1b[2J for it")
    lab.player.hears.failed("twice")
    assert lab.window.events() == [MediaFailed(2, r"no decoder\x1b[2J for it")]
    assert lab.player.told[-1] == "stop"
    assert lab.square() == "#000000"


def test_a_video_that_fails_in_the_middle_is_told(lab: PresenterLab, video: VideoStimulus):
    prepared(lab, video)
    lab.player.hears.frame(plain("#106030"))
    lab.player.hears.ready()
    lab.shown(video)
    lab.player.hears.failed("the disk is gone")
    assert lab.window.events() == [MediaFailed(2, "the disk is gone")]


def test_a_video_that_is_never_ready_is_told(lab: PresenterLab, video: VideoStimulus):
    lab.shown(Fixation(1))
    lab.window.show(video)
    lab.clock.advance(LOAD_LIMIT_S + 0.1)
    (event,) = lab.window.events()
    assert isinstance(event, MediaFailed)
    assert "could not be loaded within 20 s" in event.reason
    assert lab.window.events() == []


def test_a_file_that_is_not_there_needs_no_player(lab: PresenterLab, tmp_path: Path):
    lab.shown(Fixation(1))
    lab.window.prepare(VideoStimulus(2, tmp_path / "nothing.mp4"))
    lab.settle()
    assert lab.window.events() == [MediaFailed(2, "there is no such file")]
    assert not lab.players


def test_a_sound_plays_at_the_flip_over_a_cross(lab: PresenterLab, sound: SoundStimulus):
    prepared(lab, sound)
    cross = lab.seen().pixelColor(320, 200).name()
    lab.player.hears.ready()
    assert "play" not in lab.player.told
    lab.shown(sound)
    assert lab.player.told == ["load tone.wav", "play"]
    assert lab.seen().pixelColor(320, 200).name() == cross != "#000000"
    assert lab.square() == "#ffffff"
    lab.player.hears.ended()
    assert lab.window.events() == [MediaEnded(2, 100.0)]


def test_another_preparation_drops_the_one_before(lab: PresenterLab, video: VideoStimulus, sound: SoundStimulus):
    prepared(lab, video)
    lab.window.prepare(SoundStimulus(3, sound.path))
    assert lab.players[0].told[-1] == "stop"
    lab.until(lambda: len(lab.players) == 2)


def test_a_window_that_is_closed_is_silent(lab: PresenterLab, video: VideoStimulus):
    prepared(lab, video)
    lab.player.hears.frame(plain("#106030"))
    lab.player.hears.ready()
    lab.shown(video)
    lab.window.close()
    assert lab.player.told[-1] == "stop"
    lab.window.command("abort")
    assert lab.window.events() == [Key("abort")]


def test_without_qt_multimedia_the_reason_and_the_cure_are_told(monkeypatch: pytest.MonkeyPatch):
    real = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name == "calibration.presenter.qt_media":
            raise error
        return real(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    error: ImportError = ImportError("libpulse.so.0: cannot open shared object file: No such file or directory")
    assert media_support() == (
        "Qt Multimedia cannot be loaded (libpulse.so.0: cannot open shared object file: No such file or directory). "
        "Install the system's package that brings libpulse.so.0 (Debian and Ubuntu: apt install libpulse0)."
    )
    error = ModuleNotFoundError("No module named 'PySide6.QtMultimedia'")
    assert media_support() == (
        "Qt Multimedia cannot be loaded (No module named 'PySide6.QtMultimedia'). "
        "Install rtemo with its extra: pip install 'rtemo[video]'."
    )


def test_a_video_where_there_is_no_player_is_told(qtbot: QtBot, video: VideoStimulus):
    def none() -> MediaPlayer:
        raise ImportError("libpulse.so.0: cannot open shared object file")

    lab = PresenterLab()
    lab.window._player = none
    try:
        lab.window.show(video)
        assert lab.window.events() == [
            MediaFailed(2, "Qt Multimedia cannot be loaded: libpulse.so.0: cannot open shared object file")
        ]
    finally:
        lab.window.close()


# The real player.

real_media = pytest.mark.skipif(
    media_support(sound=False) is not None, reason=f"no real media here: {media_support(sound=False)}"
)


def write_avi(path: Path, colours: list[str], per_second: int = 25) -> None:
    """A video of plain pictures, as motion JPEG."""
    frames = []
    for colour in colours:
        data = QByteArray()
        buffer = QBuffer(data)
        buffer.open(QIODevice.OpenModeFlag.WriteOnly)
        plain(colour, 64, 48).save(buffer, "JPEG", 95)
        frames.append(bytes(data.data()))

    def chunk(name: bytes, body: bytes) -> bytes:
        return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)

    def listed(name: bytes, body: bytes) -> bytes:
        return chunk(b"LIST", name + body)

    count, most = len(frames), max(map(len, frames))
    main = struct.pack(
        "<10I4I", 1_000_000 // per_second, most * per_second, 0, 0x10, count, 0, 1, most, 64, 48, *[0] * 4
    )
    stream = b"vidsMJPG" + struct.pack(
        "<IHHIIIIIIIIHHHH", 0, 0, 0, 0, 1, per_second, 0, count, most, 10_000, 0, 0, 0, 64, 48
    )
    picture = struct.pack("<IiiHH4sIiiII", 40, 64, 48, 1, 24, b"MJPG", 64 * 48 * 3, 0, 0, 0, 0)
    header = listed(b"hdrl", chunk(b"avih", main) + listed(b"strl", chunk(b"strh", stream) + chunk(b"strf", picture)))
    index, at = b"", 4
    for frame in frames:
        index += b"00dc" + struct.pack("<III", 0x10, at, len(frame))
        at += 8 + len(frame) + len(frame) % 2
    movie = listed(b"movi", b"".join(chunk(b"00dc", frame) for frame in frames))
    path.write_bytes(chunk(b"RIFF", b"AVI " + header + movie + chunk(b"idx1", index)))


def write_wave(path: Path, seconds: float) -> None:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(b"\0\0" * int(8000 * seconds))


@pytest.fixture
def real(qtbot: QtBot) -> Iterator[PresenterLab]:
    lab = PresenterLab()
    lab.window._player = qt_player
    lab.window._clock = LslClock()
    yield lab
    lab.window.close()


def told(window: PresenterWindow, lab: PresenterLab, kind: type[ScreenEvent]) -> list[ScreenEvent]:
    found: list[ScreenEvent] = []
    lab.until(lambda: found.extend(window.events()) or any(isinstance(event, kind) for event in found))
    return found


@real_media
def test_a_real_video_is_prepared_shown_and_ends_after_its_length(real: PresenterLab, tmp_path: Path):
    path = tmp_path / "clip.avi"
    write_avi(path, ["#c02020"] + ["#20c020"] * 24)
    scene = VideoStimulus(2, path)
    real.shown(Fixation(1))
    real.window.prepare(scene)
    real.until(lambda: real.window._next is not None and real.window._next.is_ready)
    real.window.show(scene)
    shown, ended = told(real.window, real, MediaEnded)
    assert isinstance(shown, Shown)
    assert isinstance(ended, MediaEnded)
    assert ended.stamp_s - shown.stamp_s == pytest.approx(1.0, abs=0.5)
    assert real.seen().pixelColor(320, 200).green() > 150, "the last picture stays"


@real_media
def test_a_real_video_shows_its_first_picture_at_its_onset(real: PresenterLab, tmp_path: Path):
    path = tmp_path / "clip.avi"
    write_avi(path, ["#c02020"] * 3 + ["#20c020"] * 20)
    scene = VideoStimulus(2, path)
    real.window.prepare(scene)
    real.until(lambda: real.window._next is not None and real.window._next.is_ready)
    picture = real.window._next.picture if real.window._next is not None else None
    assert picture is not None
    assert picture.pixelColor(30, 20).red() > 150


@real_media
@pytest.mark.parametrize("content", [b"", b"no video at all " * 100, b"RIFF\xff\xff\xff\xffAVI LIST"])
def test_a_real_file_that_is_no_video_is_told(real: PresenterLab, tmp_path: Path, content: bytes):
    path = tmp_path / "clip.avi"
    path.write_bytes(content)
    real.shown(Fixation(1))
    real.window.prepare(VideoStimulus(2, path))
    (failed,) = told(real.window, real, MediaFailed)
    assert isinstance(failed, MediaFailed)
    assert failed.reason


@real_media
def test_a_real_sound_without_pictures_is_no_video_and_a_video_without_sound_no_sound(
    real: PresenterLab, tmp_path: Path
):
    write_wave(tmp_path / "tone.wav", 0.2)
    write_avi(tmp_path / "clip.avi", ["#c02020"] * 5)
    real.shown(Fixation(1))
    real.window.prepare(VideoStimulus(2, tmp_path / "tone.wav"))
    assert told(real.window, real, MediaFailed) == [MediaFailed(2, "the file holds no video")]
    real.window.prepare(SoundStimulus(3, tmp_path / "clip.avi"))
    assert told(real.window, real, MediaFailed) == [MediaFailed(3, "the file holds no sound")]


@real_media
def test_a_real_sound_plays_to_its_end(real: PresenterLab, tmp_path: Path):
    write_wave(tmp_path / "tone.wav", 0.5)
    real.shown(Fixation(1))
    real.window.show(SoundStimulus(2, tmp_path / "tone.wav"))
    shown, ended = told(real.window, real, MediaEnded)
    assert isinstance(shown, Shown)
    assert isinstance(ended, MediaEnded)
    assert ended.stamp_s - shown.stamp_s == pytest.approx(0.5, abs=0.4)


@real_media
def test_real_media_can_be_cut_off_again_and_again(real: PresenterLab, tmp_path: Path):
    write_avi(tmp_path / "clip.avi", ["#c02020", "#20c020"] * 40)
    write_wave(tmp_path / "tone.wav", 3.0)
    for number in range(8):
        kind, name = (VideoStimulus, "clip.avi") if number % 2 else (SoundStimulus, "tone.wav")
        real.window.show(kind(10 * number, tmp_path / name))
        told(real.window, real, Shown)
        real.shown(Fixation(10 * number + 1))
    real.settle()
    assert real.window.events() == []
