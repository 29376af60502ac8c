"""Images of many presentations stay on disk."""

import numpy as np
import pytest

MEMORY = """
import sys
import jax
import numpy as np
from jaxneuro import nn

images, n = np.load(sys.argv[1], mmap_mode="r"), int(sys.argv[2])
responses = np.random.default_rng(0).random((n, 2)).astype(np.float32)
core = nn.ConvCore((2,), kernel_sizes=3, pooling=8, padding="valid")
net = nn.Encoder(
    core=core, readout=nn.DenseReadout(2), shape=images.shape[1:], rngs=0
)
apply, variables = nn.functional(net)

def train(n):
    return nn.train(
        apply,
        variables,
        images[:n],
        responses[:n],
        key=jax.random.key(0),
        n_epochs=1,
        batch_size=500,
        validation=0.1,
    )

train(1000)  # compiles
base = peak(reset=True)
fit = train(n)
print(peak() - base, np.isfinite(fit.validation_loss).all())
"""


@pytest.mark.slow
def test_a_hundred_thousand_presentations(tmp_path, rng, in_child):
    """An epoch and its validation hold some batches, not the 920 MB of floats.

    Pages of the file that the system keeps count, too: 230 MB.
    """
    n, shape = 100_000, (48, 48, 1)
    images = np.lib.format.open_memmap(
        tmp_path / "images.npy", mode="w+", dtype=np.uint8, shape=(n, *shape)
    )
    block = rng.integers(0, 256, (1000, *shape), np.uint8)
    for start in range(0, n, 1000):
        images[start : start + 1000] = block
    images.flush()
    above, finite = in_child(MEMORY, tmp_path / "images.npy", n)
    assert finite == "True"
    assert int(above) < 230e6 + 150e6
