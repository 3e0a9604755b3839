"""slicer.parameterNodeWrapper: types, defaults, limits, widgets, and the texts that lie in the node."""

# No `from __future__ import annotations`: the decorator must find names of a function, here as in Slicer.
import enum
import pathlib
import typing
from typing import Annotated

import pytest


class Fruit(enum.Enum):
    apple = 1
    pear = 2


@pytest.fixture
def wrapped(host):
    import slicer
    from slicer.parameterNodeWrapper import Choice, Default, WithinRange, parameterNodeWrapper

    @parameterNodeWrapper
    class Parameters:
        number: int
        share: Annotated[float, WithinRange(0, 1), Default(0.5)]
        on: bool = True
        text: str = "a"
        kind: Annotated[str, Choice(["x", "y"])] = "x"
        fruit: Fruit
        folder: pathlib.Path = pathlib.Path("/data")
        volume: slicer.vtkMRMLScalarVolumeNode
        seeds: list[int]
        range: tuple[float, float] = (0.0, 1.0)
        limit: typing.Optional[float] = None  # noqa: UP045  (Slicer does not take `float | None`)

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    return Parameters(node)


def test_members_start_with_their_defaults(wrapped):
    assert (wrapped.number, wrapped.share, wrapped.on, wrapped.text) == (0, 0.5, True, "a")
    assert (wrapped.fruit, wrapped.folder, wrapped.volume) == (Fruit.apple, pathlib.Path("/data"), None)
    assert (wrapped.seeds, wrapped.range, wrapped.limit) == ([], (0.0, 1.0), None)


def test_values_are_kept_as_slicer_keeps_them(wrapped):
    wrapped.number, wrapped.on, wrapped.fruit, wrapped.limit = 7, False, Fruit.pear, 2.5
    wrapped.seeds = [1, 2]
    node = wrapped.parameterNode
    expected = {
        "number": "7",
        "on": "False",
        "fruit": "pear",
        "limit_0": "2.5",
        "seeds_len": "2",
        "seeds_1": "2",
    }
    assert {name: node.GetParameter(name) for name in expected} == expected


def test_a_second_wrapper_of_the_node_reads_what_the_first_wrote(wrapped):
    wrapped.text = "kept"
    assert type(wrapped)(wrapped.parameterNode).text == "kept"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("number", 1.5),
        ("number", "1"),
        ("text", 3),
        ("on", 1),
        ("folder", "/data"),
        ("volume", 3),
        ("limit", "a"),
    ],
)
def test_other_types_are_refused(wrapped, name, value):
    with pytest.raises(TypeError):
        setattr(wrapped, name, value)


@pytest.mark.parametrize(("name", "value"), [("share", 1.5), ("kind", "z")])
def test_values_out_of_limits_are_refused(wrapped, name, value):
    with pytest.raises(ValueError, match="must be"):
        setattr(wrapped, name, value)


def test_a_list_writes_itself_when_it_changes(wrapped):
    wrapped.seeds.append(5)
    assert wrapped.parameterNode.GetParameter("seeds_0") == "5"


def test_a_node_that_leaves_the_scene_leaves_the_parameters(wrapped):
    import slicer

    wrapped.volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    assert wrapped.volume is not None
    slicer.mrmlScene.RemoveNode(wrapped.volume)
    assert wrapped.volume is None


def test_an_unknown_type_is_refused(host):
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    with pytest.raises(TypeError, match="not known"):

        @parameterNodeWrapper
        class _Parameters:
            limit: float | None = None


def test_a_member_cannot_have_the_name_of_a_method(host):
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    with pytest.raises(ValueError, match="reserved name"):

        @parameterNodeWrapper
        class _Parameters:
            Modified: int = 3


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("number", "QDoubleSpinBox"),
        ("share", "QSpinBox"),
        ("share", "QLineEdit"),
        ("text", "QPlainTextEdit"),
        ("text", "QComboBox"),
        ("on", "QToolButton"),
    ],
)
def test_a_widget_that_slicer_cannot_connect_is_refused(wrapped, name, make):
    import qt

    with pytest.raises(RuntimeError, match=r"GUI connector|Choice"):
        wrapped.connectParametersToGui({name: getattr(qt, make)()})


def test_a_slider_needs_limits(host):
    import ctk
    import slicer
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    @parameterNodeWrapper
    class Parameters:
        value: float

    parameters = Parameters(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))
    with pytest.raises(RuntimeError, match="unbounded"):
        parameters.connectParametersToGui({"value": ctk.ctkSliderWidget()})


def test_widgets_and_values_follow_each_other_until_they_are_disconnected(host, wrapped):
    import qt

    box, line = qt.QCheckBox(), qt.QLineEdit()
    tag = wrapped.connectParametersToGui({"on": box, "text": line})
    assert (box.checked, line.text) == (True, "a")
    box.checked = False
    wrapped.text = "b"
    assert (wrapped.on, line.text) == (False, "b")
    wrapped.disconnectGui(tag)
    box.checked = True
    assert wrapped.on is False


def test_a_name_in_the_ui_that_is_no_parameter_is_refused(wrapped):
    import qt

    with pytest.raises(ValueError, match="Cannot find a param"):
        wrapped.connectParametersToGui({"nmber": qt.QSpinBox()})
