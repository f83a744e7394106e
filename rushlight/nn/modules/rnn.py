"""Recurrent layers (RNN, LSTM, GRU) and their cells.

The weights of layer k are `weight_ih_l{k}`, `weight_hh_l{k}`, `bias_ih_l{k}`, `bias_hh_l{k}` and,
in an LSTM with `proj_size`, `weight_hr_l{k}`; those of the reverse direction end in `_reverse`.
"""

import math
import numbers
import warnings

import rushlight
from rushlight.nn import functional as F
from rushlight.nn import init
from rushlight.nn.functional import _recurrent
from rushlight.nn.modules.module import Module
from rushlight.nn.parameter import Parameter
from rushlight.nn.utils.rnn import PackedSequence

__all__ = ["GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "RNNBase", "RNNCell", "RNNCellBase"]

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def _check_positive_int(name, value):
    if not isinstance(value, int):
        raise TypeError(f"{name} should be of type int, got: {type(value).__name__}")
    if value <= 0:
        raise ValueError(f"{name} must be greater than zero")


class RNNBase(Module):
    """What the recurrent layers share; `mode` is LSTM, GRU, RNN_TANH or RNN_RELU."""

    def __init__(
        self,
        mode,
        input_size,
        hidden_size,
        num_layers=1,
        bias=True,
        batch_first=False,
        dropout=0.0,
        bidirectional=False,
        proj_size=0,
        device=None,
        dtype=None,
    ):
        super().__init__()
        if (
            not isinstance(dropout, numbers.Real)
            or isinstance(dropout, bool)
            or not 0 <= float(dropout) <= 1
        ):
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an "
                "element being zeroed"
            )
        if float(dropout) > 0 and num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero "
                f"dropout expects num_layers greater than 1, but got dropout={dropout} and "
                f"num_layers={num_layers}",
                stacklevel=3,
            )
        _check_positive_int("input_size", input_size)
        _check_positive_int("hidden_size", hidden_size)
        if num_layers <= 0:
            raise ValueError("num_layers must be greater than zero")
        if proj_size < 0:
            raise ValueError(
                "proj_size should be a positive integer or zero to disable projections"
            )
        if proj_size >= hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")
        if mode not in _GATES:
            raise ValueError("Unrecognized RNN mode: " + mode)
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        factory = {"device": device, "dtype": dtype}
        self._all_weights = []
        for layer in range(num_layers):
            for suffix in ("", "_reverse") if bidirectional else ("",):
                self._add_layer(layer, suffix, factory)
        self.reset_parameters()

    def _add_layer(self, layer, suffix, factory):
        """Register the weights of one direction of one layer."""
        output_size = self.proj_size or self.hidden_size
        directions = 2 if self.bidirectional else 1
        inputs = self.input_size if layer == 0 else output_size * directions
        gates = _GATES[self.mode] * self.hidden_size
        shapes: dict[str, tuple] = {"weight_ih": (gates, inputs), "weight_hh": (gates, output_size)}
        if self.bias:
            shapes.update(bias_ih=(gates,), bias_hh=(gates,))
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        names = []
        for kind, shape in shapes.items():
            name = f"{kind}_l{layer}{suffix}"
            setattr(self, name, Parameter(rushlight.empty(shape, **factory)))
            names.append(name)
        self._all_weights.append(names)

    @property
    def _flat_weights_names(self):
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self):
        return [getattr(self, name) for name in self._flat_weights_names]

    @property
    def all_weights(self):
        """The weights as a list per layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def flatten_parameters(self):
        """Do nothing: there is no memory layout that is faster than another here."""

    def reset_parameters(self):
        """Draw every weight uniformly in [-1/sqrt(hidden_size), 1/sqrt(hidden_size)]."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    # Checks

    def check_input(self, input, batch_sizes):
        """Raise unless the input has the dtype, dimensions and last size that it should."""
        weight = self._flat_weights[0]
        if input.dtype != weight.dtype:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({weight.dtype}). "
                f"Convert input: input.to({weight.dtype}), or convert model: "
                f"model.to({input.dtype})"
            )
        expected = 3 if batch_sizes is None else 2
        if input.dim() != expected:
            raise RuntimeError(f"input must have {expected} dimensions, got {input.dim()}")
        if input.size(-1) != self.input_size:
            raise RuntimeError(
                "input.size(-1) must be equal to input_size. Expected "
                f"{self.input_size}, got {input.size(-1)}"
            )

    def _state_shape(self, batch, size):
        return (self.num_layers * (2 if self.bidirectional else 1), batch, size)

    def check_hidden_size(self, hx, expected, message="Expected hidden size {}, got {}"):
        """Raise unless a state has the expected shape."""
        if tuple(hx.shape) != tuple(expected):
            raise RuntimeError(message.format(tuple(expected), list(hx.size())))

    def _check_states(self, states, batch):
        self.check_hidden_size(states[0], self._state_shape(batch, self.hidden_size))

    def _check_state_rank(self, states, batched):
        if states[0].dim() != (3 if batched else 2):
            kind = "batched 3-D" if batched else "unbatched 2-D"
            raise RuntimeError(
                f"For {kind} input, hx should also be {3 if batched else 2}-D but got "
                f"{states[0].dim()}-D tensor"
            )

    # Running

    def _zero_states(self, input, batch):
        shape = self._state_shape(batch, self.proj_size or self.hidden_size)
        return (rushlight.zeros(shape, dtype=input.dtype, device=input.device),)

    def _wrap_states(self, states):
        return states[0]

    def _unwrap_states(self, hx):
        return (hx,)

    def _too_many_dimensions(self, dims):
        return f"{type(self).__name__}: Expected input to be 2D or 3D, got {dims}D instead"

    def forward(self, input, hx=None):
        """Return (output, final state); see the class for the shapes."""
        packed = isinstance(input, PackedSequence)
        batched = True
        order = unorder = None
        if packed:
            input, batch_sizes, order, unorder = input
            counts = batch_sizes.tolist()
            batch = counts[0]
            self.check_input(input, batch_sizes)
        else:
            if input.dim() not in (2, 3):
                raise ValueError(self._too_many_dimensions(input.dim()))
            batched = input.dim() == 3
            if hx is not None:
                self._check_state_rank(self._unwrap_states(hx), batched)
            if not batched:
                input = input.unsqueeze(1)
            elif self.batch_first:
                input = input.transpose(0, 1).contiguous()      # read by two products and more
            self.check_input(input, None)
            batch = input.size(1)
            counts = [batch] * input.size(0)
            if not counts:
                raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
        if hx is None:
            states = self._zero_states(input, batch)
        else:
            states = self._unwrap_states(hx)
            if not batched:
                states = tuple(state.unsqueeze(1) for state in states)
            if order is not None:
                states = tuple(state.index_select(1, order) for state in states)
        self._check_states(states, batch)

        output, states = self._run(input, states, counts, packed)

        if unorder is not None:
            states = tuple(state.index_select(1, unorder) for state in states)
        if packed:
            output = PackedSequence(output, batch_sizes, order, unorder)
        elif not batched:
            output = output.squeeze(1)
            states = tuple(state.squeeze(1) for state in states)
        elif self.batch_first:
            output = output.transpose(0, 1)
        return output, self._wrap_states(states)

    def _run(self, input, states, counts, packed):
        """Run every layer; `input` is (T, B, I), or the packed rows one below the other."""
        step = _recurrent.STEPS[self.mode]
        directions = 2 if self.bidirectional else 1
        finals = []
        for layer in range(self.num_layers):
            if layer and self.dropout > 0 and self.training:
                input = F.dropout(input, self.dropout, True)
            results = []
            for direction in range(directions):
                number = layer * directions + direction
                weight_ih, weight_hh, bias_ih, bias_hh, *projection = self._weights_of(number)
                if self.mode == "LSTM" and self.bias:
                    # Both biases are added to the same sums, and their gradients are equal.
                    bias_ih, bias_hh = bias_ih + bias_hh, None
                projected = F.linear(input, weight_ih, bias_ih)
                state = tuple(state[number] for state in states)
                if self._is_one_record(packed, projected):
                    outputs, cells = F._lstm_sequence(projected, *state, weight_hh,
                                                      direction == 1)
                    end = 0 if direction == 1 else -1
                    results.append(outputs)
                    finals.append((outputs[end], cells[end]))
                    continue
                steps = projected.split(counts) if packed else projected.unbind(0)
                outputs, final = _recurrent.run_layer(
                    step,
                    list(steps),
                    state,
                    counts,
                    direction == 1,
                    weight_hh,
                    bias_hh,
                    *projection,
                )
                results.append(rushlight.cat(outputs) if packed else rushlight.stack(outputs))
                finals.append(final)
            input = results[0] if directions == 1 else rushlight.cat(results, -1)
        stacked = tuple(
            rushlight.stack([final[i] for final in finals]) for i in range(len(states))
        )
        return input, stacked

    def _is_one_record(self, packed, projected):
        """Whether a layer runs as one record over the whole sequence."""
        return self.mode == "LSTM" and not packed and not self.proj_size and \
            projected.dtype in (rushlight.float32, rushlight.float64) and projected.numel() > 0

    def _weights_of(self, number):
        """Return weight_ih, weight_hh, bias_ih, bias_hh (None without bias) and weight_hr."""
        weights = [getattr(self, name) for name in self._all_weights[number]]
        if not self.bias:
            weights[2:2] = [None, None]
        return weights

    def extra_repr(self):
        parts = [f"{self.input_size}, {self.hidden_size}"]
        if self.proj_size != 0:
            parts.append(f"proj_size={self.proj_size}")
        if self.num_layers != 1:
            parts.append(f"num_layers={self.num_layers}")
        if self.bias is not True:
            parts.append(f"bias={self.bias}")
        if self.batch_first is not False:
            parts.append(f"batch_first={self.batch_first}")
        if self.dropout != 0:
            parts.append(f"dropout={self.dropout}")
        if self.bidirectional is not False:
            parts.append(f"bidirectional={self.bidirectional}")
        return ", ".join(parts)


class RNN(RNNBase):
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh), for each layer and direction.

    `RNN(input_size, hidden_size, num_layers=1, nonlinearity="tanh", bias=True, batch_first=False,
    dropout=0.0, bidirectional=False)`. Shapes: input (L, N, H_in), (N, L, H_in) with
    `batch_first`, (L, H_in) or a PackedSequence; state (D num_layers, N, H); output (L, N, D H).

    >>> output, h_n = nn.RNN(10, 20, 2)(torch.randn(5, 3, 10))
    >>> output.shape, h_n.shape
    (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(self, *args, **kwargs):
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if len(args) > 3:
            self.nonlinearity = args[3]
            args = args[:3] + args[4:]
        else:
            self.nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if self.nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"Unknown nonlinearity '{self.nonlinearity}'. Select from 'tanh' or 'relu'."
            )
        super().__init__("RNN_" + self.nonlinearity.upper(), *args, **kwargs)

    def _too_many_dimensions(self, dims):
        return f"RNN: Expected input to be 2D or 3D, got {dims}D tensor instead"


class LSTM(RNNBase):
    """Long short-term memory: c_t = f c_(t-1) + i g, h_t = o tanh(c_t), for each layer.

    i, f and o are sigmoids and g the tanh of an affine function of x_t and h_(t-1). Arguments as
    `RNN` without the nonlinearity; `proj_size` > 0 projects h to that size. The state is a pair
    (h, c). Shapes: h (D num_layers, N, proj_size or H), c (D num_layers, N, H).
    """

    def __init__(self, *args, **kwargs):
        super().__init__("LSTM", *args, **kwargs)

    def _zero_states(self, input, batch):
        cell = rushlight.zeros(
            self._state_shape(batch, self.hidden_size), dtype=input.dtype, device=input.device
        )
        return (*super()._zero_states(input, batch), cell)

    def _unwrap_states(self, hx):
        return hx[0], hx[1]

    def _wrap_states(self, states):
        return states

    def _check_states(self, states, batch):
        sizes = (self.proj_size or self.hidden_size, self.hidden_size)
        for number, (state, size) in enumerate(zip(states, sizes)):
            message = f"Expected hidden[{number}] size {{}}, got {{}}"
            self.check_hidden_size(state, self._state_shape(batch, size), message)

    def _check_state_rank(self, states, batched):
        rank = 3 if batched else 2
        if states[0].dim() != rank or states[1].dim() != rank:
            kind = "batched 3-D" if batched else "unbatched 2-D"
            raise RuntimeError(
                f"For {kind} input, hx and cx should also be {rank}-D but got "
                f"({states[0].dim()}-D, {states[1].dim()}-D) tensors"
            )


class GRU(RNNBase):
    """Gated recurrent unit: h_t = (1 - z) n + z h_(t-1), n = tanh(n_x + r n_h), for each layer.

    r and z are sigmoids of an affine function of x_t and h_(t-1). Arguments, state and shapes as
    `RNN`, without the nonlinearity.
    """

    def __init__(self, *args, **kwargs):
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)


class RNNCellBase(Module):
    """What the cells share: one step of a recurrent layer."""

    def __init__(self, input_size, hidden_size, bias, num_chunks, device=None, dtype=None):
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        factory = {"device": device, "dtype": dtype}
        rows = num_chunks * hidden_size
        self.weight_ih = Parameter(rushlight.empty((rows, input_size), **factory))
        self.weight_hh = Parameter(rushlight.empty((rows, hidden_size), **factory))
        if bias:
            self.bias_ih = Parameter(rushlight.empty(rows, **factory))
            self.bias_hh = Parameter(rushlight.empty(rows, **factory))
        else:
            self.register_parameter("bias_ih", None)
            self.register_parameter("bias_hh", None)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw every weight uniformly in [-1/sqrt(hidden_size), 1/sqrt(hidden_size)]."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def _step(self, mode, input, states, names):
        """Check input and states, run one step, and return the new states."""
        if input.dim() not in (1, 2):
            raise ValueError(
                f"{type(self).__name__}: Expected input to be 1D or 2D, got {input.dim()}D instead"
            )
        if states is not None:
            for name, state in zip(names, states):
                if state.dim() not in (1, 2):
                    raise ValueError(
                        f"{type(self).__name__}: Expected {name} to be 1D or 2D, got "
                        f"{state.dim()}D instead"
                    )
        batched = input.dim() == 2
        rows = input if batched else input.unsqueeze(0)
        if states is None:
            zeros = rushlight.zeros(
                rows.size(0), self.hidden_size, dtype=input.dtype, device=input.device
            )
            states = (zeros,) * len(names)
        elif not batched:
            states = tuple(state.unsqueeze(0) for state in states)
        if rows.size(1) != self.input_size:
            raise RuntimeError(
                f"input has inconsistent input_size: got {rows.size(1)} expected {self.input_size}"
            )
        for number, state in enumerate(states):
            if state.size(-1) != self.hidden_size or state.dim() != 2:
                raise RuntimeError(
                    f"hidden{number} has inconsistent hidden_size: got {state.size(1)}, expected "
                    f"{self.hidden_size}"
                )
            if state.size(0) != rows.size(0):
                raise RuntimeError(
                    f"Input batch size {rows.size(0)} doesn't match hidden{number} batch size "
                    f"{state.size(0)}"
                )
        projected = F.linear(rows, self.weight_ih, self.bias_ih)
        states = _recurrent.STEPS[mode](projected, states, self.weight_hh, self.bias_hh)
        return states if batched else tuple(state.squeeze(0) for state in states)

    def extra_repr(self):
        parts = [f"{self.input_size}, {self.hidden_size}"]
        if self.bias is not True:
            parts.append(f"bias={self.bias}")
        if self.__dict__.get("nonlinearity", "tanh") != "tanh":
            parts.append(f"nonlinearity={self.nonlinearity}")
        return ", ".join(parts)


class RNNCell(RNNCellBase):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu. Shapes: (N, H_in) and (N, H) to (N, H)."""

    def __init__(
        self, input_size, hidden_size, bias=True, nonlinearity="tanh", device=None, dtype=None
    ):
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input, hx=None):
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        mode = "RNN_" + self.nonlinearity.upper()
        return self._step(mode, input, None if hx is None else (hx,), ("hidden",))[0]


class LSTMCell(RNNCellBase):
    """One step of an LSTM: (x, (h, c)) to (h', c'). Shapes: (N, H_in) and two (N, H)."""

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input, hx=None):
        states = None if hx is None else tuple(hx)
        return self._step("LSTM", input, states, ("hx[0]", "hx[1]"))


class GRUCell(RNNCellBase):
    """One step of a GRU: (x, h) to h'. Shapes: (N, H_in) and (N, H) to (N, H)."""

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input, hx=None):
        return self._step("GRU", input, None if hx is None else (hx,), ("hidden",))[0]
