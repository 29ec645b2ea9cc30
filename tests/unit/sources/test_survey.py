"""What streams answer to a search is read as hostile input."""

from __future__ import annotations

import pylsl
import pytest

from rtemo.sources.lsl.survey import find_streams, survey


class Answer:
    """What a search gives; text is raw, and decoded strictly, as older releases of pylsl do."""

    def __init__(self, name: bytes) -> None:
        self._name = name

    def name(self) -> str:
        return self._name.decode("utf-8")

    def type(self) -> str:
        return "EEG"

    def hostname(self) -> str:
        return "here"

    def source_id(self) -> str:
        return "one"

    def uid(self) -> str:
        return "1"

    def channel_count(self) -> int:
        return 1

    def channel_format(self) -> int:
        return pylsl.cf_float32

    def nominal_srate(self) -> float:
        return 100.0

    def as_xml(self) -> str:
        return self.name()


class Inlet:
    """Gives the header of a stream."""

    def __init__(self, info: Answer, **options: object) -> None:
        self._info = info

    def info(self, timeout_s: float) -> Answer:
        return self._info


def test_a_name_that_is_no_utf8_breaks_nothing_and_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pylsl, "resolve_streams", lambda timeout_s: [Answer(b"M\xfcller")])
    monkeypatch.setattr(pylsl, "StreamInlet", Inlet)
    (found,) = survey(find_streams(0.0), 0.0)
    assert found.stream.name == "M�ller"
    assert found.description is None
    assert found.findings == ("is refused: what it says of itself is no UTF-8",)
