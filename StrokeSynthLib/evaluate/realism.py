"""How much synthetic images look like real ones: intensities, lesion contrast, diversity.

Intensities are divided by the median over brain tissue, since the scale of DWI is arbitrary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..cohort.case import Case
from ..errors import BadInputError
from ..schema import CSF, MIRRORED, PARENCHYMA, classes_of
from ..volume import Volume

Array = npt.NDArray[Any]

#: Groups of classes whose intensities are compared.
GROUPS: dict[str, tuple[int, ...]] = {
    "white matter": classes_of("white-matter", "cerebellum-white-matter"),
    "cortex": classes_of("cortex", "cerebellum-cortex"),
    "deep gray matter": classes_of("thalamus", "caudate", "putamen", "pallidum"),
    "CSF": CSF,
}
LESION_GROUP = "lesion"


@dataclass(frozen=True)
class LesionContrast:
    """Median inside the lesion over the median of a comparison, per image; NaN where unknown.

    Parameters
    ----------
    dwi_surround, adc_surround
        Against the shell of tissue 4 to 12 mm around the lesion.
    dwi_contralateral, adc_contralateral
        Against the same structures of the other side; needs a semantic map.
    """

    dwi_surround: float
    adc_surround: float
    dwi_contralateral: float
    adc_contralateral: float


def intensities_by_class(image: Volume, semantic_map: Volume, lesion: Volume | None) -> dict[str, Array]:
    """Intensities of each group of :data:`GROUPS` and of the lesion, over the tissue's median.

    The lesion is in no group but its own. Empty groups are left out.
    """
    normal = np.ones(image.array.shape, bool) if lesion is None else lesion.array == 0
    parenchyma = np.isin(semantic_map.array, PARENCHYMA) & normal
    if not parenchyma.any():
        raise BadInputError("the semantic map holds no brain tissue; give the map of this image.")
    median = float(np.median(image.array[parenchyma]))
    if median <= 0:
        raise BadInputError("the median intensity of brain tissue is not positive; is this the DWI?")
    groups = {name: np.isin(semantic_map.array, classes) & normal for name, classes in GROUPS.items()}
    if lesion is not None:
        groups[LESION_GROUP] = lesion.array > 0
    return {name: image.array[where] / median for name, where in groups.items() if where.any()}


def histogram(values: Array, edges: Array) -> Array:
    """Density over ``edges``; what lies outside is counted in the outermost bins."""
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    return np.asarray(counts / (max(values.size, 1) * np.diff(edges)))


def histogram_distances(first: Mapping[str, Array], second: Mapping[str, Array]) -> dict[str, float]:
    """Wasserstein distance by group (in units of the tissue's median), for groups in both.

    It is the mean shift that turns one distribution into the other.
    """
    from scipy.stats import wasserstein_distance

    return {name: float(wasserstein_distance(first[name], second[name])) for name in first if name in second}


def lesion_contrast(case: Case) -> LesionContrast:
    """Contrast of a case's lesion; all NaN without a lesion."""
    nan = float("nan")
    if case.lesion is None or not case.lesion.array.any():
        return LesionContrast(nan, nan, nan, nan)
    lesion = case.lesion.array > 0
    distance = ndimage.distance_transform_edt(~lesion, sampling=case.dwi.spacing)
    shell = (distance >= 4.0) & (distance <= 12.0) & _tissue(case)
    other = _contralateral(case, lesion)

    def ratio(image: Volume | None, where: Array | None) -> float:
        if image is None or where is None or not where.any():
            return nan
        comparison = float(np.median(image.array[where]))
        return float(np.median(image.array[lesion])) / comparison if comparison > 0 else nan

    return LesionContrast(
        ratio(case.dwi, shell), ratio(case.adc, shell), ratio(case.dwi, other), ratio(case.adc, other)
    )


def _tissue(case: Case) -> Array:
    """Brain tissue by the map, or where the DWI is above half of its brain-like level."""
    if case.semantic_map is not None:
        return np.isin(case.semantic_map.array, PARENCHYMA)
    positive = case.dwi.array[case.dwi.array > 0]
    bright = positive[positive > positive.mean()]
    return np.asarray(case.dwi.array > 0.5 * np.median(bright))


def _contralateral(case: Case, lesion: Array) -> Array | None:
    """Voxels of the mirrored classes of those that the lesion lies in, without lesion."""
    if case.semantic_map is None:
        return None
    labels = case.semantic_map.array
    inside = np.bincount(labels[lesion], minlength=len(MIRRORED))
    # Structures that hold a twentieth of the lesion or more; midline ones are their own mirror.
    mirrored = [MIRRORED[i] for i in np.flatnonzero(inside >= 0.05 * inside.sum()) if i in PARENCHYMA]
    return np.isin(labels, mirrored) & ~lesion


def mean_pairwise_similarity(images: Sequence[Volume], rng: np.random.Generator, pairs: int = 50) -> float:
    """Mean structural similarity (SSIM, MONAI) over random pairs: the lower, the more diverse.

    Images of one shape, each divided by its 99.5th percentile first. A generator that has
    collapsed to one image has a similarity near 1; compare with the value among real images.
    """
    if len(images) < 2:
        raise BadInputError("diversity needs two images or more; give more.")
    if len({image.array.shape for image in images}) > 1:
        raise BadInputError("diversity needs images of one shape; resample them first.")
    import torch
    from monai.metrics import SSIMMetric

    metric = SSIMMetric(spatial_dims=3, data_range=1.0)
    tensors = [torch.from_numpy(_scaled(image.canonical().array))[None, None] for image in images]
    everything = [(i, j) for i in range(len(images)) for j in range(i)]
    chosen = rng.permutation(len(everything))[:pairs]
    values = [float(metric(tensors[i], tensors[j]).item()) for i, j in (everything[k] for k in chosen)]
    return float(np.mean(values))


def _scaled(array: Array) -> Array:
    top = max(float(np.percentile(array, 99.5)), 1e-12)
    return np.clip(array / top, 0.0, 1.0).astype(np.float32)
