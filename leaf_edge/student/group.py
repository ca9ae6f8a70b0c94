"""Several processes that train one student on parts of the same batch, with the result of one process.

Each process runs the backbone on its part of a batch; the pooled features are gathered, and every process
computes the heads and the whole loss, which has terms over all pictures of a batch. A process's gradient of
the backbone is that of its own part, so that the gradients add up to those of one process.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


class Group:
    """One process of `size`, with number `rank`; (0, 1) where there is only one."""

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    @classmethod
    def from_environment(cls) -> Group:
        """The group that torchrun started this process in (gloo on CPUs, NCCL on GPUs), or one process."""
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls()
        if not dist.is_initialized():
            gpus = torch.cuda.is_available()
            if gpus:
                torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
            dist.init_process_group("nccl" if gpus else "gloo")
        return cls(dist.get_rank(), dist.get_world_size())

    @property
    def device(self) -> torch.device:
        """Where this process computes: its own GPU where there is one (`LOCAL_RANK`), else the CPU."""
        if torch.cuda.is_available():
            return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        return torch.device("cpu")

    @property
    def first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def part(self, count: int) -> slice:
        """Positions of this process's pictures among `count`. Raises ValueError where some would get none."""
        if count < self.size:
            raise ValueError(
                f"a batch of {count} pictures cannot be shared by {self.size} processes: enlarge the batch"
            )
        each, more = divmod(count, self.size)
        begin = self.rank * each + min(self.rank, more)
        return slice(begin, begin + each + int(self.rank < more))

    def gather(self, part: Tensor, count: int) -> Tensor:
        """All `count` rows from every process's `part`, in order; the gradient reaches the own part."""
        if self.size == 1:
            return part
        gathered: Tensor = _Gather.apply(part, self, count)  # type: ignore[no-untyped-call]
        return gathered

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Sums gradients over the processes: of what each ran on its part alone."""
        if self.size > 1:
            for p in parameters:
                if p.grad is not None:
                    dist.all_reduce(p.grad)

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Means of gradients that are the same but for rounding, so that weights never drift apart."""
        if self.size > 1:
            for p in parameters:
                if p.grad is not None:
                    dist.all_reduce(p.grad)
                    p.grad /= self.size

    def agreed(self, value: Any) -> Any:
        """The first process's `value`, everywhere."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def close(self) -> None:
        """Ends the group, where torchrun made one."""
        if self.size > 1 and dist.is_initialized():
            dist.destroy_process_group()


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, part: Tensor, group: Group, count: int) -> Tensor:
        ctx.group, ctx.count = group, count
        most = -(-count // group.size)
        padded = part.new_zeros((most, *part.shape[1:]))
        padded[: len(part)] = part
        parts = [torch.empty_like(padded) for _ in range(group.size)]
        dist.all_gather(parts, padded)
        sizes = (Group(rank, group.size).part(count) for rank in range(group.size))
        return torch.cat([p[: s.stop - s.start] for p, s in zip(parts, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        # every process computes the same whole loss: the own rows hold the whole gradient of the own part
        return gradients[0][ctx.group.part(ctx.count)].contiguous(), None, None
