"""Which device computes, why, and in which precision.

A device counts as usable only after a real convolution has run on it: drivers that load but
fail at the first 3D convolution are the most common complaint about such tools.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import BadInputError, missing_package

#: What the drivers of graphics cards leave behind: NVIDIA's (Linux, Windows), in WSL, AMD's.
_DRIVERS = (
    "/dev/nvidiactl",
    "/proc/driver/nvidia/version",
    "C:/Windows/System32/nvcuda.dll",
    "/dev/dxg",
    "/dev/kfd",
)


@dataclass(frozen=True)
class Device:
    """A device that was tried out.

    Parameters
    ----------
    name
        As torch calls it ("cpu", "cuda").
    reason
        One sentence for the user: why this one.
    bfloat16
        Whether bfloat16 is computed in hardware there. On processors without it (no
        AVX512-BF16 and no AMX) autocast makes a step 2 to 3 times *slower*.
    """

    name: str
    reason: str
    bfloat16: bool

    def autocast(self) -> AbstractContextManager[Any]:
        """Mixed precision where it helps, nothing elsewhere."""
        import torch

        if self.bfloat16:
            return torch.autocast(self.name, torch.bfloat16)
        return nullcontext()


def choose_device(name: str = "auto") -> Device:
    """Try the asked-for device with a real operation.

    Parameters
    ----------
    name
        "auto" (a GPU if one works, else the CPU), "cpu" or "cuda".

    Raises
    ------
    BadInputError
        When "cuda" was asked for by name and does not work, or PyTorch is not installed.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise BadInputError(f"--device {name}: is not known; choose auto, cpu or cuda.")
    try:
        import torch
    except ModuleNotFoundError as error:
        raise missing_package(error) or error from error
    problem = "no CUDA device is seen by torch"
    if name != "cpu" and torch.cuda.is_available():
        try:
            torch.nn.Conv3d(1, 1, 3).to("cuda")(torch.zeros(1, 1, 8, 8, 8, device="cuda")).sum().item()
            gpu = torch.cuda.get_device_name(0)
            return Device("cuda", f"{gpu} computed a test convolution.", torch.cuda.is_bf16_supported())
        except RuntimeError as error:
            problem = f"the GPU failed a test convolution ({str(error).splitlines()[0]})"
    if name == "cuda":
        raise BadInputError(f"--device cuda: {problem}; use --device cpu or mend the driver.")
    reason = "asked for." if name == "cpu" else f"{problem}."
    return Device("cpu", f"CPU: {reason}", _cpu_has_bfloat16())


def gpu_in_sight() -> bool:
    """Whether there are signs of a graphics card that PyTorch could use; looks for drivers only.

    Importing PyTorch to find out takes longer than one segmentation on the processor.
    """
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    return any(Path(place).exists() for place in _DRIVERS)


def _cpu_has_bfloat16() -> bool:
    import torch

    # Private but stable since torch 2.4; without them the safe answer is no.
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, check, lambda: False)()) for check in checks)
