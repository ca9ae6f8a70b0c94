"""What a simulated teacher says, as arithmetic on human MOS: for experiments where no real teacher runs.

The model of a teacher's error, all parts of which are chosen here and none of which was measured on one:
    warp     quality is seen through a curve that rises but bends: good pictures lie close together;
    bias     content shifts it, the same way each time: a smooth function of picture features;
    noise    each picture has its own noise level (log-normal) and its own draw;
    levels   the result is read off in five levels, softened;
    pairs    share the bias and a part of the noise with the points; the other part, about as large, is the
             pair's own, which is why asking for pairs adds knowledge; the picture shown first has an edge.
Every draw is a function of (seed, picture), so that order, batches and restarts change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from leaf_edge.contract import LEVEL_MOS, MOS_MAX, MOS_MIN
from leaf_edge.ranks import spearman
from leaf_edge.teacher.judgment import Floats
from leaf_edge.teacher.normal_levels import normal_levels

Keys = NDArray[np.uint64]

_STEPS = 50
"""Of bisection."""
_LARGEST_ERROR = 50.0
"""In standard deviations of the signal: there nothing is left of it."""
_NOISE, _LEVEL, _PAIR, _OTHER_LEVEL, _OTHER_PAIR = range(5)
"""Streams of draws."""


class SimulatedLabels(NamedTuple):
    """levels: [N, 5] of `contract.LEVELS`. expectation: MOS [N]. reliability: 0..1 [N]."""

    levels: Floats
    expectation: Floats
    reliability: Floats


class SimulatedPairs(NamedTuple):
    """Preference for the first of each pair [M] when it is shown first and when second; reliability [M]."""

    forward: Floats
    backward: Floats
    reliability: Floats


@dataclass(frozen=True)
class SimulationConfig:
    """What a simulated teacher is like.

    seed: of all draws and of what the bias likes. srcc: rank correlation of its expectations with MOS
    over the table that it is fitted to. honest: reliabilities follow the noise that was really drawn;
    else they have the same distribution and tell nothing ("shuffled"). bias_share: part of the error's
    variance that is bias, 0..1. warp: exponent on quality, 1 none, below 1 bends good pictures together.
    pair_sharing: correlation, 0..1, of the noise in pairs with that in points. position: edge of the
    picture shown first, in standard deviations of the signal. deviation: of the five levels, in MOS.
    noise_spread: standard deviation of the logarithm of a picture's noise level: how much pictures differ
    in how well the teacher sees them.
    """

    seed: int = 0
    srcc: float = 0.80
    honest: bool = True
    bias_share: float = 0.5
    warp: float = 0.7
    pair_sharing: float = 0.7
    position: float = 0.15
    deviation: float = 0.45
    noise_spread: float = 0.6

    def __post_init__(self) -> None:
        limits = {
            "seed": (0, 2**53),
            "srcc": (0.05, 0.999),
            "bias_share": (0, 1),
            "warp": (0.2, 5),
            "pair_sharing": (0, 1),
            "position": (0, 3),
            "deviation": (0.2, 2),
            "noise_spread": (0, 2),
        }
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} is {getattr(self, name)}; expected {low:g} to {high:g}")


@dataclass(frozen=True)
class Simulator:
    """A teacher fitted to a table of MOS. Made by `fit`; every method takes any pictures, in any order.

    error: standard deviation of the error of a picture with mean noise, in those of the signal.
    """

    config: SimulationConfig
    error: float
    signal: tuple[float, float]
    feature_mean: Floats
    feature_scale: Floats
    bias_scale: tuple[float, float]

    def points(self, mos: ArrayLike, features: ArrayLike, keys: Keys) -> SimulatedLabels:
        """Judgments of pictures with MOS [N] in 1..5, features [N, F] and keys uint64 [N]."""
        c = self.config
        level = self._noise_level(keys, _LEVEL)
        seen = self._signal(mos) + self._error(features, level * _normal(keys, c.seed, _NOISE))
        levels = normal_levels(self._scale(seen), c.deviation)
        told = level if c.honest else self._noise_level(keys, _OTHER_LEVEL)
        return SimulatedLabels(levels, levels @ np.asarray(LEVEL_MOS), self._trust(told))

    def pairs(
        self, first: tuple[ArrayLike, ArrayLike, Keys], second: tuple[ArrayLike, ArrayLike, Keys]
    ) -> SimulatedPairs:
        """Judgments of M pairs; of each side MOS [M], features [M, F] and keys [M]."""
        c = self.config
        sides, power = [], np.zeros(len(first[2]))
        for mos, features, keys in (first, second):
            level = self._noise_level(keys, _LEVEL)
            shared = c.pair_sharing * level * _normal(keys, c.seed, _NOISE)
            sides.append(self._signal(mos) + self._error(features, shared))
            power += level**2
        own, sign = self._pair_draw(first[2], second[2], _PAIR)
        noise = np.sqrt((1 - c.pair_sharing**2) * (1 - c.bias_share) * power) * self.error * own * sign
        forward, backward = self._preferences(sides[0] - sides[1] + noise)
        told, level = (forward, backward), np.sqrt(power / 2)
        if not c.honest:  # what it would be of another pair: agreement and decision tell of this one too
            draw, sign = self._pair_draw(first[2], second[2], _OTHER_PAIR)
            told = self._preferences(draw * sign * np.sqrt(2 * (1 + self.error**2)))
            level = self._noise_level(first[2] + second[2], _OTHER_LEVEL)
        reliability = (1 - np.abs(told[0] - told[1])) * np.abs(told[0] + told[1] - 1) * self._trust(level)
        return SimulatedPairs(forward, backward, reliability)

    def _signal(self, mos: ArrayLike) -> Floats:
        return (_warped(mos, self.config.warp) - self.signal[0]) / self.signal[1]

    def _scale(self, seen: Floats) -> Floats:
        """Back from standard deviations to MOS; what is seen varies as much as the signal alone would."""
        share = self.signal[0] + self.signal[1] * seen / np.sqrt(1 + self.error**2)
        scaled: Floats = MOS_MIN + (MOS_MAX - MOS_MIN) * share
        return scaled

    def _error(self, features: ArrayLike, noise: Floats) -> Floats:
        share = self.config.bias_share
        raw = _bias(
            (np.asarray(features, np.float64) - self.feature_mean) / self.feature_scale, self.config.seed
        )
        bias = (raw - self.bias_scale[0]) / self.bias_scale[1]
        error: Floats = self.error * (np.sqrt(share) * bias + np.sqrt(1 - share) * noise)
        return error

    def _noise_level(self, keys: Keys, stream: int) -> Floats:
        """Log-normal with a mean square of one."""
        spread = self.config.noise_spread
        level: Floats = np.exp(spread * _normal(keys, self.config.seed, stream) - spread**2)
        return level

    def _trust(self, level: Floats) -> Floats:
        """Share of signal in the variance of signal and error: the reliability of classical test theory."""
        share = self.config.bias_share
        trust: Floats = 1 / (1 + self.error**2 * (share + (1 - share) * level**2))
        return trust

    def _preferences(self, difference: Floats) -> tuple[Floats, Floats]:
        edge = self.config.position
        return _sigmoid(2 * (difference + edge)), _sigmoid(2 * (difference - edge))

    def _pair_draw(self, a: Keys, b: Keys, stream: int) -> tuple[Floats, Floats]:
        """One draw for a pair in either order, and the sign that turns it with the order."""
        low, high = np.minimum(a, b), np.maximum(a, b)
        return _normal(_mix(low) ^ high, self.config.seed, stream), np.where(a <= b, 1.0, -1.0)


def fit(mos: ArrayLike, features: ArrayLike, keys: Keys, config: SimulationConfig) -> Simulator:
    """The simulator whose error is as large as makes `config.srcc` come true over this table.

    mos: [N] in 1..5, 10 or more. features: [N, F] finite numbers, F >= 1. keys: uint64 [N], different ones.
    Raises `ValueError` for values out of range, or where no error, or all, misses the SRCC.
    """
    y, x = np.asarray(mos, np.float64), np.asarray(features, np.float64)
    if y.ndim != 1 or len(y) < 10 or x.ndim != 2 or len(x) != len(y) or x.shape[1] < 1 or len(keys) != len(y):
        raise ValueError(
            f"expected MOS [N], features [N, F] and keys [N] of 10 pictures or more; found {y.shape}, "
            f"{x.shape}, {np.shape(keys)}"
        )
    if not (np.isfinite(y).all() and np.isfinite(x).all() and y.min() >= MOS_MIN and y.max() <= MOS_MAX):
        raise ValueError(f"expected finite features and MOS of {MOS_MIN:g} to {MOS_MAX:g}")
    if np.ptp(y) == 0:
        raise ValueError("all MOS are alike; expected pictures of different quality")
    warped = _warped(y, config.warp)
    mean, scale = x.mean(axis=0), x.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    raw = _bias((x - mean) / scale, config.seed)
    if config.bias_share > 0 and not np.ptp(x, axis=0).any():
        raise ValueError("all pictures have the same features; expected different ones, or bias_share 0")
    center = (float(raw.mean()), float(raw.std()) or 1.0)
    base = Simulator(config, 0.0, (float(warped.mean()), float(warped.std())), mean, scale, center)
    low, high = 0.0, _LARGEST_ERROR
    if spearman(base.points(y, x, keys).expectation, y) < config.srcc:
        raise ValueError(f"an SRCC of {config.srcc:g} is out of reach even without error")
    for _ in range(_STEPS):
        middle = (low + high) / 2
        reached = spearman(replace(base, error=middle).points(y, x, keys).expectation, y)
        low, high = (middle, high) if reached > config.srcc else (low, middle)
    return replace(base, error=low)


def simulate(
    mos: ArrayLike, features: ArrayLike, config: SimulationConfig, keys: Keys | None = None
) -> SimulatedLabels:
    """Point labels of a whole table; see `fit`. keys: by default the positions."""
    keys = positions(len(np.asarray(mos))) if keys is None else keys
    return fit(mos, features, keys, config).points(mos, features, keys)


def simulate_pairs(
    mos: ArrayLike, features: ArrayLike, pairs: ArrayLike, config: SimulationConfig, keys: Keys | None = None
) -> SimulatedPairs:
    """Labels of pairs [M, 2] (positions in the table), by the teacher that `simulate` uses."""
    y, x, index = np.asarray(mos, np.float64), np.asarray(features, np.float64), np.asarray(pairs, np.intp)
    keys = positions(len(y)) if keys is None else keys
    first, second = ((y[i], x[i], keys[i]) for i in index.reshape(-1, 2).T)
    return fit(y, x, keys, config).pairs(first, second)


def positions(count: int) -> Keys:
    """Keys of pictures that have no identity but their place in a table."""
    return np.arange(count, dtype=np.uint64)


def _warped(mos: ArrayLike, exponent: float) -> Floats:
    share: Floats = (np.asarray(mos, np.float64) - MOS_MIN) / (MOS_MAX - MOS_MIN)
    warped: Floats = share**exponent
    return warped


def _bias(z: Floats, seed: int) -> Floats:
    """A smooth function of standardised features [N, F] that the seed draws."""
    rng = np.random.default_rng([seed, 77])
    straight, wave, phase = (
        rng.standard_normal(z.shape[1]),
        rng.standard_normal(z.shape[1]),
        rng.uniform(0, 6),
    )
    along = z @ (straight / np.linalg.norm(straight))
    bias: Floats = np.tanh(along) + 0.6 * np.sin(z @ (wave / np.linalg.norm(wave)) + phase)
    return bias


def _sigmoid(x: Floats) -> Floats:
    y: Floats = 0.5 * (1 + np.tanh(x / 2))
    return y


def _mix(x: Keys) -> Keys:
    """The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), a bijection that spreads every bit."""
    z = x + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _normal(keys: Keys, seed: int, stream: int) -> Floats:
    """Standard normal draws, one for each key, by Box and Muller."""
    base = _mix(np.asarray(keys, np.uint64) ^ _mix(np.array([seed * 16 + stream], np.uint64)))
    a, b = ((_mix(base ^ np.uint64(salt)) >> np.uint64(11)) * 2.0**-53 for salt in (1, 2))
    draws: Floats = np.sqrt(-2 * np.log(1 - a)) * np.cos(2 * np.pi * b)
    return draws
