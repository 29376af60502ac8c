import json
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from jaxneuro.io import bids

RUN = "/data/sub-01_ses-2_task-faces_run-{}_space-MNI_desc-preproc_bold.nii.gz"


def test_table_of_confounds(tmp_path, rng):
    table = pd.DataFrame(
        rng.standard_normal((9, 4)), columns=["trans_x", "trans_y", "rot_z", "csf"]
    )
    table.loc[0, "csf"] = np.nan
    table["text"] = "a"
    path = tmp_path / "confounds.tsv"
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    found, keep = bids.read_confounds(path, columns=["csf", "trans_*"])
    assert list(found.columns) == ["csf", "trans_x", "trans_y"]
    assert_allclose(found["trans_y"], table["trans_y"])
    assert np.isnan(found["csf"][0])
    assert keep.all()
    assert keep.shape == (9,)
    table[["csf"]].to_csv(tmp_path / "one.csv", index=False)
    assert list(bids.read_confounds(tmp_path / "one.csv")[0].columns) == ["csf"]
    with pytest.raises(ValueError, match="has no column 'rot_q'; it has trans_x"):
        bids.read_confounds(path, columns=["rot_q"])
    with pytest.raises(ValueError, match="holds text in the columns text"):
        bids.read_confounds(path)
    with pytest.raises(ValueError, match=r"ends in '\.json' but confounds are read"):
        bids.read_confounds(tmp_path / "x.json")


def test_motion_as_numbers(tmp_path, rng):
    numbers = rng.standard_normal((9, 6))
    np.savetxt(tmp_path / "rp_bold.txt", numbers)
    found, _ = bids.read_confounds(tmp_path / "rp_bold.txt")
    assert list(found.columns) == [f"motion_{i}" for i in range(1, 7)]
    assert_allclose(found.to_numpy(), numbers)


def test_strategy_of_fmriprep(tmp_path, rng):
    """The table that nilearn finds beside the image, and the scans it censors."""
    pytest.importorskip("nilearn")
    nib = pytest.importorskip("nibabel")
    n_scans = 40
    axes = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
    endings = ["", "_derivative1", "_power2", "_derivative1_power2"]
    names = [axis + ending for axis in axes for ending in endings]
    table = pd.DataFrame(rng.standard_normal((n_scans, len(names))), columns=names)
    table["framewise_displacement"] = 0.01
    table.loc[20, "framewise_displacement"] = 5.0
    table["std_dvars"] = 1.0
    stem = tmp_path / "sub-01_task-rest"
    table.to_csv(f"{stem}_desc-confounds_timeseries.tsv", sep="\t", index=False)
    meta = {name: {"Method": "other"} for name in table}
    (tmp_path / "sub-01_task-rest_desc-confounds_timeseries.json").write_text(
        json.dumps(meta)
    )
    image = nib.Nifti1Image(np.zeros((3, 3, 3, n_scans)), np.eye(4))
    path = f"{stem}_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz"
    nib.save(image, path)
    found, keep = bids.read_confounds(
        path, strategy=["motion", "scrub"], motion="basic", scrub=0
    )
    assert list(found.columns) == sorted(axes, key=list(found.columns).index)
    assert len(found) == n_scans
    assert_array_equal(np.flatnonzero(~keep), [20])


def test_names():
    runs = [RUN.format(run) for run in (1, 2)]
    expected = (
        "sub-01_ses-2_task-faces_space-MNI_contrast-faceMinusHouse_stat-t_statmap"
        ".nii.gz"
    )
    assert bids.map_name(runs, "face - house", "t", ".nii.gz") == expected
    assert (
        bids.map_name(["bold.npy"], None, "r2", ".npy") == "stat-rsquared_statmap.npy"
    )
    assert bids.shared_entities([*runs, "sub-01_ses-3_task-faces_bold.nii"]) == {
        "sub": "01",
        "task": "faces",
    }
    assert bids.entities("run-1_bold.nii") == {}
    with pytest.raises(ValueError, match="stat is 'chi' but must be one of effect"):
        bids.map_name(runs, "face", "chi", ".nii.gz")


@pytest.mark.parametrize(
    "contrast",
    ["face - house", "face", "Face_A+ house", "a > b", "face - (scene + body) / 2"],
)
def test_labels_are_those_of_nilearn(contrast):
    base = pytest.importorskip("nilearn.glm._base")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that it changes the name
        expected = base._clean_contrast_name(contrast)
    assert bids.contrast_label(contrast) == expected


def test_label_needs_a_letter():
    with pytest.raises(ValueError, match="has no letter or digit"):
        bids.contrast_label("()")
