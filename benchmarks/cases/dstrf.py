"""The dSTRF of the DSTRF toolbox's encoder, 32 electrodes, and its measures.

The toolbox is on no registry: its folder is named by JAXNEURO_DSTRF. Three repairs let
its own code run with today's packages: a progress bar that it imports for messages is
replaced, p-values become floats, and the network is not halved with its input.
"""

import importlib
import os
import sys
import types
from functools import cache, partial

import numpy as np

from cases import Arrays, Case, Data, Peer, relative

FOLDER = os.environ.get("JAXNEURO_DSTRF", "")
N_BANDS, N_LAGS, HIDDEN, N_TARGETS = 64, 65, 128, 32
DILATIONS = (1, 1, 2, 4, 8)


@cache
def build():
    """Make the toolbox's deep encoder, whose last constants are zero."""
    from jaxneuro import nn

    net = nn.Encoder(
        core=nn.CausalCore((HIDDEN,) * 5, dilations=DILATIONS, use_bias=False),
        readout=nn.DenseReadout(N_TARGETS),
        shape=(N_LAGS, N_BANDS),
        output="identity",
        rngs=0,
    )
    return nn.functional(net)


def make_network(size: str, dtype: str) -> Data:
    """Draw a stimulus of few digits: the toolbox halves its precision."""
    n_times = 200 if size == "full" else 20
    x = np.random.default_rng(0).random((n_times, N_BANDS)).astype(np.float16)
    return {"X": x.astype(dtype)}


def ours(data: Data) -> Arrays:
    """Go along the layers."""
    from jaxneuro import Lags, dstrf

    apply, variables = build()
    d = dstrf.estimate(apply, variables, data["X"], Lags(0, N_LAGS - 1, 1))
    return {"dstrf": np.asarray(d)}


@cache
def torch_stack():
    """Put the same weights into PyTorch."""
    import torch

    params = build()[1]["params"]
    kernels = list(params["core"]["kernels"].values())
    kernels.append(params["readouts"][0]["features"][None])
    layers = []
    for kernel, dilation in zip(kernels, (*DILATIONS, 1), strict=True):
        taps, n_in, n_out = kernel.shape
        conv = torch.nn.Conv1d(n_in, n_out, taps, dilation=dilation, bias=False)
        weight = np.asarray(kernel).transpose(2, 1, 0)
        conv.weight.data = torch.tensor(np.ascontiguousarray(weight))
        layers += [conv, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1]).eval().requires_grad_(False)


def torch_windows(data: Data) -> Arrays:
    """All windows as batches of 50, one backward per target."""
    import torch

    stack, parts = torch_stack(), []
    padded = np.pad(data["X"], ((N_LAGS - 1, 0), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, N_LAGS, axis=0)
    for at in range(0, len(windows), 50):
        x = torch.tensor(windows[at : at + 50].copy(), requires_grad=True)
        y = stack(x)[:, :, 0].sum(0)
        rows = [
            torch.autograd.grad(y[t], x, retain_graph=True)[0] for t in range(N_TARGETS)
        ]
        parts.append(torch.stack(rows, 1).numpy())
    return {"dstrf": np.concatenate(parts)[..., ::-1].transpose(0, 1, 3, 2)}


@cache
def toolbox():
    """Import the toolbox's module of measures from its folder."""
    bar = types.ModuleType("ipypb")
    vars(bar)["irange"] = range
    sys.modules.setdefault("ipypb", bar)
    package = types.ModuleType("dynamic_strf")
    package.__path__ = [os.path.join(FOLDER, "dynamic_strf")]
    sys.modules["dynamic_strf"] = package
    module = importlib.import_module("dynamic_strf.estimate")
    wilcoxon = module.scipy.stats.wilcoxon

    def repaired(x, y, **options):
        p = wilcoxon(x.numpy(), y.numpy(), **options).pvalue
        return types.SimpleNamespace(pvalue=float(p))

    stats = types.SimpleNamespace(wilcoxon=repaired)
    module.scipy = types.SimpleNamespace(stats=stats)
    return module


def toolbox_jacobian(data: Data) -> Arrays:
    """Let the toolbox differentiate chunks of 100 samples."""
    import torch

    stack = torch_stack()

    class Model:
        receptive_field = N_LAGS

        def __call__(self, x):
            return stack(torch.nn.functional.pad(x.float().T, (N_LAGS - 1, 0))).T

    x = torch.tensor(data["X"])
    with torch.enable_grad():
        d = toolbox().dSTRF(Model(), x, chunk_size=100)
    return {"dstrf": d.float().numpy()[:, :, ::-1]}


def frame_error(_, ours: Arrays, theirs: Arrays) -> float:
    """Root mean square, as masks of rectifiers flip at rounding."""
    ours, theirs = ours["dstrf"], theirs["dstrf"]
    return float(np.sqrt(((ours - theirs) ** 2).mean() / (theirs**2).mean()))


def make_frames(size: str, dtype: str, full: int) -> Data:
    """Make frames that hold, jump and change their shape, of one target."""
    n_times, n_lags, n_bands = (full, 65, 64) if size == "full" else (120, 21, 6)
    rng = np.random.default_rng(0)
    lag, band = np.arange(n_lags)[:, None], np.arange(n_bands)[None]
    age, frames = 0, []
    for t in range(n_times):
        age = age + 1 if rng.random() > 0.2 else 0
        one = np.exp(-((lag - n_lags / 4 - age) ** 2) / 8)
        one = one * np.exp(-((band - n_bands * (0.3 + 0.4 * (t // 50 % 2))) ** 2) / 9)
        frames.append(one * (1 + 0.3 * rng.standard_normal()))
    d = np.stack(frames) + 0.01 * rng.standard_normal((n_times, n_lags, n_bands))
    return {"dstrf": d[:, None].astype(dtype)}


def measure(name: str):
    """Make our and the toolbox's way to one measure."""

    def ours(data: Data) -> Arrays:
        from jaxneuro import dstrf

        return {"value": np.asarray(getattr(dstrf, name)(data["dstrf"]))}

    def theirs(data: Data) -> Arrays:
        import torch

        d = torch.tensor(data["dstrf"][:, :, ::-1].copy())
        return {"value": getattr(toolbox(), name)(d).numpy()}

    return ours, theirs


def value_error(_, ours: Arrays, theirs: Arrays) -> float:
    """Relative to the measure."""
    return relative(ours["value"], theirs["value"])


def peer(name: str, run, error, tolerance: float, measure: str, module: str) -> Peer:
    """Describe a program that needs PyTorch; without its folder it is not found."""
    return Peer(
        name=name,
        package="torch",
        module=module if FOLDER or "toolbox" not in name else "dynamic_strf_folder",
        run=run,
        error=error,
        measure=measure,
        tolerance={"float32": tolerance, "float64": tolerance},
    )


def measure_case(name: str, n_times: int, tolerance: float) -> Case:
    """One measure of one target beside the toolbox's."""
    run, theirs = measure(name)
    return Case(
        name=f"dstrf_{name}",
        title=f"{name} of one target, {n_times} x 65 x 64",
        module="jaxneuro.dstrf",
        make=partial(make_frames, full=n_times),
        ours=run,
        peers=(peer("toolbox", theirs, value_error, tolerance, "value", "torch"),),
        dtypes=("float32",),
    )


CASES = (
    Case(
        name="dstrf",
        title="dSTRF of the deep encoder, 200 samples, 32 electrodes",
        module="jaxneuro.dstrf",
        make=make_network,
        ours=ours,
        peers=(
            peer(
                "PyTorch, windows as batches",
                torch_windows,
                frame_error,
                1e-3,
                "RMS",
                "torch",
            ),
            peer(
                "toolbox",
                toolbox_jacobian,
                frame_error,
                1e-3,
                "RMS",
                "torch",
            ),
        ),
        dtypes=("float32",),
    ),
    measure_case("complexity", 1500, 1e-5),
    measure_case("temporal_hold", 1500, 0),
    measure_case("shape_change", 1500, 1e-5),
)
