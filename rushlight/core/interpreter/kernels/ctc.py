"""Connectionist temporal classification: the sum over alignments, and its gradient.

Graves et al. 2006.  A target of length L is interleaved with blanks into 2 L + 1 states, and
alpha(t, s) is the log of the probability of all prefixes ending in state s at time t, beta that of
all suffixes.  Both are computed for the whole batch at once, one time step after another.
"""

from typing import Any

import numpy as np


def ctc_alpha(log_probs, targets, input_lengths, target_lengths, blank):
    """Return (negative log-likelihoods (N,), log alpha (N, T, 2 S + 1)).

    log_probs (T, N, C); targets (N, S), padded with any class.
    """
    steps, batch = log_probs.shape[:2]
    states, valid, skip = _states(targets, target_lengths, blank)
    emit = _emissions(log_probs, states)
    width = states.shape[1]
    alpha = np.full((batch, steps, width), -np.inf, log_probs.dtype)
    everyone = np.arange(batch)
    if steps:
        start = np.arange(width) < 2
        alpha[:, 0] = np.where(start & valid, emit[:, 0], -np.inf)
    for t in range(1, steps):
        before = alpha[:, t - 1]
        one = _shift(before, 1)
        two = np.where(skip, _shift(before, 2), -np.inf)
        alpha[:, t] = np.where(valid, _log_add(before, one, two) + emit[:, t], -np.inf)
    last = np.maximum(input_lengths - 1, 0)
    end = 2 * target_lengths
    final = alpha[everyone, last, end] if steps else np.full(batch, -np.inf, log_probs.dtype)
    other = np.where(
        target_lengths > 0,
        alpha[everyone, last, np.maximum(end - 1, 0)] if steps else -np.inf,
        -np.inf,
    )
    loss = -_log_add(final, other)
    none = input_lengths == 0
    loss = np.where(none, np.where(target_lengths == 0, 0, np.inf), loss)
    return loss.astype(log_probs.dtype), alpha


def ctc_backward(
    g, log_probs, targets, input_lengths, target_lengths, loss, alpha, blank, zero_infinity
):
    """Return the gradient of sum(g * loss) with respect to log_probs (T, N, C)."""
    steps, batch, classes = log_probs.shape
    states, valid, skip = _states(targets, target_lengths, blank)
    emit = _emissions(log_probs, states)
    width = states.shape[1]
    end = 2 * target_lengths
    position = np.arange(width)
    finish = (position == end[:, None]) | (position == end[:, None] - 1)
    # skipping from s to s + 2 is allowed where s + 2 may be reached by a skip
    skip_on = np.zeros_like(skip)
    skip_on[:, :-2] = skip[:, 2:]
    beta = np.full((batch, width), -np.inf, log_probs.dtype)
    occupancy = np.full((batch, steps, classes), -np.inf, log_probs.dtype)
    everyone = np.arange(batch)[:, None]
    result = np.zeros((batch, steps, classes), log_probs.dtype)
    for t in range(steps - 1, -1, -1):
        on = _log_add(beta, _shift(beta, -1), np.where(skip_on, _shift(beta, -2), -np.inf))
        begin = (input_lengths - 1 == t)[:, None]
        on = np.where(begin, np.where(finish, 0, -np.inf), on)
        beta = np.where(valid & (input_lengths > t)[:, None], on + emit[:, t], -np.inf)
        # alpha and beta both hold the emission at t: it is taken out below
        joint = alpha[:, t] + beta
        where: Any = (everyone, t, states)
        np.logaddexp.at(occupancy, where, np.where(valid, joint, -np.inf))
    inside = (np.arange(steps) < input_lengths[:, None])[..., None]
    probs = log_probs.swapaxes(0, 1)
    with np.errstate(invalid="ignore", over="ignore"):
        expected = np.exp(occupancy + loss[:, None, None] - probs)
        result = (np.exp(probs) - expected) * g[:, None, None]
    result = np.where(inside, result, 0)
    if zero_infinity:
        result = np.where(np.isinf(loss)[:, None, None], 0, result)
    return np.ascontiguousarray(result.swapaxes(0, 1)).astype(log_probs.dtype)


def _states(targets, target_lengths, blank):
    """Return (class of each state, which states exist, where a skip from s - 2 is allowed)."""
    batch, longest = targets.shape
    width = 2 * longest + 1
    states = np.full((batch, width), blank, np.int64)
    states[:, 1::2] = targets
    valid = np.arange(width) <= 2 * target_lengths[:, None]
    states = np.where(valid, states, blank)
    skip = np.zeros((batch, width), bool)
    skip[:, 3::2] = states[:, 3::2] != states[:, 1:-2:2]
    return states, valid, skip


def _emissions(log_probs, states):
    """Return (N, T, states): the log-probability of each state's class at each time."""
    return np.take_along_axis(log_probs.swapaxes(0, 1), states[:, None, :], 2)


def _shift(values, by):
    result = np.full_like(values, -np.inf)
    if by > 0:
        result[:, by:] = values[:, :-by]
    else:
        result[:, :by] = values[:, -by:]
    return result


def _log_add(*values):
    result = values[0]
    for other in values[1:]:
        result = np.logaddexp(result, other)
    return result


def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, zero_infinity):
    """Return the losses (N,); targets (N, S) or all in a row."""
    targets = _checked(log_probs, targets, input_lengths, target_lengths)
    loss, _ = ctc_alpha(log_probs, targets, input_lengths, target_lengths, blank)
    return np.where(np.isinf(loss), 0, loss) if zero_infinity else loss


def ctc_loss_backward(g, log_probs, targets, input_lengths, target_lengths, blank, zero_infinity):
    """The gradient of sum(g * ctc_loss) in log_probs; alpha is computed again."""
    targets = _checked(log_probs, targets, input_lengths, target_lengths)
    how = (targets, input_lengths, target_lengths)
    loss, alpha = ctc_alpha(log_probs, *how, blank)
    return ctc_backward(g, log_probs, *how, loss, alpha, blank, zero_infinity)


def _checked(log_probs, targets, input_lengths, target_lengths):
    """Targets as (N, longest), after PyTorch's checks of the lengths."""
    steps, batch = log_probs.shape[:2]
    if batch and input_lengths.max() > steps:
        raise RuntimeError(
            f"Expected input_lengths to have value at most {steps}, but got value "
            f"{input_lengths.max()} (while checking arguments for ctc_loss_cpu)"
        )
    if targets.ndim == 2:
        if batch and target_lengths.max() > targets.shape[1]:
            raise RuntimeError(
                f"Expected tensor to have size at least {target_lengths.max()} at dimension 1, but "
                f"got size {targets.shape[1]} for argument #2 'targets' (while checking arguments "
                "for ctc_loss_cpu)"
            )
        return targets.astype(np.int64, copy=False)
    longest = int(target_lengths.max()) if batch else 0
    padded = np.zeros((batch, longest), np.int64)
    starts = np.cumsum(target_lengths) - target_lengths
    for n in range(batch):
        padded[n, : target_lengths[n]] = targets[starts[n] : starts[n] + target_lengths[n]]
    return padded
