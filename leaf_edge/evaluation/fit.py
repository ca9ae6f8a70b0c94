"""The logistic map from predicted quality to MOS that is usual before PLCC and RMSE are taken.

Four parameters: VQEG, "Final report on the validation of objective models of video quality
assessment, phase II", 2003, and ITU-T P.1401 (2020), which ask for a monotone map:
    f(x) = b2 + (b1 - b2) / (1 + exp(-(x - b3) / b4)), b4 > 0.
Five: Sheikh, Sabir, Bovik, "A statistical evaluation of recent full reference image quality assessment
algorithms", IEEE TIP 15(11), 2006; its linear term lets it bend, so it need not be monotone:
    f(x) = b1 (1/2 - 1 / (1 + exp(b2 (x - b3)))) + b4 x + b5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leaf_edge.extras import require

Vector = NDArray[np.float64]

KINDS = (4, 5)
_LIMIT = 20.0
"""Bound on what is fitted, in standard deviations of the data: a curve that needs more is a line."""
_MAX_STEPS = 200
_GRID_WIDTHS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Widths that are tried for a start, in standard deviations of the predictions."""
_TOLERANCE = 1e-6
"""Relative change of the cost at which the search is over: nothing that is reported moves by it."""
_REFIT_STEPS = 8


@dataclass(frozen=True)
class Fit:
    """A fitted map. kind: `logistic4`, `logistic5`, `linear` or `none` (the identity).

    reason: why it is not the logistic that was asked for; "" where it is.
    parameters: of `curve` on standardised values; x_mean, x_scale, y_mean, y_scale: that standard.
    """

    kind: str
    reason: str = ""
    parameters: tuple[float, ...] = ()
    x_mean: float = 0.0
    x_scale: float = 1.0
    y_mean: float = 0.0
    y_scale: float = 1.0

    def __call__(self, predicted: Vector) -> Vector:
        """The map at predictions of any shape, in the unit of the truth that it was fitted to."""
        if self.kind == "none":
            return np.asarray(predicted, np.float64)
        p = np.array(self.parameters)
        value, _ = curve((np.asarray(predicted, np.float64) - self.x_mean) / self.x_scale, p)
        return value * self.y_scale + self.y_mean

    def refit(self, weights: Vector, predicted: Vector, truth: Vector) -> Vector:
        """The map fitted anew to each resample, at all predictions: [B, N].

        weights: [B, N], how often each picture is in a resample. A few damped Gauss-Newton steps
        from this fit; a resample keeps the best that it met, so none is worse than this fit is on it.
        """
        if self.kind == "none":
            return np.broadcast_to(np.asarray(predicted, np.float64), weights.shape)
        x = (predicted - self.x_mean) / self.x_scale
        y = (truth - self.y_mean) / self.y_scale
        p = np.repeat(np.array(self.parameters)[None], len(weights), axis=0)
        value, slope = curve(x, p)
        cost = np.einsum("bn,bn->b", weights, (value - y) ** 2)
        damping = np.full(len(weights), 1e-3)
        eye = np.eye(p.shape[1])
        for _ in range(_REFIT_STEPS):
            weighted = slope * weights[..., None]
            normal = np.einsum("bnk,bnl->bkl", weighted, slope, optimize=True)
            gradient = np.einsum("bnk,bn->bk", weighted, value - y, optimize=True)
            size = np.trace(normal, axis1=1, axis2=2) / p.shape[1]
            step = np.linalg.solve(
                normal + (damping * size + 1e-9)[:, None, None] * eye, gradient[..., None]
            )[..., 0]
            tried = np.clip(p - step, *_bounds(p.shape[1]))
            new_value, new_slope = curve(x, tried)
            new_cost = np.einsum("bn,bn->b", weights, (new_value - y) ** 2)
            better = new_cost < cost
            p[better], cost[better] = tried[better], new_cost[better]
            value[better], slope[better] = new_value[better], new_slope[better]
            damping = np.where(better, damping * 0.2, damping * 10.0)
        return value * self.y_scale + self.y_mean


def curve(x: Vector, p: Vector) -> tuple[Vector, Vector]:
    """Value [..., N] and derivative by parameters [..., N, K] at x [N] of parameters p [..., K].

    K 2: a line (slope, offset). K 4: (b1, b2, b3, log b4). K 5: (b1, log b2, b3, b4, b5).
    """
    b = [p[..., k, None] for k in range(p.shape[-1])]
    ones = np.ones(np.broadcast_shapes(x.shape, b[0].shape))
    if len(b) == 2:
        return b[0] * x + b[1], np.stack([x * ones, ones], axis=-1)
    if len(b) == 4:
        z = (x - b[2]) * np.exp(-b[3])
        s = _sigmoid(z)
        steep = (b[0] - b[1]) * s * (1 - s)
        return b[1] + (b[0] - b[1]) * s, np.stack([s, 1 - s, -steep * np.exp(-b[3]), -steep * z], axis=-1)
    z = (x - b[2]) * np.exp(b[1])
    s = _sigmoid(z)  # 1/2 - 1/(1 + e^z) = s - 1/2
    steep = b[0] * s * (1 - s)
    slope = np.stack([s - 0.5, steep * z, -steep * np.exp(b[1]), x * ones, ones], axis=-1)
    return b[0] * (s - 0.5) + b[3] * x + b[4], slope


def _sigmoid(z: Vector) -> Vector:
    half: Vector = 0.5 * (1.0 + np.tanh(0.5 * z))  # no overflow, unlike 1 / (1 + exp(-z))
    return half


def _bounds(parameters: int) -> tuple[Vector, Vector]:
    if parameters == 2:
        return np.full(2, -np.inf), np.full(2, np.inf)
    limit = np.full(parameters, _LIMIT)
    limit[3 if parameters == 4 else 1] = 4.0  # log of a width: e^4 deviations is flat, e^-4 a step
    return -limit, limit


def fit_logistic(predicted: Vector, truth: Vector, parameters: int = 4) -> Fit:
    """Least squares of a logistic with `parameters` (4 or 5) to two vectors [N].

    From several starts, the best is kept. Where there are too few pictures or the search does not
    converge, the least-squares line comes back (identity where even that is undefined), and
    `Fit.reason` says why. Raises ValueError for another number of parameters.
    """
    if parameters not in KINDS:
        raise ValueError(f"a logistic fit has 4 or 5 parameters; found {parameters}")
    x, y = np.asarray(predicted, np.float64), np.asarray(truth, np.float64)
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Fit("none", "predictions or MOS are constant")
    standard = {
        "x_mean": float(x.mean()),
        "x_scale": float(x.std()),
        "y_mean": float(y.mean()),
        "y_scale": float(y.std()),
    }
    x = (x - standard["x_mean"]) / standard["x_scale"]
    y = (y - standard["y_mean"]) / standard["y_scale"]
    line = (float(np.mean(x * y)), 0.0)
    least = 2 * parameters
    if len(x) < least:
        reason = f"{len(x)} pictures; a fit of {parameters} parameters needs {least}"
        return Fit("linear", reason, line, **standard)
    optimise = require("scipy.optimize", "train")
    best, message = None, ""
    for start in _starts(x, y, line[0], parameters):
        try:
            found = optimise.least_squares(
                lambda p: curve(x, p)[0] - y,
                start,
                jac=lambda p: curve(x, p)[1],
                bounds=_bounds(parameters),
                ftol=_TOLERANCE,
                xtol=_TOLERANCE,
                max_nfev=_MAX_STEPS,
            )
        except (ValueError, np.linalg.LinAlgError) as error:
            message = str(error)
            continue
        if not found.success:
            message = "the search did not converge"
        elif best is None or found.cost < best.cost:
            best = found
    if best is None:
        return Fit("linear", f"no start converged: {message}", line, **standard)
    straight = float(np.sum((line[0] * x - y) ** 2)) / 2
    if best.cost > straight * 1.01:
        return Fit("linear", "a line fits better than the logistic that was found", line, **standard)
    return Fit(f"logistic{parameters}", "", tuple(map(float, best.x)), **standard)


def _starts(x: Vector, y: Vector, slope: float, parameters: int) -> list[Vector]:
    """The best curve of a grid of centres and widths, its linear part solved; and nearly the line."""
    centres = np.repeat(np.quantile(x, np.linspace(0.02, 0.98, 9)), len(_GRID_WIDTHS))
    widths = np.tile(np.log(_GRID_WIDTHS), 9)
    s = _sigmoid((x - centres[:, None]) * np.exp(-widths)[:, None])
    ones = np.ones_like(s)
    basis = np.stack([s, 1 - s] if parameters == 4 else [s - 0.5, x * ones, ones], axis=-1)
    normal = np.einsum("gnk,gnl->gkl", basis, basis) + 1e-6 * len(x) * np.eye(basis.shape[-1])
    solved = np.linalg.solve(normal, (basis * y[:, None]).sum(axis=1)[..., None])[..., 0]
    solved = np.clip(solved, -_LIMIT / 2, _LIMIT / 2)
    best = int(np.argmin(((np.einsum("gnk,gk->gn", basis, solved) - y) ** 2).sum(axis=1)))
    linear, centre, width = solved[best], centres[best], widths[best]
    if parameters == 5:
        bent = np.array([linear[0], -width, centre, linear[1], linear[2]])
        return [bent, np.array([0.1 * slope, 0.0, 0.0, slope, 0.0])]
    wide = 3.0  # near its centre a logistic rises by (b1 - b2) / (4 b4)
    flat = np.array([2 * slope * wide, -2 * slope * wide, 0.0, np.log(wide)])
    return [np.array([linear[0], linear[1], np.clip(centre, -_LIMIT, _LIMIT), width]), flat]
