"""`rtemo run`: when its dashboard stays open, as the command line says."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rtemo.cli import app
from rtemo.errors import ConfigurationError


@pytest.mark.parametrize(("options", "stays"), [([], "after a failure"), (["--keep-dashboard"], "always")])
def test_the_dashboard_stays_after_a_failure_and_always_where_that_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], stays: str
) -> None:
    config = tmp_path / "lab.toml"
    config.write_text(
        'labels = ["calm", "joy"]\n[views.eeg]\nstream = { type = "EEG" }\nfeatures = "differential-entropy"\n'
    )
    ran: list[dict[str, object]] = []
    # The package's attribute of that name is the command, not the module.
    module = importlib.import_module("rtemo.cli.run")
    monkeypatch.setattr(module, "run_session", lambda *of, **how: ran.append(how))
    result = CliRunner().invoke(app, ["run", str(config), "-m", str(tmp_path), *options], catch_exceptions=False)
    assert result.exit_code == 0
    (how,) = ran
    assert (how["dashboard"], how["stays"]) == (True, stays)


def test_the_demonstration_keeps_nothing_open() -> None:
    with pytest.raises(ConfigurationError, match="--keep-dashboard"):
        CliRunner().invoke(app, ["run", "--demo", "--keep-dashboard"], catch_exceptions=False)


def test_help_says_when_it_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    said = CliRunner().invoke(app, ["run", "--help"]).output
    assert "--keep-dashboard" in said
    assert "failed leaves it open" in said
