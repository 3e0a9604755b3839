"""The stand-ins for CTK's and Slicer's widgets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from .scene_builders import bright_ball


@pytest.fixture
def slicer(host):
    import slicer

    return slicer


def selector(slicer, **settings):
    widget = slicer.qMRMLNodeComboBox()
    widget.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    for name, value in settings.items():
        setattr(widget, name, value)
    widget.setMRMLScene(slicer.mrmlScene)
    widget.show()
    return widget


class TestNodeSelector:
    def test_it_cannot_be_used_without_a_scene(self, host, slicer):
        widget = slicer.qMRMLNodeComboBox()
        widget.nodeTypes = ["vtkMRMLScalarVolumeNode"]
        bright_ball()
        assert widget.nodeCount() == 0

    def test_the_first_node_is_chosen_unless_none_is_allowed(self, slicer):
        first, optional = selector(slicer), selector(slicer, noneEnabled=True)
        volume = bright_ball()
        assert first.currentNode() is volume
        assert optional.currentNode() is None

    def test_only_fitting_nodes_are_offered(self, host, slicer):
        volume = bright_ball()
        labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
        slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", "text")
        hidden = bright_ball("hidden")
        hidden.HideFromEditorsOn()
        widget = selector(slicer)
        assert {widget.nodeFromIndex(i) for i in range(widget.nodeCount())} == {volume, labels}
        widget.showChildNodeTypes = False
        assert widget.nodeCount() == 1
        with pytest.raises(AssertionError, match="does not offer labels"):
            host.choose(widget, labels)

    def test_nodes_can_be_filtered_by_attribute(self, slicer):
        volume = bright_ball()
        widget = selector(slicer)
        widget.addAttribute("vtkMRMLScalarVolumeNode", "StrokeSynth.Synthetic", "1")
        assert widget.nodeCount() == 0
        synthetic = bright_ball("synthetic")
        synthetic.SetAttribute("StrokeSynth.Synthetic", "1")
        widget.removeAttribute("vtkMRMLScalarVolumeNode", "no")
        assert widget.nodeFromIndex(0) is synthetic
        assert volume is not synthetic

    def test_signals_carry_the_node(self, host, slicer):
        seen = []
        widget = selector(slicer, noneEnabled=True)
        widget.connect("currentNodeChanged(vtkMRMLNode*)", seen.append)
        widget.connect("currentNodeChanged(bool)", seen.append)
        volume = bright_ball()
        host.choose(widget, volume)
        assert seen == [volume, True]
        slicer.mrmlScene.RemoveNode(volume)
        assert seen[2:] == [None, False]

    def test_a_new_name_is_shown(self, slicer):
        widget = selector(slicer)
        bright_ball().SetName("renamed")
        assert widget.__dict__["_box"].currentText == "renamed"

    def test_a_node_of_another_class_is_not_taken(self, slicer):
        widget = selector(slicer, noneEnabled=True)
        widget.setCurrentNode(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode"))
        assert widget.currentNode() is None
        with pytest.raises(TypeError, match="vtkMRMLNode"):
            widget.setCurrentNode(3)

    def test_setters_that_are_no_slots_do_not_exist(self, slicer):
        with pytest.raises(AttributeError):
            selector(slicer).setNoneEnabled(True)

    def test_properties_take_their_type_only(self, slicer):
        with pytest.raises(TypeError, match="noneEnabled takes bool"):
            selector(slicer).noneEnabled = "yes"
        with pytest.raises(TypeError, match="nodeTypes takes list"):
            selector(slicer).nodeTypes = "vtkMRMLScalarVolumeNode"


class TestCTK:
    def test_a_collapsed_section_hides_its_children(self, host, slicer):
        import ctk
        import qt

        section = ctk.ctkCollapsibleButton()
        section.text = "Case"
        line, hidden = qt.QLineEdit(), qt.QLineEdit()
        layout = qt.QVBoxLayout(section)
        for widget in (line, hidden):
            layout.addWidget(widget)
        hidden.setVisible(False)
        section.show()
        section.collapsed = True
        with pytest.raises(AssertionError, match="cannot be seen"):
            host.type(line, "x")
        host.toggle(section)
        host.type(line, "x")
        assert not hidden.isVisible()

    def test_a_slider_holds_its_limits(self, host, slicer):
        import ctk

        slider = ctk.ctkSliderWidget()
        slider.minimum, slider.maximum, slider.decimals = 1.0, 5.0, 1
        seen = []
        slider.connect("valueChanged(double)", seen.append)
        slider.value = 9
        assert slider.value == 5.0
        slider.show()
        host.type(slider, "2.5")
        assert seen[-1] == 2.5

    def test_paths_are_asked_for(self, host, slicer):
        import ctk

        line = ctk.ctkPathLineEdit()
        line.filters = ctk.ctkPathLineEdit.Dirs
        host.answer("/data", "getExistingDirectory")
        line.browse()
        assert line.currentPath == "/data"
        with pytest.raises(TypeError, match="Path"):
            line.currentPath = Path("/data")

    def test_a_directory_button_tells_when_its_folder_changes(self, host, slicer):
        import ctk

        button = ctk.ctkDirectoryButton()
        seen = []
        button.connect("directoryChanged(QString)", seen.append)
        button.directory = "/data"
        button.directory = "/data"
        assert seen == ["/data"]


class TestUiFiles:
    @staticmethod
    def load(folder: Path, body: str, connections: str = ""):
        import slicer

        path = folder / "panel.ui"
        path.write_text(
            '<ui version="4.0"><class>Panel</class><widget class="qMRMLWidget" name="Panel">'
            f'<layout class="QVBoxLayout" name="box">{body}</layout></widget>'
            f"<connections>{connections}</connections></ui>"
        )
        return slicer.util.loadUI(str(path))

    def test_widgets_and_their_properties_arrive(self, host, tmp_path):
        import slicer

        widget = self.load(
            tmp_path,
            '<item><widget class="ctkSliderWidget" name="size"><property name="maximum"><double>7.0</double>'
            '</property><property name="SlicerParameterName" stdset="0"><string>size</string></property>'
            "</widget></item>",
        )
        ui = slicer.util.childWidgetVariables(widget)
        assert ui.size.maximum == 7.0
        assert ui.size.property("SlicerParameterName") == "size"

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ('<item><widget class="ctkSlider" name="a"/></item>', "unknown widget class ctkSlider"),
            (
                '<item><widget class="QLabel" name="a"><property name="txet"><string>x</string></property>'
                "</widget></item>",
                "QLabel has no property txet",
            ),
            (
                2 * '<item><widget class="QLabel" name="a"/></item>',
                "two widgets are named a",
            ),
        ],
    )
    def test_mistakes_that_qt_passes_over_raise(self, host, tmp_path, body, message):
        with pytest.raises(ValueError, match=message):
            self.load(tmp_path, body)

    @pytest.mark.parametrize(
        ("signal", "slot"),
        [("toggled()", "clear()"), ("clicked()", "clearr()"), ("clicked()", "setTextt(QString)")],
    )
    def test_a_connection_to_nothing_raises(self, host, tmp_path, signal, slot):
        wire = (
            f"<connection><sender>go</sender><signal>{signal}</signal><receiver>line</receiver>"
            f"<slot>{slot}</slot></connection>"
        )
        body = (
            '<item><widget class="QPushButton" name="go"/></item>'
            '<item><widget class="QLineEdit" name="line"/></item>'
        )
        with pytest.raises((ValueError, AttributeError), match=r"not there|no signal"):
            self.load(tmp_path, body, wire)

    def test_connections_are_made(self, host, tmp_path):
        wire = (
            "<connection><sender>go</sender><signal>clicked()</signal><receiver>line</receiver>"
            "<slot>clear()</slot></connection>"
        )
        body = (
            '<item><widget class="QPushButton" name="go"/></item>'
            '<item><widget class="QLineEdit" name="line"/></item>'
        )
        import slicer

        widget = self.load(tmp_path, body, wire)
        ui = slicer.util.childWidgetVariables(widget)
        widget.show()
        ui.line.text = "x"
        host.click(ui.go)
        assert ui.line.text == ""


class TestTables:
    def test_a_table_node_is_shown_and_followed(self, host, slicer):
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")
        slicer.util.updateTableFromArray(node, [np.array([1.5, 2.5])], ["ml"])
        view = slicer.qMRMLTableView()
        view.setMRMLTableNode(node)
        assert view.model().index(1, 0).data() == "2.5"
        slicer.util.updateTableFromArray(node, [np.array([3.0])], ["ml"])
        assert view.model().rowCount() == 1
