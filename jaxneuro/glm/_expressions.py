"""Contrasts as expressions, dictionaries or arrays, and their weights on columns."""

import re
from collections.abc import Collection, Mapping, Sequence

import numpy as np

__all__ = ["columns_of", "contrast_rows", "parse"]

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<quoted>`[^`]*`|"[^"]*"|'[^']*')
    | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    | (?P<name>[\w.]+)
    | (?P<sign>[-+*/()])
    )""",
    re.VERBOSE,
)

# A value is its weight on each name; plain numbers stand under the name None.
Weights = dict[str | None, float]


def parse(expression: str, known: Collection[str]) -> dict[str, float]:
    """Read a linear combination of names; give the weight of each."""
    if expression.strip() in known:
        return {expression.strip(): 1.0}
    weights = _Parser(expression).read()
    if weights.get(None):
        raise ValueError(
            f"contrast {expression!r} adds the number {weights[None]:g} to conditions; "
            "numbers may only multiply or divide them."
        )
    return {name: weight for name, weight in weights.items() if name is not None}


class _Parser:
    """Sums of products of signed factors, read from left to right."""

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self.tokens = self._tokens()
        self.at = 0

    def _tokens(self) -> list[tuple[str, str]]:
        tokens, end, text = [], 0, self.expression.rstrip()
        while end < len(text):
            match = _TOKEN.match(text, end)
            if match is None:
                raise self._error(f"cannot be read from {text[end:].strip()!r} on")
            kind = match.lastgroup or ""
            tokens.append((kind, match[kind]))
            end = match.end()
        return tokens

    def _error(self, problem: str) -> ValueError:
        return ValueError(
            f"contrast {self.expression!r} {problem}; write it like "
            '"face - (scene + body) / 2", with odd names between `backticks`.'
        )

    def _next(self, *signs: str) -> str:
        """Take the next sign if it is one of these."""
        if self.at < len(self.tokens):
            kind, text = self.tokens[self.at]
            if kind == "sign" and text in signs:
                self.at += 1
                return text
        return ""

    def read(self) -> Weights:
        value = self._sum()
        if self.at < len(self.tokens):
            text = self.tokens[self.at][1]
            raise self._error(f"has {text!r} where a sign is expected")
        return value

    def _sum(self) -> Weights:
        value = self._product()
        while sign := self._next("+", "-"):
            term = self._product()
            factor = 1.0 if sign == "+" else -1.0
            for name, weight in term.items():
                value[name] = value.get(name, 0.0) + factor * weight
        return value

    def _product(self) -> Weights:
        value = self._factor()
        while sign := self._next("*", "/"):
            other = self._factor()
            if other.keys() != {None} and (sign == "/" or value.keys() != {None}):
                raise self._error("multiplies or divides by a condition")
            if other.keys() != {None}:
                value, other = other, value
            number = other[None]
            if sign == "/" and number == 0:
                raise self._error("divides by zero")
            number = 1 / number if sign == "/" else number
            value = {name: weight * number for name, weight in value.items()}
        return value

    def _factor(self) -> Weights:
        if sign := self._next("+", "-"):
            factor = 1.0 if sign == "+" else -1.0
            return {name: factor * weight for name, weight in self._factor().items()}
        if self._next("("):
            value = self._sum()
            if not self._next(")"):
                raise self._error("lacks a closing parenthesis")
            return value
        if self.at == len(self.tokens):
            raise self._error("ends too early")
        kind, text = self.tokens[self.at]
        self.at += 1
        if kind == "sign":
            raise self._error(f"has {text!r} where a condition is expected")
        if kind == "number":
            return {None: float(text)}
        return {text[1:-1] if kind == "quoted" else text: 1.0}


def columns_of(name: str, names: Sequence[str], conditions: Sequence[str]) -> list[int]:
    """Columns of a condition, or the one column of that name."""
    found = [i for i, condition in enumerate(conditions) if condition == name]
    if found:
        return found
    if name in names:
        return [names.index(name)]
    raise ValueError(
        f"{name!r} is not in the design; it has {_listed(names, conditions)}."
    )


def contrast_rows(
    spec: object, names: Sequence[str], conditions: Sequence[str], basis: str | None
) -> np.ndarray:
    """Weights of one contrast, (1 or n_basis, n_regressors)."""
    known = {*conditions, *names}
    weights = parse(spec, known) if isinstance(spec, str) else spec
    if not isinstance(weights, Mapping):
        weights = _by_name(weights, names, conditions)
    if isinstance(weights, np.ndarray):
        rows = weights[None]
    else:
        unknown = [name for name in weights if name not in known]
        if unknown:
            raise ValueError(
                f"contrast names {', '.join(map(repr, unknown))}, which is not in the "
                f"design; it has {_listed(names, conditions)}."
            )
        parts = [
            float(weight) * _rows(name, names, conditions, basis)
            for name, weight in weights.items()
        ]
        sizes = {len(part) for part in parts}
        if len(sizes) > 1:
            raise ValueError(
                'contrast with basis="all" mixes conditions with single columns; name '
                "conditions only."
            )
        rows = np.sum(parts, axis=0) if parts else np.zeros((1, len(names)))
    if not np.isfinite(rows).all() or not rows.any():
        raise ValueError(
            f"contrast {spec!r} has no weight other than zero, or is not finite; "
            "it must weigh at least one column."
        )
    return rows


def _listed(names: Sequence[str], conditions: Sequence[str]) -> str:
    """Conditions, then the columns that are not named like one."""
    shown = list(dict.fromkeys([*conditions, *names]))
    return ", ".join(shown[:40]) + (" ..." if len(shown) > 40 else "")


def _rows(
    name: str, names: Sequence[str], conditions: Sequence[str], basis: str | None
) -> np.ndarray:
    found = columns_of(name, names, conditions)
    rows = np.zeros((len(found), len(names)))
    rows[np.arange(len(found)), found] = 1.0
    if basis == "all":
        return rows
    if name in names:
        return np.eye(len(names))[[names.index(name)]]
    return rows.mean(axis=0, keepdims=True)


def _by_name(
    spec: object, names: Sequence[str], conditions: Sequence[str]
) -> np.ndarray | dict[str, float]:
    """Weights in an array: of all columns, of the conditions or of their columns."""
    weights = np.asarray(spec)
    if weights.ndim != 1 or weights.dtype.kind not in "biuf":
        raise TypeError(
            f"contrast is {spec!r} but must be an expression, a dictionary of weights "
            "or an array of numbers."
        )
    weights = weights.astype(np.float64)
    each = list(dict.fromkeys(conditions))
    if weights.size == len(names):
        return weights
    if weights.size == len(each):
        return dict(zip(each, weights.tolist(), strict=True))
    if weights.size == len(conditions):
        return np.pad(weights, (0, len(names) - weights.size))
    raise ValueError(
        f"contrast has {weights.size} weights but the design has {len(each)} "
        f"conditions and {len(names)} columns; give one weight for each of either."
    )
