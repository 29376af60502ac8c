"""Permutation inference beside nilearn's, resampling by resampling."""

import warnings

import numpy as np
import pytest
import scipy.ndimage
from numpy.testing import assert_allclose, assert_array_equal

from jaxneuro import glm

pytest.importorskip("nilearn")

N, SHAPE, P, SEED = 16, (7, 8, 6), 50, 4


@pytest.fixture
def data(rng):
    mask = rng.uniform(size=SHAPE) > 0.15
    noise = rng.standard_normal((N, *SHAPE))
    smooth = scipy.ndimage.gaussian_filter(noise, (0, 0.7, 0.7, 0.7))
    return smooth[:, mask] + 0.05, rng.standard_normal((N, 3)), mask


def resamplings(*, flip):
    """The stream that one of nilearn's jobs draws, each on top of the last."""
    seed = np.random.RandomState(SEED).randint(1, np.iinfo(np.int32).max - 1)  # noqa: NPY002
    stream = np.random.RandomState(seed)  # noqa: NPY002
    current = np.ones(N, int) if flip else np.arange(N)
    found = []
    for _ in range(P):
        if flip:
            current = current * (stream.randint(2, size=(N, 1)) * 2 - 1)[:, 0]
        else:
            current = current[stream.permutation(N)]
        found.append(current)
    return np.array(found)


def permuted_ols(x, Y, confounds, **options):
    from nilearn.mass_univariate import permuted_ols

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return permuted_ols(
            x, Y, confounds, n_perm=P, random_state=SEED, output_type="dict", **options
        )


@pytest.mark.parametrize("two_sided", [True, False])
@pytest.mark.parametrize("n_confounds", [0, 2])
@pytest.mark.parametrize("flip", [True, False])
def test_null_of_the_maximum(data, x64, flip, n_confounds, two_sided):
    Y, columns, _ = data
    x = np.ones((N, 1)) if flip else columns[:, :1]
    C = columns[:, 1:] if n_confounds else None
    expected = permuted_ols(x, Y, C, two_sided_test=two_sided)
    result = glm.permutation_test(
        Y, x, confounds=C, permutations=resamplings(flip=flip), two_sided=two_sided
    )
    assert_allclose(result.stat, expected["t"], rtol=1e-12, atol=1e-13)
    assert_allclose(result.null, expected["h0_max_t"], rtol=1e-12)
    assert_allclose(
        -np.log10(result.p_corrected), expected["logp_max_t"], rtol=0, atol=1e-12
    )


def test_clusters_and_enhancement(data, x64):
    import nibabel
    from nilearn.maskers import NiftiMasker

    Y, columns, mask = data
    image = nibabel.Nifti1Image(mask.astype(np.uint8), np.eye(4))
    masker = NiftiMasker(image).fit()
    options = {"masker": masker, "threshold": 0.05, "tfce": True}
    expected = permuted_ols(columns[:, :1], Y, columns[:, 1:], **options)
    edges = glm.volume_edges(mask)
    given = {
        "confounds": columns[:, 1:],
        "permutations": resamplings(flip=False),
    }
    found = glm.cluster_test(Y, columns[:, 0], edges, p_threshold=0.05, **given)
    assert_array_equal(found.null_extent, expected["h0_max_size"][0])
    assert_allclose(found.null_mass, expected["h0_max_mass"][0], rtol=1e-10)
    extent = np.append(0, found.clusters.extent)[found.clusters.label]
    assert_array_equal(extent, expected["size"][0])
    mass = np.append(0, found.clusters.mass)[found.clusters.label]
    assert_allclose(mass, expected["mass"][0], rtol=1e-10)
    raised = glm.tfce_test(Y, columns[:, 0], edges, n_steps=100, **given)
    # A step's own height is reached or not by rounding: one step of a hundred.
    assert_allclose(raised.null, expected["h0_max_tfce"][0], rtol=1e-10)
    assert_allclose(raised.score, expected["tfce"][0], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("two_sided", [True, False])
def test_enhanced_map(data, two_sided):
    from nilearn.mass_univariate._utils import calculate_tfce

    Y, _, mask = data
    volume = np.zeros(SHAPE)
    volume[mask] = 3 * Y[0]
    structure = scipy.ndimage.generate_binary_structure(3, 1)
    expected = calculate_tfce(volume[..., None], structure, two_sided_test=two_sided)
    got = glm.tfce(
        volume[mask], glm.volume_edges(mask), n_steps=100, two_sided=two_sided
    )
    assert_allclose(got, expected[mask, 0], rtol=1e-10, atol=1e-10)
