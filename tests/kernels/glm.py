"""Kernels of the GLM room."""

MODULES = ("glm",)
DESIGNED = "reads tables and is computed on the host in float64"
HOST: dict[str, str] = {"glm.design": DESIGNED, "glm.hrf": DESIGNED}
ROWS = []
