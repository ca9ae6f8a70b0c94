"""What is tried for an encoding that breaks its budgets: fine-tuning, then layers in float."""

from __future__ import annotations

from leaf_edge.export.attempt import Attempt, fails
from leaf_edge.export.encoding import ENCODINGS, make_plan
from leaf_edge.export.observe import Observation, observe
from leaf_edge.export.parity import Parity, excess
from leaf_edge.export.report import Tuning
from leaf_edge.export.sensitivity import Kept, layer_costs, next_float, sensitivity
from leaf_edge.export.tune import TuneOptions, tune

SENSITIVITY_FRAMES = 16


def measure(attempt: Attempt, name: str, seen: Observation) -> None:
    """Costs of every layer of the encoding `name`, into `attempt.costs`."""
    views = attempt.views[:SENSITIVITY_FRAMES]
    attempt.say(f"{name}: measuring every layer on {len(views)} frames")
    attempt.costs[name] = layer_costs(attempt.net, ENCODINGS[name], seen, views)


def mend(attempt: Attempt, name: str, seen: Observation, parity: Parity) -> Parity:
    """Replaces the encoding `name` by a better one where there is one; returns the parity after."""
    options = attempt.options
    if options.qat:
        parity = _fine_tune(attempt, name, seen, parity)
    if options.most_float and fails(parity, name):
        parity = _keep_float(attempt, name, parity)
    return parity


def _fine_tune(attempt: Attempt, name: str, seen: Observation, parity: Parity) -> Parity:
    """Fine-tunes under the plan that failed, and quantises anew: with the ranges that the weights were tuned
    under, and with those that they have now. What is least beyond its budgets is taken, the student's own
    weights among the choices."""
    steps, old = attempt.options.qat, attempt.encodings[name]
    attempt.say(f"{name} breaks its budgets; quantisation-aware fine-tuning, {steps} steps")
    plan = make_plan(
        attempt.net,
        ENCODINGS[name],
        seen.ranges(old.quantized.rule, ENCODINGS[name]),
        attempt.options.keep_float,
    )
    tuned = tune(attempt.net, plan, attempt.views, TuneOptions(steps), start=old.quantized.net)
    attempt.say(f"{name}: loss on held-out frames {tuned.before:.4f}, after {tuned.after:.4f}")
    before, best, after = excess(parity, name), old, parity
    if tuned.step:
        for ranges in (seen, observe(tuned.net, attempt.views)):
            new = attempt.encode(name, ranges, attempt.options.keep_float, tuned.net)
            found = attempt.parity(**{name: new})
            if excess(found, name) < excess(after, name):
                best, after = new, found
    attempt.tuning[name] = Tuning(steps, tuned.before, tuned.after, best is not old)
    if best is old:
        attempt.say(f"{name}: the fine-tuned weights are no better; the student's own stay")
        return parity
    attempt.say(f"{name}: beyond its budgets by {before:.2f} of them before, {excess(after, name):.2f} after")
    attempt.encodings[name] = best
    return after


def _keep_float(attempt: Attempt, name: str, parity: Parity) -> Parity:
    """One layer after the other in float, each time the one that gains most, until the budgets hold."""
    old, options = attempt.encodings[name], attempt.options
    attempt.say(f"{name} breaks its budgets; measuring which layers to keep in float")
    views, tuned = attempt.views[:SENSITIVITY_FRAMES], old.net if old.net is not attempt.net else None
    if name in attempt.costs and tuned is None:
        order = [cost.layer for cost in attempt.costs[name].layers]
    else:
        order = [layer for layer, _ in sensitivity(old.net, ENCODINGS[name], old.seen, views)]
    keep, kept = options.keep_float, list[Kept]()
    while len(kept) < options.most_float and fails(parity, name):
        best = next_float(old.net, ENCODINGS[name], old.seen, views, keep, order)
        if best is None:
            attempt.say(f"{name}: no further layer gains anything in float")
            break
        attempt.say(
            f"{name}: {best.layer} in float, loss in raw quality {best.before:.4f} to {best.after:.4f}"
        )
        keep = (*keep, best.layer)
        kept.append(best)
        attempt.encodings[name] = attempt.encode(name, old.seen, keep, tuned)
        parity = attempt.parity()
    attempt.kept[name] = tuple(kept)
    return parity
