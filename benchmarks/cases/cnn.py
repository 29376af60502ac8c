"""Training convolutional encoders: one network per neuron, and one core for all."""

from functools import cache

import numpy as np

from cases import Arrays, Case, Data, Peer, relative

SHAPE = (60, 96, 1)
BATCH = 16
RATE = 0.01


@cache
def optimizer():
    """One object, so that nothing is compiled twice."""
    import optax

    return optax.sgd(RATE)


def build(n_targets):
    """Make a network of three layers of 64 feature maps, with a pyramid readout."""
    from jaxneuro import nn

    return nn.Encoder(
        core=nn.ConvCore((64, 64, 64), kernel_sizes=(4, 3), pooling=(2,)),
        readout=nn.PyramidReadout(n_targets),
        shape=SHAPE,
        output="identity",
        rngs=0,
    )


def make(size, dtype, counts) -> Data:
    """Images and responses of one batch, and the weights from which all start."""
    from jaxneuro import nn

    n_targets, n_steps = counts[size]
    rng = np.random.default_rng(0)
    images = rng.standard_normal((BATCH, *SHAPE)).astype(dtype)
    responses = rng.standard_normal((BATCH, n_targets)).astype(dtype)
    n_readout = n_targets if counts is SHARED else 1
    apply, variables = nn.functional(build(n_readout))
    return {
        "X": images,
        "Y": responses,
        "n_steps": n_steps,
        "apply": apply,
        "variables": variables,
    }


SEPARATE = {"small": (2, 2), "full": (100, 2)}
SHARED = {"small": (5, 2), "full": (100, 20)}


def make_separate(size, dtype) -> Data:
    """Make a hundred networks of one neuron each, two steps."""
    return make(size, dtype, SEPARATE)


def make_shared(size, dtype) -> Data:
    """Make one network of a hundred neurons, twenty steps."""
    return make(size, dtype, SHARED)


def options(data) -> dict:
    """Plain gradient steps over one batch, in which order does not matter."""
    return {
        "loss": "gaussian",
        "optimizer": optimizer(),
        "n_epochs": data["n_steps"],
        "batch_size": BATCH,
    }


def train_separate(data) -> Arrays:
    """All networks in one call."""
    import jax

    from jaxneuro import nn

    n = data["Y"].shape[1]
    fit = nn.train_ensemble(
        lambda rngs: (data["apply"], data["variables"]),
        data["X"],
        data["Y"],
        None,
        keys=jax.random.split(jax.random.key(0), n),
        targets=np.arange(n)[:, None],
        start=data["variables"],
        **options(data),
    )
    return {"loss": np.asarray(fit.train_loss)}


def train_shared(data) -> Arrays:
    """One network."""
    import jax

    from jaxneuro import nn

    fit = nn.train(
        data["apply"],
        data["variables"],
        data["X"],
        data["Y"],
        key=jax.random.key(0),
        **options(data),
    )
    return {"loss": np.asarray(fit.train_loss)[None]}


def torch_pyramid(x):
    """Levels of a Laplace pyramid, and what is left, in PyTorch."""
    import torch
    from torch.nn import functional as F

    column = torch.tensor((0.061359, 0.244770, 0.387741, 0.244770, 0.061359))
    blur = torch.outer(column, column)[None, None]
    levels = []
    for _ in range(3):
        n_channels = x.shape[1]
        kernel = blur.to(x.dtype).expand(n_channels, 1, 5, 5)
        low = F.conv2d(x, kernel, padding=2, groups=n_channels)[:, :, ::2, ::2]
        odd = tuple((n + 1) % 2 for n in x.shape[2:])
        up = F.conv_transpose2d(
            low, kernel, stride=2, padding=2, output_padding=odd, groups=n_channels
        )
        levels.append(x - 4 * up)
        x = low
    return [*levels, x]


def torch_read(x, points):
    """Values (batch, levels * channels, points) of the pyramid of maps."""
    import torch
    from torch.nn import functional as F

    grid = points[None, :, None].expand(len(x), -1, -1, -1)
    levels = torch_pyramid(x)
    values = [F.grid_sample(level, grid, align_corners=True) for level in levels]
    return torch.cat(values, dim=1).squeeze(-1)


@cache
def torch_units(shape, dtype):
    """Pyramids of all images that are one pixel, as channels of one image."""
    import torch

    size = shape[0] * shape[1]
    levels = torch_pyramid(torch.eye(size, dtype=dtype).reshape(size, 1, *shape))
    return [level.transpose(0, 1).contiguous() for level in levels]


def torch_read_once(x, points):
    """Give the same values: what each pixel adds to a point, then one product."""
    import torch
    from torch.nn import functional as F

    grid = points[None, :, None]
    units = torch_units(tuple(x.shape[2:]), x.dtype)
    shares = [
        F.grid_sample(level, grid, align_corners=True)[0, :, :, 0] for level in units
    ]
    values = torch.einsum("bcp,lpn->blcn", x.flatten(2), torch.stack(shares))
    return values.flatten(1, 2)


def torch_parts(read=torch_read):
    """Write the same network in PyTorch, from its description."""
    import torch
    from torch.nn import functional as F

    class Net(torch.nn.Module):
        def __init__(self, variables):
            super().__init__()
            params = variables["params"]
            self.convs, self.norms = torch.nn.ModuleList(), torch.nn.ModuleList()
            for index, layer in params["core"]["layers"].items():
                kernel = torch.tensor(np.asarray(layer["kernel"]).transpose(3, 2, 0, 1))
                n_out, n_in, size, _ = kernel.shape
                conv = torch.nn.Conv2d(n_in, n_out, size, padding=size // 2, bias=False)
                conv.weight = torch.nn.Parameter(kernel.contiguous())
                self.convs.append(conv)
                self.norms.append(torch.nn.BatchNorm2d(n_out, dtype=kernel.dtype))
                assert int(index) == len(self.convs) - 1
            readout = params["readouts"][0]
            points, features, bias = (
                torch.tensor(np.asarray(readout[name]))
                for name in ("center", "features", "bias")
            )
            self.points = torch.nn.Parameter(points)
            self.features = torch.nn.Parameter(features.reshape(-1, len(points)))
            self.bias = torch.nn.Parameter(bias)

        def forward(self, x):
            maps = []
            for index, (conv, norm) in enumerate(
                zip(self.convs, self.norms, strict=True)
            ):
                x = conv(x)
                x = F.elu(norm(F.avg_pool2d(x, 2) if index == 0 else x))
                maps.append(x)
            values = read(torch.cat(maps, dim=1), self.points)
            return (values * self.features[None]).sum(1) + self.bias

    return torch, Net


def torch_losses(data, targets, read=torch_read) -> list[float]:
    """Losses of the steps of one network."""
    torch, Net = torch_parts(read)
    net = Net(data["variables"]).train()
    steps = torch.optim.SGD(net.parameters(), lr=RATE)
    x = torch.tensor(data["X"].transpose(0, 3, 1, 2)).contiguous()
    y = torch.tensor(data["Y"][:, targets])
    losses = []
    for _ in range(data["n_steps"]):
        steps.zero_grad(set_to_none=True)
        loss = ((net(x) - y) ** 2).mean()
        loss.backward()
        steps.step()
        losses.append(loss.item())
    return losses


def torch_separate(data, read=torch_read) -> Arrays:
    """One network after the other."""
    n = data["Y"].shape[1]
    return {"loss": np.array([torch_losses(data, [index], read) for index in range(n)])}


def torch_separate_once(data) -> Arrays:
    """Train with the readout that is faster for few neurons."""
    return torch_separate(data, torch_read_once)


def torch_shared(data) -> Arrays:
    """One network."""
    return {"loss": np.array([torch_losses(data, list(range(data["Y"].shape[1])))])}


def loss_error(_, ours, theirs) -> float:
    """Largest difference of the losses of all steps."""
    return relative(ours["loss"], theirs["loss"])


CLOSE = {"float32": 1e-3, "float64": 1e-5}  # the blur's printed digits


def pytorch(run, name="PyTorch") -> Peer:
    """PyTorch's eager loop."""
    return Peer(
        name=name,
        package="torch",
        module="torch",
        run=run,
        error=loss_error,
        measure="losses of all steps, of the largest",
        tolerance=CLOSE,
    )


CASES = (
    Case(
        name="cnn_separate",
        title="2 training steps of 100 networks of one neuron, 60 x 96 images",
        module="jaxneuro.nn",
        make=make_separate,
        ours=train_separate,
        peers=(
            pytorch(torch_separate),
            pytorch(torch_separate_once, "PyTorch, readout as a product"),
        ),
        dtypes=("float32",),
    ),
    Case(
        name="cnn_shared",
        title="20 training steps of one network of 100 neurons, 60 x 96 images",
        module="jaxneuro.nn",
        make=make_shared,
        ours=train_shared,
        peers=(pytorch(torch_shared),),
        dtypes=("float32",),
    ),
)
