"""Beside the timeline: the selected segment in figures, all segments in a table, and what is wrong."""

from __future__ import annotations

from typing import Any, Final

from PySide6.QtCore import QAbstractTableModel, QItemSelectionModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QTableView,
)

from calibration.editor.desk import Desk, Side
from calibration.labels.check import summary
from calibration.labels.track import MOST_S, NO_LABEL, seconds
from rtemo.dashboard.panel import Choice, ElidedLabel, Panel, plain_label, set_text, shown
from rtemo.dashboard.theme import Theme
from rtemo.labels import REQUIRED_COLUMNS
from rtemo.printable import printable

HEADERS: Final = ("", "start", "length", "label")
Index = QModelIndex | QPersistentModelIndex


class SegmentPanel(Panel):
    """The selected segment: edges, label, what is known of it.

    Attributes
    ----------
    changed : Signal
    """

    changed = Signal()

    def __init__(self, desk: Desk, theme: Theme) -> None:
        super().__init__("Segment", theme)
        self._desk, self._setting = desk, False
        grid = QGridLayout()
        self.edges: dict[Side, QDoubleSpinBox] = {}
        sides: tuple[Side, Side] = ("start", "stop")
        for row, side in enumerate(sides):
            spin = QDoubleSpinBox()
            spin.setRange(-MOST_S, MOST_S)
            spin.setDecimals(3)
            spin.setSuffix(" s")
            spin.setKeyboardTracking(False)
            spin.setAccessibleName(side)
            spin.valueChanged.connect(lambda value, side=side: self._set_edge(side, value))
            grid.addWidget(plain_label(side, "muted"), row, 0)
            grid.addWidget(spin, row, 1)
            self.edges[side] = spin
        self.labels = Choice("Label")
        self.labels.setEditable(desk.config is None)
        self.labels.activated.connect(lambda _: self._relabel())
        grid.addWidget(plain_label("label", "muted"), 2, 0)
        grid.addWidget(self.labels, 2, 1)
        grid.setColumnStretch(1, 1)
        self.body.addLayout(grid)
        self.details = plain_label("", "muted")
        self.details.setWordWrap(True)
        self.body.addWidget(self.details)
        row_of = QHBoxLayout()
        self.buttons: dict[str, QPushButton] = {}
        for name, tip, work in (
            ("Split", "Split at the cursor (S)", desk.split),
            ("Merge", "Merge with the next (M)", desk.merge),
            ("Delete", "Delete (Del)", desk.delete),
        ):
            button = QPushButton(name)
            button.setToolTip(tip)
            button.clicked.connect(lambda _, work=work: self._work(work))
            row_of.addWidget(button)
            self.buttons[name] = button
        self.body.addLayout(row_of)

    def show_segment(self) -> None:
        """Show what is selected now."""
        self._setting = True
        segment = self._desk.segment
        for side, spin in self.edges.items():
            spin.setEnabled(segment is not None)
            if segment is not None:
                value = segment.start_s if side == "start" else segment.stop_s
                if abs(spin.value() - value) > 5e-4:
                    spin.setValue(value)
        offered = ["", *self._desk.labels]
        if segment is not None and segment.label not in offered:
            offered.append(segment.label)
        if [self.labels.itemData(n) for n in range(self.labels.count())] != offered:
            self.labels.clear()
            for label in offered:
                self.labels.addItem(shown(label, 40) if label else "no label", label)
        label = self._desk.label if segment is None else segment.label
        self.labels.setCurrentIndex(offered.index(label) if label in offered else 0)
        if segment is None:
            set_text(self.title, "New segments")
            set_text(self.details, "Drag in the lane of labels, or press I and O at the cursor.")
        else:
            set_text(self.title, f"Segment {(self._desk.selected or 0) + 1} of {len(self._desk.track)}")
            known = [(name, text) for name, text in segment.cells.items() if name not in REQUIRED_COLUMNS]
            said = [
                f"{printable(name, 24)} {printable(text, 40)}" for name, text in known if text not in ("", NO_LABEL)
            ]
            set_text(self.details, "   ".join(said[:20]) or f"{segment.duration_s:.3f} s")
        self.buttons["Merge"].setEnabled(segment is not None)
        self.buttons["Delete"].setEnabled(segment is not None)
        self._setting = False

    def _set_edge(self, side: Side, value: float) -> None:
        if not self._setting:
            self._work(lambda: self._desk.set_edge(side, value))

    def _relabel(self) -> None:
        data = self.labels.currentData() if self.labels.currentIndex() >= 0 else None
        typed = self.labels.currentText()
        chosen = typed.strip()
        if isinstance(data, str) and typed == self.labels.itemText(self.labels.currentIndex()):
            # What is shown of a label may be cut, and of none it is two words.
            chosen = data
        self._work(lambda: self._desk.relabel(chosen))

    def _work(self, work: Any) -> None:
        work()
        self.changed.emit()


class SegmentModel(QAbstractTableModel):
    """All segments as rows."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self._shown = desk.history.track
        self._wrong: dict[int, bool] = {}
        self.colours: dict[str, QColor] = {}

    def follow(self) -> None:
        """Show the segments as they are now."""
        wrong: dict[int, bool] = {}
        for problem in self._desk.problems:
            for number in problem.segments:
                wrong[number] = wrong.get(number, False) or problem.error
        if self._shown is self._desk.history.track and wrong == self._wrong:
            return
        self.beginResetModel()
        self._shown, self._wrong = self._desk.history.track, wrong
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: N802, B008 - Qt's
        """Segments."""
        return 0 if parent.isValid() else len(self._shown)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: N802, B008 - Qt's
        """Number, start, length, label."""
        return 0 if parent.isValid() else len(HEADERS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:  # noqa: N802 - Qt's
        """Names of the columns."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return HEADERS[section]
        return None

    def data(self, index: Index, role: int = 0) -> Any:
        """A cell."""
        segment = self._shown.segments[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            wrong = self._wrong.get(index.row())
            mark = "" if wrong is None else " ✕" if wrong else " !"
            text = (
                f"{index.row() + 1}{mark}",
                f"{segment.start_s:.2f}",
                f"{segment.duration_s:.2f}",
                shown(segment.label or "no label", 40),
            )
            return text[index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() < 3:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.DecorationRole and index.column() == 3:
            return self.colours.get(segment.label)
        return None


class SegmentTable(Panel):
    """All segments; choosing one brings it into sight.

    Attributes
    ----------
    chosen : Signal of int
    """

    chosen = Signal(int)

    def __init__(self, desk: Desk, theme: Theme) -> None:
        super().__init__("Segments", theme)
        self._desk, self._setting = desk, False
        self.model = SegmentModel(desk)
        self.view = QTableView()
        self.view.setAccessibleName("Segments")
        self.view.setModel(self.model)
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.view.setShowGrid(False)
        self.view.verticalHeader().hide()
        self.view.setTabKeyNavigation(False)
        header = self.view.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(True)
        header.setHighlightSections(False)
        self.view.selectionModel().currentRowChanged.connect(lambda now, _: self._choose(now.row()))
        self.body.addWidget(self.view, 1)
        self.summary = ElidedLabel("", "muted")
        self.body.addWidget(self.summary)
        self.set_theme(theme)

    def set_theme(self, theme: Theme, scale: float = 1.0) -> None:
        """Change colours and sizes."""
        super().set_theme(theme, scale)
        self.view.setStyleSheet(
            f"QTableView {{ background: {theme.panel}; border: 0; selection-background-color: {theme.line};"
            f" selection-color: {theme.text}; }}"
            f"QHeaderView::section {{ background: {theme.panel}; color: {theme.muted}; border: 0; padding: 2px 6px; }}"
        )
        self.view.verticalHeader().setDefaultSectionSize(round(24 * scale))

    def show_segments(self, colours: dict[str, QColor]) -> None:
        """Show them as they are now."""
        self._setting = True
        self.model.colours = colours
        self.model.follow()
        selection = self.view.selectionModel()
        number = self._desk.selected
        if number is None:
            selection.clear()
        elif selection.currentIndex().row() != number:
            flags = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
            selection.setCurrentIndex(self.model.index(number, 0), flags)
            self.view.scrollTo(self.model.index(number, 0))
        total: dict[str, float] = {}
        for segment in self._desk.history.track.segments:
            name = segment.label or "no label"
            total[name] = total.get(name, 0.0) + segment.duration_s
        told = ", ".join(f"{shown(name, 20)} {seconds(round(value, 1))} s" for name, value in list(total.items())[:8])
        set_text(self.summary, told or "none yet")
        self._setting = False

    def _choose(self, number: int) -> None:
        if not self._setting and number >= 0:
            self.chosen.emit(number)


class ProblemList(Panel):
    """What is wrong; choosing one brings its segment into sight.

    Attributes
    ----------
    chosen : Signal of int
    """

    chosen = Signal(int)

    def __init__(self, desk: Desk, theme: Theme) -> None:
        super().__init__("Check", theme)
        self._desk = desk
        self._shown: tuple[object, ...] = ()
        self.list = QListWidget()
        self.list.setAccessibleName("Check")
        self.list.setWordWrap(True)
        self.list.itemClicked.connect(self._choose)
        self.list.itemActivated.connect(self._choose)
        self.body.addWidget(self.list, 1)
        self.set_theme(theme)

    def set_theme(self, theme: Theme, scale: float = 1.0) -> None:
        """Change colours and sizes."""
        super().set_theme(theme, scale)
        self._shown = ()
        self.list.setStyleSheet(f"QListWidget {{ background: {theme.panel}; border: 0; }}")

    def show_problems(self) -> None:
        """Show them as they are now."""
        problems = self._desk.problems
        if self._shown == (problems,):
            return
        self._shown = (problems,)
        set_text(self.title, f"Check: {summary(problems)}")
        self.list.clear()
        for problem in problems[:200]:
            item = QListWidgetItem(f"{'✕' if problem.error else '!'}  {printable(problem.text, 300)}")
            item.setForeground(QColor(self.theme.critical if problem.error else self.theme.warning))
            item.setData(Qt.ItemDataRole.UserRole, problem.segments[0] if problem.segments else -1)
            self.list.addItem(item)

    def _choose(self, item: QListWidgetItem) -> None:
        number = item.data(Qt.ItemDataRole.UserRole)
        if isinstance(number, int) and number >= 0:
            self.chosen.emit(number)
