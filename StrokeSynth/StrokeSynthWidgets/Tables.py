"""Tables on the panel: filled from columns or from table nodes, copied, saved."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import qt

from StrokeSynthLib.files import replacing

Columns = Mapping[str, Sequence[str]]
_ROW_HEIGHT = 22


def fillTable(widget: Any, columns: Columns) -> None:
    """Show columns in a QTableWidget."""
    rows = max((len(values) for values in columns.values()), default=0)
    widget.clear()
    widget.setColumnCount(len(columns))
    widget.setRowCount(rows)
    widget.setHorizontalHeaderLabels(list(columns))
    for column, values in enumerate(columns.values()):
        for row, value in enumerate(values):
            item = qt.QTableWidgetItem(value)
            item.setToolTip(value)
            widget.setItem(row, column, item)
    widget.verticalHeader().setVisible(False)
    widget.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
    # Off and on again: a header that was stretched before its columns came does not stretch them.
    widget.horizontalHeader().setStretchLastSection(False)
    widget.resizeColumnsToContents()
    widget.horizontalHeader().setStretchLastSection(True)


def columnsOfNode(node: Any) -> dict[str, list[str]]:
    """The columns of a vtkMRMLTableNode; none for None."""
    if node is None or node.GetTable() is None:
        return {}
    table = node.GetTable()
    return {
        table.GetColumnName(column): [
            table.GetValue(row, column).ToString() for row in range(table.GetNumberOfRows())
        ]
        for column in range(table.GetNumberOfColumns())
    }


def tableText(*tables: Columns) -> str:
    """Tables as spreadsheets take them from the clipboard, a blank line between tables."""
    return "\n".join(_written(columns, "\t") for columns in tables if columns)


def saveCsv(path: Path, columns: Columns) -> None:
    """Write a table as CSV; BadInputError when that cannot be done."""
    with replacing(path) as temporary:
        temporary.write_text(_written(columns, ","), encoding="utf-8", newline="")


def _written(columns: Columns, delimiter: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(list(columns))
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()
