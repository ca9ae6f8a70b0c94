"""The shapes that a curve from raw quality to MOS can have, fitted by least squares with numpy alone.

Each one takes raw scores [n] and MOS [n] and gives a function that never falls. Scores are standardised
before a non-linear fit, so that a fit does not depend on the unit of the raw score.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from leaf_edge.contract import MOS_MAX, MOS_MIN

Floats = NDArray[np.float64]
Map = Callable[[Floats], Floats]
Shape = Literal["line", "logistic", "logistic5", "knots5", "knots9", "isotonic"]
SHAPES: tuple[Shape, ...] = ("line", "logistic", "logistic5", "knots5", "knots9", "isotonic")
"""From the simplest. line: two parameters. logistic: four (VQEG, as in ITU-T P.1401 annex A, with
free ends). logistic5: a logistic of two ends plus a rising line (Sheikh et al., IEEE TIP 15(11), 2006,
section III). knotsK: a monotone piecewise-linear curve with K knots at quantiles of the raw scores.
isotonic: pooled adjacent violators, in blocks of at least the square root of n labels."""
LABELS: dict[Shape, int] = {
    "line": 10,
    "logistic": 20,
    "logistic5": 25,
    "knots5": 25,
    "knots9": 45,
    "isotonic": 50,
}
"""The fewest labels with which a shape is tried: five for each parameter. With fewer, cross-validation is
itself too noisy to keep a shape out that copies the errors of the labels."""
MIN_SLOPE = 1e-3
"""In MOS over the raw range: a curve never falls and never stalls, so that ranks survive it."""


def fit_shape(shape: Shape, x: Floats, y: Floats) -> Map:
    """The least-squares curve of that shape through raw scores `x` [n] and MOS `y` [n], n >= 3.

    It need not stay inside 1..5. A line may fall where the labels do; the others never do.
    """
    if shape == "line":
        slope, offset = np.polyfit(x, y, 1)
        return lambda v: slope * v + offset
    if shape == "isotonic":
        return _isotonic(x, y)
    if shape.startswith("knots"):
        return _knots(x, y, int(shape.removeprefix("knots")))
    middle, scale = float(x.mean()), max(float(np.ptp(x)), 1e-12)
    fit = (_logistic5 if shape == "logistic5" else _logistic)((x - middle) / scale, y)
    return lambda v: fit((v - middle) / scale)


def _logistic(x: Floats, y: Floats) -> Map:
    """lo + (hi - lo) / (1 + exp(-(v - middle) / width)) on standardised scores.

    Parameters are lo, log(hi - lo), middle, log(width), so that any step keeps the curve rising.
    """

    def curve(p: Floats, v: Floats) -> Floats:
        return np.asarray(p[0] + np.exp(p[1]) * _sigmoid((v - p[2]) / np.exp(p[3])))

    start = np.array([y.min() - 0.05, np.log(np.ptp(y) + 0.1), np.median(x), np.log(1 / 4)])
    # ends at most a scale beyond 1..5, width at most ten raw ranges
    low = np.array([MOS_MIN - 4, np.log(0.1), -5.0, np.log(1 / 50)])
    high = np.array([MOS_MAX, np.log(12), 5.0, np.log(10)])
    p = least_squares(curve, start, low, high, x, y)
    return lambda v: curve(p, v)


def _logistic5(x: Floats, y: Floats) -> Map:
    """height (1 / (1 + exp(-(v - middle) / width)) - 1/2) + slope (v - middle) + offset."""

    def curve(p: Floats, v: Floats) -> Floats:
        step = np.exp(p[1]) * (_sigmoid((v - p[2]) / np.exp(p[3])) - 0.5)
        return np.asarray(p[0] + step + np.exp(p[4]) * (v - p[2]))

    start = np.array([y.mean(), np.log(np.ptp(y) / 2 + 0.1), np.median(x), np.log(1 / 4), np.log(0.5)])
    low = np.array([MOS_MIN - 4, np.log(1e-2), -1.0, np.log(1 / 50), np.log(MIN_SLOPE)])
    high = np.array([MOS_MAX + 4, np.log(12), 1.0, np.log(10), np.log(12)])
    p = least_squares(curve, start, low, high, x, y)
    return lambda v: curve(p, v)


def _sigmoid(z: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(z, -60, 60))))


def least_squares(
    curve: Callable[[Floats, Floats], Floats],
    start: Floats,
    low: Floats,
    high: Floats,
    x: Floats,
    y: Floats,
    prior: Floats | None = None,
) -> Floats:
    """Parameters within [low, high] that bring `curve(parameters, x)` near `y`, by Levenberg and Marquardt.

    prior: standard deviations, in units of the error of one label, of a normal prior around `start`.
    """
    weight = np.zeros(len(start)) if prior is None else 1 / prior

    def residual(p: Floats) -> Floats:
        return np.concatenate([curve(p, x) - y, weight * (p - start)])

    p = np.clip(start, low, high)
    rest = residual(p)
    damping, error = 1e-2, float(rest @ rest)
    steps = 1e-6 * np.eye(len(start))
    for _ in range(60):
        jacobian = np.stack([(residual(p + s) - rest) / 1e-6 for s in steps], axis=1)
        gradient, normal = jacobian.T @ rest, jacobian.T @ jacobian
        ridge = damping * (np.diag(np.diag(normal)) + 1e-9 * np.eye(len(start)))
        trial = np.clip(p - np.linalg.solve(normal + ridge, gradient), low, high)
        trial_rest = residual(trial)
        new = float(trial_rest @ trial_rest)
        if new < error:
            done = error - new < 1e-7 * error
            p, rest, error, damping = trial, trial_rest, new, damping / 5
            if done:
                break
        else:
            damping *= 5
            if damping > 1e8:
                break
    return p


def _knots(x: Floats, y: Floats, count: int) -> Map:
    """Least squares over non-negative rises between knots at quantiles of `x`."""
    knots = np.unique(np.quantile(x, np.linspace(0, 1, count)))
    steps = np.clip((x[:, None] - knots[:-1]) / np.diff(knots), 0, 1)
    # cyclic coordinate descent on the normal equations, without the offset; with at most 8 rises it settles
    # within these sweeps
    centred = steps - steps.mean(0)
    gram, target = centred.T @ centred, centred.T @ (y - y.mean())
    power = np.maximum(gram.diagonal(), 1e-12)
    rises = np.full(len(knots) - 1, np.ptp(y) / (len(knots) - 1))
    for _ in range(400):
        before = rises.copy()
        for k in range(len(rises)):
            rises[k] = max(MIN_SLOPE, rises[k] + float(target[k] - gram[k] @ rises) / power[k])
        if np.abs(rises - before).max() < 1e-9:
            break
    offset = float(y.mean() - steps.mean(0) @ rises)
    heights = offset + np.concatenate([[0.0], np.cumsum(rises)])
    slopes = rises / np.diff(knots)
    return _polygon(knots, heights, float(slopes[0]), float(slopes[-1]))


def _polygon(knots: Floats, heights: Floats, before: float, after: float) -> Map:
    """Straight lines between the knots; `before` and `after` are the slopes beyond them."""

    def curve(v: Floats) -> Floats:
        below = np.minimum(v - knots[0], 0) * before
        above = np.maximum(v - knots[-1], 0) * after
        return np.asarray(np.interp(v, knots, heights) + below + above)

    return curve


def _isotonic(x: Floats, y: Floats) -> Map:
    """Pooled adjacent violators, then blocks of few labels joined, then straight lines between block means.

    A step function would give frames between two steps one and the same MOS, and a block of one label would
    copy its error; so the levels stand at the middle of blocks that hold the square root of n labels.
    """
    order = np.argsort(x, kind="stable")
    middles, levels = _blocks(x[order], y[order], max(3, round(len(x) ** 0.5)))
    slope = max(float(np.polyfit(x, y, 1)[0]), MIN_SLOPE / max(float(np.ptp(x)), 1e-12))
    if len(middles) == 1:
        return lambda v: np.asarray(levels[0] + slope * (v - middles[0]))
    return _polygon(middles, levels, slope, slope)


def _blocks(x: Floats, y: Floats, least: int) -> tuple[Floats, Floats]:
    """Mean raw score and mean MOS, both strictly rising, of blocks of at least `least` labels."""
    blocks: list[list[float]] = []  # count, sum of x, sum of y
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        blocks.append([1.0, a, b])
        while len(blocks) > 1 and blocks[-2][2] * blocks[-1][0] >= blocks[-1][2] * blocks[-2][0]:
            _join(blocks, len(blocks) - 2)
    while len(blocks) > 1:
        small = min(range(len(blocks)), key=lambda i: blocks[i][0])
        if blocks[small][0] >= least:
            break
        levels = [b[2] / b[0] for b in blocks]
        left = levels[small] - levels[small - 1] if small else np.inf
        right = levels[small + 1] - levels[small] if small + 1 < len(blocks) else np.inf
        _join(blocks, small - 1 if left <= right else small)
    i = 0
    while i + 1 < len(blocks):  # equal raw scores in two blocks
        if blocks[i + 1][1] / blocks[i + 1][0] - blocks[i][1] / blocks[i][0] <= 1e-12 * (1 + abs(x[0])):
            _join(blocks, i)
        else:
            i += 1
    table = np.array(blocks)
    return table[:, 1] / table[:, 0], table[:, 2] / table[:, 0]


def _join(blocks: list[list[float]], i: int) -> None:
    """Blocks i and i + 1 become one."""
    right = blocks.pop(i + 1)
    blocks[i] = [a + b for a, b in zip(blocks[i], right, strict=True)]
