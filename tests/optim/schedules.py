"""The schedules that are recorded from PyTorch and replayed here, and how one is run."""


class Fading:
    """A callable object, whose attributes a schedule saves."""

    def __init__(self):
        self.base = 0.9

    def __call__(self, epoch):
        return self.base ** epoch


# name: function of (torch.optim.lr_scheduler, torch.optim.swa_utils or None, optimizer)
CASES = {
    "LambdaLR": lambda L, o: L.LambdaLR(o, lambda epoch: 0.9 ** epoch),
    "LambdaLR of objects": lambda L, o: L.LambdaLR(o, [lambda epoch: 0.95 ** epoch, Fading()]),
    "MultiplicativeLR": lambda L, o: L.MultiplicativeLR(o, lambda epoch: 0.9),
    "StepLR": lambda L, o: L.StepLR(o, 3, 0.5),
    "MultiStepLR": lambda L, o: L.MultiStepLR(o, [2, 4, 4, 9], 0.5),
    "ConstantLR": lambda L, o: L.ConstantLR(o, 0.5, 4),
    "LinearLR": lambda L, o: L.LinearLR(o, 0.2, 0.9, 7),
    "LinearLR by default": lambda L, o: L.LinearLR(o),
    "ExponentialLR": lambda L, o: L.ExponentialLR(o, 0.9),
    "CosineAnnealingLR": lambda L, o: L.CosineAnnealingLR(o, 5, 0.01),
    "CosineAnnealingLR once": lambda L, o: L.CosineAnnealingLR(o, 50),
    "PolynomialLR": lambda L, o: L.PolynomialLR(o, 8, 2.0),
    "ChainedScheduler": lambda L, o: L.ChainedScheduler(
        [L.ConstantLR(o, 0.1, 2), L.ExponentialLR(o, 0.9)]),
    "SequentialLR": lambda L, o: L.SequentialLR(
        o, [L.LinearLR(o, 0.1, total_iters=4), L.CosineAnnealingLR(o, 10),
            L.ExponentialLR(o, 0.5)], [4, 11]),
    "SequentialLR of a chain": lambda L, o: L.SequentialLR(
        o, [L.ChainedScheduler([L.ConstantLR(o, 0.1, 2), L.ExponentialLR(o, 0.9)]),
            L.StepLR(o, 2)], [5]),
    "SequentialLR with restarts": lambda L, o: L.SequentialLR(
        o, [L.ConstantLR(o, 0.1, 2), L.CosineAnnealingWarmRestarts(o, 4)], [5]),
    "CosineAnnealingWarmRestarts": lambda L, o: L.CosineAnnealingWarmRestarts(o, 4),
    "CosineAnnealingWarmRestarts growing":
        lambda L, o: L.CosineAnnealingWarmRestarts(o, 3, 2, 0.001),
    "CyclicLR": lambda L, o: L.CyclicLR(o, 0.01, 0.2, 4),
    "CyclicLR triangular2":
        lambda L, o: L.CyclicLR(o, [0.01, 0.02], [0.2, 0.3], 4, 3, mode="triangular2"),
    "CyclicLR exp_range": lambda L, o: L.CyclicLR(o, 0.01, 0.2, 4, mode="exp_range", gamma=0.95),
    "CyclicLR custom": lambda L, o: L.CyclicLR(
        o, 0.01, 0.2, 4, scale_fn=Fading(), scale_mode="iterations", cycle_momentum=False),
    "OneCycleLR": lambda L, o: L.OneCycleLR(o, 0.3, 25),
    "OneCycleLR three phases": lambda L, o: L.OneCycleLR(
        o, [0.3, 0.5], epochs=5, steps_per_epoch=5, anneal_strategy="linear", three_phase=True),
    "OneCycleLR without momentum":
        lambda L, o: L.OneCycleLR(o, 0.3, 25, cycle_momentum=False, pct_start=0.5),
}
STEPS = 24


def make_optimizer(torch, optimizer, rate=float):
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": rate(0.1)},
              {"params": [torch.zeros(1, requires_grad=True)], "lr": rate(0.4)}]
    if optimizer == "Adam":
        return torch.optim.Adam(groups)
    return torch.optim.SGD(groups, lr=0.1, momentum=0.9)


def simplify(value):
    """Saved state as JSON."""
    if isinstance(value, dict):
        return {str(k): simplify(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [simplify(v) for v in value]
    return value if isinstance(value, (int, float, str, bool, type(None))) else str(value)


def run(torch, name, optimizer_name, resume_at=None, rate=float):
    """Learning rates and momenta of each step, and the state dict after the last.

    resume_at: a step after which everything is saved, made anew and loaded.
    """
    def make():
        optimizer = make_optimizer(torch, optimizer_name, rate)
        return optimizer, CASES[name](torch.optim.lr_scheduler, optimizer)

    optimizer, schedule = make()
    rows = []
    for step in range(STEPS):
        groups = optimizer.param_groups
        rows.append([[float(group["lr"]) for group in groups],
                     [simplify(group.get("momentum", group.get("betas"))) for group in groups],
                     [float(value) for value in schedule.get_last_lr()]])
        optimizer.step()
        schedule.step()
        if step == resume_at:
            saved = optimizer.state_dict(), schedule.state_dict()
            optimizer, schedule = make()
            optimizer.load_state_dict(saved[0])
            schedule.load_state_dict(saved[1])
    return {"rows": rows, "state": simplify(schedule.state_dict())}
