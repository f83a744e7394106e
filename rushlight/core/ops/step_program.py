"""Update rules as straight-line programs: what an optimizer's formula becomes.

An update rule is an ordinary function over `Symbol`s, written once beside its optimizer::

    def update(p, g, state, h):
        state.buffer = state.buffer * h.momentum + g
        return p - state.buffer * h.lr

`StepProgram` calls it once per set of static options and keeps what it did, as two short lists of
instructions in the scalar words of `rushlight.core.ops.words`:

* *scalar* instructions (step counts, bias corrections, the learning rate) run in double precision,
  once per distinct step count;
* *array* instructions run element by element over one parameter with its gradient and state.

The interpreter runs the array part over blocks that stay in cache, with every buffer reused as
soon as it is dead; a code generator can emit the same list as one fused kernel.
"""

from __future__ import annotations

import math

import numpy as np

BLOCK = 16384       # elements a block: 64 KiB of float32, so a rule's working set stays in cache


def _pow(base, exponent):
    return base ** exponent


def _select(condition, yes, no):
    return yes if condition else no


# word: function of Python numbers
SCALAR_WORDS = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b if b else math.copysign(math.inf, a) if a else math.nan,
    "neg": lambda a: -a,
    "abs": abs,
    "sqrt": lambda a: math.sqrt(a) if a >= 0 else math.nan,
    "pow": _pow,
    "maximum": max,
    "minimum": min,
    "gt": lambda a, b: a > b,
    "lt": lambda a, b: a < b,
    "eq": lambda a, b: a == b,
    "select": _select,
}


def _array_select(condition, yes, no, out):
    np.copyto(out, no)
    np.copyto(out, yes, where=condition)


# word: function of whole arrays that writes into `out`
ARRAY_WORDS = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "neg": np.negative,
    "abs": np.abs,
    "sign": np.sign,
    "sqrt": np.sqrt,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "gt": np.greater,
    "lt": np.less,
    "eq": np.equal,
    "copy": lambda a, out: np.copyto(out, a),
    "select": _array_select,
}
COMPARISONS = frozenset(("gt", "lt", "eq"))
# Words whose result may be written over one of their operands.
OVERWRITES = frozenset(ARRAY_WORDS) - COMPARISONS - {"select"}


class Symbol:
    """A value of an update rule: a scalar in double precision, or an array of a parameter's shape.

    Only what update rules use is defined; the same expressions run on tensors, which is how a
    differentiable step is taken.
    """

    __slots__ = ("program", "slot", "is_array", "nonzero")

    def __init__(self, program, slot, is_array, nonzero=None):
        self.program, self.slot, self.is_array, self.nonzero = program, slot, is_array, nonzero

    def __bool__(self):
        if self.nonzero is None:
            raise TypeError("an update rule may only branch on its options, not on values")
        return self.nonzero

    def __add__(self, other):
        return self.program.emit("add", self, other)

    def __radd__(self, other):
        return self.program.emit("add", other, self)

    def __sub__(self, other):
        return self.program.emit("sub", self, other)

    def __rsub__(self, other):
        return self.program.emit("sub", other, self)

    def __mul__(self, other):
        return self.program.emit("mul", self, other)

    def __rmul__(self, other):
        return self.program.emit("mul", other, self)

    def __truediv__(self, other):
        return self.program.emit("div", self, other)

    def __rtruediv__(self, other):
        return self.program.emit("div", other, self)

    def __pow__(self, other):
        return self.program.emit("pow", self, other)

    def __rpow__(self, other):
        return self.program.emit("pow", other, self)

    def __neg__(self):
        return self.program.emit("neg", self)

    def __gt__(self, other):
        return self.program.emit("gt", self, other)

    def __lt__(self, other):
        return self.program.emit("lt", self, other)

    def abs(self):
        """Its absolute value."""
        return self.program.emit("abs", self)

    def sign(self):
        """-1, 0 or 1."""
        return self.program.emit("sign", self)

    def sqrt(self):
        """Its square root."""
        return self.program.emit("sqrt", self)

    def maximum(self, other):
        """The larger of the two."""
        return self.program.emit("maximum", self, other)

    def clamp(self, min=None, max=None):  # noqa: A002 - PyTorch's names
        """Itself, between `min` and `max`."""
        result = self
        if min is not None:
            result = self.program.emit("maximum", result, min)
        if max is not None:
            result = self.program.emit("minimum", result, max)
        return result

    def where(self, condition, other):
        """Itself where `condition` holds, `other` elsewhere."""
        return self.program.emit("select", condition, self, other)


class _Fields:
    """Named values with attribute access: a rule's state, or its options."""

    def __init__(self, fields):
        self.__dict__.update(fields)


class StepProgram:
    """One update rule with its static options, as instructions. See the module's text.

    rule: ``rule(p, g, state, h) -> new p``; it assigns the new state to `state`'s attributes.
    options: {name: value}; bool, None and str values are static. A number or tensor stands for a
        runtime scalar, and the rule may ask only whether it is nonzero.
    scalar_state, array_state: names of the state, 0-dim (``step``) and of the parameter's shape.
    """

    def __init__(self, name, rule, options, scalar_state, array_state):
        self.name = name
        self.slots = 0
        self.instructions = []
        self.is_array = []
        self.constants: dict = {}
        self.scalar_state, self.array_state = scalar_state, array_state
        self.p, self.g = self._new(True), self._new(True)
        self.arrays_in = [self._new(True) for _ in array_state]
        self.scalars_in = [self._new(False) for _ in scalar_state]
        self.option_names = tuple(
            key for key, value in options.items() if not is_static(value))
        fields = {key: value for key, value in options.items() if is_static(value)}
        self.options_in = []
        for key in self.option_names:
            symbol = self._new(False, nonzero=nonzero(options[key]))
            self.options_in.append(symbol)
            fields[key] = symbol
        state = _Fields(dict(zip(scalar_state, self.scalars_in)))
        state.__dict__.update(zip(array_state, self.arrays_in))
        new_p = rule(self.p, self.g, state, _Fields(fields))
        arrays_out = [new_p] + [getattr(state, key) for key in array_state]
        self.scalars_out = [self._symbol(getattr(state, key)).slot for key in scalar_state]
        self._arrange([self._symbol(value) for value in arrays_out])

    def __repr__(self):
        return f"<step program {self.name}: {len(self.array_code)} array words>"

    def _new(self, is_array, nonzero=None):
        self.is_array.append(is_array)
        self.slots += 1
        return Symbol(self, self.slots - 1, is_array, nonzero)

    def _symbol(self, value):
        if isinstance(value, Symbol):
            return value
        if value not in self.constants:
            self.constants[value] = self._new(False)
        return self.constants[value]

    def emit(self, word, *operands):
        """Append one instruction and return its result."""
        symbols = [self._symbol(value) for value in operands]
        is_array = any(symbol.is_array for symbol in symbols)
        result = self._new(is_array)
        self.instructions.append((word, tuple(s.slot for s in symbols), result.slot))
        return result

    def _arrange(self, outputs):
        """Split scalars from arrays, and see that every output is an array result of its own."""
        code = list(self.instructions)
        taken = {self.p.slot, self.g.slot, *(symbol.slot for symbol in self.arrays_in)}
        outs = []
        for symbol in outputs:
            if not symbol.is_array or symbol.slot in taken:
                copied = self._new(True)
                code.append(("copy", (symbol.slot,), copied.slot))
                symbol = copied
            taken.add(symbol.slot)
            outs.append(symbol.slot)
        self.code, self.outs = code, outs
        self.array_code = [item for item in code if self.is_array[item[2]]]
        self.scalars_used = sorted({slot for _, operands, _ in self.array_code
                                    for slot in operands if not self.is_array[slot]})
        self._allocate(outs)

    def _allocate(self, outs):
        """Give every array result a register; a register is free again after its last use.

        Registers: the parameter and its state as read, the same as written, the gradient, the
        scalars, then scratch. What is written may be the memory that was read (Note [in place]):
        an output goes straight to its place only once the input there is not needed any more,
        and otherwise waits in scratch until the end.
        """
        inputs = [self.p.slot] + [symbol.slot for symbol in self.arrays_in]
        count = len(inputs)
        register = {slot: i for i, slot in enumerate(inputs)}
        register[self.g.slot] = 2 * count
        for slot in self.scalars_used:
            register[slot] = 2 * count + 1 + self.scalars_used.index(slot)
        first_scratch = 2 * count + 1 + len(self.scalars_used)
        last_use: dict = {}
        for i, (_, operands, _) in enumerate(self.array_code):
            for slot in operands:
                last_use[slot] = i
        self.flags: list = []           # for each scratch register: does it hold comparisons?
        free: dict = {True: [], False: []}
        self.steps, moves = [], []

        def release(slots):
            for slot in slots:
                free[self.flags[register[slot] - first_scratch]].append(register[slot])

        for i, (word, operands, result) in enumerate(self.array_code):
            dying = [slot for slot in dict.fromkeys(operands)
                     if register[slot] >= first_scratch and last_use[slot] == i]
            overwrites = word in OVERWRITES
            if overwrites:
                release(dying)
            position, ready = outs.index(result) if result in outs else None, False
            if position is not None:
                source = inputs[position]
                ready = last_use.get(source, -1) <= i and (overwrites or source not in operands)
            if position is not None and ready:
                target = count + position
            else:
                flag = word in COMPARISONS
                if free[flag]:
                    target = free[flag].pop()
                else:
                    target = first_scratch + len(self.flags)
                    self.flags.append(flag)
                if position is not None:
                    moves.append(("copy", (target,), count + position))
                    last_use[result] = len(self.array_code)
            self.steps.append((word, tuple(register[slot] for slot in operands), target))
            register[result] = target
            if not overwrites:
                release(dying)
        self.steps += moves
        self._look_up()

    def _look_up(self):
        """The functions of the words, for `scalars` and `run`."""
        self.scalar_code = [(SCALAR_WORDS[word], operands, result)
                            for word, operands, result in self.code if not self.is_array[result]]
        self.calls = [(ARRAY_WORDS[word], operands, target)
                      for word, operands, target in self.steps]

    def __getstate__(self):
        return {key: value for key, value in self.__dict__.items()
                if key not in ("scalar_code", "calls")}      # functions do not pickle

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._look_up()

    def form(self) -> tuple:
        """All that the program does, as hashable data with a complete repr.

        (scalar instructions, array instructions, slots), an instruction being (word, operand slots,
        result slot), and the slots in order: the parameter, the gradient, array state, array
        results (parameter and state), scalar state, scalar results, options, scalars that array
        instructions use, then pairs of a constant's slot and its value.
        """
        slots = (self.p.slot, self.g.slot, tuple(s.slot for s in self.arrays_in), tuple(self.outs),
                 tuple(s.slot for s in self.scalars_in), tuple(self.scalars_out),
                 tuple(s.slot for s in self.options_in), tuple(self.scalars_used),
                 tuple((s.slot, value) for value, s in self.constants.items()))
        return (tuple(item for item in self.code if not self.is_array[item[2]]),
                tuple(item for item in self.code if self.is_array[item[2]]), slots)

    # -- running -----------------------------------------------------------------------------

    def scalars(self, options, state):
        """(values of the scalars the arrays need, new scalar state), all Python numbers.

        options: values for `option_names`; state: values for `scalar_state`.
        """
        values = {symbol.slot: constant for constant, symbol in self.constants.items()}
        values.update(zip((symbol.slot for symbol in self.options_in), options))
        values.update(zip((symbol.slot for symbol in self.scalars_in), state))
        for word, operands, result in self.scalar_code:
            values[result] = word(*[values[slot] for slot in operands])
        return ([values[slot] for slot in self.scalars_used],
                [values[slot] for slot in self.scalars_out])

    def run(self, numbers, gradient, sources, targets, compute):
        """Update one parameter: flat arrays in, flat arrays out; target k may be source k.

        numbers: from `scalars`. sources: the parameter and its array state. targets: arrays of
        the same sizes to write. compute: the arithmetic's dtype (float32 for the half types).
        """
        size = gradient.size
        block = min(size, BLOCK)
        convert = any(a.dtype != compute for a in (gradient, *sources, *targets))
        with np.errstate(all="ignore"):
            numbers = [compute.type(number) if type(number) is not bool else number
                       for number in numbers]
            scratch = [np.empty(block, bool if flag else compute) for flag in self.flags]
            for start in range(0, size, BLOCK):
                stop = min(start + BLOCK, size)
                if stop - start < block:
                    scratch = [a[:stop - start] for a in scratch]
                if size == block and not convert:
                    registers = [*sources, *targets, gradient, *numbers, *scratch]
                elif not convert:
                    registers = [*[a[start:stop] for a in sources],
                                 *[a[start:stop] for a in targets],
                                 gradient[start:stop], *numbers, *scratch]
                else:
                    registers = [*[a[start:stop].astype(compute) for a in sources],
                                 *[np.empty(stop - start, compute) for _ in targets],
                                 gradient[start:stop].astype(compute), *numbers, *scratch]
                for function, operands, target in self.calls:
                    function(*[registers[i] for i in operands], out=registers[target])
                if convert:
                    for k, target in enumerate(targets):
                        target[start:stop] = registers[len(sources) + k]


def is_static(value) -> bool:
    """Whether an option's value is part of a program's structure."""
    return value is None or value is True or value is False or isinstance(value, str)


def nonzero(value) -> bool:
    """Whether a runtime scalar takes part: a tensor always does."""
    return value != 0 if isinstance(value, (int, float)) else True


_PROGRAMS: dict = {}


def step_program(name, rule, options, scalar_state, array_state) -> StepProgram:
    """The program of a rule with these options, built once per structure."""
    key = (rule, array_state, tuple((k, v) if is_static(v) else (k, nonzero(v), "runtime")
                                    for k, v in options.items()))
    program = _PROGRAMS.get(key)
    if program is None:
        program = _PROGRAMS[key] = StepProgram(name, rule, options, scalar_state, array_state)
    return program
