"""Kernels of the room of most exciting inputs."""

MODULES = ("mei",)
HOST: dict[str, str] = {}
ROWS: list = []
