"""Darknet's learning rates: a function of the number of batches seen, with a burn-in before it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

POLICIES = ("constant", "step", "steps", "exp", "poly", "sig", "sgdr", "random")


@dataclass(frozen=True)
class LearningRatePolicy:
    """The options of a cfg's [net] section that decide the learning rate.

    During the first `burn_in` batches the rate is `learning_rate * (batch / burn_in) ** power`.
    After that, with `b` the number of batches seen:

        constant    r
        step        r * scale ** (b // step)
        steps       r * product of scales[i] for which steps[i] <= b
        exp         r * gamma ** b
        poly        r * (1 - b / max_batches) ** power
        sig         r / (1 + exp(gamma * (b - step)))
        sgdr        min + (r - min) (1 + cos(pi * place in the cycle)) / 2; each cycle of
                    `batches_per_cycle` is `batches_cycle_mult` times as long as the one before

    The policy `random` draws its rates and is not supported: NotImplementedError.

    Example:
        >>> policy = LearningRatePolicy(0.1, "steps", steps=(100,), scales=(0.1,), burn_in=10)
        >>> policy.rate(50), round(policy.rate(200), 4)
        (0.1, 0.01)
    """

    learning_rate: float = 0.001
    policy: str = "constant"
    burn_in: int = 0
    power: float = 4.0
    max_batches: int = 0
    step: int = 1
    scale: float = 1.0
    steps: tuple[int, ...] = ()
    scales: tuple[float, ...] = ()
    gamma: float = 1.0
    learning_rate_min: float = 0.00001
    batches_per_cycle: int = 0
    batches_cycle_mult: int = 2

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise ValueError(f"policy={self.policy}: one of {', '.join(POLICIES)}")
        if self.policy == "random":
            raise NotImplementedError("the learning-rate policy 'random'")
        if len(self.steps) != len(self.scales):
            raise ValueError(f"{len(self.steps)} steps but {len(self.scales)} scales")
        if self.policy == "steps" and not self.steps:
            raise ValueError("policy=steps needs steps= and scales=")
        if self.policy == "poly" and self.max_batches < 1:
            raise ValueError("policy=poly needs max_batches=")
        if self.policy == "step" and self.step < 1:
            raise ValueError(f"step={self.step} must be at least 1")
        if self.policy == "sgdr" and (self.cycle < 1 or self.batches_cycle_mult < 1):
            raise ValueError("policy=sgdr needs batches_per_cycle= or max_batches= above zero")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate={self.learning_rate} must be a positive number")

    @property
    def cycle(self) -> int:
        """Batches in the first cycle of `sgdr`."""
        return self.batches_per_cycle or self.max_batches

    @classmethod
    def from_options(cls, net: Mapping[str, Any]) -> LearningRatePolicy:
        """Read the options of a [net] section, whose values are texts as in the file.

        Raises ValueError naming the option whose value does not parse.
        """
        values: dict[str, Any] = {}
        for name, field in cls.__dataclass_fields__.items():
            if name in net:
                values[name] = _parsed(name, field.type, str(net[name]))
        return cls(**values)

    def rate(self, batch: int) -> float:
        """Return the learning rate once `batch` batches have been seen."""
        if batch < self.burn_in:
            return self.learning_rate * (batch / self.burn_in) ** self.power
        return self.learning_rate * self._factor(batch)

    def _factor(self, batch: int) -> float:
        if self.policy == "step":
            return self.scale ** (batch // self.step)
        if self.policy == "steps":
            passed = [s for at, s in zip(self.steps, self.scales) if at <= batch]
            return math.prod(passed)
        if self.policy == "exp":
            return self.gamma**batch
        if self.policy == "poly":
            return max(0.0, 1 - batch / self.max_batches) ** self.power
        if self.policy == "sig":
            return 1 / (1 + math.exp(min(700.0, self.gamma * (batch - self.step))))
        if self.policy == "sgdr":
            start, length = 0, self.cycle
            while start + length < batch:
                start += length
                length *= self.batches_cycle_mult
            least = self.learning_rate_min / self.learning_rate
            return least + (1 - least) * (1 + math.cos(math.pi * (batch - start) / length)) / 2
        return 1.0


def _parsed(name: str, kind: str, text: str) -> Any:
    try:
        if kind.startswith("tuple"):
            whole = kind.startswith("tuple[int")
            parts = [part for part in text.split(",") if part.strip()]
            return tuple(int(part) if whole else float(part) for part in parts)
        return {"int": int, "float": float, "str": str}[kind](text.strip())
    except ValueError:
        raise ValueError(f"{name}={text} is not a number") from None
