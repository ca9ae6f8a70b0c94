"""The network: shapes, single views, initial weights, checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from leaf_edge.student.initial import load_imagenet
from leaf_edge.student.network import (
    CheckpointError,
    Student,
    StudentConfig,
    load_checkpoint,
    save_checkpoint,
)
from leaf_edge.student.train import SIZES

TINY = StudentConfig(width=0.25, expansion=2, head=48, joint=16)


def views(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 2, 3, 224, 224), dtype=torch.uint8, generator=generator)


def test_outputs_have_the_contract_shapes_and_ranges() -> None:
    mos, spread, faults = Student(TINY).eval()(views(3))
    assert mos.shape == (3,) and spread.shape == (3,) and faults.shape == (3, 8)
    assert (spread > 0).all() and (faults >= 0).all() and (faults <= 1).all()


def test_frames_of_a_batch_do_not_mix() -> None:
    student, batch = Student(TINY).eval(), views(3)
    with torch.inference_mode():
        together = student(batch)[0]
        alone = torch.cat([student(batch[i : i + 1])[0] for i in range(3)])
    assert torch.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize(("used", "index"), [("global", 0), ("fragments", 1)])
def test_a_single_view_student_does_not_see_the_other(used: str, index: int) -> None:
    student = Student(StudentConfig(0.25, 2, 48, 16, used)).eval()
    batch = views(2)
    other = batch.clone()
    other[:, 1 - index] = 255 - other[:, 1 - index]
    with torch.inference_mode():
        features = student.predict(batch).features
        assert torch.equal(features, student.predict(other).features)
        other[:, index] = 255 - other[:, index]
        assert not torch.equal(features, student.predict(other).features)


def test_frozen_blocks_get_no_gradient_and_change_no_output() -> None:
    torch.manual_seed(0)
    student, batch = Student(TINY).eval(), views(2)
    free = student.predict(batch).mos
    frozen = student.predict(batch, frozen_blocks=4).mos
    assert torch.equal(free, frozen)
    frozen.sum().backward()
    grads = {name: p.grad is not None for name, p in student.named_parameters()}
    assert not any(g for n, g in grads.items() if n.startswith(("stem", *(f"blocks.{i}." for i in range(4)))))
    assert grads["blocks.4.dw.conv.weight"] and grads["mos.weight"]


def test_sizes_are_what_the_documentation_says() -> None:
    large, small = (Student(SIZES[name]).multiply_adds() for name in ("leaf-m", "leaf-s"))
    assert round(large / 1e6) == 299 and round(small / 1e6) == 82
    assert small / large < 0.28


def test_imagenet_weights_must_fit(tmp_path: Path) -> None:
    torch.manual_seed(1)
    source = Student()
    weights = {
        n: p.detach().clone()
        for n, p in source.state_dict().items()
        if n.split(".")[0] in ("stem", "blocks", "head")
    }
    save_file(weights, tmp_path / "w.safetensors")
    student = Student()
    load_imagenet(student, tmp_path / "w.safetensors")
    assert torch.equal(student.blocks[3].dw.conv.weight, source.blocks[3].dw.conv.weight)  # type: ignore
    with pytest.raises(ValueError, match=r"conv\.\w+ is .*these weights fit width 1\.0"):
        load_imagenet(Student(TINY), tmp_path / "w.safetensors")
    weights.pop("head.conv.bias")
    save_file(weights, tmp_path / "cut.safetensors")
    with pytest.raises(ValueError, match=r"no weights for head\.conv\.bias and 0 more"):
        load_imagenet(Student(), tmp_path / "cut.safetensors")


def test_efficientnet_weights_are_folded_with_their_own_normalisation(tmp_path: Path) -> None:
    """The first layers against the unfolded network, on pixels normalised as it was trained."""
    config = StudentConfig(backbone="efficientnet-lite2")
    torch.manual_seed(2)
    student, data = Student(config), dict[str, torch.Tensor]()

    def layer(conv: str, norm: str, like: torch.Tensor) -> None:
        data[conv + ".weight"] = torch.randn_like(like) / like[0].numel() ** 0.5
        for name, low in (("weight", 0.5), ("bias", -1.0), ("running_mean", -1.0), ("running_var", 0.1)):
            data[f"{norm}.{name}"] = low + torch.rand(len(like))

    layer("_conv_stem", "_bn0", student.stem.conv.weight)
    for i, block in enumerate(student.inverted_residuals()):
        if block.expand is not None:
            layer(f"_blocks.{i}._expand_conv", f"_blocks.{i}._bn0", block.expand.conv.weight)
        layer(f"_blocks.{i}._depthwise_conv", f"_blocks.{i}._bn1", block.dw.conv.weight)
        layer(f"_blocks.{i}._project_conv", f"_blocks.{i}._bn2", block.project.conv.weight)
    layer("_conv_head", "_bn1", student.head.conv.weight)
    torch.save(data, tmp_path / "lite.pth")
    load_imagenet(student, tmp_path / "lite.pth")

    def unfolded(x: torch.Tensor, conv: str, norm: str, **how: int) -> torch.Tensor:
        y = torch.nn.functional.conv2d(x, data[conv + ".weight"], **how)
        statistics = (data[f"{norm}.{n}"] for n in ("running_mean", "running_var", "weight", "bias"))
        return torch.nn.functional.batch_norm(y, *statistics, eps=1e-3)

    # away from the border, where both pad with their own zero
    pixels = torch.randint(0, 256, (1, 3, 32, 32))
    theirs = unfolded((pixels - 127) / 128, "_conv_stem", "_bn0", stride=2).clamp(0, 6)
    mine = student.stem((pixels - 128) / 127.5)
    assert torch.allclose(mine[..., :15, :15], theirs[..., :15, :15], atol=1e-4)
    at = "_blocks.0."
    deep = unfolded(theirs, at + "_depthwise_conv", at + "_bn1", groups=32).clamp(0, 6)
    deep = unfolded(deep, at + "_project_conv", at + "_bn2")
    assert torch.allclose(student.blocks[0](mine)[..., 1:14, 1:14], deep[..., :13, :13], atol=1e-3)
    with pytest.raises(ValueError, match=r"no '_bn0\.running_var'"):
        del data["_bn0.running_var"]
        torch.save(data, tmp_path / "cut.pth")
        load_imagenet(student, tmp_path / "cut.pth")


def test_wide_depthwise_convolutions_train_in_float32_and_infer_the_same() -> None:
    torch.manual_seed(0)
    student, batch = Student(StudentConfig(0.25, 2, 32, 16, backbone="efficientnet-lite2")), views(2)
    student.eval()
    with torch.autocast("cpu", torch.bfloat16):
        trained = student.predict(batch).mos
        with torch.no_grad():
            inferred = student.predict(batch).mos
    assert torch.allclose(trained.float(), inferred.float(), atol=0.05)
    trained.float().sum().backward()
    assert student.blocks[5].dw.conv.weight.grad is not None  # type: ignore


def test_checkpoint_round_trip_and_other_files(tmp_path: Path) -> None:
    student = Student(TINY).eval()
    save_checkpoint(tmp_path / "a.pt", student, note="x")
    again = load_checkpoint(tmp_path / "a.pt")
    assert again.config == TINY
    with torch.inference_mode():
        assert torch.equal(again(views(1))[0], student(views(1))[0])
    torch.save({"weights": 1}, tmp_path / "b.pt")
    with pytest.raises(ValueError, match="is not a checkpoint of a student"):
        load_checkpoint(tmp_path / "b.pt")
    (tmp_path / "torn.pt").write_bytes((tmp_path / "a.pt").read_bytes()[:999])
    with pytest.raises(CheckpointError, match=r"torn\.pt is not a checkpoint of a student: "):
        load_checkpoint(tmp_path / "torn.pt")


@pytest.mark.parametrize(
    "bad", [{"views": "none"}, {"width": 0}, {"backbone": "vgg"}, {"expansion": 99}, {"head": 0}]
)
def test_bad_configurations_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        StudentConfig(**bad)  # type: ignore[arg-type]
