"""The window: all panels, and one frame at a time."""

from __future__ import annotations

import datetime
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QCloseEvent, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QMainWindow,
    QPushButton,
    QSplitter,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from rtemo.dashboard.adaptation_panel import AdaptationPanel, ask_reset
from rtemo.dashboard.emotion import EmotionPanel
from rtemo.dashboard.event_log import EventLogPanel
from rtemo.dashboard.export import write_csv
from rtemo.dashboard.gaze import GazePanel
from rtemo.dashboard.operator_panel import AlarmBar, AnnotationBar
from rtemo.dashboard.panel import Choice, ElidedLabel, Panel, set_text, shown
from rtemo.dashboard.scalp import ScalpPanel
from rtemo.dashboard.shortcuts import HelpOverlay, bind, space
from rtemo.dashboard.signals import GAIN_STEP, SignalsPanel
from rtemo.dashboard.spectrum_panel import SpectrumPanel
from rtemo.dashboard.state import DashboardState, Link
from rtemo.dashboard.theme import LARGEST, SMALLEST, THEMES, ThemeName, style_sheet
from rtemo.dashboard.tiles import TilesPanel
from rtemo.dashboard.timeline import TimelinePanel

TITLE = "rtemo dashboard"
FLASH_S = 0.5
SIDE_PX, SIDE_MOST = 350, 0.36
"""Width of emotion and sensors, and the part of the window that it may be."""
SESSION_PX, SESSION_MOST = 230, 0.2
SCALE_STEP = 1.1
LINK_WORDS = {
    Link.LOOKING: "◌ looking for a session",
    Link.LIVE: "● live",
    Link.SILENT: "✕ SILENT",
    Link.ENDED: "■ ended",
}
NEWEST = "any, the newest first"
NOT_THERE = " (not there)"


@dataclass(frozen=True)
class Ports:
    """What a window does to the world, to be replaced by tests.

    Parameters
    ----------
    send : callable
        Takes a command, its text, and the token of the session that was shown; see `rtemo.dashboard.feed.Feed.send`.
    choose : callable
        Takes the name of a session to watch, or None.
    beep : callable
    confirm : callable
        Asks before a reset.
    heard : callable
        Tells whether the session of a token listens to this dashboard.
    ask_path : callable
        Asks where a file is to go, given a title and a name; empty where nowhere.
    """

    send: Callable[[str, str, str], None]
    choose: Callable[[str | None], None] = lambda session: None
    beep: Callable[[], None] = QApplication.beep
    confirm: Callable[[QWidget], bool] = ask_reset
    heard: Callable[[str], bool] = lambda token: True
    ask_path: Callable[[QWidget, str, str], str] = lambda parent, title, name: QFileDialog.getSaveFileName(
        parent, title, name
    )[0]


class DashboardWindow(QMainWindow):
    """Shows a state.

    Parameters
    ----------
    state : DashboardState
    ports : Ports
    theme : {"dark", "light"}
    scale : float
        Of all writing.
    clock : callable
        Seconds of any clock: for what blinks and beeps.
    session : str, optional
        The one that is watched; the newest if not given.
    budget_s : float
        A frame that has taken so long leaves other panels for the next; emotion and sensors are in every frame.
    """

    def __init__(
        self,
        state: DashboardState,
        ports: Ports,
        *,
        theme: ThemeName = "dark",
        scale: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        session: str | None = None,
        budget_s: float = math.inf,
    ) -> None:
        super().__init__()
        self.budget_s = budget_s
        self.state, self._ports, self._clock = state, ports, clock
        self.theme, self.scale = THEMES[theme], scale
        self._drawn = ""
        """Token of the session in the newest frame."""
        self.heard = False
        """Whether that session listens to this dashboard."""
        self.setWindowTitle(TITLE)
        self.emotion = EmotionPanel(self.theme)
        self.tiles = TilesPanel(self.theme)
        self.timeline = TimelinePanel(self.theme)
        self.signals = SignalsPanel(self.theme)
        self.scalp = ScalpPanel(self.theme)
        self.spectrum = SpectrumPanel(self.theme)
        self.gaze = GazePanel(self.theme)
        self.adaptation = AdaptationPanel(
            self.theme, lambda work: self._send(work, ""), self._confirm, lambda: self.heard
        )
        self.events = EventLogPanel(self.theme)
        self.annotations = AnnotationBar(lambda text: self._send("annotate", text), clock=clock)
        self.alarms = AlarmBar(ports.beep)
        self.panels: tuple[Panel, ...] = (
            self.emotion,
            self.tiles,
            self.timeline,
            self.signals,
            self.scalp,
            self.spectrum,
            self.gaze,
            self.adaptation,
            self.events,
        )
        self._at_once, self._in_turn = self.panels[:2], self.panels[2:]
        self._turn = 0
        self._offered: list[tuple[str, bool]] = []
        self._lay_out()
        self._offer(() if session is None else (session,), session)
        self.help = HelpOverlay(self)
        self._bind()
        self.apply_theme()
        self.resize(1280, 800)
        # Nothing has the keyboard at first: a key that is meant for the window shall not choose another session.
        self.setFocus()

    def draw(self) -> None:
        """Draw one frame: panels that can be seen, where something has changed."""
        state = self.state
        state.tick()
        token = "" if state.layout is None else state.layout.token
        # Nothing of one session may stand beside the name of another, however long that frame takes.
        budget_s = self.budget_s if token == self._drawn else math.inf
        self._drawn = token
        self._heading()
        unheard = self.alarms.refresh(state, self._clock())
        flash = unheard and int(self._clock() / FLASH_S) % 2 == 0
        first = next((alarm.text for alarm in state.alarms.active if not alarm.acknowledged), "")
        title = f"!! {first} - {TITLE}" if flash else TITLE
        if self.windowTitle() != title:
            self.setWindowTitle(title)
        self.heard = state.link is Link.LIVE and self._ports.heard(self._drawn)
        self.annotations.refresh(state, self.heard)
        self.adaptation.decide(state)
        for panel in self._at_once:
            panel.refresh(state)
        began_s = time.perf_counter()
        turns = len(self._in_turn)
        for number in range(turns):
            each = self._in_turn[(self._turn + number) % turns]
            if each.isVisible():
                each.refresh(state)
                if time.perf_counter() - began_s > budget_s:
                    # The others' turn comes first in the next frame.
                    self._turn = (self._turn + number + 1) % turns
                    break

    def apply_theme(self) -> None:
        """Put colours and sizes in force."""
        self.setStyleSheet(style_sheet(self.theme, self.scale))
        for panel in self.panels:
            panel.set_theme(self.theme, self.scale)
        self.annotations.fit()
        self._fit()

    def _fit(self) -> None:
        """Leave the plots most of the window, however large the letters are."""
        self.side.setFixedWidth(round(min(SIDE_PX * max(0.9, self.scale), SIDE_MOST * self.width())))
        self.sessions.setFixedWidth(round(min(SESSION_PX * max(0.9, self.scale), SESSION_MOST * self.width())))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Divide the room anew."""
        super().resizeEvent(event)
        self._fit()
        if self.help.isVisible():
            self.help.place()

    def toggle_theme(self) -> None:
        """Dark, or light."""
        self.theme = THEMES["light" if self.theme.name == "dark" else "dark"]
        self.apply_theme()

    def rescale(self, factor: float) -> None:
        """Larger or smaller letters."""
        self.scale = min(max(self.scale * factor, SMALLEST), LARGEST)
        self.apply_theme()

    def screenshot(self, path: str = "") -> str:
        """Save the window as a PNG; asks where, if it is not said. Gives the path; empty where nothing was saved."""
        path = path or self._ports.ask_path(self, "Screenshot", f"{self._file_name()}.png")
        if path and not self.grab().save(path, "PNG"):
            set_text(self.note, f"cannot be written: {shown(path, 80)}")
            return ""
        if path:
            set_text(self.note, f"screenshot -> {shown(path, 80)}")
        return path

    def export(self, path: str = "") -> str:
        """Save what the timeline shows as CSV; asks where, if it is not said. Gives the path."""
        path = path or self._ports.ask_path(self, "Export what is seen", f"{self._file_name()}.csv")
        if not path:
            return ""
        try:
            rows = write_csv(path, self.state, *self.timeline.visible_range)
        except OSError as error:
            set_text(self.note, f"cannot be written: {shown(path, 60)} ({error.strerror})")
            return ""
        set_text(self.note, f"{rows} windows -> {shown(path, 80)}")
        return path

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """Close: the session does not notice."""
        self.help.hide()
        self.scalp.close_pool()
        super().closeEvent(event)

    def blank(self) -> None:
        """Show nothing, and obey no key: what is drawn no more must not be taken for what is so now."""
        for shortcut in self.keys.values():
            shortcut.setEnabled(False)
        self.help.hide()
        self._whole.hide()
        self.setWindowTitle(f"FAILED - {TITLE}")

    def _send(self, command: str, text: str) -> None:
        """Ask for something of the session that is in the newest frame: of another one, nothing was seen yet."""
        self._ports.send(command, text, self._drawn)

    def _confirm(self, parent: QWidget) -> bool:
        """Ask before a reset; what was meant for the session that was shown then is meant for no other one."""
        meant = self._drawn
        if not self._ports.confirm(parent):
            return False
        layout = self.state.layout
        same = layout is not None and layout.token == meant == self._drawn
        if not same:
            set_text(self.note, "nothing was reset: another session is shown now")
        return same

    def _file_name(self) -> str:
        session = "no-session" if self.state.layout is None else self.state.layout.session
        kept = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in session)[:80]
        return f"{kept}-{datetime.datetime.now():%H%M%S}"

    def _lay_out(self) -> None:
        self.link = ElidedLabel("", "strong")
        self.note = ElidedLabel("", "muted")
        self.sessions = Choice("Session")
        self.sessions.activated.connect(lambda _: self._ports.choose(self.sessions.currentData()))
        top = QHBoxLayout()
        top.addWidget(self.link)
        top.addWidget(self.note, 1)
        top.addWidget(self.sessions)
        for text, tip, work in (
            ("Screenshot", "Save the window as PNG (Ctrl+S)", lambda: self.screenshot()),
            ("Export", "Save what is seen over time as CSV (Ctrl+E)", lambda: self.export()),
            ("?", "Keys (?)", lambda: self.help.toggle()),
        ):
            button = QPushButton(text)
            button.setToolTip(tip)
            button.clicked.connect(lambda _=False, work=work: work())
            top.addWidget(button)
        self.side = QWidget()
        side = QVBoxLayout(self.side)
        side.setContentsMargins(0, 0, 0, 0)
        side.addWidget(self.emotion, 5)
        side.addWidget(self.tiles, 7)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.tabBar().setDrawBase(False)
        scalp = QSplitter(Qt.Orientation.Horizontal)
        scalp.addWidget(self.scalp)
        scalp.addWidget(self.spectrum)
        scalp.setStretchFactor(0, 2)
        scalp.setStretchFactor(1, 1)
        for panel, name in (
            (self.signals, "Signals"),
            (scalp, "Scalp and spectrum"),
            (self.gaze, "Gaze"),
            (self.adaptation, "Adaptation"),
            (self.events, "Events"),
        ):
            self.tabs.addTab(panel, name)
        main = QSplitter(Qt.Orientation.Vertical)
        main.addWidget(self.timeline)
        main.addWidget(self.tabs)
        main.setStretchFactor(0, 5)
        main.setStretchFactor(1, 4)
        main.setChildrenCollapsible(False)
        middle = QHBoxLayout()
        middle.addWidget(self.side)
        middle.addWidget(main, 1)
        self._whole = QWidget()
        rows = QVBoxLayout(self._whole)
        rows.setContentsMargins(8, 6, 8, 8)
        rows.setSpacing(6)
        rows.addLayout(top)
        rows.addWidget(self.alarms)
        rows.addLayout(middle, 1)
        rows.addWidget(self.annotations.warning)
        rows.addWidget(self.annotations)
        self.setCentralWidget(self._whole)
        self.setMinimumSize(1024, 640)
        self.alarms.acknowledge.clicked.connect(lambda _=False: self.state.alarms.acknowledge())

    def _bind(self) -> None:
        timeline, signals = self.timeline, self.signals
        actions: dict[str, Callable[[], object]] = {
            "N": self.annotations.line.setFocus,
            "Esc": self._leave,
            "A": self.state.alarms.acknowledge,
            "M": self.alarms.mute.toggle,
            "Space": space(lambda: timeline.follow(not timeline.following)),
            "Left": lambda: timeline.pan(-0.25),
            "Right": lambda: timeline.pan(0.25),
            "Ctrl+Up": lambda: timeline.zoom(0.5),
            "Ctrl+Down": lambda: timeline.zoom(2.0),
            "PgUp": lambda: signals.turn(-1),
            "PgDown": lambda: signals.turn(1),
            "+": lambda: signals.change_gain(GAIN_STEP),
            "-": lambda: signals.change_gain(1 / GAIN_STEP),
            "Ctrl+P": self.adaptation.toggle,
            "Ctrl+R": self.adaptation.ask_reset,
            "Ctrl+F": self._filter,
            "Ctrl+S": self.screenshot,
            "Ctrl+E": self.export,
            "T": self.toggle_theme,
            "Ctrl++": lambda: self.rescale(SCALE_STEP),
            "Ctrl+=": lambda: self.rescale(SCALE_STEP),
            "Ctrl+-": lambda: self.rescale(1 / SCALE_STEP),
            "F11": lambda: self.showNormal() if self.isFullScreen() else self.showFullScreen(),
            "?": self.help.toggle,
        }
        for number, text in enumerate(self.annotations.presets, start=1):
            actions[f"F{number}"] = partial(self.annotations.annotate, text)
        for number in range(self.tabs.count()):
            actions[f"Alt+{number + 1}"] = partial(self.tabs.setCurrentIndex, number)
        self.keys = bind(self, actions)
        for kind in (QAbstractButton, QComboBox):
            for control in self.findChildren(kind):
                # One that was clicked does not keep the keyboard, or the space bar would press it again.
                control.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        for plot in self.findChildren(pg.GraphicsView):
            plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def _leave(self) -> None:
        """Leave what is written in, or the help."""
        self.help.hide()
        self.setFocus()

    def _filter(self) -> None:
        self.tabs.setCurrentWidget(self.events)
        self.events.filter.setFocus()

    def _heading(self) -> None:
        state = self.state
        words = [LINK_WORDS[state.link]]
        if self.alarms.muted:
            words.append("🔇 muted (M)")
        if state.layout is not None:
            words.append(f"{shown(state.layout.session, 60)} on {shown(state.layout.hostname, 24)}")
        if state.status is not None:
            status = state.status
            minutes, seconds = divmod(int(status.elapsed_s), 60)
            words.append(f"{minutes}:{seconds:02d}")
            words.append(f"{status.predicted} windows" + (f", {status.skipped} skipped" if status.skipped else ""))
            if status.age_p99_s is not None:
                words.append(f"age p99 {1000 * status.age_p99_s:.0f} ms")
        set_text(self.link, "    ".join(words))
        self._offer(state.sessions, self.sessions.currentData())

    def _offer(self, there: Sequence[str], chosen: str | None) -> None:
        """Keep the list of sessions as the network is; the one that was chosen stays in it, for it is waited for."""
        offered = [(name, True) for name in there]
        if chosen is not None and chosen not in there:
            offered.append((chosen, False))
        if offered == self._offered and self.sessions.count():
            return
        self._offered = offered
        self.sessions.clear()
        self.sessions.addItem(NEWEST, None)
        for name, is_there in offered:
            self.sessions.addItem(shown(name, 60) + ("" if is_there else NOT_THERE), name)
        self.sessions.setCurrentIndex(max(self.sessions.findData(chosen), 0))
