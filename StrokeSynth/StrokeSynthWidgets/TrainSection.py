"""Train: check a cohort, start a training that outlives the panel, follow it, find its model in the lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ctk
from slicer.i18n import tr as _

from StrokeSynthLib.jobs.longjobs import Job, JobStatus

from .CohortCheck import CohortCheck
from .CommandLine import commandText
from .JobsLogic import optionOf
from .JobView import Events, JobView
from .Section import Section, modelTitle, modelValue, setReady
from .TrainCurves import TrainCurves, chartOf, drawCurves, showChart
from .TrainLogic import NOTHING, TrainRequest, safeName
from .TrainPackages import TrainPackages


class TrainSection(Section):
    """A model of one's own from a cohort."""

    uiFile = "StrokeSynthTrain.ui"

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self.jobs: Any = None
        self._trainings: list[dict[str, Any]] = []
        self._models: list[dict[str, Any]] = []
        self.packages: Any = None
        self.cohort: Any = None
        self._curves = TrainCurves()
        self._suggested = ("", "")

    @property
    def title(self) -> str:
        """As on the screen."""
        return _("Train")

    def connectWidgets(self) -> None:
        """Connect the widgets, and look for trainings that were started before."""
        ui = self.ui
        for edit in self._folders().values():
            edit.filters = ctk.ctkPathLineEdit.Dirs
            edit.showHistoryButton = False
            edit.connect("currentPathChanged(QString)", self.onPaths)
            # A line that is emptied says only this.
            edit.connect("validInputChanged(bool)", self.onValidity)
        ui.dimensionsBox.addItem(_("2D: slices with their neighbors"), 2)
        ui.dimensionsBox.addItem(_("3D: blocks of slices"), 3)
        self.cohort = CohortCheck(self)
        ui.kindBox.connect("activated(int)", self.onKind)
        ui.conditionBox.connect("activated(int)", self.onCondition)
        ui.startFromBox.connect("activated(int)", self.onStartFrom)
        ui.dimensionsBox.connect("activated(int)", self.onDimensions)
        self.packages = TrainPackages(self)
        ui.startButton.connect("clicked()", self.onStart)
        ui.curvesButton.connect("clicked()", self.onCurves)
        self.jobs = JobView(
            self, "train", selected=self.onJobSelected, events=self.onJobEvents, ended=self.onJobEnded
        )
        self.jobs.findAgain()

    # What is shown

    def onHello(self, hello: dict[str, Any]) -> None:
        """List what can be trained, and the models to start from."""
        self._trainings, self.packages.versions = hello["trainings"], hello["packages"]
        self._models = [model for model in hello["models"] if not model["problem"]]
        self._fillKinds()

    def onParameterNodeChanged(self) -> None:
        """Show the scene's choices; look for jobs anew."""
        parameters = self.parameterNode
        if parameters is None:
            return
        # All are read first: a line that is filled writes all of them.
        paths = {name: getattr(parameters, name) for name in self._folders()}
        for name, edit in self._folders().items():
            edit.currentPath = paths[name]
        self.ui.dimensionsBox.setCurrentIndex(0 if parameters.trainDimensions == 2 else 1)
        self._fillKinds()
        self.jobs.findAgain()

    def update(self) -> None:
        """Enable what can be done now."""
        ui, training = self.ui, self._training()
        self.cohort.update()
        network = bool(training and training["network"])
        fineTuned = self._startFrom() != NOTHING
        masks = bool(training and training["masks"])
        _ready(ui.startFromBox, training and training["fine_tunes"],
               _("A trained model goes on with your cases: few of them are enough"),
               _("This kind always starts from nothing"))  # fmt: skip
        _ready(ui.syntheticEdit, training and training["synthetic"],
               _("Synthetic cases to add to yours (see Database); none are needed"),
               _("Only segmenters take synthetic cases"))  # fmt: skip
        _ready(ui.unlabeledEdit, training and training["unlabeled"],
               _("Examinations without maps or masks to learn from as well; none are needed"),
               _("Learns from examinations with their maps only; {kinds} can use others").format(
                   kinds=self._kindsWith("unlabeled")))  # fmt: skip
        # Only translators with a network have the choice; for the others there is nothing to say here.
        ui.conditionBox.visible = ui.conditionBoxTitle.visible = bool(training and training["conditions"])
        _ready(ui.minutesBox, network, _("The training ends after this time, or when nothing more is gained"),
               _("This kind takes seconds to minutes by itself"))  # fmt: skip
        _ready(ui.stepsBox, network, _("The training ends after so many steps, or earlier"),
               _("This kind has no steps"))  # fmt: skip
        _ready(ui.coresBox, network, _("Fewer leave room for other work; a graphics card needs one"),
               _("This kind takes one"))  # fmt: skip
        sees = network and not fineTuned and not masks
        neighbors = bool(training and training["role"] == "segmenter")
        ui.dimensionsBox.setItemText(
            0, _("2D: slices with their neighbors") if neighbors else _("2D: slice by slice")
        )
        _ready(ui.dimensionsBox, sees, _("What the network sees at a time"),
               _("Decided by the model that it starts from, or by the kind"))  # fmt: skip
        ui.nameEdit.placeholderText = self._name()
        self.packages.update(training)
        setReady(
            ui.startButton, self.missing(), _("Train in the background; it goes on when Slicer is closed")
        )
        self._enableCurves()
        self._showScore()

    def commandLine(self) -> str:
        """``strokesynth train`` for these choices."""
        request = self._request()
        return "" if request is None or self.cohort.noFolder() else commandText(*request.words())

    def missing(self) -> str:
        """Why no training can be started, as a sentence; "" when one can."""
        training = self._training()
        if self.parameterNode is None:
            return _("Come back to this module first")
        if training is None:
            return _("The worker has not told yet what can be trained; see Start")
        return (
            self.cohort.noFolder()
            or self.packages.lackingText(training)
            or ("" if training["masks"] else self.cohort.missing(lesions=training["role"] == "segmenter"))
            or self._badPlaces()
        )

    def _badPlaces(self) -> str:
        """What is wrong with the folders, the name, or the time."""
        running, request = self.jobs.running, self._request()
        added = request.synthetic if request.training["synthetic"] else self.unlabeledFolder()
        if added and not Path(added).is_dir():
            return _("{folder}: there is no such folder").format(folder=added)
        if running is not None:
            return _("{name} is being trained; wait for it, pause or cancel it").format(name=running.title)
        if not safeName(self._name()):
            return _("Give the model a name")
        if request.folder.exists():
            return _("There is a model {name} already; choose another name").format(name=request.folder.name)
        if any(optionOf(job, "--out") == str(request.folder) for job in self.jobs.jobs):
            return _("There is a training {name} below; resume or remove it, or choose another name").format(
                name=request.folder.name
            )
        return ""

    def onValidity(self, valid: bool) -> None:
        """The user has emptied a line, or begun to fill it."""
        self.onPaths("")

    def onPaths(self, path: str) -> None:
        """The user has chosen a folder, or none; ``path`` is one of them."""
        parameters = self.parameterNode
        if parameters is not None:
            for name, edit in self._folders().items():
                if edit.currentPath != getattr(parameters, name):
                    setattr(parameters, name, edit.currentPath)

    def unlabeledFolder(self) -> str:
        """The folder of examinations without maps, where one is chosen and the kind can use it."""
        training = self._training()
        if self.parameterNode is None or training is None or not training["unlabeled"]:
            return ""
        return str(self.parameterNode.trainUnlabeled)

    def _folders(self) -> dict[str, Any]:
        """The lines that take a folder, by their parameter."""
        ui = self.ui
        return {
            "trainCohort": ui.cohortEdit,
            "trainSynthetic": ui.syntheticEdit,
            "trainUnlabeled": ui.unlabeledEdit,
        }

    # What to train

    def onKind(self, index: int) -> None:
        """The user has picked what to train."""
        if self.parameterNode is not None:
            self.parameterNode.trainKind = self.ui.kindBox.itemData(index)
            self._fillConditions()
            self._fillStarts()
            self.refresh()

    def onCondition(self, index: int) -> None:
        """The user has picked what the network sees."""
        if self.parameterNode is not None:
            self.parameterNode.trainCondition = self.ui.conditionBox.itemData(index)

    def onStartFrom(self, index: int) -> None:
        """The user has picked what to start from."""
        if self.parameterNode is not None:
            self.parameterNode.trainStartFrom = self.ui.startFromBox.itemData(index)

    def onDimensions(self, index: int) -> None:
        """The user has picked 2D or 3D."""
        if self.parameterNode is not None:
            self.parameterNode.trainDimensions = 2 if index == 0 else 3

    def _training(self) -> dict[str, Any] | None:
        wanted = self.parameterNode.trainKind if self.parameterNode is not None else ""
        found = next((training for training in self._trainings if _key(training) == wanted), None)
        return found or (self._trainings[0] if self._trainings else None)

    def _fillKinds(self) -> None:
        box = self.ui.kindBox
        box.clear()
        for training in self._trainings:
            role = {
                "segmenter": _("Segmenter"),
                "translator": _("Translator"),
                "lesions": _("Lesions (from a folder of masks)"),
            }.get(training["role"], training["role"].capitalize())
            box.addItem(f"{role}: {training['kind']} ({training['summary']})", _key(training))
        training = self._training()
        if training is not None:
            box.setCurrentIndex(box.findData(_key(training)))
        self._fillConditions()
        self._fillStarts()

    def _fillConditions(self) -> None:
        box, training = self.ui.conditionBox, self._training()
        box.clear()
        texts = {
            "sketch": _("The map and a sketch from fitted statistics"),
            "map": _("The map alone, as in the papers"),
        }
        for name in training["conditions"] if training is not None else ():
            box.addItem(texts.get(name, name), name)
        wanted = self.parameterNode.trainCondition if self.parameterNode is not None else ""
        if box.count:
            box.setCurrentIndex(max(0, box.findData(wanted)))

    def _kindsWith(self, capability: str) -> str:
        """Names of the kinds that can do something, for a sentence."""
        kinds = [training["kind"] for training in self._trainings if training[capability]]
        return ", ".join(kinds) or _("none")

    def _fillStarts(self) -> None:
        box, training = self.ui.startFromBox, self._training()
        box.clear()
        if training is not None and training["fine_tunes"]:
            for model in self._models:
                if model["kind"] == training["kind"]:
                    box.addItem(modelTitle(model), modelValue(model))
        box.addItem(_("Nothing: learns from your cases alone"), NOTHING)
        box.setCurrentIndex(max(0, box.findData(self._startFrom())))

    def _startFrom(self) -> str:
        """What the chosen kind starts from: the scene's choice, else the first that is listed."""
        box = self.ui.startFromBox
        wanted = self.parameterNode.trainStartFrom if self.parameterNode is not None else ""
        if wanted and box.findData(wanted) >= 0:
            return wanted
        return str(box.itemData(0) or NOTHING)

    def _name(self) -> str:
        """The model's name: the user's, else one that is free."""
        typed = self.parameterNode.trainName.strip() if self.parameterNode is not None else ""
        training = self._training()
        if typed or training is None:
            return typed
        if self._suggested[0] != training["kind"]:
            self._suggested = (training["kind"], self.logic.suggestedName(training["kind"]))
        return self._suggested[1]

    def _request(self) -> TrainRequest | None:
        parameters, training = self.parameterNode, self._training()
        if parameters is None or training is None:
            return None
        return TrainRequest(
            training, parameters.trainCohort, self._name(), self._startFrom(), parameters.trainSynthetic,
            parameters.trainMinutes, parameters.trainSteps, parameters.trainDimensions, parameters.trainCores,
            parameters.trainSeed, parameters.trainUnlabeled, parameters.trainCondition,
        )  # fmt: skip

    # The training

    def onStart(self) -> None:
        """Start a training."""
        request = self._request()
        with self.attempt(_("The training could not be started.")):
            job = self.logic.startTraining(request)
            self._suggested = ("", "")
            self.parameterNode.trainName = ""
            self.jobs.findAgain(job)
        self.refresh()

    def onJobSelected(self, job: Job | None) -> None:
        """Another training is followed."""
        self._curves = TrainCurves()

    def onJobEvents(self, events: Events) -> None:
        """The training has reported something."""
        if self._curves.take(events):
            job = self.jobs.job
            if chartOf(job.folder.name) is not None:
                self._draw()
            self._showScore()
            self._enableCurves()

    def onJobEnded(self, job: Job, status: JobStatus) -> None:
        """A training has ended: its model is to be had everywhere."""
        self._suggested = ("", "")
        if status.state == "done":
            self.worker.say(_("{name} is trained; it can be chosen now.").format(name=job.title))
            self.panel.askHello()
        elif status.state in ("failed", "interrupted"):
            self.worker.say(f"{job.title}: {status.message} {status.remedy}", isError=True)

    def onCurves(self) -> None:
        """Show loss and Dice in the plot view."""
        chart = self._draw()
        if chart is not None:
            showChart(chart)

    def onSceneClosed(self) -> None:
        """Charts went with the scene; the trainings go on."""
        self.jobs.poll()

    def cleanup(self) -> None:
        """The panel goes."""
        self.jobs.cleanup()

    def _draw(self) -> Any:
        job = self.jobs.job
        return drawCurves(self._curves, job.folder.name, _("Training of {name}").format(name=job.title))

    def _enableCurves(self) -> None:
        drawable = any(len(points) > 1 for points in self._curves.points.values())
        setReady(
            self.ui.curvesButton, "" if drawable else _("There is nothing to draw yet"),
            _("Show loss and Dice in Slicer's plot view"),
        )  # fmt: skip

    def _showScore(self) -> None:
        best, bar = self._curves.best, self.ui.scoreBar
        bar.visible = best is not None
        if best is not None:
            score, step = best
            bar.setRange(0, 1000)
            bar.setValue(round(1000 * score))
            bar.format = _("Best Dice {score} at step {step}").format(score=f"{score:.3f}", step=step)


def _key(training: dict[str, Any]) -> str:
    return f"{training['role']}/{training['kind']}"


def _ready(widget: Any, can: Any, tip: str, cannot: str) -> None:
    """Enable a widget where the chosen kind has a use for it."""
    setReady(widget, "" if can else cannot, tip)
