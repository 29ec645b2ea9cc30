"""Colours and sizes: a dark and a light theme, whose colours stay apart for colour-blind eyes too.

The colours of classes and views have the hues of Okabe and Ito (Color Universal Design, 2008), and a lightness that can
be read on their ground, lets the shadow's line be seen on the classes, and keeps the first six classes, the first four
views and the states apart where a colour-blind eye confuses hues (tests/unit/dashboard/test_panel_theme.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

ThemeName = Literal["dark", "light"]
SMALLEST, LARGEST = 0.75, 2.0
BASE_PT: Final = 10.0


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours as ``#rrggbb``.

    Parameters
    ----------
    name
    ground, panel, raised, line
        Behind everything, of panels, of what can be pressed, and of edges.
    text, muted
        Of what matters, and of what explains.
    accent
        Of what has the keyboard's attention.
    good, warning, critical
        Of states; never said by colour alone.
    classes, views
        In the order of labels and views; they begin anew where there are more.
    """

    name: ThemeName
    ground: str
    panel: str
    raised: str
    line: str
    text: str
    muted: str
    accent: str
    good: str
    warning: str
    critical: str
    classes: tuple[str, ...]
    views: tuple[str, ...]

    def of_class(self, number: int) -> str:
        """The colour of a label."""
        return self.classes[number % len(self.classes)]

    def of_view(self, number: int) -> str:
        """The colour of a view."""
        return self.views[number % len(self.views)]


DARK: Final = Theme(
    name="dark",
    ground="#12161c",
    panel="#1a2029",
    raised="#252d38",
    line="#323c4a",
    text="#e8edf3",
    muted="#9aa7b6",
    accent="#56b4e9",
    good="#2fc79a",
    warning="#f0b030",
    critical="#ff7a59",
    classes=("#de9c03", "#66acff", "#42906f", "#a343a1", "#bb4d1a", "#b4a975", "#4d78d8", "#8d98a5"),
    views=("#d98cb3", "#f0e442", "#4d8fd6", "#e0703a", "#a8b3bf", "#e69f00", "#56b4e9", "#0aa57a"),
)
LIGHT: Final = Theme(
    name="light",
    ground="#eef1f5",
    panel="#ffffff",
    raised="#e6ebf1",
    line="#cbd3dc",
    text="#16202b",
    muted="#56636f",
    accent="#0067a8",
    good="#13757d",
    warning="#8e6100",
    critical="#8a1a1f",
    classes=("#d97f00", "#0295f8", "#14695f", "#a5189e", "#b9191b", "#92946a", "#8a7f00", "#59646f"),
    views=("#803a63", "#a29709", "#3e9cd5", "#901614", "#59646f", "#d37d16", "#223b6b", "#067547"),
)
THEMES: Final = {"dark": DARK, "light": LIGHT}


def style_sheet(theme: Theme, scale: float) -> str:
    """What Qt is told of a theme.

    Parameters
    ----------
    theme : Theme
    scale : float
        Of all writing.
    """
    point = BASE_PT * scale
    return f"""
    QWidget {{ background: {theme.ground}; color: {theme.text}; font-size: {point:.1f}pt; }}
    QFrame#panel {{ background: {theme.panel}; border: 1px solid {theme.line}; border-radius: 6px; }}
    QFrame#panel QLabel, QFrame#panel QCheckBox {{ background: transparent; }}
    QLabel#title {{ color: {theme.muted}; font-size: {point * 0.9:.1f}pt; font-weight: 600; }}
    QLabel#muted {{ color: {theme.muted}; }}
    QLabel#strong {{ font-weight: 600; }}
    QLabel#alarm-critical {{ background: {theme.critical}; color: {theme.ground}; font-weight: 700; }}
    QLabel#alarm-warning {{ background: {theme.warning}; color: {theme.ground}; font-weight: 700; }}
    QPushButton, QComboBox, QLineEdit, QPlainTextEdit, QSpinBox {{
        background: {theme.raised}; border: 1px solid {theme.line}; border-radius: 4px; padding: 3px 8px; }}
    QPushButton:disabled {{ color: {theme.muted}; background: {theme.panel}; }}
    QPushButton:focus, QComboBox:focus, QLineEdit:focus, QPlainTextEdit:focus, QTabBar:focus {{
        border: 2px solid {theme.accent}; }}
    QPushButton:pressed {{ background: {theme.line}; }}
    QTabWidget::pane {{ border: 1px solid {theme.line}; border-radius: 6px; background: {theme.panel}; }}
    QTabBar::tab {{ background: {theme.ground}; color: {theme.muted}; padding: 5px 12px; border: 0; }}
    QTabBar::tab:selected {{ background: {theme.panel}; color: {theme.text};
        border-bottom: 2px solid {theme.accent}; }}
    QCheckBox::indicator {{ width: 12px; height: 12px; border: 1px solid {theme.muted}; border-radius: 2px; }}
    QCheckBox::indicator:checked {{ background: {theme.accent}; }}
    QCheckBox:focus {{ color: {theme.accent}; }}
    QToolTip {{ background: {theme.raised}; color: {theme.text}; border: 1px solid {theme.line}; }}
    QScrollArea, QScrollArea > QWidget > QWidget {{ background: transparent; border: 0; }}
    QSplitter::handle {{ background: {theme.ground}; }}
    QScrollBar {{ background: transparent; border: 0; margin: 0; }}
    QScrollBar:vertical {{ width: 10px; }}
    QScrollBar:horizontal {{ height: 10px; }}
    QScrollBar::handle {{ background: {theme.line}; border-radius: 4px; margin: 1px; }}
    QScrollBar::handle:vertical {{ min-height: 24px; }}
    QScrollBar::handle:horizontal {{ min-width: 24px; }}
    QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
    QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
    """
