"""Versions, devices and folders: what belongs into a bug report or a paper."""

import argparse
import importlib.metadata
import platform

from .. import __version__

__all__ = ["environment", "run"]

_REQUIRED = ("jax", "jaxlib", "numpy", "scipy", "scikit-learn", "pandas", "flax")
_OPTIONAL = ("matplotlib", "h5py", "nitime", "mne", "nilearn", "pynwb", "zarr")


def environment() -> dict[str, str]:
    """Describe the machine and the installed packages.

    Returns
    -------
    dict of str
        Entries in reading order. Starts the JAX backend to list its devices.
    """
    import jax
    import jax.numpy as jnp
    import numpy as np

    from ..datasets import cache_folder

    packages = {name: _version(name) for name in (*_REQUIRED, *_OPTIONAL)}
    kinds = [_device(device.platform, device.device_kind) for device in jax.devices()]
    devices = [f"{kinds.count(kind)} x {kind}" for kind in dict.fromkeys(kinds)]
    wide = jax.dtypes.canonicalize_dtype(np.float64) == np.float64
    return {
        "jaxneuro": __version__,
        "Python": platform.python_version(),
        **{name: version or "not installed" for name, version in packages.items()},
        "platform": platform.platform(),
        "devices": ", ".join(devices),
        "default float": str(jnp.zeros(()).dtype),
        "64-bit enabled": "yes" if wide else "no",
        "recordings": str(cache_folder()),
    }


def _device(platform_name: str, kind: str) -> str:
    return kind if kind == platform_name else f"{platform_name} ({kind})"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def run(options: argparse.Namespace) -> int:
    """Print the environment.

    Parameters
    ----------
    options : argparse.Namespace
        Not used; every subcommand is called alike.

    Returns
    -------
    int
        Exit code 0.
    """
    del options
    entries = environment()
    width = max(map(len, entries))
    for name, value in entries.items():
        print(f"{name:<{width}}  {value}")
    return 0
