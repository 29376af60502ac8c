"""Most exciting inputs of a network of three layers of 64 feature maps."""

import numpy as np

from cases import Arrays, Case, Data, Peer, relative
from cases.cnn import SHAPE, build, torch_parts

CONTRAST = 0.2655758261680603
SIGMA = 7.0
STEP = 0.1
# Neurons and steps.
ONE = {"small": (1, 20), "full": (1, 1000)}
MANY = {"small": (3, 10), "full": (50, 40)}


def make(size, counts) -> Data:
    """Make a network with random weights, and noise to start from."""
    import jax.numpy as jnp

    from jaxneuro import nn

    n_targets, n_steps = counts[size]
    rng = np.random.default_rng(0)
    apply, variables = nn.functional(build(n_targets))
    (readout,) = variables["params"]["readouts"].values()
    weights = rng.standard_normal(readout["features"].shape) / 4
    readout["features"] = jnp.asarray(weights, readout["features"].dtype)
    start = rng.standard_normal((1, *SHAPE))
    start = (start - start.min()) / (start.max() - start.min())
    return {
        "apply": apply,
        "variables": variables,
        "start": start.astype(np.float32),
        "n_targets": n_targets,
        "n_steps": n_steps,
    }


def make_one(size, dtype) -> Data:
    """One neuron, a thousand steps."""
    return make(size, ONE)


def make_many(size, dtype) -> Data:
    """Fifty neurons, forty steps."""
    return make(size, MANY)


def climb(data, **options) -> Arrays:
    """Ascend for all neurons in one call."""
    from jaxneuro import mei, nn

    apply, variables = nn.fold(data["apply"], data["variables"])
    targets = np.arange(data["n_targets"])
    found = mei.ascend(apply, variables, data["start"], targets, **options)
    return {
        "image": np.asarray(found.images)[..., 0],
        "response": np.asarray(found.responses).T,
        "contrast": np.asarray(found.contrasts).T,
    }


def same_steps(data) -> Arrays:
    """Take the steps of the notebook."""
    from jaxneuro import mei

    return climb(data, **mei.notebook(n_steps=data["n_steps"], sigma=SIGMA))


def better_steps(data) -> Arrays:
    """Take fewer steps, of fixed size, to images of the contrast that theirs end with.

    The contrast is known from a run of the notebook, 0.0473.
    """
    from jaxneuro import mei

    project = mei.constrain(std=0.047, low=0, high=1, at_most=True)
    return climb(data, n_steps=max(data["n_steps"] // 20, 10), project=project)


def of_one(data, index):
    """Variables of the network that has one neuron only."""
    params = data["variables"]["params"]
    (readout,) = params["readouts"].values()
    keep = slice(index, index + 1)
    own = {
        "center": readout["center"][keep],
        "features": readout["features"][..., keep],
        "bias": readout["bias"][keep],
    }
    return {**data["variables"], "params": {**params, "readouts": {0: own}}}


def smoothed(torch, slope):
    """Weigh frequencies, of which rows are counted without folding."""
    height, width = slope.shape
    rows, columns = torch.arange(height), torch.arange(width // 2 + 1)
    radius = torch.sqrt(rows[:, None] ** 2 + columns[None] ** 2) + 1e-8
    weights = radius**-0.25
    spectrum = torch.fft.rfftn(slope) * (weights / weights.mean())
    return torch.fft.irfftn(spectrum, s=(height, width)).numpy()


def torch_climb(net, start, n_steps) -> tuple[np.ndarray, list[float]]:
    """Run the loop of the notebook, from its description, for one neuron."""
    import torch
    from scipy.ndimage import gaussian_filter

    image, sigma, trace = start[0, :, :, 0], SIGMA, []
    for step in range(1, n_steps + 1):
        pixels = torch.tensor(image)[None, None].requires_grad_(True)
        response = net(pixels).sum()
        trace.append(response.item())
        (response - 2 * torch.abs(CONTRAST - torch.std(pixels))).backward()
        image = image + np.float32(STEP) * smoothed(torch, pixels.grad.squeeze())
        sigma = sigma + (0.001 - sigma) * step / n_steps
        image = gaussian_filter(image, sigma)
        image = (image - image.min()) / (image.max() - image.min())
    with torch.no_grad():
        trace.append(net(torch.tensor(image)[None, None]).item())
    return image, trace


def notebook(data) -> Arrays:
    """One neuron after the other."""
    _, Net = torch_parts()
    found = []
    for index in range(data["n_targets"]):
        net = Net(of_one(data, index)).eval().requires_grad_(False)
        found.append(torch_climb(net, data["start"], data["n_steps"]))
    return {
        "image": np.stack([image for image, _ in found]),
        "response": np.array([trace for _, trace in found]),
    }


def trace_error(_, ours, theirs) -> float:
    """Largest difference of the responses of all steps."""
    return relative(ours["response"], theirs["response"])


def shortfall(_, ours, theirs) -> float:
    """Say what our last responses lack, in units of the gain of theirs."""
    last, wanted = ours["response"][:, -1], theirs["response"][:, -1]
    gain = wanted - theirs["response"][:, 0]
    return float(max(0, ((wanted - last) / np.abs(gain)).max()))


def pytorch(error, measure, tolerance) -> Peer:
    """Make the notebook's loop in PyTorch a peer."""
    return Peer(
        name="notebook in PyTorch",
        package="torch",
        module="torch",
        run=notebook,
        error=error,
        measure=measure,
        tolerance={"float32": tolerance},
    )


TRACE = pytorch(trace_error, "responses of all steps, of the largest", 1e-3)

CASES = (
    Case(
        name="mei_one",
        title="1000 steps of the notebook's ascent for one neuron, 60 x 96 pixels",
        module="jaxneuro.mei",
        make=make_one,
        ours=same_steps,
        peers=(TRACE,),
        dtypes=("float32",),
    ),
    Case(
        name="mei_many",
        title="40 steps of the notebook's ascent for each of 50 neurons",
        module="jaxneuro.mei",
        make=make_many,
        ours=same_steps,
        peers=(TRACE,),
        dtypes=("float32",),
    ),
    Case(
        name="mei_better",
        title="the response that the notebook's ascent has after 1000 steps",
        module="jaxneuro.mei",
        make=make_one,
        ours=better_steps,
        peers=(pytorch(shortfall, "what is short of the response", 0.0),),
        dtypes=("float32",),
    ),
)
