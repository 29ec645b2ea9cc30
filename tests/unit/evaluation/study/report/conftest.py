"""What tests of the report share."""

from __future__ import annotations

import pytest

from rtemo.evaluation.study.report import canvas

PNG = b"\x89PNG\r\n\x1a\n-not drawn"


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are not drawn: what is written about them is tested without the time that drawing takes."""
    monkeypatch.setattr(canvas, "png", lambda draw, height_in, width_in=0.0: PNG)
