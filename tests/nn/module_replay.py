"""Replay recorded runs of PyTorch's modules: starting weights, outputs, gradients, buffers.

A case is one construction and one call. The weights must be those PyTorch draws from the same
seed, bit for bit; everything computed must agree within TOLERANCE.
"""

from __future__ import annotations

import io
import warnings
import zipfile
from typing import Any

import numpy as np

from tests.laws.vectors import Array, Named, RefusingUnpickler, decode, leaves

# Relative and absolute. The recording's own float32 noise decides the second line: PyTorch's CTC
# gradient is 9e-5 from its float64 one, in a row where the largest entry is 1.2.
TOLERANCE = (2e-4, 2e-5)
TOLERANCES = {"CTCLoss": (2e-4, 2e-4)}


def archive_names(path) -> list[str]:
    """The names of the recorded modules."""
    with zipfile.ZipFile(path) as file:
        return sorted(name.removesuffix(".pkl") for name in file.namelist())


def load(path, name: str) -> dict[str, Any]:
    """One module's record."""
    with zipfile.ZipFile(path) as file:
        return RefusingUnpickler(io.BytesIO(file.read(f"{name}.pkl"))).load()


class Replay:
    """Runs the cases of one record on `torch`, a module with PyTorch's interface."""

    def __init__(self, torch, record):
        self.torch = torch
        self.name = record["cls"].rpartition(".")[2]
        self.layer = getattr(torch.nn, self.name)
        self.lazy = record["lazy"]
        self.tolerance = TOLERANCES.get(self.name, TOLERANCE)

    def tensors(self, value, inputs=None):
        """Turn decoded arrays into tensors; floating ones are added to `inputs` and need grad.

        A single-element input that occurs twice was one tensor when it was recorded.
        """
        if isinstance(value, Array):
            for known in inputs or ():
                if value.values.size == 1 and np.array_equal(known.detach().numpy(), value.values):
                    inputs.append(known)
                    return known
            tensor = self.torch.tensor(value.values.copy())
            if inputs is not None and tensor.is_floating_point():
                inputs.append(tensor.requires_grad_(True))
            return tensor
        if isinstance(value, Named):
            if value.kind == "device":
                return self.torch.device("cpu")
            found = self.torch
            for part in str(value.value).removeprefix("torch.").split("."):
                found = getattr(found, part)
            return found
        if isinstance(value, dict):
            return {key: self.tensors(item, inputs) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self.tensors(item, inputs) for item in value)
        return value

    def flat(self, value) -> list:
        """The tensors in a result, in order."""
        return [leaf for leaf in leaves(value) if isinstance(leaf, self.torch.Tensor)]

    def compare(self, tensor, encoded, what: str) -> None:
        """Assert that a tensor has the recorded dtype, shape and values."""
        wanted = decode(encoded)
        if wanted is None or tensor is None:
            assert wanted is None and tensor is None, f"{what}: only one of the two is None"
            return
        assert str(tensor.dtype) == f"torch.{wanted.dtype}", what
        relative, absolute = self.tolerance
        np.testing.assert_allclose(
            tensor.detach().numpy(), wanted.values, relative, absolute, err_msg=what
        )

    def run(self, case: dict[str, Any]) -> None:
        """Run one case; AssertionError says what differs."""
        torch = self.torch
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.manual_seed(42 + case["i"])
            args, kwargs = (self.tensors(decode(part)) for part in case["ctor"])
            layer = self.layer(*args, **kwargs).train(case["train"])
            if not self.lazy:
                self.compare_state(layer, case["sd"])
            inputs = []
            args, kwargs = (self.tensors(decode(part), inputs) for part in case["fwd"])
            torch.manual_seed(7)
            output = layer(*args, **kwargs)
            if self.lazy:
                self.compare_state(layer, case["sd_after"])
            outputs, wanted = self.flat(output), leaves(decode(case["out"]))
            wanted = [leaf for leaf in wanted if isinstance(leaf, Array)]
            assert len(outputs) == len(wanted)
            for number, (tensor, array) in enumerate(zip(outputs, wanted)):
                assert str(tensor.dtype) == f"torch.{array.dtype}"
                relative, absolute = self.tolerance
                np.testing.assert_allclose(
                    tensor.detach().numpy(),
                    array.values,
                    relative,
                    absolute,
                    err_msg=f"output {number}",
                )
            if "cot" in case:
                self.compare_gradients(layer, case, outputs, inputs)
            buffers = dict(layer.named_buffers())
            assert buffers.keys() == case["buffers_after"].keys()
            for name, encoded in case["buffers_after"].items():
                self.compare(buffers[name], encoded, f"buffer {name}")

    def compare_state(self, layer, recorded: dict[str, Any]) -> None:
        """Assert that the weights are PyTorch's, bit for bit."""
        state = layer.state_dict()
        assert list(state) == list(recorded)
        for name, encoded in recorded.items():
            np.testing.assert_array_equal(
                state[name].detach().numpy(), decode(encoded).values, err_msg=name
            )

    def compare_gradients(self, layer, case, outputs, inputs) -> None:
        """Assert that the gradients of parameters and inputs are the recorded ones."""
        names, parameters = [], []
        for name, parameter in layer.named_parameters():
            names.append(name)
            parameters.append(parameter)
        gradients = self.torch.autograd.grad(
            [tensor for tensor in outputs if tensor.requires_grad],
            parameters + inputs,
            self.flat(self.tensors(decode(case["cot"]))),
            allow_unused=True,
        )
        for name, gradient in zip(names, gradients):
            self.compare(gradient, case["gparams"][name], f"gradient of {name}")
        rest = gradients[len(names) :]
        assert len(rest) == len(case["ginputs"])
        for number, (gradient, encoded) in enumerate(zip(rest, case["ginputs"])):
            self.compare(gradient, encoded, f"gradient of input {number}")
