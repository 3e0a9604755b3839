"""``copypaste``: real lesions in other people's real images, the control that every comparison needs."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ... import provenance
from ...cohort.case import CaseFiles
from ...errors import BadInputError
from ...modelfolder import ModelFolder, open_model
from ...progress import Progress, silent
from ...randomness import generator
from ...volume import Storage, Volume
from ..background import LesionEffect, preserve
from ..drawing import DrawingTranslator
from ..options import TranslatorOptions
from ..output import PARTLY
from ..physics.canvas import Canvas
from ..physics.model import SignalModel
from ..proposal import Proposal
from ..translator import Background, SyntheticImages
from .alignment import between, to_standard
from .carve import Carving, Placed, draw_carving, place
from .choice import Choice, choose
from .stage import Carried, CopyPasteStage
from .store import CaseFacts, CaseStore, Images

Array = npt.NDArray[Any]
KIND = "copypaste"

#: Pairs of donor and recipient that are tried for one case.
_TRIALS = 40
#: Shift of a donor's texture between seeds (mm).
_SHIFT = 6.0
_UNCHANGED = "A patient's own images, unchanged; protect them as patient data."


class CopyPasteTranslator(DrawingTranslator):
    """Mixes the lesions of its training cases into real images.

    With a patient's own images it carries the effect of a donor's lesion into the mask that is asked for
    (:mod:`.stage`). For databases it proposes whole cases (:mod:`.carve`); a :class:`..proposal.Proposer`.

    Examples
    --------
    >>> translator = open_copypaste("model")  # doctest: +SKIP
    >>> images = translator.translate(semantic_map, lesion, seed=7, background=patient)  # doctest: +SKIP
    >>> case = translator.propose(seed=7)  # doctest: +SKIP
    """

    kind = KIND

    def __init__(self, store: CaseStore, model: SignalModel, model_hash: str) -> None:
        self.store = store
        self.model = model
        self.model_hash = model_hash
        self._standard: tuple[bytes, Array] | None = None

    def stage(
        self, labels: Array, spacing: tuple[float, float, float], seed: int, *, effect: bool = False
    ) -> CopyPasteStage:
        """See :class:`..drawing.DrawingTranslator`.

        Raises
        ------
        BadInputError
            Without a patient's own images: there is nothing to paste into.
        """
        if not effect:
            raise BadInputError(
                "A copypaste model puts lesions into a patient's own images and draws no others; "
                "name them with --background DWI --background-adc ADC, or choose another translator."
            )
        canvas = Canvas(labels, spacing, self.model.draw(generator(seed, "case")), seed)
        standard = self._to_standard(labels, spacing)
        facts, donors, voxel_ml = self.store.facts, self.store.donors, float(np.prod(spacing)) / 1000.0

        def chosen(lesion: Array) -> Choice:
            center = standard @ [*np.argwhere(lesion).mean(0), 1.0]
            return choose(facts, donors, center[:3], float(lesion.sum()) * voxel_ml, seed)

        def carried(choice: Choice) -> Carried:
            return self._carried(choice, standard, labels.shape, seed)

        return CopyPasteStage(canvas, chosen, carried)

    def _to_standard(self, labels: Array, spacing: tuple[float, float, float]) -> Array:
        """As :func:`.alignment.to_standard`; kept, because many lesions follow on one map."""
        key = sha256(np.ascontiguousarray(labels).tobytes() + repr((labels.shape, spacing)).encode()).digest()
        if self._standard is None or self._standard[0] != key:
            self._standard = key, to_standard(labels, spacing)
        return self._standard[1]

    def _carried(self, choice: Choice, standard: Array, shape: tuple[int, ...], seed: int) -> Carried:
        """A donor's profile, and its texture in the voxels of a map with transform ``standard``."""
        from scipy.ndimage import affine_transform

        facts, donor = self.store.facts[choice.number], self.store.donor(choice.number)
        matrix = between(standard, facts.standard, mirrored=choice.mirrored)
        shift = generator(seed, "texture").uniform(-_SHIFT, _SHIFT, 3) / donor.spacing
        hits = np.argwhere(donor.lesion)
        low, high = hits.min(0), hits.max(0) + 1
        box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        offset = matrix[:3, 3] + shift - np.array(donor.start) - low
        # "mirror" folds what lies beyond the lesion's box back into it.
        first, second = (
            affine_transform(values[box], matrix[:3, :3], offset, shape, order=1, mode="mirror")
            for values in donor.texture
        )
        return Carried(facts.code, choice.mirrored, donor.profile, (first, second))

    def check_share(self, lesion_free: float) -> None:
        """See :class:`..proposal.Proposer`."""
        if lesion_free > 0.0 and all(case.with_lesion for case in self.store.facts):
            raise BadInputError(
                "This copypaste model holds no case without a lesion, so it can make none; use "
                "--lesion-free 0, or train it on a cohort with cases that have no lesion."
            )
        if lesion_free < 1.0 and not any(self._givers(k) for k in range(len(self.store.facts))):
            raise BadInputError(
                "This copypaste model holds the lesions of one person at most; it needs cases of two people "
                "or more, one of them with a lesion, to mix them."
            )

    def propose(self, seed: int, *, lesion_free: bool = False) -> Proposal:
        """See :class:`..proposal.Proposer`.

        Raises
        ------
        BadInputError
            When its cases cannot be mixed; see :meth:`check_share`.
        """
        self.check_share(1.0 if lesion_free else 0.0)
        rng = generator(seed, "proposal")
        if lesion_free:
            able = [k for k, case in enumerate(self.store.facts) if not case.with_lesion]
            return self._unchanged(able[int(rng.integers(len(able)))], seed)
        able = [k for k in range(len(self.store.facts)) if self._givers(k)]
        for trial in range(_TRIALS):
            number = able[int(rng.integers(len(able)))]
            givers = self._givers(number)
            giver = givers[int(rng.integers(len(givers)))]
            facts, recipient = self.store.facts[number], self.store.images(number)
            donor = self.store.donor(giver)
            carving = draw_carving(donor, rng)
            placed = place(donor, self.store.facts[giver], recipient, facts, carving)
            if placed is not None:
                return self._mixed(number, giver, carving, placed, trial, seed)
        raise BadInputError(
            f"Of {_TRIALS} lesions none found tissue in another case; check the semantic maps of the cases "
            "that this copypaste model was trained on."
        )

    def _givers(self, number: int) -> list[int]:
        """Donors for a recipient: other people's lesions."""
        person = self.store.facts[number].person
        return [k for k in self.store.donors if self.store.facts[k].person != person]

    def _mixed(
        self, number: int, giver: int, carving: Carving, placed: Placed, trial: int, seed: int
    ) -> Proposal:
        facts, recipient = self.store.facts[number], self.store.images(number)
        effect = placed.effect
        parameters = {
            "recipient": facts.code, "donor": self.store.facts[giver].code,
            "margin_mm": round(carving.margin_mm, 3), "mirrored": carving.mirrored,
            "recipients_own_lesion_ml": round(_ml(recipient.lesion, facts), 4),
            "carved_lesion_ml": round(_ml(placed.mask, facts), 4), "rejected_pairs": trial,
        }  # fmt: skip
        return self._proposal(facts, recipient, placed.mask, effect, seed, PARTLY, parameters)

    def _unchanged(self, number: int, seed: int) -> Proposal:
        facts, recipient = self.store.facts[number], self.store.images(number)
        nothing = np.zeros(recipient.labels.shape, np.float32)
        effect = LesionEffect(np.exp(nothing), np.exp(nothing), nothing)
        parameters = {"recipient": facts.code}
        return self._proposal(facts, recipient, nothing > 0, effect, seed, _UNCHANGED, parameters)

    def _proposal(
        self, facts: CaseFacts, own: Images, added: Array, effect: LesionEffect, seed: int,
        description: str, parameters: dict[str, Any],
    ) -> Proposal:  # fmt: skip
        def volume(array: Array, kind: str = "float32") -> Volume:
            return Volume(array.astype(kind), facts.affine, Storage(kind))

        patient = Background(
            volume(own.dwi * facts.level), volume(own.adc), volume(own.b0 * facts.level), facts.b_value
        )
        kept = preserve(patient, effect)
        if kept.adc is None or kept.b0 is None:
            raise ValueError("a stored case has all three images")
        sources = {
            "DWI": "patient",
            "ADC": "assumed from the literature" if facts.adc_assumed else "patient",
            "b0": "computed from the patient's DWI and ADC" if facts.b0_derived else "patient",
        }
        record = provenance.record(
            synthetic=True, PartlySynthetic=True, Description=description, Translator=KIND,
            ModelHash=self.model_hash, Seed=seed, BValue=facts.b_value, OutsideLesion=sources,
            Parameters=parameters,
        )  # fmt: skip
        images = SyntheticImages(kept.dwi, kept.adc, kept.b0, facts.b_value, record)
        mask = volume(own.lesion | added, "uint8")
        return Proposal(volume(own.labels, "uint8"), mask, images, facts.person)


def _ml(mask: Array, facts: CaseFacts) -> float:
    return float(mask.sum()) * float(np.prod(facts.spacing)) / 1000.0


def train_copypaste(
    cases: Sequence[CaseFiles], out: Path, options: TranslatorOptions, progress: Progress = silent
) -> ModelFolder:
    """Store ``cases`` with their lesions' effects; see :func:`.training.store_cases`."""
    from .training import store_cases

    return store_cases(cases, out, options, progress)


def open_copypaste(path: str | Path, device: str = "auto") -> CopyPasteTranslator:
    """Open a saved model; it computes on the CPU whatever ``device`` says."""
    folder = open_model(path, KIND)
    try:
        facts = [CaseFacts.from_config(entry) for entry in folder.config["cases"]]
        model = SignalModel.from_config(folder.config["signal"])
    except (KeyError, TypeError, ValueError) as error:
        raise BadInputError(f"{folder.path}: its model.json is damaged ({error}); train it again.") from error
    return CopyPasteTranslator(CaseStore(folder, facts), model, folder.hash)
