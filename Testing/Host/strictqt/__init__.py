"""The module `qt` as PythonQt shows it, made of PySide6 classes that refuse what PythonQt refuses.

PySide6 forgives much that fails in Slicer: `label.text()`, attributes invented on foreign objects, enum
values by their scope, keyword arguments, signals as `clicked[bool]`. The classes are the real ones; this
package changes, on each class, how attributes are read and written. Every rule has a file of its own:

- classes.py    properties are values; no new attributes; arguments that PythonQt cannot convert
- enums.py      short names only, and like integers
- signals.py    connect() by signature or by name, arguments trimmed as PythonQt does, exceptions recorded
- dialogs.py    exec_(), and modal dialogs that only a test may answer
- special.py    QTimer.singleShot, QSettings, QProcess
- ui_files.py   QUiLoader with the widgets of CTK and Slicer, checking what the file says

The changes hold for the whole process and cannot be taken back.
"""

from .module import make_qt

__all__ = ["make_qt"]
