"""Training of the U-Net: on clinical cases, synthetic cases, or both.

1. Every case is prepared once (:mod:`.dataset`); persons for validation are held back.
2. Steps: a batch drawn by (seed, step), augmented, AdamW with warm-up and cosine, gradients clipped,
   weights averaged exponentially.
3. Every few hundred steps the averaged network segments the validation cases; the best mean Dice
   is kept, and training ends early when it no longer rises.
4. Threshold and smallest lesion are chosen on validation, and the model folder is written.

Killed at any point, a training with ``resume`` goes on from ``OUT.resume`` and ends with the
same weights as if nothing had happened.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..cohort.case import CaseFiles
from ..cohort.identity import identities
from ..cohort.split import Split, split_by_person
from ..device import Device, choose_device
from ..errors import BadInputError, CancelledError
from ..files import write_text
from ..modelfolder import ModelFolder, open_model, save_model
from ..progress import Progress, ProgressEvent, silent
from ..randomness import generator
from . import checkpoint, widening
from .augmentation import augment, draw
from .calibration import Calibration, logit
from .card import model_card
from .dataset import Ahead, Batch, Example, Sampler, Storeroom, fill
from .decision import Decision, mean_dice, tune_decision
from .engines import open_engine
from .inference import examine, probability_of
from .inheritance import carried_over
from .inputs import Slabs, assemble
from .losses import Average, LesionLoss, TissueLoss
from .network import build_network, load_weights, parameter_groups, weights_of
from .options import NetworkOptions, TrainingOptions
from .predict import KIND
from .preprocess import FrameOptions
from .state import TrainingState
from .team import Team
from .unet import UNet

Array = npt.NDArray[Any]

#: More validation cases than this cost time and tell little more.
MOST_VALIDATION_CASES = 24
_SAVE_SECONDS = 60.0
_CLIP_NORM = 5.0


def train_segmenter(
    clinical: Sequence[CaseFiles],
    synthetic: Sequence[CaseFiles],
    out: Path | str,
    options: TrainingOptions | None = None,
    progress: Progress = silent,
    held_out: Sequence[CaseFiles] = (),
) -> ModelFolder:
    """Train a U-Net and write its model folder.

    Parameters
    ----------
    clinical, synthetic
        Cases with reference lesions; either may be empty. Validation cases come from the
        clinical ones where there are any.
    out
        Model folder to write.
    options
        How it is trained.
    held_out
        Cases to validate on, of other people; without them people are held back from the cases.

    Raises
    ------
    BadInputError
        When there is no case, a case cannot be read or has no reference (or no map, where the network
        makes maps), or a state to resume does not belong to this training.
    CancelledError
        When ``progress`` raises it; the state is kept for ``resume``.
    """
    options, out = options or TrainingOptions(), Path(out)
    threads = torch.get_num_threads()
    if options.processes > 1:
        # Threads of its own do not survive in a forked process.
        torch.set_num_threads(1)
    elif options.threads is not None:
        torch.set_num_threads(options.threads)
    room = Storeroom()
    try:
        return _Training(clinical, synthetic, held_out, out, options, room, progress).run()
    finally:
        torch.set_num_threads(threads)
        room.close()


class _Training:
    """One training from cases to model folder."""

    def __init__(
        self, clinical: Sequence[CaseFiles], synthetic: Sequence[CaseFiles], held_out: Sequence[CaseFiles],
        out: Path, options: TrainingOptions, room: Storeroom, progress: Progress,
    ) -> None:  # fmt: skip
        if not clinical and not synthetic:
            raise BadInputError("There is no case to train on; give a cohort with lesion masks.")
        self.options, self.out, self.progress = options, out, progress
        self.device: Device = choose_device(options.device)
        if options.processes > 1 and self.device.name != "cpu":
            raise BadInputError(
                f"--processes {options.processes}: is for CPUs; a {self.device.name} needs one."
            )
        self.team = Team(options.processes)
        start = open_model(options.start_from, KIND) if options.start_from else None
        self.start = start
        self.net_options = NetworkOptions.from_config(start.config["network"]) if start else options.network()
        self.frame = FrameOptions(**start.config["frame"]) if start else FrameOptions(options.spacing)
        wide = replace(self.frame, margin=options.margin)
        self.clinical = fill(room, clinical, wide, progress, options.workers)
        self.synthetic = fill(room, synthetic, wide, progress, options.workers)
        self.clinical, self.synthetic = self._with_maps(self.clinical), self._with_maps(self.synthetic)
        if held_out:
            self.validation = fill(room, held_out, self.frame, progress, options.workers)
            self.split = Split({"train": (), "validation": ()}, options.seed)
            main = self.clinical or self.synthetic
        else:
            self.split = self._split(clinical or synthetic, self.clinical or self.synthetic)
            held = set(self.split.parts["validation"])
            main = [e for e in (self.clinical or self.synthetic) if e.name not in held]
            self.validation = [e for e in (self.clinical or self.synthetic) if e.name in held]
        # A synthetic case made from a validation person's anatomy must not teach either.
        persons = {e.person for e in self.validation}
        added = [e for e in self.synthetic if e.person not in persons] if self.clinical else []
        self.training = (main, added) if self.clinical else ([], main)
        sampling = replace(options, tissues=self.net_options.tissues)
        self.sampler = Sampler(*self.training, sampling, self.net_options.depth)
        self.batches = Ahead(self._batch)
        self.loss, self.tissue_loss = LesionLoss(), TissueLoss()
        self.mark = checkpoint.fingerprint(
            [{**options.record(), "resume": None, "threads": None, "device": None, "minutes": None,
              "workers": None},
             [e.name for e in self.clinical], [e.name for e in self.synthetic], start.hash if start else ""],
            [case.whole for cases in (clinical, synthetic, held_out) for case in identities(cases, progress)],
        )  # fmt: skip

    def _with_maps(self, examples: list[Example]) -> list[Example]:
        """Examples with tissues where the network learns them.

        A network that is fine-tuned on cases without maps goes on learning its own: what it says of them
        before the first step, so that it does not forget tissues while it learns lesions.
        """
        missing = [e.name for e in examples if e.tissue is None] if self.net_options.tissues else []
        if not missing:
            return examples
        if self.start is None:
            raise BadInputError(
                f"{len(missing)} case(s) have no semantic map ({missing[0]}, ...), which this network learns "
                "beside the lesion; make them with 'strokesynth map'."
            )
        engine = open_engine(self.start, self.net_options, self.options.device)

        def own(e: Example) -> Array | None:
            return examine(
                engine, self.net_options, e.images, adc_known=e.adc_known, thickness=e.thickness, tissue=True,
            ).tissue  # fmt: skip

        return [e if e.tissue is not None else replace(e, tissue=own(e)) for e in examples]

    def _split(self, files: Sequence[CaseFiles], examples: Sequence[Example]) -> Split:
        """Persons to validate on, balanced by lesion volume; none where there is one person only."""
        volumes = {e.name: float(e.lesion.sum()) * e.voxel_ml for e in examples}
        share = min(self.options.validation_share, MOST_VALIDATION_CASES / len(examples))
        persons = len({case.person for case in files})
        if persons < 2 or share <= 0:
            return Split({"train": tuple(sorted(volumes)), "validation": ()}, self.options.seed)
        return split_by_person(files, {"train": 1 - share, "validation": share}, self.options.seed, volumes)

    def run(self) -> ModelFolder:
        """All of it."""
        state = self._begin()
        self.team.start(state.network.parameters(), lambda: self._follow(state))
        try:
            self._learn(state)
        except CancelledError:
            state.save(self.out, self.mark)
            raise
        finally:
            self.team.stop()
        folder = self._finish(state)
        checkpoint.forget_state(self.out)
        return folder

    def _follow(self, state: TrainingState) -> None:
        """What the other processes of a team do."""
        for state.step, learning_rate in self.team.steps():
            self._step(state, learning_rate)

    def _begin(self) -> TrainingState:
        network = build_network(self.net_options, self.options.seed)
        if self.start:
            load_weights(network, {n: torch.from_numpy(v) for n, v in self.start.arrays().items()})
        network.to(self.device.name)
        if self.net_options.dimensions == 2:
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizer = torch.optim.AdamW(
            parameter_groups(network, self.options.weight_decay), lr=self.options.highest_rate
        )
        weights = weights_of(network)
        state = TrainingState(
            network, optimizer, Average(weights, self.options.averaging),
            {name: value.detach().clone() for name, value in weights.items()},
        )  # fmt: skip
        found = checkpoint.load_state(self.out, self.mark) if self.options.resume else None
        if found is not None:
            state.load(*found)
        else:
            checkpoint.forget_state(self.out)
        return state

    def _learn(self, state: TrainingState) -> None:
        options, total = self.options, self.options.total_steps
        clock, saved = time.monotonic() - state.seconds, time.monotonic()
        while state.step < total:
            state.seconds = time.monotonic() - clock
            done = self._share_done(state)
            if done >= 1.0:
                break
            rate = self._learning_rate(state.step, done)
            self.team.begin(state.step, rate)
            state.losses.append(self._step(state, rate))
            state.step += 1
            values = {"loss": state.losses[-1]}
            last = state.step == total
            if self.validation and (state.step % options.validation_every == 0 or last):
                values |= self._validate(state)
            if time.monotonic() - saved > _SAVE_SECONDS:
                state.seconds = time.monotonic() - clock
                state.save(self.out, self.mark)
                saved = time.monotonic()
            self.progress(ProgressEvent("Training", state.step, total, values=values))
            waited = (state.step - state.best_step) / options.validation_every
            if self.validation and waited >= options.patience and state.best_dice > 0:
                break
        if self.validation and state.losses and state.step:
            # The clock ended it between two validations: the last weights count too.
            self._validate(state)
        state.seconds = time.monotonic() - clock

    def _share_done(self, state: TrainingState) -> float:
        """Share of the training that is over, by steps or by the clock, whichever is further."""
        share = state.step / self.options.total_steps
        if self.options.minutes is not None:
            share = max(share, state.seconds / 60 / self.options.minutes)
        return share

    def _learning_rate(self, step: int, done: float) -> float:
        warm = min(1.0, (step + 1) / max(1, self.options.warm_up))
        return self.options.highest_rate * warm * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))

    def _step(self, state: TrainingState, learning_rate: float) -> float:
        batch = self.batches.result(state.step)
        inputs, lesion, tissue = self._to_network(batch)
        for group in state.optimizer.param_groups:
            group["lr"] = learning_rate
        state.network.train()
        with self.device.autocast():
            logits = state.network(inputs)
        logits = logits.float()
        loss: Tensor = self.loss(logits[:, :1], lesion)
        if tissue is not None:
            loss = loss + self.options.tissue_weight * self.tissue_loss(logits[:, 1:], tissue)
        if not torch.isfinite(loss):
            raise BadInputError(
                f"Training became unstable at step {state.step} (the loss is not a number); "
                "use a lower learning rate."
            )
        state.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.team.average(state.network.parameters())
        nn.utils.clip_grad_norm_(state.network.parameters(), _CLIP_NORM)
        state.optimizer.step()
        if not self.team.rank:
            state.average.update(weights_of(state.network), state.step)
        return float(loss.detach())

    def _batch(self, step: int) -> Batch:
        """The batch of a step, whenever it is made."""
        rank = self.team.rank
        rng = generator(self.options.seed, "step", step, *(("process", rank) if rank else ()))
        batch = self.sampler.draw(rng)
        drawn = draw(self.options.batch, self.options.without_adc_share, rng)
        wider = widening.draw(self.options.batch, self.net_options.depth, rng) if self.options.wide else None
        return augment(batch, drawn, wider)

    def _to_network(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor | None]:
        name, slabs = self.device.name, batch.slabs
        moved = Slabs(*(t.to(name) for t in (slabs.images, slabs.adc_known, slabs.position, slabs.thickness)))
        inputs = assemble(moved, self.net_options)
        targets = [batch.lesion, batch.tissue]
        if self.net_options.dimensions == 3:
            lesion, tissue = (None if target is None else target[:, None].to(name) for target in targets)
        else:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
            middle = batch.lesion.shape[1] // 2
            lesion, tissue = (
                None if target is None else target[:, middle, None].to(name) for target in targets
            )
        assert lesion is not None
        return inputs, lesion, tissue

    def _validate(self, state: TrainingState) -> dict[str, float]:
        found = self._probabilities(state.average.weights, flips=False)
        default = Decision()
        masks = [default.apply(p, e.voxel_ml) for e, p in zip(self.validation, found, strict=True)]
        score = mean_dice([e.lesion for e in self.validation], masks)
        if not state.settled(self.options) or score > state.best_dice:
            state.best_dice, state.best_step = score, state.step
            state.best = {name: value.clone() for name, value in state.average.weights.items()}
        loss = round(float(np.mean(state.losses)), 5)
        entry = {"step": state.step, "seconds": round(state.seconds, 1), "loss": loss,
                 "validation_dice": round(score, 5)}  # fmt: skip
        state.history.append(entry)
        state.losses = []
        return {"validation_dice": score}

    def _probabilities(self, weights: dict[str, Tensor], *, flips: bool) -> list[Any]:
        network = UNet(self.net_options).to(self.device.name)
        network.load_state_dict(weights)
        network.fused()
        if self.net_options.dimensions == 2:
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return [
            probability_of(network, self.net_options, e.images, adc_known=e.adc_known, thickness=e.thickness,
                           device=self.device, flips=flips)
            for e in self.validation
        ]  # fmt: skip

    def _finish(self, state: TrainingState) -> ModelFolder:
        self.progress(ProgressEvent("Choosing the threshold"))
        weights = state.best if self.validation else state.average.weights
        decision, score = Decision(), None
        carried = carried_over(self.start)
        if self.validation:
            calibration = Calibration.from_config(carried.get("calibration"))
            found = [
                calibration.probability(logit(p), e.adc_known)
                for p, e in zip(
                    self._probabilities(weights, flips=carried.get("flips", True)),
                    self.validation,
                    strict=True,
                )
            ]
            decision, score = tune_decision(
                found, [e.lesion for e in self.validation], [e.voxel_ml for e in self.validation]
            )
        if self.start:
            asked = bool(self.start.config["decision"].get("skull_base", False))
            decision = replace(decision, skull_base=asked)
        training = {
            "cases": {"clinical": len(self.training[0]), "synthetic": len(self.training[1]),
                      "validation": len(self.validation)},
            "split": {part: list(names) for part, names in self.split.parts.items()},
            # Whether it was interrupted does not make it another model.
            "options": {k: v for k, v in self.options.record().items() if k not in ("resume", "workers")},
            "steps": state.step,
            "best_step": state.best_step if self.validation else state.step,
            "validation_dice": None if score is None else round(score, 5),
            "device": self.device.reason,
            "started_from": self.start.hash if self.start else None,
            "torch": torch.__version__,
            # Times stay out of the record, which is hashed: they are in the card and the log.
            "history": [{k: v for k, v in entry.items() if k != "seconds"} for entry in state.history],
        }  # fmt: skip
        config = {
            "network": self.net_options.config(),
            "frame": asdict(self.frame),
            "decision": decision.config(),
            **carried,
        }
        arrays = {name: value.cpu().contiguous().numpy() for name, value in weights.items()}
        folder = save_model(
            self.out, kind=KIND, config=config, training=training, arrays=arrays,
            card=model_card(config, training, state.seconds / 60),
        )  # fmt: skip
        write_text(self.out / "history.jsonl", "".join(json.dumps(entry) + "\n" for entry in state.history))
        return folder
