"""MATLAB files that lie about what they hold."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from rtemo.errors import RecordingError
from rtemo.evaluation.datasets import matlab
from rtemo.evaluation.datasets.matlab import matrices_in, shapes_in


def test_arrays_come_as_they_were_written(tmp_path: Path) -> None:
    for compressed in (False, True):
        savemat(tmp_path / "a.mat", {"x": np.arange(6.0).reshape(2, 3)}, do_compression=compressed)
        assert shapes_in(tmp_path / "a.mat") == {"x": (2, 3)}
        np.testing.assert_array_equal(matrices_in(tmp_path / "a.mat", {"x": (2, None)})["x"], [[0, 1, 2], [3, 4, 5]])


def test_two_arrays_of_one_name_are_refused(tmp_path: Path) -> None:
    first, second = (tmp_path / name for name in ("a.mat", "b.mat"))
    savemat(first, {"x": np.array([["cell"]], dtype=object)})
    savemat(second, {"x": np.ones((2, 2))})
    first.write_bytes(first.read_bytes() + second.read_bytes()[128:])
    with pytest.raises(RecordingError, match=r"a\.mat: expected each name once, found x twice"):
        matrices_in(first, {"x": (2, 2)})


def test_a_file_that_inflates_past_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.mat"
    savemat(path, {"x": np.ones((1, 3))}, do_compression=True)
    bomb = zlib.compress(bytes(3_000_000))
    path.write_bytes(path.read_bytes()[:128] + struct.pack("<II", 15, len(bomb)) + bomb)
    monkeypatch.setattr(matlab, "MOST_BYTES", 1_000_000)
    with pytest.raises(RecordingError, match="takes more than 1000000 bytes when it is inflated"):
        shapes_in(path)


def test_complex_numbers_are_refused(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"x": np.ones((2, 2)) * 1j})
    with pytest.raises(RecordingError, match="complex ones in x"):
        matrices_in(tmp_path / "a.mat", {"x": (2, 2)})


@pytest.mark.parametrize("mark", [b"MI", b"XX"])
def test_a_bomb_is_found_whatever_order_of_bytes_the_file_claims(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: bytes
) -> None:
    path = tmp_path / "a.mat"
    savemat(path, {"x": np.ones((1, 3))}, do_compression=True)
    bomb = zlib.compress(bytes(3_000_000))
    header = path.read_bytes()[:124] + b"\x01\x00" + mark
    path.write_bytes(header + struct.pack(">II", 15, len(bomb)) + bomb)
    monkeypatch.setattr(matlab, "MOST_BYTES", 1_000_000)
    with pytest.raises(RecordingError, match="takes more than 1000000 bytes when it is inflated"):
        shapes_in(path)


def test_a_file_of_version_7_3_is_called_so_whatever_follows_its_header(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + struct.pack("<II", 15, 8) + bytes(64))
    with pytest.raises(RecordingError, match="expected a MATLAB file of version 5, found another"):
        shapes_in(path)
