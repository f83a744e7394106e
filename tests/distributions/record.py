"""Record what PyTorch's distributions give for `cases.py`, in `recorded.json`.

python -m tests.distributions.record          # needs PyTorch
"""

import json
from pathlib import Path

from tests.distributions.cases import CASES, facts, gradients


def main():
    import torch
    import torch.distributions  # noqa: F401

    recorded = {"torch": torch.__version__, "facts": {}, "gradients": {}}
    for case in CASES:
        recorded["facts"][case] = facts(torch, case)
        kind = getattr(torch.distributions, CASES[case][0])
        if kind.has_rsample and case not in ("beta", "dirichlet", "binomial"):
            recorded["gradients"][case] = gradients(torch, case)
    Path(__file__).with_name("recorded.json").write_text(json.dumps(recorded) + "\n")


if __name__ == "__main__":
    main()
