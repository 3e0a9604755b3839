"""Drawing until the lesion that was asked for can be seen in the image.

1. An image is drawn and tested (:func:`..evaluate.recoverable.recoverable`). Where the lesion cannot be seen,
   the same map and lesion are drawn again with another seed, :data:`IMAGES` times in all.
2. When none of them shows it, another lesion is drawn for the same anatomy, :data:`LESIONS` times in all. A
   lesion that vanishes on the grid of the image is drawn anew at once.
3. When that does not help either, the case fails, and says how often what was tried; or its first image is
   kept, marked, where that was asked for (:attr:`Attempts.keep_unrecoverable`). That changes no other case,
   so it can be asked for when a database that has met such a case is gone on with.

The same lesion comes first so that faint and small lesions stay in the database as far as the translator can
draw them. Every try goes into the case's record. Seeds follow from the case's number alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import BadInputError, StrokeSynthError
from ..evaluate.recoverable import recoverable
from ..lesions.lesion import LesionRequest
from ..randomness import generator
from ..translate.translator import SyntheticImages, Translator
from .scenes import Place, Scene, request_record
from .wishes import LesionWishes

#: Images of one lesion, and lesions of one case.
IMAGES, LESIONS = 3, 6


@dataclass(frozen=True)
class Drawn:
    """A case as it came out.

    Parameters
    ----------
    scene, images
        What it shows, and how.
    request
        What the lesion was asked for; None for a case without one.
    tries
        Every image that was tested and every lesion that could not be placed, in order, one mapping each.
    recovered
        Whether the image shows its lesion; False for one that was kept all the same. True without a lesion.
    """

    scene: Scene
    images: SyntheticImages
    request: Mapping[str, Any] | None
    tries: tuple[Mapping[str, Any], ...]
    recovered: bool = True

    @property
    def images_refused(self) -> int:
        """Images that did not show their lesion."""
        return sum(1 for t in self.tries if "image" in t and not t["recovered"])

    @property
    def lesions_refused(self) -> int:
        """Lesions that were given up for another one."""
        kept = [t for t in self.tries if t.get("kept")] or self.tries
        return max((int(t["lesion"]) for t in kept), default=1) - 1


@dataclass(frozen=True)
class Attempts:
    """How cases are drawn.

    Parameters
    ----------
    translator
        What draws images.
    wishes
        What lesions are asked for.
    seed
        Of the database.
    keep_unrecoverable
        Keep the first image of a case of which no try shows its lesion; it is marked "kept" among the tries.
    """

    translator: Translator
    wishes: LesionWishes
    seed: int
    keep_unrecoverable: bool = False

    def draw(self, number: int, place: Place, lesion_free: bool) -> Drawn:
        """Case ``number``.

        Raises
        ------
        StrokeSynthError
            When no try shows its lesion, and that is not to be kept or no image could be drawn at all.
        """
        if lesion_free:
            rng = generator(self.seed, "database image", number)
            scene = place.scene(None, rng)
            return Drawn(scene, self._images(scene, int(rng.integers(2**31))), None, ())
        tries: list[dict[str, Any]] = []
        first: tuple[Scene, SyntheticImages, LesionRequest, dict[str, Any]] | None = None
        for turn in range(1, LESIONS + 1):
            rng = generator(self.seed, "database image", number, turn)
            request = self.wishes.draw(rng)
            try:
                scene = place.scene(request, rng)
            except BadInputError:
                raise
            except StrokeSynthError as error:
                tries.append({"lesion": turn, "recovered": False, "reason": str(error)})
                continue
            for image in range(1, IMAGES + 1):
                seed = int(rng.integers(2**31))
                if not scene.lesion.array.any():
                    tries.append({"lesion": turn, "recovered": False, "reason": "lost on the image's grid"})
                    break
                images = self._images(scene, seed)
                found = recoverable(images.dwi, images.adc, scene.semantic_map, scene.lesion)
                volume = round(float((scene.lesion.array > 0).sum()) * scene.lesion.grid.voxel_ml, 4)
                tries.append({"lesion": turn, "image": image, "volume_ml": volume} | found.record())
                if found.recovered:
                    return Drawn(scene, images, request_record(request), tuple(tries))
                if first is None and self.keep_unrecoverable:
                    first = scene, images, request, tries[-1]
                if scene.images is not None:
                    break  # finished images: only another scene gives others
        if first is None:
            raise StrokeSynthError(_failure(number, tries))
        scene, images, request, entry = first
        entry["kept"] = True
        return Drawn(scene, images, request_record(request), tuple(tries), recovered=False)

    def _images(self, scene: Scene, seed: int) -> SyntheticImages:
        if scene.images is not None:
            return scene.images
        return self.translator.translate(scene.semantic_map, scene.lesion, seed=seed)


def _failure(number: int, tries: list[dict[str, Any]]) -> str:
    reasons = Counter(str(t["reason"]) for t in tries)
    listed = "; ".join(f"{count} x {reason.rstrip('.')}" for reason, count in reasons.most_common(3))
    said = f"case {number}: none of {len(tries)} tries shows the lesion that was asked for ({listed}); "
    if not any("image" in t for t in tries):
        return said + "no image could be drawn: ask for larger lesions, or for other places."
    return (
        said
        + "go on with --resume --keep-unrecoverable, which writes such cases all the same, marked, or begin "
        "again with a translator that was trained longer or on more cases, or with larger lesions."
    )
