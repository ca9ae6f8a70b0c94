"""Initial weights of a full-size student: ImageNet's. A small one is cut from a large one (shrink.py)."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file

from leaf_edge.student.network import Student


def load_imagenet(student: Student, path: Path) -> None:
    """Copies backbone weights (names `stem.conv`, `blocks.N.{expand,dw,project}.conv`, `head.conv`).

    The student must have width 1.0, expansion 6 and head 1280. Raises ValueError naming what differs.
    """
    weights = {k: v for k, v in load_file(path).items() if not k.startswith("classifier")}
    state = student.state_dict()
    for name, value in weights.items():
        if name not in state:
            raise ValueError(f"{path}: {name} has no place in the student; expected a MobileNetV2")
        if state[name].shape != value.shape:
            raise ValueError(
                f"{path}: {name} is {list(value.shape)}, the student's is {list(state[name].shape)}; "
                "these weights fit width 1.0, expansion 6, head 1280"
            )
    missing = [n for n in state if n.split(".")[0] in ("stem", "blocks", "head") and n not in weights]
    if missing:
        raise ValueError(f"{path}: no weights for {missing[0]} and {len(missing) - 1} more")
    student.load_state_dict(weights, strict=False)
