"""Downloads are checked and bounded, and windows of recordings are made once."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from rtemo.config import Configuration
from rtemo.errors import ConfigurationError, RecordingError
from rtemo.evaluation.datasets import places
from rtemo.evaluation.datasets import recorded as module
from rtemo.evaluation.datasets.noneeg import CONFIG
from rtemo.evaluation.datasets.places import cache_folder, digest_of, fetched, recordings, recordings_folder
from rtemo.evaluation.datasets.recorded import Recorded, recorded


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        del format, arguments


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address that serves it on this machine."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


CONTENT = b"some windows" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def test_a_file_is_fetched_once_and_checked(served: tuple[Path, str], tmp_path: Path) -> None:
    folder, url = served
    (folder / "a.bin").write_bytes(CONTENT)
    found = fetched("a.bin", url + "a.bin", SHA256, len(CONTENT), tmp_path / "cache")
    assert found.parent == tmp_path / "cache"
    assert found.read_bytes() == CONTENT
    assert digest_of(found) == SHA256
    (folder / "a.bin").unlink()
    assert fetched("a.bin", url + "a.bin", SHA256, len(CONTENT), tmp_path / "cache") == found


def test_a_file_that_is_another_is_refused_and_not_kept(served: tuple[Path, str], tmp_path: Path) -> None:
    folder, url = served
    (folder / "a.bin").write_bytes(CONTENT[:-1] + b"!")
    with pytest.raises(RecordingError, match=r"a\.bin: cannot be downloaded"):
        fetched("a.bin", url + "a.bin", SHA256, len(CONTENT), tmp_path / "cache")
    assert not (tmp_path / "cache" / "a.bin").exists()


def test_an_answer_that_is_too_long_is_cut_off(served: tuple[Path, str], tmp_path: Path) -> None:
    folder, url = served
    (folder / "a.bin").write_bytes(CONTENT)
    with pytest.raises(RecordingError, match="longer than 100 bytes"):
        fetched("a.bin", url + "a.bin", SHA256, 100, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_server_that_drips_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = threading.Event()

    class Dripping(_Quiet):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                while not gone.wait(0.05):
                    self.wfile.write(b"x")

    monkeypatch.setattr(places, "LONGEST_S", 0.5)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Dripping)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        with pytest.raises(RecordingError, match="too slow"):
            fetched("a.bin", f"http://127.0.0.1:{server.server_port}/a.bin", SHA256, 10**6, tmp_path / "cache")
    finally:
        gone.set()
        server.shutdown()
        thread.join()
        server.server_close()
    assert list((tmp_path / "cache").iterdir()) == []


def test_what_is_not_there_or_not_secure_is_refused(served: tuple[Path, str], tmp_path: Path) -> None:
    for url, says in ((served[1] + "none", "404"), ("http://example.org/a", "not https"), ("file:///a", "not https")):
        with pytest.raises(RecordingError, match=says):
            fetched("a.bin", url, SHA256, 100, tmp_path / "cache")


def test_the_cache_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RTEMO_CACHE", str(tmp_path / "a" / "b"))
    assert cache_folder() == tmp_path / "a" / "b"
    assert cache_folder(tmp_path / "c") == tmp_path / "c"
    assert (tmp_path / "c").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be made"):
        cache_folder(tmp_path / "file")


def test_recordings_come_from_the_folder_or_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("RTEMO_DATA", raising=False)
    assert recordings_folder("part", None) is None
    (tmp_path / "part").mkdir()
    assert recordings_folder("part", tmp_path) == tmp_path / "part"
    assert recordings_folder("part", tmp_path / "part") == tmp_path / "part"
    monkeypatch.setenv("RTEMO_DATA", str(tmp_path))
    assert recordings_folder("part", None) == tmp_path / "part"
    assert recordings_folder("other", None) is None
    with pytest.raises(ConfigurationError, match="is no folder"):
        recordings_folder("part", tmp_path / "none")
    with pytest.raises(RecordingError, match=r"has no file \*\.xdf"):
        recordings(tmp_path, "*.xdf", "some")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Which recordings were worked through."""
    calls: list[list[str]] = []

    def extracted(paths: Sequence[Path], config: Configuration, read_labels: bool) -> Recorded:
        del read_labels
        calls.append([path.name for path in paths])
        views = {view: np.arange(8.0).reshape(4, 2) + i for i, view in enumerate(config.views)}
        views["wrist"][1] = np.nan
        return Recorded(views, np.array([0, 1, -1, 3]), np.array([0, 0, 1, 1]), np.array([0, 0, 2, 1]))

    monkeypatch.setattr(module, "_extracted", extracted)
    return calls


def test_windows_are_made_once_and_anew_when_anything_changes(tmp_path: Path, made: list[list[str]]) -> None:
    paths = [tmp_path / "a.xdf", tmp_path / "b.xdf"]
    for path in paths:
        path.write_bytes(b"first")

    def again(config: str = CONFIG, read_labels: bool = True) -> Recorded:
        return recorded(paths, config, where="some", read_labels=read_labels, cache=tmp_path / "cache")

    first, second = again(), again()
    assert made == [["a.xdf", "b.xdf"]]
    for name in ("labels", "recording", "trials"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert list(first.views) == list(second.views) == ["wrist", "oximeter"]
    for view in first.views:
        np.testing.assert_array_equal(first.views[view], second.views[view])
    paths[1].write_bytes(b"second")
    again()
    assert len(made) == 2
    again(read_labels=False)
    assert len(made) == 3
    again(CONFIG.replace("10.0", "8.0"))
    assert len(made) == 4
    (tmp_path / "b_events.tsv").write_text("onset\tduration\ttrial_type\n")
    again()
    assert len(made) == 5
    again()
    assert len(made) == 5


@pytest.mark.parametrize("content", [b"", b"PK nonsense", None])
def test_a_damaged_cache_is_made_anew(
    tmp_path: Path, made: list[list[str]], content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.xdf"
    path.write_bytes(b"first")
    recorded([path, path], CONFIG, where="some", cache=tmp_path / "cache")
    (kept,) = (tmp_path / "cache" / "windows").iterdir()
    whole = kept.read_bytes()
    if content is None:
        with kept.open("wb") as file:
            np.savez(
                file, labels=np.zeros(3), recording=np.array([0, 5, 0]), trials=np.zeros(3), view_wrist=np.zeros(2)
            )
    else:
        kept.write_bytes(content)
    recorded([path, path], CONFIG, where="some", cache=tmp_path / "cache")
    assert len(made) == 2
    assert "made anew" in caplog.text
    assert len(kept.read_bytes()) == len(whole)
