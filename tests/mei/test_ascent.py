"""Gradient ascent on images: one step by hand, options, and bad input."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from numpy.testing import assert_allclose

from jaxneuro import mei

H, W, N = 6, 8, 5
PLAIN = optax.sgd(0.1)


def linear(weights, images):
    return jnp.einsum("nhwc,hwct->nt", images, weights, precision="highest")


def bent(weights, images):
    return jnp.tanh(linear(weights, images))


@pytest.fixture
def weights(rng, dtype):
    return jnp.asarray(rng.standard_normal((H, W, 1, N)) / 5, dtype)


@pytest.fixture
def start(rng, dtype):
    return jnp.asarray(rng.standard_normal((3, H, W, 1)), dtype)


def oracle(weights, image, target, n_steps, sign=1, norm=2.0):
    """Plain ascent on a sphere, in NumPy."""
    w, trace = np.asarray(weights, float)[..., target], []
    image = np.asarray(image, float)
    for _ in range(n_steps):
        trace.append(np.tanh((image * w).sum()))
        image = image + sign * 0.1 * (1 - trace[-1] ** 2) * w
        image = image * norm / np.sqrt((image**2).sum())
    return image, [*trace, np.tanh((image * w).sum())]


@pytest.mark.parametrize(
    ("objective", "sign"),
    [("excite", 1), pytest.param("inhibit", -1, marks=pytest.mark.slow)],
)
def test_steps(weights, start, objective, sign, tol):
    found = mei.ascend(
        bent,
        weights,
        start,
        [4, 0, 2],
        n_steps=7,
        optimizer=PLAIN,
        project=mei.constrain(norm=2.0),
        objective=objective,
    )
    for index, target in enumerate([4, 0, 2]):
        image, trace = oracle(weights, start[index], target, 7, sign)
        assert_allclose(found.images[index], image, **tol)
        assert_allclose(found.responses[:, index], trace, **tol)
    assert_allclose(found.contrasts[-1], found.images.std((1, 2, 3)), **tol)
    assert_allclose(found.norms[0], np.sqrt((start**2).sum((1, 2, 3))), **tol)
    assert_allclose(found.norms[1:], 2, **tol)
    assert (found.n_iter == 7).all()


@pytest.mark.slow
def test_starts_are_climbs_of_their_own(weights, start, dtype, tol):
    options = {"n_steps": 4, "optimizer": PLAIN}
    many = mei.ascend(bent, weights, start[None], [1], **options)
    assert many.images.shape == (1, 3, H, W, 1)
    assert many.responses.shape == (5, 1, 3)
    each = mei.ascend(bent, weights, start, [1, 1, 1], **options)
    assert_allclose(many.images[0], each.images, **tol)
    shared = mei.ascend(bent, weights, start[:1], [1, 2], **options)
    assert_allclose(shared.images[0], each.images[0], **tol)


@pytest.mark.parametrize(
    "batch_size",
    [2, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 8))],
)
def test_batches_change_nothing(weights, start, batch_size, tol):
    options = {"n_steps": 4, "optimizer": PLAIN}
    expected = mei.ascend(bent, weights, start, [1, 0, 3], **options)
    got = mei.ascend(bent, weights, start, [1, 0, 3], batch_size=batch_size, **options)
    assert_allclose(got.images, expected.images, **tol)


def test_ensembles_and_weights(rng, weights, start, dtype, tol):
    members = jnp.stack([weights, 2 * weights, -weights])
    row = jnp.asarray(rng.standard_normal((3, N)), dtype)
    found = mei.ascend(
        linear, members, start, row, n_members=3, n_steps=1, optimizer=PLAIN
    )
    slope = np.einsum("hwct,nt->nhwc", np.asarray(members).mean(0), row)
    assert_allclose(found.images, start + 0.1 * slope, **tol)
    expected = (np.asarray(start) * slope).sum((1, 2, 3))
    assert_allclose(found.responses[0], expected, **tol)


def least(outputs, target):
    return outputs[:, target].min()


def test_own_objective(weights, start, tol):
    members = jnp.stack([weights, 2 * weights])
    found = mei.ascend(
        linear,
        members,
        start,
        [0, 1, 2],
        n_members=2,
        n_steps=2,
        optimizer=PLAIN,
        objective=least,
    )
    each = np.einsum("nhwc,hwcn->n", start, np.asarray(weights)[..., :3])
    assert_allclose(found.responses[0], np.minimum(each, 2 * each), **tol)


def test_penalty_and_plain_functions(weights, start, tol):
    found = mei.ascend(
        linear,
        weights,
        start,
        [0, 1, 2],
        n_steps=1,
        optimizer=PLAIN,
        penalty=[lambda image: (image**2).sum(), lambda image: image.sum()],
        project=lambda image, step: jnp.clip(image, -1, 1),
    )
    slope = np.moveaxis(np.asarray(weights)[..., :3], -1, 0) - 2 * start - 1
    assert_allclose(found.images, np.clip(start + 0.1 * slope, -1, 1), **tol)


def test_fixed_centre(weights, start, dtype):
    mask = np.ones((H, W), dtype)
    mask[2:4, 3:6] = 0
    found = mei.ascend(
        bent,
        weights,
        start,
        [0, 1, 2],
        n_steps=5,
        mask=mask,
        project=mei.constrain(std=1.0, mask=mask),
        objective="inhibit",
    )
    still = mask == 0
    assert (np.asarray(found.images)[:, still] == np.asarray(start)[:, still]).all()
    assert (found.responses[-1] < found.responses[0]).all()
    inside = np.asarray(found.images)[:, ~still, 0]
    assert_allclose(inside.std(1), 1, rtol=1e-5)
    fields = np.zeros((3, H, W), dtype)
    for index in range(3):
        fields[index, index] = 1
    found = mei.ascend(bent, weights, start, [0, 1, 2], n_steps=2, mask=fields)
    moved = np.asarray(found.images != start)[..., 0]
    assert (moved == (fields > 0)).all()


def test_best_surround_is_the_planted_one(rng, dtype):
    """What surrounds the centre divides one neuron's drive, multiplies the other's."""
    around = np.ones((H, W), dtype)
    around[2:4, 3:6] = 0
    fields = rng.standard_normal((2, H, W, 1)).astype(dtype) / 4
    fields *= np.stack([1 - around, around])[..., None]

    def apply(fields, images):
        drive, pool = jnp.einsum("nhwc,khwc->kn", images, fields, precision="highest")
        weight = jnp.exp(jnp.stack([-pool, pool], 1))
        return jax.nn.relu(drive)[:, None] * weight

    start = 2 * fields[0] + 0.1 * around[..., None] * fields[0].max()
    found = mei.ascend(
        apply,
        fields,
        start[None],
        [0, 1],
        n_steps=60,
        optimizer=PLAIN,
        mask=around,
        project=mei.constrain(norm=1.0, mask=around),
    )
    best = fields[1] / np.sqrt((fields[1] ** 2).sum())
    for image, sign in zip(np.asarray(found.images), (-1, 1), strict=True):
        assert_allclose(image, start * (1 - around[..., None]) + sign * best, atol=1e-3)
    alone = np.asarray(apply(fields, start[None] * (1 - around[..., None])))[0]
    gain = np.exp(np.sqrt((fields[1] ** 2).sum()))
    assert_allclose(found.responses[-1], alone * gain, rtol=1e-4)


@pytest.mark.slow
def test_waves(weights, start, tol):
    found = mei.ascend(
        linear,
        weights,
        start,
        [0, 1, 2],
        n_steps=1,
        optimizer=PLAIN,
        parameters="fourier",
    )
    change = np.asarray(found.images - start)[..., 0]
    frequency = np.hypot(
        *np.meshgrid(np.fft.fftfreq(H), np.fft.rfftfreq(W), indexing="ij")
    )
    scale = 1 / np.maximum(frequency, 1 / W)
    scale = scale / np.sqrt((scale**2).mean())
    slope = np.fft.rfft2(np.moveaxis(np.asarray(weights)[:, :, 0, :3], -1, 0))
    # Waves that have a partner in the other half count twice in the slope.
    twice = np.ones(W // 2 + 1)
    twice[1 : W // 2] = 2
    expected = 0.1 * np.fft.irfft2(slope * scale**2 * twice, (H, W))
    assert_allclose(change, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_jitter(weights, start, tol):
    options = {"n_steps": 3, "optimizer": PLAIN, "key": jax.random.key(1)}
    still = mei.ascend(bent, weights, start, [0, 1, 2], **options)
    moved = mei.ascend(bent, weights, start, [0, 1, 2], jitter=2, **options)
    again = mei.ascend(bent, weights, start, [0, 1, 2], jitter=2, **options)
    assert np.abs(moved.images - still.images).max() > 1e-3
    assert_allclose(moved.images, again.images)
    # The last row is about the images themselves.
    rates = bent(weights, moved.images)[np.arange(3), np.arange(3)]
    assert_allclose(moved.responses[-1], rates, **tol)


def test_plateau(weights, start):
    options = {"optimizer": PLAIN, "project": mei.constrain(norm=2.0), "n_steps": 400}
    full = mei.ascend(linear, weights, start, [0, 1, 2], **options)
    early = mei.ascend(
        linear, weights, start, [0, 1, 2], patience=10, tol=1e-4, **options
    )
    assert full.converged.all()
    assert early.converged.all()
    assert (early.n_iter < 400).all()
    assert_allclose(early.responses[-1], full.responses[-1], rtol=0.01)
    for index, stop in enumerate(np.asarray(early.n_iter)):
        rest = np.asarray(early.responses)[stop:, index]
        assert_allclose(rest, rest[0], rtol=1e-5)
    short = mei.ascend(linear, weights, start, [0, 1, 2], **{**options, "n_steps": 3})
    assert not short.converged.any()


def test_dead_neuron_is_named(weights, start, tol):
    dead = weights.at[..., 3].set(0)
    with pytest.warns(
        UserWarning, match=r"1 of 3 targets have .* without a slope: 3\."
    ):
        found = mei.ascend(bent, dead, start, [0, 3, 1], n_steps=3)
    assert_allclose(found.images[1], start[1], **tol)
    assert not found.converged[1]


def fragile(weights, images):
    """Two outputs that leave their domain, one at once, one when it grows."""
    y = linear(weights, images)
    which = jnp.arange(N)[None]
    y = jnp.where(which == 0, jnp.nan, y)
    return jnp.where((which == 1) & (y > 1), jnp.inf, y)


def test_one_that_is_not_finite_stops_alone(weights, start, tol):
    start = 0 * start
    with pytest.warns(UserWarning, match=r"2 of 3 targets have .* finite: 0, 1\."):
        found = mei.ascend(
            fragile, weights, start, [0, 1, 2], n_steps=40, optimizer=PLAIN
        )
    assert_allclose(found.images[0], start[0])
    assert np.isnan(found.responses[:, 0]).all()
    assert np.isfinite(found.images).all()
    assert 0.5 < found.responses[-1, 1] <= 1
    assert found.n_iter[1] < 40
    assert_allclose(found.responses[-1, 1], linear(weights, found.images)[1, 1], **tol)
    assert found.n_iter[2] == 40
    assert not found.converged[:2].any()


def test_quiet_where_all_is_well(weights, start):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mei.ascend(bent, weights, start, [0, 1, 2], n_steps=3)


ONE = np.zeros((1, H, W, 1))


@pytest.mark.parametrize(
    ("images", "targets", "options", "message"),
    [
        (np.zeros((1, 4, 5, 1)), [0], {}, r"images of shape \(4, 5, 1\) do not fit"),
        (np.zeros((2, H, W, 1)), [0, 1, 2], {}, "images has 2 starts but there are 3"),
        (np.zeros((H, W)), [0], {}, "images has shape"),
        (np.zeros((1, 0, W, 1)), [0], {}, "holds no pixels"),
        (ONE, [5], {}, "targets holds 5 but the network has 5 outputs"),
        (ONE, [-1], {}, "targets holds -1"),
        (ONE, [[0.1, 1.0]], {}, "targets has 2 weights per row"),
        (ONE, [0.5], {}, "must hold one integer per target"),
        (ONE, [0], {"n_steps": 0}, "n_steps is 0 but must be at least 1"),
        (ONE, [0], {"jitter": -1}, "jitter is -1"),
        (ONE, [0], {"jitter": 1}, "jitter needs a key"),
        (ONE, [0], {"patience": 0}, "patience is 0"),
        (ONE, [0], {"tol": -1.0}, "tol is -1 but must not be negative"),
        (ONE, [0], {"objective": "most"}, "objective is 'most' but must be one of"),
        (ONE, [0], {"parameters": "dct"}, "parameters is 'dct'"),
        (ONE, [0], {"batch_size": 0}, "batch_size is 0"),
        (ONE, [0], {"n_members": 2}, "n_members is 2 but the leading axes"),
        (ONE, [0], {"mask": np.zeros((H, W))}, "mask is empty"),
        (ONE, [0], {"mask": np.zeros((1, H, W))}, r"mask of targets \[0\] is empty"),
        (ONE, [0], {"mask": np.ones((H, 2))}, "mask has shape"),
    ],
)
def test_bad_input(weights, dtype, images, targets, options, message):
    with pytest.raises(ValueError, match=message):
        mei.ascend(bent, weights, jnp.asarray(images, dtype), targets, **options)


def test_function_that_is_no_network(weights, start):
    with pytest.raises(ValueError, match=r"must return \(1, n_outputs\)"):
        mei.ascend(lambda v, x: bent(v, x).sum(), weights, start, [0, 1, 2])
