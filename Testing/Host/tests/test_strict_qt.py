"""What PythonQt refuses is refused; each test is a misuse that PySide6 alone would let pass."""

from __future__ import annotations

import functools
import threading
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def qt(host):
    import qt

    return qt


class TestProperties:
    def test_a_property_is_the_value_and_cannot_be_called(self, qt):
        button = qt.QPushButton("Apply")
        assert button.text == "Apply"
        with pytest.raises(TypeError, match="not callable"):
            button.text()

    def test_values_are_set_by_property_and_by_setter_and_read_by_is(self, qt):
        box = qt.QCheckBox()
        box.checked = True
        assert box.isChecked()
        box.setChecked(False)
        assert not box.checked

    def test_a_property_that_cannot_be_written_raises(self, qt):
        with pytest.raises(AttributeError, match="cannot be written"):
            qt.QWidget().width = 3

    def test_a_property_does_not_take_a_value_of_another_type(self, qt):
        with pytest.raises(TypeError):
            qt.QSpinBox().value = "three"

    @pytest.mark.parametrize("name", ["foo", "txet", "clicked", "setText"])
    def test_a_foreign_object_takes_no_new_attribute(self, qt, name):
        with pytest.raises(AttributeError, match="takes no new ones"):
            setattr(qt.QPushButton(), name, 1)

    def test_a_value_object_takes_no_new_attribute(self, qt):
        with pytest.raises(AttributeError, match="takes no new ones"):
            qt.QTableWidgetItem("a").mark = 1

    def test_a_class_of_ones_own_keeps_state(self, qt):
        class Own(qt.QWidget):
            def __init__(self):
                super().__init__()
                self.state = 3

            def sizeHint(self):
                return qt.QSize(123, 45)

        own = Own()
        own.adjustSize()
        assert own.state == 3
        assert own.width == 123  # Qt calls the override

    def test_the_object_name_has_a_second_name(self, qt):
        label = qt.QLabel()
        label.name = "first"
        assert label.objectName == "first"
        assert label.className() == "QLabel"

    def test_methods_of_items_that_are_no_objects_stay_methods(self, qt):
        assert qt.QTableWidgetItem("a").text() == "a"

    @pytest.mark.filterwarnings("ignore:Function.*deprecated:DeprecationWarning")
    def test_every_property_of_every_widget_can_be_read(self, qt):
        read = 0
        for name, cls in vars(qt).items():
            # QInputMethod and graphics objects cannot be made alone; rhi and OpenGL widgets need a screen.
            if not isinstance(cls, type) or not issubclass(cls, qt.QWidget) or "Rhi" in name:
                continue
            try:
                widget = cls()
            except (TypeError, NotImplementedError):
                continue
            meta = cls.staticMetaObject
            for index in range(meta.propertyCount()):
                getattr(widget, meta.property(index).name())
                read += 1
        assert read > 4000


class TestSignals:
    def test_an_unknown_signal_raises(self, qt):
        with pytest.raises(AttributeError, match=r'no signal "clickd\(\)"'):
            qt.QPushButton().connect("clickd()", print)

    def test_a_signal_needs_its_signature(self, qt):
        with pytest.raises(AttributeError, match="needs the signature"):
            qt.QPushButton().connect("clicked", print)

    def test_a_signature_of_the_other_qt_raises(self, qt):
        with pytest.raises(AttributeError, match="no signal"):
            qt.QComboBox().connect("currentIndexChanged(QString)", print)  # Qt 5 only
        with pytest.raises(AttributeError, match=r"Qt 5\.15"):
            qt.QCheckBox().checkStateChanged  # noqa: B018  (Qt 6 only)

    def test_overloads_by_index_do_not_exist(self, qt):
        with pytest.raises(TypeError, match="connect"):
            qt.QPushButton().clicked[bool]

    def test_a_plain_function_gets_only_what_it_names(self, qt):
        seen = []
        button = qt.QPushButton()
        button.connect("clicked(bool)", lambda: seen.append("none"))
        button.connect("clicked(bool)", lambda checked: seen.append(checked))
        button.connect("clicked()", lambda: seen.append("nothing sent"))
        button.click()
        assert seen == ["none", False, "nothing sent"]

    def test_a_default_argument_is_overwritten_by_the_signal(self, qt):
        seen = []
        button = qt.QPushButton()
        button.connect("clicked(bool)", lambda name="kept": seen.append(name))
        button.click()
        assert seen == [False]

    def test_an_argument_that_is_not_sent_is_a_problem(self, host, qt):
        button = qt.QPushButton()
        button.connect("clicked()", lambda checked: None)
        button.click()
        with pytest.raises(AssertionError, match="missing 1 required positional argument"):
            host.check()

    @pytest.mark.parametrize("kind", ["partial", "object", "decorated"])
    def test_anything_but_plain_functions_gets_all_arguments(self, host, qt, kind):
        def plain():
            pass

        class Callable:
            def __call__(self):
                pass

        @functools.wraps(plain)
        def decorated(*arguments):
            return plain(*arguments)

        receiver = {"partial": functools.partial(plain), "object": Callable(), "decorated": decorated}[kind]
        button = qt.QPushButton()
        button.connect("clicked(bool)", receiver)
        with host.expect_problem("positional argument"):
            button.click()

    def test_an_exception_in_a_slot_is_printed_and_the_next_slot_runs(self, host, qt, capsys):
        seen = []
        button = qt.QPushButton()
        button.connect("clicked()", lambda: 1 / 0)
        button.connect("clicked()", lambda: seen.append(1))
        button.click()
        assert seen == [1]
        assert "ZeroDivisionError" in capsys.readouterr().err
        with pytest.raises(AssertionError, match="ZeroDivisionError"):
            host.check()

    def test_what_is_disconnected_is_not_called(self, qt):
        seen = []
        button = qt.QPushButton()

        def slot():
            seen.append(1)

        button.connect("clicked()", slot)
        assert button.disconnect("clicked()", slot)
        assert not button.disconnect("clicked()", slot)
        button.click()
        assert seen == []

    def test_a_signal_can_be_connected_to_a_slot_by_name(self, qt):
        button, box = qt.QPushButton(), qt.QCheckBox()
        button.connect("clicked()", box, "toggle()")
        button.click()
        assert box.checked


class TestEnums:
    def test_values_have_short_names_only(self, qt):
        assert qt.Qt.AlignCenter == 132
        with pytest.raises(AttributeError, match=r"write qt\.Qt\.AlignCenter"):
            qt.Qt.AlignmentFlag.AlignCenter  # noqa: B018
        with pytest.raises(AttributeError, match=r"write qt\.QMessageBox\.Yes"):
            qt.QMessageBox.StandardButton.Yes  # noqa: B018

    def test_values_are_like_integers(self, qt):
        assert int(qt.Qt.AlignLeft | qt.Qt.AlignTop) == 0x21
        assert qt.QMessageBox.Yes == 16384
        assert qt.Qt.UserRole + 1 == 257
        label = qt.QLabel()
        label.alignment = qt.Qt.AlignRight
        assert label.alignment & qt.Qt.AlignRight

    def test_toggled_and_checked_need_no_enum(self, qt):
        seen = []
        box = qt.QCheckBox()
        box.connect("toggled(bool)", seen.append)
        box.checked = True
        assert seen == [True]


class TestTimers:
    def test_single_shot_takes_something_to_call(self, host, qt):
        seen = []
        qt.QTimer.singleShot(0, lambda: seen.append(1))
        host.wait_until(lambda: seen)

    def test_single_shot_with_a_slot_by_name_fails(self, qt):
        with pytest.raises(TypeError):
            qt.QTimer.singleShot(0, qt.QLabel(), "hide()")

    def test_single_shot_works_on_the_main_thread_only(self, host, qt):
        errors = in_thread(lambda: qt.QTimer.singleShot(0, lambda: None))
        assert "outside the main thread" in str(errors[0])

    def test_what_a_timer_calls_may_fail(self, host, qt):
        with host.expect_problem("ZeroDivisionError"):
            qt.QTimer.singleShot(0, lambda: 1 / 0)
            host.wait(0.02)

    def test_widgets_live_on_the_main_thread_only(self, qt):
        label = qt.QLabel()
        assert "outside the main thread" in str(in_thread(lambda: label.setText("x"))[0])


class TestArguments:
    @pytest.mark.parametrize("value", [np.int64(3), np.float32(3), np.bool_(True), np.ones(1)])
    def test_numpy_scalars_are_not_converted(self, qt, value):
        with pytest.raises(TypeError, match="numpy"):
            qt.QDoubleSpinBox().setValue(value)
        with pytest.raises(TypeError, match="numpy"):
            qt.QDoubleSpinBox().value = value
        with pytest.raises(TypeError, match="numpy"):
            qt.QColor(value, 0, 0)

    def test_a_float_of_numpy_is_a_float(self, qt):
        box = qt.QDoubleSpinBox()
        box.setValue(np.float64(2.5))
        assert box.value == 2.5

    def test_a_path_is_no_text(self, qt):
        with pytest.raises(TypeError, match="Path"):
            qt.QLabel().setText(Path("a"))
        with pytest.raises(TypeError, match="Path"):
            qt.QLineEdit().text = Path("a")
        with pytest.raises(TypeError, match="Path"):
            qt.QComboBox().addItems([Path("a")])

    def test_there_are_no_keyword_arguments(self, qt):
        with pytest.raises(TypeError, match="keyword"):
            qt.QLabel(text="x")
        with pytest.raises(TypeError, match="keyword"):
            qt.QVBoxLayout().addWidget(qt.QLabel(), stretch=1)


class TestSettings:
    def test_booleans_and_numbers_come_back_as_text(self, qt):
        settings = qt.QSettings()
        settings.setValue("StrokeSynth/on", False)
        settings.setValue("StrokeSynth/count", 3)
        assert settings.value("StrokeSynth/on") == "false"  # true, if it is taken for a boolean
        assert settings.value("StrokeSynth/count") == "3"
        assert settings.value("StrokeSynth/absent", 7) == 7

    def test_settings_value_converts(self, qt):
        import slicer

        qt.QSettings().setValue("StrokeSynth/on", False)
        assert slicer.util.settingsValue("StrokeSynth/on", True, converter=slicer.util.toBool) is False

    def test_a_new_application_has_no_settings(self, qt):
        assert not qt.QSettings().contains("StrokeSynth/on")


class TestProcesses:
    def test_output_is_cut_within_lines_and_comes_whole_in_the_end(self, host, qt):
        pieces, ended = [], []
        process = qt.QProcess()

        def read():
            pieces.append(bytes(process.readAllStandardOutput().data()))

        process.connect("readyReadStandardOutput()", read)
        process.connect("finished(int,QProcess::ExitStatus)", lambda code: (read(), ended.append(code)))
        process.start("sh", ["-c", "echo first; sleep 0.2; echo second"])
        host.wait_until(lambda: ended)
        assert b"".join(pieces) == b"first\nsecond\n"
        assert len(pieces) > 3
        assert not all(piece.endswith(b"\n") for piece in pieces if piece)


class TestDialogs:
    def test_exec_has_an_underscore(self, qt):
        with pytest.raises(AttributeError, match="exec_"):
            qt.QDialog().exec  # noqa: B018

    def test_a_dialog_that_nobody_answers_is_a_problem_and_does_not_wait(self, host, qt):
        with host.expect_problem("a modal dialog that the test does not answer: QMessageBox"):
            box = qt.QMessageBox()
            box.text = "Really?"
            assert not box.exec_()

    def test_a_dialog_is_answered(self, host, qt):
        import slicer

        host.answer(qt.QMessageBox.Yes, "Really")
        assert slicer.util.confirmYesNoDisplay("Really?")
        host.answer("/data/dwi.nii.gz", "Open the DWI")
        assert qt.QFileDialog.getOpenFileName(None, "Open the DWI", "/data") == "/data/dwi.nii.gz"

    def test_an_answer_may_act_in_the_dialog(self, host, qt):
        dialog = qt.QInputDialog()
        host.answer(lambda shown: shown.setTextValue("typed") or 1)
        assert dialog.exec_() == qt.QDialog.Accepted
        assert dialog.textValue() == "typed"

    def test_an_answer_to_a_dialog_that_never_comes_is_a_problem(self, host):
        host.answer(1, "Delete everything?")
        with pytest.raises(AssertionError, match="Delete everything"):
            host.end()

    def test_testing_mode_is_as_in_slicer(self, host):
        import slicer

        slicer.app.__dict__["_testing"] = True
        assert slicer.util.confirmYesNoDisplay("Really?") is False
        with pytest.raises(ValueError, match="wrong"), slicer.util.tryWithErrorDisplay("Failed."):
            raise ValueError("wrong")


def in_thread(function):
    errors = []

    def run():
        try:
            function()
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return errors
