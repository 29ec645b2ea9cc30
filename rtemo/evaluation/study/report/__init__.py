"""The report of a study: tables, figures and sentences made from results, as HTML, Markdown, CSV and JSON."""

from __future__ import annotations

from rtemo.evaluation.study.report.write import write_markdown, write_report

__all__ = ["write_markdown", "write_report"]
