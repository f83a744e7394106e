"""Notes 3.1: define the network, forward, loss, backward, update; each step checked."""

import pytest

from tests.notes.classifier import NET, RETURNS, RETURNS_TOO_FAR_OUT
from tests.notes.subject import F, nn, optim, run_notes, torch


def define():
    torch.manual_seed(0)
    scope, _ = run_notes(NET.format(channels=1, returns=RETURNS))
    return scope["net"]


def test_step_1_define():
    net = define()
    assert repr(net) == (
        "Net(\n"
        "  (conv1): Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1))\n"
        "  (conv2): Conv2d(6, 16, kernel_size=(5, 5), stride=(1, 1))\n"
        "  (fc1): Linear(in_features=400, out_features=120, bias=True)\n"
        "  (fc2): Linear(in_features=120, out_features=84, bias=True)\n"
        "  (fc3): Linear(in_features=84, out_features=10, bias=True)\n"
        ")"
    )
    assert sum(p.numel() for p in net.parameters()) == 61_706
    # the first weights PyTorch draws after manual_seed(0)
    assert net.conv1.weight[0, 0, 0].tolist() == pytest.approx(
        [-0.00149736, 0.10728872, -0.16460903, -0.14718781, -0.07703087], abs=1e-7
    )


def test_step_2_process_inputs():
    net = define()
    scope, _ = run_notes(
        "input = torch.randn(1, 1, 32, 32)\nout = net(input)", torch=torch, net=net
    )
    assert scope["out"].shape == (1, 10)
    assert type(scope["out"].grad_fn).__name__ == "AddmmBackward0"


STEPS = """
output = net(input)
target = torch.randn(10) # a dummy target, for example
target = target.view(1, -1) # reshape the dimension with -1 inferred from other dimensions
criterion = nn.MSELoss()
loss = criterion(output, target)

import torch.optim as optim
optimizer = optim.SGD(net.parameters(), lr=0.01)

optimizer.zero_grad()     # zero the gradient buffers
loss.backward()       # calculate the gradients of parameters
optimizer.step()    # Does the update
"""


def test_steps_3_and_4_loss_backward_update():
    net = define()
    before = [p.detach().clone() for p in net.parameters()]
    scope, _ = run_notes(STEPS, net=net, torch=torch, nn=nn, input=torch.randn(1, 1, 32, 32))
    assert scope["target"].shape == (1, 10) and scope["loss"].shape == ()
    expected = ((scope["output"] - scope["target"]) ** 2).mean()
    assert scope["loss"].item() == pytest.approx(expected.item(), rel=1e-6)
    assert type(scope["loss"].grad_fn).__name__ == "MseLossBackward0"
    for old, parameter in zip(before, net.parameters()):
        assert parameter.grad is not None and float(parameter.grad.abs().sum()) > 0
        assert torch.allclose(parameter, old - 0.01 * parameter.grad, atol=1e-7)


def test_gradients_agree_with_finite_differences():
    net = define().double()
    x, target = torch.randn(1, 1, 32, 32).double(), torch.randn(1, 10).double()
    F.mse_loss(net(x), target).backward()
    for parameter, index in ((net.conv1.weight, (0, 0, 2, 2)), (net.fc3.bias, (4,))):
        with torch.no_grad():
            values = []
            for change in (1e-6, -2e-6):
                parameter[index] += change
                values.append(F.mse_loss(net(x), target).item())
            parameter[index] += 1e-6
        numeric = (values[0] - values[1]) / 2e-6
        assert parameter.grad[index].item() == pytest.approx(numeric, rel=1e-5, abs=1e-9)


def test_repeated_steps_lower_the_loss():
    net = define()
    x, target = torch.randn(1, 1, 32, 32), torch.randn(1, 10)
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = F.mse_loss(net(x), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]


def test_the_losses_are_pytorchs():
    """The same seed, network, data and steps on PyTorch 2.13 gave these losses."""
    net = define()
    torch.manual_seed(1)
    x, target = torch.randn(4, 1, 32, 32), torch.randn(4, 10)
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = F.mse_loss(net(x), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses == pytest.approx(RECORDED, rel=1e-4)


RECORDED = [
    1.3284791707992554,
    1.2960675954818726,
    1.2452749013900757,
    1.1754324436187744,
    1.0938702821731567,
]


def test_slip_return_one_level_too_far_out():
    with pytest.raises(SyntaxError, match="'return' outside function"):
        run_notes(NET.format(channels=1, returns=RETURNS_TOO_FAR_OUT))
