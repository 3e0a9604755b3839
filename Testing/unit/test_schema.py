"""The tissue classes are numbered without gaps and mirror each other."""

import pytest

from StrokeSynthLib.schema import (
    CLASS_COUNT,
    CLASSES,
    CSF,
    FREESURFER_TO_CLASS,
    INDEX,
    INTRACRANIAL,
    LESION,
    MIRRORED,
    PARENCHYMA,
    classes_of,
)


def test_numbers_are_positions_and_the_lesion_comes_last():
    assert [c.index for c in CLASSES] == list(range(len(CLASSES)))
    assert len(CLASSES) == LESION == CLASS_COUNT - 1


def test_names_are_unique():
    assert len(INDEX) == len(CLASSES)


def test_mirroring_twice_is_nothing_and_swaps_sides():
    assert [MIRRORED[MIRRORED[i]] for i in range(len(CLASSES))] == list(range(len(CLASSES)))
    assert MIRRORED[INDEX["left-thalamus"]] == INDEX["right-thalamus"]
    assert MIRRORED[INDEX["brain-stem"]] == INDEX["brain-stem"]


def test_a_freesurfer_label_belongs_to_one_class():
    labels = [label for c in CLASSES for label in c.freesurfer]
    assert len(labels) == len(set(labels)) == len(FREESURFER_TO_CLASS)
    assert FREESURFER_TO_CLASS[41] == INDEX["right-white-matter"]


def test_infarcts_are_in_parenchyma_not_in_fluid():
    assert not set(PARENCHYMA) & set(CSF)
    assert set(PARENCHYMA) < set(INTRACRANIAL)
    assert INDEX["air"] not in INTRACRANIAL
    assert INDEX["skull"] not in INTRACRANIAL


def test_an_unknown_tissue_is_an_error():
    with pytest.raises(KeyError, match="bone-marrow"):
        classes_of("bone-marrow")
