"""Kernels of the room of networks."""

import jax.numpy as jnp

from jaxneuro import nn

from .table import N, Row, T

PAIR = {"prediction": (N, T), "target": (N, T)}
KERNEL = {"kernel": (5, 4, 3, 2)}
MODULES = ("nn", "core.members")
HOST = {
    "nn.adam": "makes an optimizer",
    "nn.fold": "rewrites a network",
    "nn.functional": "splits a module",
    "nn.join_sessions": "reads from disk",
    "nn.train": "loops over epochs",
    "nn.train_ensemble": "loops over epochs",
    "core.members.over_members": "takes a function, as jax.vmap does",
}

ROWS = [
    Row(
        "nn.poisson_loss",
        lambda p, t: nn.poisson_loss(jnp.exp(p), t),
        PAIR,
        (),
        recompiles="not compiled by itself",
    ),
    *(
        Row(f"nn.{name}", getattr(nn, name), PAIR, (), recompiles="not compiled itself")
        for name in ("gaussian_loss", "correlation_loss")
    ),
    *(
        Row(f"nn.{name}", call, KERNEL, (), recompiles="not compiled by itself")
        for name, call in {
            "laplace": nn.laplace,
            "group_sparsity": lambda kernel: nn.group_sparsity([kernel]),
            "l1": nn.l1,
            "l2": nn.l2,
        }.items()
    ),
]
