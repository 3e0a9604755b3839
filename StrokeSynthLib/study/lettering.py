"""Small letters for pictures that are made without a drawing library."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

#: Height and width of a letter (pixels), and the distance from one to the next.
HEIGHT, WIDTH, STEP = 8, 5, 6

#: The five columns of each letter, in hexadecimal; the lowest bit is the topmost pixel.
_LETTERS = {
    "A": "7C1211127C", "B": "7F49494936", "C": "3E41414122", "D": "7F4141413E", "E": "7F49494941",
    "F": "7F09090901", "G": "3E41415173", "H": "7F0808087F", "I": "00417F4100", "J": "2040413F01",
    "K": "7F08142241", "L": "7F40404040", "M": "7F021C027F", "N": "7F0408107F", "O": "3E4141413E",
    "P": "7F09090906", "Q": "3E4151215E", "R": "7F09192946", "S": "2649494932", "T": "03017F0103",
    "U": "3F4040403F", "V": "1F2040201F", "W": "3F4038403F", "X": "6314081463", "Y": "0304780403",
    "Z": "6159494D43", "a": "2054547840", "b": "7F28444438", "c": "3844444428", "d": "384444287F",
    "e": "3854545418", "f": "00087E0902", "g": "18A4A49C78", "h": "7F08040478", "i": "00447D4000",
    "j": "2040403D00", "k": "7F10284400", "l": "00417F4000", "m": "7C04780478", "n": "7C08040478",
    "o": "3844444438", "p": "FC18242418", "q": "18242418FC", "r": "7C08040408", "s": "4854545424",
    "t": "04043F4424", "u": "3C4040207C", "v": "1C2040201C", "w": "3C4030403C", "x": "4428102844",
    "y": "4C9090907C", "z": "4464544C44", "0": "3E5149453E", "1": "00427F4000", "2": "7249494946",
    "3": "2141494D33", "4": "1814127F10", "5": "2745454539", "6": "3C4A494931", "7": "4121110907",
    "8": "3649494936", "9": "464949291E", " ": "0000000000", "-": "0808080808", "_": "4040404040",
    ".": "0000606000", ",": "0080703000", ":": "0000140000", "(": "001C224100", ")": "0041221C00",
    "/": "2010080402", "+": "08083E0808", "=": "1414141414", "%": "2313086462",
}  # fmt: skip
_UNKNOWN = "7F4141417F"


def lettered(text: str, size: int = 1) -> npt.NDArray[np.bool_]:
    """A line of text as a picture (rows, columns); a letter that is not known is a box.

    Parameters
    ----------
    text
        The line.
    size
        Pixels along each side of a dot.
    """
    if not text:
        return np.zeros((HEIGHT * size, 0), bool)
    columns: list[int] = []
    for letter in text:
        columns += [*bytes.fromhex(_LETTERS.get(letter, _UNKNOWN)), 0]
    bits = np.unpackbits(np.array([columns], np.uint8), axis=0, bitorder="little")[:, :-1]
    return np.asarray(bits.repeat(size, 0).repeat(size, 1).astype(bool))


def write_on(picture: npt.NDArray[Any], text: str, row: int, column: int, size: int, color: Any) -> None:
    """Write into a picture (rows, columns, 3), from a corner on; what does not fit is cut off."""
    part = picture[row : row + HEIGHT * size, column:]
    letters = lettered(text, size)[: part.shape[0], : part.shape[1]]
    part[: letters.shape[0], : letters.shape[1]][letters] = color
