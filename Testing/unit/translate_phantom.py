"""A small brain with known values, as cases on disk: white matter, cortex, fluid, ventricle, lesion."""

from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from StrokeSynthLib.cohort.case import CaseFiles
from StrokeSynthLib.schema import INDEX
from StrokeSynthLib.volume import Storage, Volume, write_volume

SHAPE = (48, 48, 12)
AFFINE = np.diag([3.0, 3.0, 6.0, 1.0])
#: b0 against white matter and ADC of what the phantom is made of.
VALUES = {
    "left-white-matter": (1.0, 0.70),
    "left-cortex": (1.3, 0.90),
    "csf": (3.0, 3.0),
    "left-lateral-ventricle": (3.3, 3.1),
}
LESION_B0, LESION_ADC = 1.35, 0.62
NOISE = 0.03
#: Standard deviation of the point-spread function (voxels).
BLUR = (0.6, 0.6, 0.3)


def labels() -> np.ndarray:
    """Nested ellipsoids: fluid around cortex around white matter, a ventricle in the middle."""
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    radius = np.sqrt((x / 0.85) ** 2 + (y / 0.9) ** 2 + (z / 0.95) ** 2)
    result = np.zeros(SHAPE, np.uint8)
    result[radius < 1.0] = INDEX["csf"]
    result[radius < 0.9] = INDEX["left-cortex"]
    result[radius < 0.72] = INDEX["left-white-matter"]
    result[(np.abs(x) < 0.2) & (np.abs(y) < 0.3) & (np.abs(z) < 0.4)] = INDEX["left-lateral-ventricle"]
    return result


def lesion_mask() -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[28:36, 28:36, 4:8] = 1
    return mask


def map_volume() -> Volume:
    return Volume(labels(), AFFINE, Storage("uint8"))


def lesion_volume() -> Volume:
    return Volume(lesion_mask(), AFFINE, Storage("uint8"))


def signals(seed: int, *, lesion: bool = True, level: float = 200.0) -> dict[str, np.ndarray]:
    """Noisy b0 and DWI and the ADC computed from them; skull-stripped."""
    rng = np.random.default_rng(seed)
    classes, mask = labels(), lesion_mask() > 0
    b0, adc = np.zeros(SHAPE), np.zeros(SHAPE)
    for name, (value, diffusion) in VALUES.items():
        inside = classes == INDEX[name]
        b0[inside] = value * np.exp(0.03 * rng.standard_normal() * (name != "left-white-matter"))
        adc[inside] = diffusion + 0.03 * rng.standard_normal()
    if lesion:
        b0[mask], adc[mask] = b0[mask] * LESION_B0, adc[mask] * LESION_ADC
    # A scanner's voxel mixes its neighbors: signals are blurred, not classes.
    mixed = [gaussian_filter(image, BLUR) for image in (b0, b0 * np.exp(-adc))]
    noisy = [
        np.hypot(s + NOISE * rng.standard_normal(SHAPE), NOISE * rng.standard_normal(SHAPE))
        * level
        * (classes > 0)
        for s in mixed
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        measured = np.where(classes > 0, np.clip(np.log(noisy[0] / noisy[1]), 0, 4), 0.0)
    return {"b0": noisy[0], "dwi": noisy[1], "adc": measured, "lesion": mask * lesion, "map": classes}


def write_case(
    folder: Path, seed: int, *, parts: tuple[str, ...] = ("b0", "adc", "lesion", "map")
) -> CaseFiles:
    """Write a case with DWI and the named parts."""
    folder.mkdir(parents=True, exist_ok=True)
    content = signals(seed, lesion="lesion" in parts)
    paths: dict[str, Path | None] = {"b0": None, "adc": None, "lesion": None, "map": None}
    for name in ("dwi", *parts):
        dtype = np.uint8 if name in ("lesion", "map") else np.float32
        paths[name] = folder / f"{name}.nii.gz"
        write_volume(paths[name], Volume(content[name].astype(dtype), AFFINE, Storage(np.dtype(dtype).name)))
    return CaseFiles(
        folder.name, folder.name, folder / "dwi.nii.gz", paths["adc"], paths["b0"], paths["lesion"],
        paths["map"], 1000.0,
    )  # fmt: skip


def write_cohort(folder: Path, count: int = 4) -> list[CaseFiles]:
    return [write_case(folder / f"case-{seed}", seed) for seed in range(count)]
