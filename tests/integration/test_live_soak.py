"""Half an hour of a live session: memory stays flat, and no sample is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "live_soak.py"


@pytest.mark.slow
@pytest.mark.lsl
@pytest.mark.timeout(2400)
def test_memory_is_flat_and_no_sample_is_lost_in_half_an_hour(tmp_path: Path):
    command = [sys.executable, str(BENCHMARK), "--json", str(tmp_path / "soak.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2300, check=False)
    figures = json.loads((tmp_path / "soak.json").read_text())
    assert done.returncode == 0, figures
    assert figures["memory_slope_mb_per_hour"] < 1.0
    assert not any(figures["lost_samples"].values())
    assert figures["windows"] > 29 * 600
