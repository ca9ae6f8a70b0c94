"""Error of a line from raw score to MOS, fitted on suggested frames or on frames drawn by chance.

    python scripts/suggest_value.py biq2021/ scores.csv

scores.csv: of `leaf-edge score` over photographs of that set (those of the validation side are used).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from leaf_edge.calibration import fit_curve
from leaf_edge.calibration.candidates import from_scores
from leaf_edge.calibration.suggest import suggest
from leaf_edge.datasets import biq2021

DRAWS = 100


def main(data: str, scores: str) -> None:
    mos_of = {s.path.name: s.mos for s in biq2021.load(data) if s.split == "val"}
    found = from_scores(Path(scores))
    side = np.array([i for i, key in enumerate(found.keys) if Path(key.source).name in mos_of])
    mos = np.array([mos_of[Path(found.keys[i].source).name] for i in side])
    raw, features, spread = found.raw[side], found.features[side], found.spread[side]

    def rmse(rated: list[int]) -> float:
        curve = fit_curve(raw[rated], mos[rated], "line")
        rest = np.setdiff1d(np.arange(len(mos)), rated)
        return float(np.sqrt(np.mean((np.asarray(curve(raw[rest])) - mos[rest]) ** 2)))

    print(f"{len(mos)} photographs; RMSE in MOS on those that are not rated")
    print("ratings  by chance (sd)  plain 0  plain 0.5  plain 1")
    for count in (20, 50, 100):
        draws = [
            rmse(list(np.random.default_rng(seed).choice(len(mos), count, replace=False)))
            for seed in range(DRAWS)
        ]
        chosen = [
            rmse([s.index for s in suggest(features, raw, spread, count, plain=plain)])
            for plain in (0.0, 0.5, 1.0)
        ]
        cells = "  ".join(f"{value:9.3f}" for value in chosen)
        print(f"{count:7}  {np.mean(draws):.3f} ({np.std(draws):.3f})  {cells}")


if __name__ == "__main__":
    main(*sys.argv[1:])
