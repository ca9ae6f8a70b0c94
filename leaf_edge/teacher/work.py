"""Work that several processes share: claim, judge, save, release; what fails for now is tried again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from leaf_edge.teacher.interface import Failure
from leaf_edge.teacher.store import LabelStore

_LOOK_AHEAD = 8  # batches among which a free one is looked for at once
_POLL_S = 0.2


@dataclass(frozen=True)
class Task:
    """One kind of judgment, over keys.

    kind: `point` or `pair`. batch: keys judged at once. missing: the keys that lack a label, of all. is_done:
    whether one key has its label by now. judge: labels keys and stores what came of it in one transaction;
    returns the failures.
    """

    kind: str
    teacher: str
    version: str
    batch: int
    total: int
    missing: Callable[[], list[str]]
    is_done: Callable[[str], bool]
    judge: Callable[[list[str]], dict[str, Failure]]


@dataclass(frozen=True)
class Patience:
    """attempts: of a judgment that fails for now, in one run. wait_s: before the second, doubled before each
    further one. lease_s: how long a claim holds where its process cannot be seen to have ended.
    retry_failed: try again what failed for good before this run."""

    attempts: int = 3
    wait_s: float = 2.0
    lease_s: float = 900.0
    retry_failed: bool = False

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.wait_s < 0 or self.lease_s <= 0:
            raise ValueError(
                f"expected attempts from 1, waits from 0 and leases above 0 seconds; found {self}"
            )


OnStep = Callable[[str, int, int, int], None]
"""Kind, done, total, and how many this run has given up."""


def work(store: LabelStore, task: Task, owner: str, patience: Patience, on_step: OnStep) -> int:
    """Judges all that is missing, beside other processes, until every key is labelled or given up.

    Returns how many labels this process made. A key that another process holds is waited for: what comes
    next may need all of them. Its lease ends with that process, or after `lease_s`.
    """
    started = time.time()
    tries: Counter[str] = Counter()
    ready_at: dict[str, float] = {}
    lease = f"{task.kind} {task.teacher} {task.version}"
    made = 0
    while True:
        hopeless = _hopeless(store, task, patience, started)
        missing = task.missing()
        todo = [key for key in missing if key not in hopeless and tries[key] < patience.attempts]
        done, given_up = task.total - len(missing), len(missing) - len(todo)
        on_step(task.kind, done, task.total, given_up)
        if not todo:
            return made
        now = time.monotonic()
        queue = [key for key in todo if ready_at.get(key, 0.0) <= now]
        worked = False
        while queue:
            ahead = queue[: _LOOK_AHEAD * task.batch]
            mine = store.claim(lease, ahead, owner, patience.lease_s, task.batch)
            queue = queue[ahead.index(mine[-1]) + 1 if mine else len(ahead) :]
            try:
                # between listing and claiming, another process may have finished some
                fresh = [key for key in mine if not task.is_done(key)]
                failed = task.judge(fresh) if fresh else {}
            finally:
                store.release(lease, mine, owner)
            worked = worked or bool(fresh)
            made += len(fresh) - len(failed)
            done += len(mine) - len(failed)
            for key, failure in failed.items():
                tries[key] = tries[key] + 1 if failure.transient else patience.attempts
                ready_at[key] = time.monotonic() + patience.wait_s * 2.0 ** (tries[key] - 1)
                given_up += tries[key] >= patience.attempts
            on_step(task.kind, done, task.total, given_up)
        if not worked:
            time.sleep(_POLL_S)


def _hopeless(store: LabelStore, task: Task, patience: Patience, started: float) -> set[str]:
    """Keys that failed for good: at any time, or with `retry_failed` since this run began."""
    return {
        row.key
        for row in store.failures(task.teacher, task.version)
        if row.kind == task.kind
        and not row.transient
        and (not patience.retry_failed or row.updated >= started)
    }
