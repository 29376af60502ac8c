"""Weights of PyTorch networks as nested dicts of plain arrays.

A state dict is read by duck typing: whatever has ``detach`` or converts to an array.
PyTorch itself is needed only to open a checkpoint file.
"""

import os
import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import jax
import numpy as np

__all__ = ["from_torch", "read_dstrf"]

_CAUSAL = re.compile(r"(?:.*\.)?conv\.(?:(\d+)\.)?(weight|bias)")
_LAYER = re.compile(r"(?:.*\.)?features\.layer(\d+)\.(.+)")
_NORM = {"weight": "scale", "bias": "bias"}
_STATS = {"running_mean": "mean", "running_var": "var"}
_DEPTH = {
    "ds_conv.in_depth_conv.weight": "mix_in",
    "ds_conv.spatial_conv.weight": "depth",
    "ds_conv.out_depth_conv.weight": "mix_out",
}


def from_torch(
    state: Mapping[str, Any] | str | os.PathLike, variables: Mapping[str, Any]
) -> dict:
    """Put the weights of a PyTorch encoder into the variables of one of ours.

    Understood are the stacked cores of neuralpredictors and of the notebooks made
    from it, plain or depth-separable, and its readouts ``SpatialTransformerPyramid2d``
    (``PointPyramid2d``), ``FullGaussian2d`` and ``FullFactorized2d``; the deep and
    linear encoders of the DSTRF toolbox.

    Parameters
    ----------
    state : dict of array or tensor, or path
        Arrays by name, such as those of ``module.state_dict()``, or a file of them,
        which PyTorch opens without running what is in it.
    variables : dict
        Variables of an encoder of the same architecture.

    Returns
    -------
    dict
        Like `variables`, with the weights of `state`, in their dtype.

    Raises
    ------
    ValueError
        If an array has no place in `variables` or another shape, or a parameter is
        left without a value.
    ImportError
        If a file is to be opened without PyTorch.
    """
    arrays = state if isinstance(state, Mapping) else _opened(state)
    found: dict[tuple, np.ndarray] = {}
    depth = len(_items(variables, ("params", "core", "kernels")))
    for name, value in arrays.items():
        place = _core_place(name) or _causal_place(name, depth) or _readout_place(name)
        if place is not None and not name.endswith("num_batches_tracked"):
            found[place] = _core_array(place, _array(value))
    return _filled(variables, found)


def read_dstrf(path: str | os.PathLike) -> np.ndarray:
    """Open a dSTRF that the DSTRF toolbox has saved.

    Parameters
    ----------
    path : path
        File ``dSTRF-000.pt``.

    Returns
    -------
    array (n_times, n_targets, n_lags, n_features)
        Lags ascending, in the float of the file, read from disk where it is used.

    Raises
    ------
    ValueError
        If the file holds something else.
    ImportError
        Without PyTorch.
    """
    tensor = _opened(path)
    if getattr(tensor, "ndim", None) != 4:
        raise ValueError(
            f"{path} holds no tensor of four axes; give a file that dSTRF_multiple of "
            "the DSTRF toolbox has saved."
        )
    return tensor.numpy()[:, :, ::-1]


def _opened(path: str | os.PathLike) -> Any:
    try:
        torch = import_module("torch")
    except ModuleNotFoundError as error:
        raise ImportError(
            f"opening {path} needs PyTorch, which is not installed; run: pip install "
            "torch"
        ) from error
    return torch.load(path, map_location="cpu", weights_only=True, mmap=True)


def _items(tree: Any, where: tuple) -> Any:
    for name in where:
        tree = tree.get(name, {})
    return tree


def _causal_place(name: str, depth: int) -> tuple | None:
    """Place of a layer of the DSTRF toolbox, where rectifiers have every other name."""
    match = _CAUSAL.fullmatch(name)
    if match is None:
        return None
    field = match[2]
    if not depth:
        return ("params", {"weight": "kernel"}.get(field, field))
    layer = int(match[1] or 0) // 2
    if layer < depth:
        return ("params", "core", {"weight": "kernels"}.get(field, "biases"), layer)
    return ("params", "readouts", 0, {"weight": "features"}.get(field, field))


def _array(value: Any) -> np.ndarray:
    value = value.detach() if hasattr(value, "detach") else value
    value = value.cpu() if hasattr(value, "cpu") else value
    return np.asarray(value)


def _core_place(name: str) -> tuple | None:
    match = _LAYER.fullmatch(name)
    if match is None:
        return None
    layer, rest = int(match[1]), match[2]
    core = ("core", "layers", layer)
    if rest in _DEPTH:
        return ("params", *core, _DEPTH[rest])
    kind, _, field = rest.partition(".")
    if kind == "conv":
        return ("params", *core, {"weight": "kernel", "bias": "bias"}[field])
    if kind == "norm" and field in _NORM:
        return ("params", *core, "norm", _NORM[field])
    if kind == "norm" and field in _STATS:
        return ("batch_stats", *core, "norm", _STATS[field])
    return ("params", *core, rest)  # of which no network of ours knows


def _readout_place(name: str) -> tuple | None:
    field = name.rpartition(".")[2]
    names = {
        "grid": "center",
        "mu": "center",
        "_mu": "center",
        "sigma": "spread",
        "features": "features",
        "_features": "features",
        "spatial": "mask",
        "_spatial": "mask",
        "bias": "bias",
    }
    if field not in names:
        return None
    return ("params", "readouts", 0, names[field])


def _core_array(place: tuple, array: np.ndarray) -> np.ndarray:
    if array.ndim == 3 and place[-1] != "mask":  # (out, in, taps), newest last
        if place[1] == "readouts":
            return array[:, :, 0]
        array = array.transpose(2, 1, 0)
        # The kernel of a linear network is by lags, which ascend.
        return array[::-1] if place[1] == "kernel" else array
    if place[1] == "readouts":
        return array
    if array.ndim == 4:  # (out, in, height, width)
        array = array.transpose(2, 3, 1, 0)
    return array[:, :, 0] if place[-1] == "depth" else array


def _fit(place: tuple, array: np.ndarray, like: Any) -> np.ndarray:
    """Bring a readout's array into our shape, targets last."""
    shape = tuple(like.shape)
    if place[1] == "readouts":
        squeezed = array.reshape([n for n in array.shape if n != 1] or [1])
        field, n = place[-1], shape[-1]
        if field == "features" and array.ndim == 4:  # (1, levels * channels, 1, n)
            array = array.reshape(-1, n).reshape(shape)
        elif field == "features":  # factorised, (n, channels)
            array = array.T
        elif field == "mask":  # (n, height, width)
            array = array.transpose(1, 2, 0)
        elif squeezed.size == np.prod(shape):
            array = squeezed.reshape(shape)
    if array.shape != shape:
        raise ValueError(
            f"state has shape {array.shape} for {_name(place)} but variables has "
            f"{shape}; make the encoder with the architecture of the weights."
        )
    return np.asarray(array, dtype=np.asarray(like).dtype)


def _filled(variables: Any, found: dict) -> Any:
    used = set()

    def fill(path: tuple, leaf: Any) -> np.ndarray:
        place = tuple(key.key for key in path)
        if place in found:
            used.add(place)
            return _fit(place, found[place], leaf)
        if place[0] in ("params", "batch_stats"):
            raise ValueError(
                f"state has no value for {_name(place)}; it is of another network."
            )
        return np.asarray(leaf)

    tree = jax.tree_util.tree_map_with_path(fill, variables)
    if left := sorted(map(_name, found.keys() - used)):
        raise ValueError(
            f"state has {left[0]} but variables has not; make the encoder with the "
            "architecture of the weights."
        )
    return tree


def _name(place: tuple) -> str:
    return ".".join(map(str, place[1:]))
