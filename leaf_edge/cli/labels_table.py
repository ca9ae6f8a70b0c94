"""The statistics of a label store, for people."""

from __future__ import annotations

from typing import Any


def print_stats(stats: dict[str, Any]) -> None:
    """Prints what `label_stats.store_stats` found."""
    from rich.console import Console

    console = Console(highlight=False)
    console.print(
        f"{stats['store']}: {stats['pictures']} pictures ({stats['images']} images, {stats['clip_frames']} "
        f"frames of clips, {stats['synthetic_versions']} synthetic versions)",
        markup=False,
    )
    for teacher in stats["teachers"]:
        _print_teacher(console, teacher)


def _print_teacher(console: Any, t: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table("", "", title=f"{t['teacher']}  version {t['version']}", show_header=False)
    failures = t["failures"]
    rows = [
        ("point labels", f"{t['points']}, mean reliability {_number(t['point_reliability'])}"),
        (
            "pair labels",
            f"{t['pairs']} of {t['planned_pairs']} planned, "
            f"mean reliability {_number(t['pair_reliability'])}",
        ),
        ("fault labels", f"{t['faults']}"),
        ("failures", f"{failures['transient']} for now, {failures['permanent']} for good"),
        (
            "speed",
            f"{_number(t['images_per_hour'], ',.0f')} images/hour, "
            f"{_number(t['pairs_per_hour'], ',.0f')} pairs/hour",
        ),
    ]
    if order := t["order"]:
        rows.append(
            (
                "order of presentation",
                f"same choice in {order['same_choice']:.1%} of pairs; preferences differ by "
                f"{order['mean_difference']:.3f}; first shown {order['first_shown']:+.3f}",
            )
        )
    if found := t["graph"]:
        rows.append(
            (
                "comparison graph",
                f"{found['pictures']} pictures in {found['components']} connected part(s), the largest "
                f"{found['largest']:.1%}; {found['degree_mean']:.1f} pairs a picture, "
                f"{found['degree_least']} at least; {found['uncompared']} with a point label and no pair",
            )
        )
    if found := t["cycles"]:
        kind = "sampled triangles" if found["sampled"] else "triangles"
        rows.append(
            ("cycles in preferences", f"{found['share']:.2%} of {found['triangles']} {kind} (chance 25 %)")
        )
    if found := t["points_and_pairs"]:
        rows.append(
            (
                "points agree with pairs",
                f"in {found['agreement']:.1%} of {found['pairs']} pairs without a tie",
            )
        )
    for name, value in rows:
        table.add_row(name, value)
    console.print(table)
    for reason, count in failures["reasons"].items():
        console.print(f"failed {count} x {reason}", markup=False)
    if found := t["points_and_pairs"]:
        _bins(console, "points and pairs, by the pair's reliability", found["by_pair_reliability"])
        _bins(console, "points and pairs, by the lesser point reliability", found["by_point_reliability"])
    if found := t.get("mos"):
        points, pairs = found["points"], found["pairs"]
        console.print(
            f"against MOS: {points['labels']} points, SRCC {_number(points['srcc'])}, mean error "
            f"{_number(points['mae'])}, bias {_number(points['bias'])}; {pairs['labels']} pairs, "
            f"{_number(pairs['right'], '.1%')} right"
        )
        _bins(console, "points against MOS, by reliability", points["by_reliability"])
        _bins(console, "pairs against MOS, by reliability", pairs["by_reliability"])


def _bins(console: Any, title: str, bins: list[dict[str, Any]]) -> None:
    from rich.table import Table

    if not bins:
        return
    measures = [name for name in bins[0] if name not in ("labels", "from", "to")]
    table = Table("reliability", "labels", *measures, title=title)
    for entry in bins:
        values = (_number(entry[name]) for name in measures)
        table.add_row(f"{entry['from']:.3f} to {entry['to']:.3f}", str(entry["labels"]), *values)
    console.print(table)


def _number(value: float | None, form: str = ".3f") -> str:
    return "-" if value is None else format(value, form)
