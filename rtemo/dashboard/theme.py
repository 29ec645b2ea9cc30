"""Colours and sizes: a dark and a light theme, whose colours stay apart for colour-blind eyes too.

The colours of classes and views are those of Okabe and Ito (Color Universal Design, 2008), a little lighter on dark
ground and darker on light, so that lines and texts in them can be read.
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
    classes=("#e69f00", "#56b4e9", "#0aa57a", "#f0e442", "#d98cb3", "#e0703a", "#4d8fd6", "#a8b3bf"),
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
    good="#00734f",
    warning="#8a5a00",
    critical="#b83a00",
    classes=("#d08700", "#0072b2", "#00805c", "#8a7f00", "#b0527f", "#c24e00", "#3a9bd9", "#59646f"),
    views=("#b0527f", "#8a7f00", "#3a9bd9", "#c24e00", "#59646f", "#d08700", "#0072b2", "#00805c"),
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
    QLabel#alarm-critical {{ background: {theme.critical}; color: {theme.ground}; font-weight: 700; padding: 4px 8px; }}
    QLabel#alarm-warning {{ background: {theme.warning}; color: {theme.ground}; font-weight: 700; padding: 4px 8px; }}
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
    """
