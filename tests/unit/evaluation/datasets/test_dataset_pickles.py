"""Arrays come out of pickles as they went in; nothing that a pickle asks for is run."""

from __future__ import annotations

import os
import pickle
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from rtemo.errors import RecordingError
from rtemo.evaluation.datasets.pickles import ALLOWED, arrays_in

MOST = 1_000_000


def written(folder: Path, content: bytes) -> Path:
    path = folder / "some.dat"
    path.write_bytes(content)
    return path


def read(folder: Path, content: bytes) -> dict[str, np.ndarray]:
    return arrays_in(written(folder, content), ("data", "labels"), MOST)


class Runs:
    """Asks, when it is unpickled, for a shell command."""

    def __init__(self, command: str) -> None:
        self._command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self._command,)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<f4", "<i2", "|i1"])
def test_arrays_come_out_as_they_went_in(tmp_path: Path, protocol: int, dtype: str) -> None:
    data = np.arange(-12, 12).reshape(2, 3, 4).astype(dtype)
    labels = np.asfortranarray(np.arange(6).reshape(2, 3).astype(dtype))
    found = read(tmp_path, pickle.dumps({"data": data, "labels": labels, "other": data}, protocol))
    np.testing.assert_array_equal(found["data"], data.astype(float))
    np.testing.assert_array_equal(found["labels"], labels.astype(float))
    assert found["data"].dtype == np.float64


def array_of_python_2(values: np.ndarray) -> bytes:
    """The steps by which cPickle of Python 2 wrote an array of doubles: its numbers are a string."""
    shape = b"(" + b"".join(b"K" + bytes([n]) for n in values.shape) + b"t"
    kind = b"cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    numbers = values.astype("<f8").tobytes()
    start = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    return start + b"(K\x01" + shape + kind + b"\x89T" + struct.pack("<i", len(numbers)) + numbers + b"tb"


def test_arrays_of_python_2_can_be_read(tmp_path: Path) -> None:
    data, labels = np.linspace(-1, 300, 6).reshape(2, 3), np.array([1.5, 2.5])
    steps = b"\x80\x02}(U\x04data" + array_of_python_2(data) + b"U\x06labels" + array_of_python_2(labels) + b"u."
    as_numpy_has_it = pickle.loads(steps, encoding="latin1")
    np.testing.assert_array_equal(as_numpy_has_it["data"], data)
    found = read(tmp_path, steps)
    np.testing.assert_array_equal(found["data"], data)
    np.testing.assert_array_equal(found["labels"], labels)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_runs_a_command_is_refused_and_not_run(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "ran"
    hostile = pickle.dumps({"data": np.zeros(2), "labels": Runs(f"echo ran > {mark}")}, protocol)
    with pytest.raises(RecordingError, match=r"some\.dat.*asks for (posix|nt)\.system") as caught:
        read(tmp_path, hostile)
    assert not mark.exists()
    assert "was not run" in str(caught.value)
    pickle.loads(hostile)
    assert mark.exists()  # it would have run


HOSTILE = {
    "eval": b"\x80\x02cbuiltins\neval\nU\x031+1\x85R.",
    "an attribute of something allowed": b"\x80\x04\x8c\x05numpy\x8c\x0edtype.__init__\x93.",
    "a class": b"\x80\x02cnumpy\ndtype\n)\x81.",
    "old instance": b"(inumpy\ndtype\n.",
    "persistent": b"Pfile\n.",
    "extension": b"\x82\x01.",
    "other codec": b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aU\x04zlib\x86R.",
    "wild number": b"\x80\x02}r\xff\xff\xff\x7f.",
    "twice the same tuple": b"\x80\x02Nq\x00\x85q\x01h\x01h\x01\x86.",
    "twice, remembered again": b"\x80\x02N\x85q\x01q\x02h\x02.",
    "popped": b"\x80\x02N\x85N0q\x01h\x01.",
    "twice, hidden by what builds nothing": b"\x80\x02N\x85Nbq\x01h\x01\x86.",
    "twice, hidden by appending nothing": b"\x80\x02N\x85(eq\x01h\x01\x86.",
    "twice, hidden by setting nothing": b"\x80\x02N\x85(uq\x01h\x01\x86.",
    "no dictionary": pickle.dumps([1, 2]),
    "no arrays": pickle.dumps({"data": 1, "labels": 2}),
    "objects": pickle.dumps({"data": np.array([None]), "labels": np.zeros(1)}, 2),
    "text": pickle.dumps({"data": np.array(["a"]), "labels": np.zeros(1)}, 2),
    "key that cannot be": b"\x80\x02}]Ns.",
    "empty": b"",
    "no pickle": b"\x00" * 64,
    "long": b"\x80\x02](" + b"N" * 20_000 + b"e.",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_all_else_is_refused(tmp_path: Path, what: str) -> None:
    with pytest.raises(RecordingError, match=r"some\.dat"):
        read(tmp_path, HOSTILE[what])


def test_a_pickle_changes_nothing_of_the_reader(tmp_path: Path) -> None:
    before = {key: id(value) for key, value in ALLOWED.items()}
    for step in (b"cnumpy\ndtype\n", b"c_codecs\nencode\n", b"cnumpy.core.multiarray\n_reconstruct\n"):
        # A pair of None and a dictionary sets attributes of whatever is there.
        with pytest.raises(RecordingError):
            read(tmp_path, b"\x80\x02" + step + b"N}U\x08__call__Ns\x86b.")
    assert {key: id(value) for key, value in ALLOWED.items()} == before
    assert read(tmp_path, pickle.dumps({"data": np.ones(2), "labels": np.ones(1)}, 2))["data"].tolist() == [1, 1]


def test_a_shape_that_lies_is_refused(tmp_path: Path) -> None:
    honest = array_of_python_2(np.zeros((2, 3)))
    steps = b"\x80\x02}(U\x04data" + honest.replace(b"(K\x02K\x03t", b"(K\xffK\xfft") + b"U\x06labelsNu."
    with pytest.raises(RecordingError, match=r"bytes of shape \(255, 255\), found 48"):
        read(tmp_path, steps)


def test_a_cut_file_a_large_one_and_one_without_an_entry_are_refused_by_name(tmp_path: Path) -> None:
    whole = pickle.dumps({"data": np.zeros(100), "labels": np.zeros(2)}, 2)
    for cut in (1, 50, len(whole) - 40, len(whole) - 1):
        with pytest.raises(RecordingError, match=r"some\.dat"):
            read(tmp_path, whole[:cut])
    with pytest.raises(RecordingError, match=f"at most 10 bytes, found {len(whole)}"):
        arrays_in(written(tmp_path, whole), ("data",), 10)
    with pytest.raises(RecordingError, match="expected a dictionary with data, marks, found data, labels"):
        arrays_in(written(tmp_path, whole), ("data", "marks"), MOST)
    with pytest.raises(RecordingError, match="cannot be read"):
        arrays_in(tmp_path / "none.dat", ("data",), MOST)


def test_a_text_that_is_encoded_a_thousand_times_takes_no_memory(tmp_path: Path) -> None:
    text = b"X" + (200_000).to_bytes(4, "little") + b"a" * 200_000 + b"q\x01"
    once = b"c_codecs\nencode\nh\x01X\x06\x00\x00\x00latin1\x86R"
    steps = b"\x80\x02" + text + b"](" + once * 1200 + b"e."
    tracemalloc.start()
    with pytest.raises(RecordingError, match="expected a dictionary"):
        read(tmp_path, steps)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_small_numbers_that_would_grow_past_the_limit_are_refused_before_they_do(tmp_path: Path) -> None:
    content = pickle.dumps({"data": np.zeros(5000, dtype=np.int8)}, 2)
    assert (
        read(tmp_path, pickle.dumps({"data": np.zeros(9, dtype=np.int8), "labels": np.zeros(1)}, 2))["data"].size == 9
    )
    with pytest.raises(RecordingError, match="takes more than 30000 bytes"):
        arrays_in(written(tmp_path, content), ("data",), 30_000)
