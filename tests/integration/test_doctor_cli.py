"""`rtemo doctor` on real outlets: each thing that would spoil a session is found, with a cure and an exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lab import Lab
from network import EEG, GAZE, MARKERS, Network, network

pytestmark = pytest.mark.lsl

CONFIG = """
labels = ["negative", "positive"]
[views.eeg]
stream = { type = "EEG", source_id = "eno-1" }
features = "differential-entropy"
[views.gaze]
stream = { type = "Gaze" }
features = "statistics"
[markers]
stream = { type = "Markers" }
labels = { "clip/positive" = "positive" }
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "lab.toml"
    path.write_text(CONFIG)
    return path


def asked(there: Network, *arguments: object) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    done = there.rtemo("doctor", *arguments, "--json", *there.options)
    assert done.out, done.err
    checks: dict[str, list[dict[str, Any]]] = {}
    for check in json.loads(done.out)["checks"]:
        checks.setdefault(check["subject"], []).append(check)
    return done.code, checks


def levels(checks: list[dict[str, Any]]) -> set[str]:
    return {check["level"] for check in checks}


def test_all_is_well_where_every_view_has_its_stream(config: Path) -> None:
    with network(EEG, GAZE, MARKERS) as there:
        code, checks = asked(there, config)
        shown = there.rtemo("doctor", config, *there.options)
    assert code == shown.code == 0
    for subject in ("machine", "liblsl", "device", "network", "view eeg", "view gaze", "markers"):
        assert levels(checks[subject]) == {"ok"}, checks[subject]
    assert "10 features by differential-entropy" in checks["view eeg"][0]["finding"]
    assert "0 failures" in shown.out or "Nothing looks wrong" in shown.out


def test_a_view_without_a_stream_is_exit_code_3_unless_it_may_be_missing(config: Path) -> None:
    with network({**EEG, "source_id": "eno-2"}, GAZE) as there:
        code, checks = asked(there, config)
        config.write_text(CONFIG.replace('"differential-entropy"', '"differential-entropy"\nrequired = false'))
        may, relaxed = asked(there, config)
    assert code == 3
    (missing,) = checks["view eeg"]
    assert missing["level"] == "fail"
    assert "has source_id 'eno-2'" in missing["finding"]
    assert "[views.eeg] stream" in missing["cure"]
    assert levels(checks["markers"]) == {"warn"}
    assert (may, levels(relaxed["view eeg"])) == (0, {"warn"})


def test_no_stream_at_all_gives_a_firewall_hint(config: Path) -> None:
    with network() as there:
        code, checks = asked(there, config, "--wait", "0.2")
        alone, machine = asked(there, "--wait", "0.2")
    assert (code, alone) == (3, 0)
    assert "firewall" in checks["network"][0]["cure"]
    assert (levels(checks["network"]), levels(machine["network"])) == ({"fail"}, {"warn"})


def test_an_ambiguous_view_lists_what_fits(config: Path) -> None:
    with network(EEG, EEG, GAZE) as there:
        code, checks = asked(there, config)
    assert code == 3
    assert "2 fit" in checks["view eeg"][0]["finding"]
    assert sum("is a duplicate" in c["finding"] for made in checks.values() for c in made) == 2


def test_a_stream_that_is_silent_slow_or_late_is_found(config: Path) -> None:
    with network({**EEG, "sends_hz": 0}, {**GAZE, "sends_hz": 60.0}) as there:
        code, checks = asked(there, config)
    assert code == 1
    assert "sends nothing" in checks["view eeg"][0]["finding"]
    assert "coverage stays under min_coverage" in checks["view gaze"][0]["finding"]
    with network({**EEG, "lag_s": 0.17}, {**GAZE, "lag_s": 0.6}) as there:
        code, checks = asked(there, config)
    assert code == 1
    assert levels(checks["view eeg"]) == {"ok", "warn"}
    assert "lateness_s" in checks["view eeg"][1]["cure"]
    assert "always be missing" in checks["view gaze"][0]["finding"]


def test_settings_that_do_not_fit_the_stream_are_exit_code_2(config: Path) -> None:
    with network({**EEG, "rate_hz": 64.0}, GAZE) as there:
        code, checks = asked(there, config)
    assert code == 2
    assert "half of the rate" in checks["view eeg"][0]["finding"]


def test_a_wrong_configuration_is_refused_at_once(config: Path) -> None:
    config.write_text(CONFIG.replace("features", "feature", 1))
    with network() as there:
        done = there.rtemo("doctor", config, *there.options)
    assert done.code == 2
    assert "did you mean 'features'" in done.err


def test_a_stray_lsl_configuration_is_pointed_out(tmp_path: Path) -> None:
    (tmp_path / "lsl_api.cfg").write_text("[lab]\nSessionID = elsewhere\n")
    with network() as there:
        done = there.rtemo("doctor", "--json", "--wait", "0.2", *there.options, cwd=tmp_path)
    found = [check["finding"] for check in json.loads(done.out)["checks"] if check["level"] == "warn"]
    assert any("lsl_api.cfg exists" in finding for finding in found)


def test_every_difference_between_bundle_and_streams_is_listed(lab: Lab) -> None:
    eeg = {"name": "Cap", "type": "EEG", "channels": 2, "rate_hz": 500.0, "labels": ["A", "B"], "source_id": "cap"}
    eye = {"name": "Eye", "type": "EyeFeatures", "channels": 1, "rate_hz": 2.0, "labels": ["p"], "source_id": "eye"}
    with network(eeg, eye) as there:
        code, checks = asked(there, lab.config, "-m", lab.bundle)
        broken, damaged = asked(there, lab.config, "-m", lab.folder)
    assert code == 3
    (finding,) = [check["finding"] for check in checks["bundle"] if check["level"] == "fail"]
    for told in ("eeg: trained on the channels", "eeg: trained at", "eye: trained on the channels", "eye: trained at"):
        assert told in finding
    assert "gives c" in checks["device"][0]["finding"]  # cpu, or cuda
    assert broken == 1
    assert "not a bundle" in damaged["bundle"][0]["finding"]
