"""A map and a lesion in files become images in files."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from StrokeSynthLib.anatomy.population import PopulationModel
from StrokeSynthLib.errors import BadInputError
from StrokeSynthLib.files import read_json, sha256_of
from StrokeSynthLib.lesions.lesion import LesionRequest
from StrokeSynthLib.pipeline.simulate import SimulationRecipe
from StrokeSynthLib.pipeline.synthesis import lesion_for_map, synthesize
from StrokeSynthLib.provenance import sidecar_path
from StrokeSynthLib.translate.background import softened
from StrokeSynthLib.translate.registry import train_translator
from StrokeSynthLib.volume import Storage, Volume, read_volume, write_volume
from Testing.unit import translate_phantom as phantom

#: How hospitals store ADC: factor from 10^-3 mm^2/s, type and scaling, the unit's name.
ADC_FILES = {
    "whole numbers in 10^-6": (1000.0, Storage("int16"), "10^-6 mm^2/s"),
    "10^-6 with fractions": (1000.0, Storage("float32"), "10^-6 mm^2/s"),
    "double precision in 10^-6": (1000.0, Storage("float64"), "10^-6 mm^2/s"),
    "square millimeters": (1e-3, Storage("float32"), "mm^2/s"),
    "scaled 10^-3": (1.0, Storage("int16", 0.001), "10^-3 mm^2/s"),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("single")
    return train_translator("physics", phantom.write_cohort(folder), folder / "model").path


def patient(folder: Path, factor: float, storage: Storage) -> dict[str, Path]:
    """DWI, ADC, map and lesion of a patient as files."""
    signals = phantom.signals(99, lesion=False)
    volumes = {
        "dwi": Volume(signals["dwi"], phantom.AFFINE, Storage("int16")),
        "adc": Volume(signals["adc"] * factor, phantom.AFFINE, storage),
        "map": phantom.map_volume(),
        "lesion": phantom.lesion_volume(),
    }
    for name, volume in volumes.items():
        write_volume(folder / f"{name}.nii.gz", volume)
    return {name: folder / f"{name}.nii.gz" for name in volumes}


@pytest.mark.parametrize(("factor", "storage", "unit"), ADC_FILES.values(), ids=ADC_FILES)
def test_a_patients_adc_comes_back_in_the_unit_and_type_of_its_file(
    model: Path, tmp_path: Path, factor: float, storage: Storage, unit: str
) -> None:
    files = patient(tmp_path, factor, storage)
    written = synthesize(
        model, files["map"], files["lesion"], tmp_path / "out",
        background=files["dwi"], background_adc=files["adc"], seed=2,
    )  # fmt: skip
    paths = {path.name.split("_")[-1].split(".")[0]: path for path in written}
    outside = softened(phantom.lesion_mask() > 0, (3.0, 3.0, 6.0), (3.0, 3.0, 6.0)) == 0
    for name in ("dwi", "adc"):
        before, after = read_volume(files[name]), read_volume(paths[name])
        assert after.storage == before.storage
        assert after.array.dtype == before.array.dtype
        assert (after.array[outside] == before.array[outside]).all()
        assert (after.array != before.array)[phantom.lesion_mask() > 0].mean() > 0.9
    assert read_json(sidecar_path(paths["adc"]))["Units"] == unit
    lesion = phantom.lesion_mask() > 0
    values = read_volume(paths["adc"]).array[lesion] / factor
    assert 0.2 < np.median(values) < 0.65  # an infarct's, in the file's unit


def test_without_a_patient_adc_is_in_the_usual_unit(model: Path, tmp_path: Path) -> None:
    files = patient(tmp_path, 1000.0, Storage("int16"))
    adc = synthesize(model, files["map"], files["lesion"], tmp_path / "out", seed=2)[1]
    assert read_json(sidecar_path(adc))["Units"] == "10^-3 mm^2/s"
    assert 0.4 < np.median(read_volume(adc).array[phantom.labels() > 0]) < 1.2


def test_a_background_without_a_lesion_to_put_into_it_is_refused(model: Path, tmp_path: Path) -> None:
    files = patient(tmp_path, 1.0, Storage("float32"))
    with pytest.raises(BadInputError, match="without --lesion nothing in it would change"):
        synthesize(model, files["map"], None, tmp_path / "out", background=files["dwi"])
    write_volume(files["lesion"], phantom.lesion_volume().with_array(np.zeros(phantom.SHAPE, np.uint8)))
    with pytest.raises(BadInputError, match="the mask is empty"):
        synthesize(model, files["map"], files["lesion"], tmp_path / "out", background=files["dwi"])
    assert not (tmp_path / "out").exists()


def test_images_never_replace_what_they_are_made_from(model: Path, tmp_path: Path) -> None:
    files = patient(tmp_path, 1.0, Storage("float32"))
    background = files["dwi"].rename(tmp_path / "map_synthetic_dwi.nii.gz")
    before = sha256_of(background)
    with pytest.raises(BadInputError, match=r"map_synthetic_dwi\.nii\.gz: is an input"):
        synthesize(model, files["map"], files["lesion"], tmp_path, background=background)
    assert sha256_of(background) == before


def test_a_drawn_lesion_says_in_record_and_file_that_it_is_synthetic(tmp_path: Path) -> None:
    person = PopulationModel.load().sample(0, seed=3)
    half = np.ascontiguousarray(person.labels[::2, ::2, ::2])
    small = Volume(half, person.affine @ np.diag([2, 2, 2, 1.0]), Storage("uint8"))
    write_volume(tmp_path / "map.nii.gz", small)
    out = tmp_path / "my own name.nii.gz"
    entries = lesion_for_map(tmp_path / "map.nii.gz", out, LesionRequest(), None, seed=1)
    sidecar = read_json(sidecar_path(out))
    assert entries["Synthetic"] is sidecar["Synthetic"] is True
    assert gzip.decompress(out.read_bytes())[148:228].startswith(b"SYNTHETIC")


def test_a_cohorts_description_says_what_it_is_and_what_it_is_made_of(tmp_path: Path) -> None:
    description = SimulationRecipe().description()
    assert "Simulated" in description["Name"]
    assert description["Settings"]["anatomies"] == "population model"
    assert description["Settings"]["lesions"] == "procedural"
    of_folders = SimulationRecipe(anatomies=tmp_path / "heads", lesions=tmp_path / "masks").description()
    assert of_folders["Settings"]["anatomies"] == "heads"
    assert of_folders["Settings"]["lesions"] == "masks"
