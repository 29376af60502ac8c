from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from jaxneuro import datasets, signal

nibabel = pytest.importorskip("nibabel")
pytest.importorskip("nilearn")

N_SCANS, N_RUNS = 12, 14  # of which twelve show figures


@pytest.fixture
def stored(tmp_path, rng):
    """Files as nilearn's fetcher leaves them, in small, and what is in them."""
    mask = np.zeros((3, 4, 2))
    mask[0, 1:3, 1] = mask[2, 0, 0] = 1
    scans, labels = [], []
    for run in range(N_RUNS):
        bold = 100 + rng.standard_normal((3, 4, 2, N_SCANS)) + np.arange(N_SCANS) / 3
        scans.append(tmp_path / f"run{run}.nii.gz")
        nibabel.save(nibabel.Nifti1Image(bold, np.eye(4)), scans[-1])
        labels.append(tmp_path / f"run{run}.csv")
        shown = rng.integers(0, 2, (N_SCANS, 100))
        shown[0] = -1
        np.savetxt(labels[-1], shown, fmt="%d", delimiter=",")
    image = nibabel.Nifti1Image(mask.astype(np.int8), np.eye(4))
    nibabel.save(image, tmp_path / "mask.nii.gz")
    return SimpleNamespace(
        func=[str(path) for path in scans],
        label=[str(path) for path in labels],
        mask=str(tmp_path / "mask.nii.gz"),
        background=str(tmp_path / "bg.nii.gz"),
    )


def test_pairs_images_with_the_scan_two_later(stored):
    asked = []

    def fetch(data_dir):
        asked.append(data_dir)
        return stored

    found = datasets.load_miyawaki2008(folder="here", fetch=fetch)
    assert asked == ["here"]
    assert found.images.shape == (20, 10, 10)
    assert found.bold.shape == (20, 3)
    assert_array_equal(found.run_id, np.repeat([0, 1], 10))
    mask = nibabel.load(stored.mask).get_fdata() > 0
    for run in range(2):
        mine = found.run_id == run
        shown = np.loadtxt(stored.label[12 + run], delimiter=",")
        for got, row in zip(found.images[mine], shown[:-2], strict=True):
            assert_array_equal(got, row.reshape(10, 10).T)
        Y = nibabel.load(stored.func[12 + run]).get_fdata()[mask].T
        time = np.stack([np.ones(N_SCANS), np.arange(N_SCANS)], axis=1)
        Y = Y - time @ np.linalg.lstsq(time, Y, rcond=None)[0]
        assert_allclose(found.bold[mine], (Y / Y.std(0, ddof=1))[2:], atol=1e-5)


def test_detrending_and_scaling_of_runs_equal_nilearn(rng):
    """The kernels divide by the deviation of the population, nilearn of a sample."""
    from nilearn.signal import clean

    run_id = np.repeat([0, 1, 2], [30, 20, 25])
    Y = (rng.standard_normal((75, 4)) + np.arange(75)[:, None] / 9).astype(np.float32)
    ours = signal.zscore(signal.detrend(Y, trial_id=run_id), trial_id=run_id)
    theirs = clean(
        Y.astype(float),
        runs=run_id,
        detrend=True,
        standardize="zscore_sample",
        standardize_confounds=False,
    )
    n = np.bincount(run_id)[run_id][:, None]
    assert_allclose(np.asarray(ours) * np.sqrt((n - 1) / n), theirs, atol=2e-5)


def test_says_that_there_is_no_network():
    def fetch(data_dir):
        raise OSError("no route to host")

    with pytest.raises(ConnectionError, match="not on disk and could not be fetched"):
        datasets.load_miyawaki2008(fetch=fetch)
