"""Images in, maps out, with the numbers of nilearn's first-level model."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import jaxneuro as jn

nib = pytest.importorskip("nibabel")
pytest.importorskip("nilearn")

SHAPE, N_SCANS, TR = (6, 5, 4), (60, 50), 2.0
AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])


def events(*conditions):
    return pd.DataFrame(
        {
            "onset": 5.0 + 12.0 * np.arange(7),
            "duration": 4.0,
            "trial_type": (list(conditions) * 7)[:7],
        }
    )


@pytest.fixture
def runs(tmp_path, rng):
    """Two files with autocorrelated noise, a mask, tables of events, confounds."""
    paths = []
    for run, n_scans in enumerate(N_SCANS):
        noise = rng.standard_normal((*SHAPE, n_scans))
        noise[..., 1:] += 0.5 * noise[..., :-1]
        image = nib.Nifti1Image((1000 + noise).astype(np.float32), AFFINE)
        image.header.set_zooms((3, 3, 3, TR))
        image.header.set_xyzt_units("mm", "sec")
        paths.append(str(tmp_path / f"run-{run + 1}_bold.nii"))
        nib.save(image, paths[-1])
    mask = nib.Nifti1Image((rng.random(SHAPE) < 0.7).astype(np.uint8), AFFINE)
    tables = [events("a", "b"), events("b", "c")]
    confounds = [pd.DataFrame(rng.standard_normal((n, 2))) for n in N_SCANS]
    return paths, mask, tables, confounds


@pytest.mark.parametrize("noise_model", ["ols", "ar1"])
def test_maps_equal_nilearn(runs, noise_model):
    from nilearn.glm.first_level import FirstLevelModel

    paths, mask, tables, confounds = runs
    options = {"hrf_model": "spm", "drift_model": "cosine", "high_pass": 0.01}
    ours = jn.GLM(
        TR,
        mask=mask,
        noise_model=noise_model,
        compat="nilearn",
        dtype="float64",
        **options,
    ).fit(paths, tables, confounds)
    peer = FirstLevelModel(
        TR, mask_img=mask, noise_model=noise_model, signal_scaling=False, **options
    )
    # The peer's data are float64 too, so that rounding does not choose its bins.
    images = [nib.Nifti1Image(nib.load(p).get_fdata(), AFFINE) for p in paths]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer.fit(images, tables, confounds)
        theirs = peer.compute_contrast("b", stat_type="t", output_type="all")
    found = ours.contrast("b", output="all")
    inside = np.asarray(mask.dataobj) > 0
    names = {"effect": "effect_size", "variance": "effect_variance", "stat": "stat"}
    names["z"] = "z_score"
    for name, theirs_name in names.items():
        assert isinstance(found[name], nib.Nifti1Image)
        assert_allclose(
            found[name].get_fdata()[inside],
            theirs[theirs_name].get_fdata()[inside],
            rtol=1e-5,  # maps are stored in float32
            atol=1e-6,
        )


def test_images_equal_arrays(runs):
    paths, mask, tables, confounds = runs
    inside = np.asarray(mask.dataobj) > 0
    arrays = [nib.load(path).get_fdata()[inside].T.astype("f4") for path in paths]
    by_array = jn.GLM(TR).fit(arrays, tables, confounds).contrast("b", output="stat")
    model = jn.GLM(TR, mask=mask).fit([nib.load(p) for p in paths], tables, confounds)
    image = model.contrast("b", output="stat")
    assert_allclose(image.get_fdata()[inside], by_array, rtol=2e-4, atol=2e-5)
    assert (image.get_fdata()[~inside] == 0).all()
    assert_allclose(image.affine, AFFINE)
    several = model.contrast(["a", "b"], output="effect")
    assert [type(one) for one in several] == [nib.Nifti1Image] * 2
    rows = model.contrast(["a", "b"], stat="F", output="effect")
    assert len(rows) == 2
    assert model.residuals(paths)[1].shape == (50, inside.sum())
    one = jn.GLM(TR, mask=inside).fit(paths[0], tables[0])
    assert isinstance(one.contrast("a - b"), nib.Nifti1Image)
    assert one.predict().shape == (60, inside.sum())
    # A later fit of arrays gives arrays.
    assert isinstance(one.fit(arrays[0], tables[0]).contrast("a"), np.ndarray)


def test_masker_and_smoothing(runs):
    from nilearn.image import smooth_img
    from nilearn.maskers import NiftiMasker

    paths, mask, tables, _ = runs
    masker = NiftiMasker(mask, smoothing_fwhm=5.0, standardize=None)
    by_masker = jn.GLM(TR, mask=masker).fit(paths, tables).contrast("b")
    by_option = jn.GLM(TR, mask=mask, smoothing_fwhm=5.0).fit(paths, tables)
    smooth = [smooth_img(path, 5.0) for path in paths]
    beforehand = jn.GLM(TR, mask=mask).fit(smooth, tables).contrast("b")
    for image in (by_masker, by_option.contrast("b")):
        assert_allclose(image.get_fdata(), beforehand.get_fdata(), atol=2e-3)


def test_surfaces_come_back(tmp_path, rng):
    data = rng.standard_normal((60, 12)).astype(np.float32)
    arrays = [nib.gifti.GiftiDataArray(scan) for scan in data]
    path = tmp_path / "bold.func.gii"
    nib.save(nib.gifti.GiftiImage(darrays=arrays), path)
    image = jn.GLM(TR).fit(path, events("a", "b")).contrast("a - b")
    assert isinstance(image, nib.gifti.GiftiImage)
    by_array = jn.GLM(TR).fit(data, events("a", "b")).contrast("a - b")
    assert_allclose(image.darrays[0].data, by_array, rtol=1e-5, atol=1e-6)


def test_header_disagrees(runs):
    paths, mask, tables, _ = runs
    with pytest.warns(UserWarning, match=r"tr is 1\.8 s but the images say 2 s; 1\.8"):
        jn.GLM(1.8, mask=mask).fit(paths[0], tables[0])
