"""Affine and deformable registration of two coarse tissue images, by SimpleITK.

Images live on axis-aligned lattices whose coordinates are RAS mm, so transforms need no change
of convention on the way in or out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .lattice import Lattice

Array = npt.NDArray[Any]

#: Box of the brain in standard space with room around it (mm): where registration looks.
BRAIN_LOW, BRAIN_HIGH = (-80.0, -116.0, -76.0), (80.0, 84.0, 92.0)
STEP = 4.0
#: Step (mm), iterations and smoothing of the field (voxels) at each level of the demons.
DEMONS = ((8.0, 20, 1.0), (4.0, 15, 1.2))
#: Largest change of the field in one iteration (voxels).
LARGEST_UPDATE = 2.0


def brain_lattice() -> Lattice:
    """The standard-space lattice on which images are registered."""
    return Lattice.covering(np.array(BRAIN_LOW), np.array(BRAIN_HIGH), STEP)


def as_image(array: Array, lattice: Lattice) -> Any:
    """A SimpleITK image of values on a lattice."""
    import SimpleITK

    sitk: Any = SimpleITK
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.T, np.float32))
    image.SetOrigin([float(v) for v in lattice.low])
    image.SetSpacing([float(lattice.step)] * 3)
    return image


def affine_refined(fixed: Any, moving: Any, start: Array, *, iterations: int = 30) -> Array:
    """Affine transform (4, 4) from points of ``fixed`` to ``moving``, by least squares from ``start``.

    Runs at twice the images' spacing first; the optimum is wide, so every second voxel is
    enough.
    """
    import SimpleITK

    sitk: Any = SimpleITK
    transform = sitk.AffineTransform(3)
    transform.SetMatrix([float(v) for v in start[:3, :3].ravel()])
    transform.SetTranslation([float(v) for v in start[:3, 3]])
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMeanSquares()
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 0.02, iterations, 0.6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([2])
    method.SetSmoothingSigmasPerLevel([0.0])
    method.SetNumberOfThreads(1)
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(fixed, moving)
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(transform.GetMatrix()).reshape(3, 3)
    matrix[:3, 3] = transform.GetTranslation()
    return matrix


def demons(fixed: Array, moving: Array, lattice: Lattice) -> Array:
    """Displacement (3, x, y, z) in mm on ``lattice`` from points of ``fixed`` to points of ``moving``.

    Diffeomorphic demons (Vercauteren et al., NeuroImage 2009) from coarse to fine.
    """
    import SimpleITK

    sitk: Any = SimpleITK
    images = as_image(fixed, lattice), as_image(moving, lattice)
    field = None
    for step, iterations, smoothing in DEMONS:
        grid = _coarser(images[0], step / lattice.step)
        blur = 0.4 * step if step > lattice.step else 0.0
        pair = [
            sitk.Resample(
                sitk.SmoothingRecursiveGaussian(i, blur) if blur else i,
                grid, sitk.Transform(), sitk.sitkLinear, 0.0,
            )
            for i in images
        ]  # fmt: skip
        method = sitk.DiffeomorphicDemonsRegistrationFilter()
        method.SetNumberOfIterations(iterations)
        method.SetStandardDeviations(smoothing)
        method.SetMaximumUpdateStepLength(LARGEST_UPDATE)
        method.SetNumberOfThreads(1)
        if field is None:
            field = method.Execute(pair[0], pair[1])
        else:
            start = sitk.Resample(field, grid, sitk.Transform(), sitk.sitkLinear, 0.0, field.GetPixelID())
            field = method.Execute(pair[0], pair[1], start)
    array = sitk.GetArrayFromImage(field).transpose(3, 2, 1, 0)
    return np.ascontiguousarray(array, np.float32)


def _coarser(image: Any, factor: float) -> Any:
    """An empty image over the same box with voxels ``factor`` times as large."""
    import SimpleITK

    sitk: Any = SimpleITK
    grid = sitk.Image([max(1, int(np.ceil(n / factor))) for n in image.GetSize()], sitk.sitkFloat32)
    grid.SetOrigin(image.GetOrigin())
    grid.SetSpacing([s * factor for s in image.GetSpacing()])
    return grid
