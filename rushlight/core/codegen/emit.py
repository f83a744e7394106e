"""Writing LLVM IR as text: values with operators, loops and conditions as `with` blocks.

A `Module` holds functions; a `Builder` writes one function:

    module = Module()
    b = module.function("kernel", "i64", [("ptr", "args"), ("i64", "begin"), ("i64", "end")])
    x = b.load("ptr", b.args[0])
    with b.loop(b.args[1], b.args[2]) as i:
        value = b.load("<16 x float>", b.element(x, i * 16, "float"))
        b.store(value * value, b.element(x, i * 16, "float"))
    b.ret(0)
    text = str(module)

Integers are signed; arithmetic on Python numbers and constants is done here, not in the text.
Variables (`b.variable`) are stack slots, which LLVM turns into registers.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any

from .llvm_types import (
    FLOATS,
    SCHEDULED,
    constant_text,
    element_type,
    lanes_of,
    natural_alignment,
    suffix,
    vector,
)
from .variable import Variable


class Value:
    """One value of a function: its type, and its name or constant. Has Python's operators."""

    __slots__ = ("b", "type", "ref", "number")

    def __init__(self, b, kind, ref, number=None):
        self.b, self.type, self.ref, self.number = b, kind, ref, number

    @property
    def floating(self):
        """Whether it is a floating-point number (or a vector of them)."""
        return element_type(self.type) in FLOATS

    def __repr__(self):
        return f"{self.type} {self.ref}"

    def __add__(self, other):
        return self.b.arithmetic("add", self, other)

    def __radd__(self, other):
        return self.b.arithmetic("add", other, self)

    def __sub__(self, other):
        return self.b.arithmetic("sub", self, other)

    def __rsub__(self, other):
        return self.b.arithmetic("sub", other, self)

    def __mul__(self, other):
        return self.b.arithmetic("mul", self, other)

    def __rmul__(self, other):
        return self.b.arithmetic("mul", other, self)

    def __truediv__(self, other):
        return self.b.arithmetic("fdiv", self, other)

    def __rtruediv__(self, other):
        return self.b.arithmetic("fdiv", other, self)

    def __floordiv__(self, other):
        """C's division: of non-negative numbers, or rounded towards zero."""
        return self.b.arithmetic("sdiv", self, other)

    def __mod__(self, other):
        """C's remainder."""
        return self.b.arithmetic("srem", self, other)

    def __and__(self, other):
        return self.b.arithmetic("and", self, other)

    def __or__(self, other):
        return self.b.arithmetic("or", self, other)

    def __xor__(self, other):
        return self.b.arithmetic("xor", self, other)

    def __lshift__(self, other):
        return self.b.arithmetic("shl", self, other)

    def __rshift__(self, other):
        """Arithmetic shift; `logical_shift_right` is the builder's."""
        return self.b.arithmetic("ashr", self, other)

    def __neg__(self):
        if self.floating:
            return self.b.emit(self.type, f"fneg {self.type} {self.ref}")
        return self.b.arithmetic("sub", 0, self)

    def __lt__(self, other):
        return self.b.compare("lt", self, other)

    def __le__(self, other):
        return self.b.compare("le", self, other)

    def __gt__(self, other):
        return self.b.compare("gt", self, other)

    def __ge__(self, other):
        return self.b.compare("ge", self, other)

    def equals(self, other):
        """``==`` as a value (Python's own compares identity here)."""
        return self.b.compare("eq", self, other)

    def differs(self, other):
        """``!=`` as a value; true for NaN."""
        return self.b.compare("ne", self, other)


class Module:
    """A text of functions, globals and declarations; `scheduled`: see `library.compile_text`."""

    def __init__(self):
        self.scheduled = False
        self.functions: list[Builder] = []
        self.declarations: dict[str, str] = {}
        self.globals: dict[str, str] = {}

    def function(self, name, result, arguments, internal=False) -> Builder:
        """Start a function; `arguments` is a list of (type, name)."""
        b = Builder(self, name, result, arguments, internal)
        self.functions.append(b)
        return b

    def kernel(self, name="kernel") -> Builder:
        """Start a kernel: ``i64 kernel(ptr args, i64 begin, i64 end)`` over tasks begin..end-1.

        ``args`` points to 8-byte words: addresses of buffers, and numbers. It returns 0, or
        anything else for "this input is one the interpreter must refuse".
        """
        return self.function(name, "i64", [("ptr", "args"), ("i64", "begin"), ("i64", "end")])

    def table(self, element, numbers) -> str:
        """The name of a constant array (an address, aligned to 64 bytes)."""
        text = ", ".join(f"{element} {constant_text(element, n)}" for n in numbers)
        body = f"[{len(numbers)} x {element}] [{text}]"
        for name, line in self.globals.items():
            if body in line:
                return name
        name = f"@table{len(self.globals)}"
        self.globals[name] = f"{name} = internal unnamed_addr constant {body}, align 64"
        return name

    def __str__(self):
        head = SCHEDULED if self.scheduled else ""
        return head + "\n".join([*self.globals.values(), *self.declarations.values(),
                          *map(str, self.functions)]) + "\n"


class Builder:
    """Writes one function."""

    def __init__(self, module, name, result, arguments, internal):
        self.module, self.name, self.result = module, name, result
        self.internal = internal
        self.entry: list[str] = []        # stack slots
        self.lines: list[str] = []
        self.count = 0
        self.args = [Value(self, kind, "%" + argument) for kind, argument in arguments]
        self.label = "start"

    # the text itself
    def fresh(self, stem="") -> str:
        """A name not used before."""
        self.count += 1
        return f"%{stem}.{self.count}" if stem else f"%v{self.count}"

    def line(self, text) -> None:
        """One instruction without a result."""
        self.lines.append("  " + text)

    def emit(self, kind, text) -> Value:
        """One instruction with a result."""
        name = self.fresh()
        self.lines.append(f"  {name} = {text}")
        return Value(self, kind, name)

    def __str__(self):
        arguments = ", ".join(f"{a.type} {a.ref}" for a in self.args)
        linkage = "internal " if self.internal else ""
        return (f"define {linkage}{self.result} @{self.name}({arguments}) #0 {{\nstart:\n"
                + "\n".join(self.entry + self.lines) + "\n}")

    # values
    def constant(self, kind, number) -> Value:
        """A constant; the same number in every lane of a vector type."""
        element = element_type(kind)
        if element in ("half", "bfloat"):
            return self.cast(self.constant(kind.replace(element, "float"), number), kind)
        return Value(self, kind, constant_text(kind, number), number)

    def as_value(self, value, kind) -> Value:
        """A Value as it is; a Python number as a constant of type `kind`; a scalar splat."""
        if isinstance(value, Value):
            if value.type != kind and kind[0] == "<" and value.type == element_type(kind):
                return self.splat(value, lanes_of(kind))
            return value
        return self.constant(kind, value)

    def _pair(self, a, b) -> tuple[Value, Value]:
        if isinstance(a, Value) and isinstance(b, Value):
            if a.type != b.type:
                if a.type[0] == "<":
                    b = self.as_value(b, a.type)
                else:
                    a = self.as_value(a, b.type)
            return a, b
        if isinstance(a, Value):
            return a, self.as_value(b, a.type)
        return self.as_value(a, b.type), b

    def arithmetic(self, name, a, b) -> Value:
        """add sub mul fdiv sdiv srem udiv and or xor shl ashr lshr; constants are folded."""
        a, b = self._pair(a, b)
        if a.type != b.type:
            raise TypeError(f"{name} of {a!r} and {b!r}")
        if a.floating:
            name = name if name[0] == "f" else "f" + name
        elif a.type == "i64":
            folded = _fold(name, a.number, b.number)
            if folded is not None:
                return self.constant("i64", folded)
            if (name == "add" and b.number == 0) or (name in ("mul", "sdiv") and b.number == 1):
                return a
            if (name == "add" and a.number == 0) or (name == "mul" and a.number == 1):
                return b
        return self.emit(a.type, f"{name} {a.type} {a.ref}, {b.ref}")

    def compare(self, name, a, b, unsigned=False) -> Value:
        """eq ne lt le gt ge; floats: false for NaN, but ne is true."""
        a, b = self._pair(a, b)
        kind = vector("i1", lanes_of(a.type))
        if a.floating:
            word = "fcmp " + ("une" if name == "ne" else "o" + name)
        else:
            sign = "" if name in ("eq", "ne") else ("u" if unsigned else "s")
            word = f"icmp {sign}{name}"
        return self.emit(kind, f"{word} {a.type} {a.ref}, {b.ref}")

    def unordered(self, a, b) -> Value:
        """Whether one of two floats is NaN."""
        a, b = self._pair(a, b)
        return self.emit(vector("i1", lanes_of(a.type)), f"fcmp uno {a.type} {a.ref}, {b.ref}")

    def logical_shift_right(self, a, b) -> Value:
        """``a >> b`` with zeros from the left."""
        return self.arithmetic("lshr", a, b)

    def unsigned_divide(self, a, b) -> Value:
        """``a / b`` of unsigned integers."""
        return self.arithmetic("udiv", a, b)

    def select(self, condition, a, b) -> Value:
        """`a` where the condition holds, else `b`; a scalar condition chooses whole vectors."""
        a, b = self._pair(a, b)
        return self.emit(a.type, f"select {condition.type} {condition.ref}, {a.type} {a.ref}, "
                                 f"{b.type} {b.ref}")

    def minimum(self, a, b) -> Value:
        """The smaller of two integers."""
        a, b = self._pair(a, b)
        if a.number is not None and b.number is not None:
            return a if a.number <= b.number else b
        return self.intrinsic("smin", a.type, a, b)

    def maximum(self, a, b) -> Value:
        """The greater of two integers."""
        a, b = self._pair(a, b)
        if a.number is not None and b.number is not None:
            return a if a.number >= b.number else b
        return self.intrinsic("smax", a.type, a, b)

    def call(self, name, result, *arguments) -> Value | None:
        """Call a function by name; declares it unless the module defines it."""
        if name not in self.module.declarations and \
                not any(f.name == name for f in self.module.functions):
            kinds = ", ".join(a.type for a in arguments)
            self.module.declarations[name] = f"declare {result} @{name}({kinds})"
        text = f"call {result} @{name}(" + ", ".join(f"{a.type} {a.ref}" for a in arguments) + ")"
        if result == "void":
            self.line(text)
            return None
        return self.emit(result, text)

    def intrinsic(self, name, kind, *arguments) -> Value:
        """``llvm.<name>.<suffix of kind>`` with result and operands of one type: fma, sqrt, ..."""
        values = [self.as_value(a, kind) for a in arguments]
        found = self.call(f"llvm.{name}.{suffix(kind)}", kind, *values)
        assert found is not None
        return found

    def fma(self, a, b, c) -> Value:
        """``a * b + c``, rounded once."""
        kind = next(v.type for v in (c, a, b) if isinstance(v, Value))
        return self.intrinsic("fma", kind, a, b, c)

    def cast(self, value, kind, unsigned=False) -> Value:
        """Convert between number types of the same lane count (C's conversions)."""
        have, want = element_type(value.type), element_type(kind)
        if value.type == kind:
            return value
        if have in FLOATS and want in FLOATS:
            order = {"half": 16, "bfloat": 16, "float": 32, "double": 64}
            if order[have] == order[want]:
                wide = kind.replace(want, "float")
                return self.cast(self.cast(value, wide), kind)
            word = "fpext" if order[have] < order[want] else "fptrunc"
            if have == "bfloat" and want == "float":   # LLVM would compare bfloats, which few can
                bits = self.cast(self.bitcast(value, kind.replace("float", "i16")),
                                 kind.replace("float", "i32"), unsigned=True)
                return self.bitcast(bits << 16, kind)
        elif have in FLOATS:
            # Out of range is undefined in C; the saturating form is defined everywhere.
            name = "fptoui" if unsigned else "fptosi"
            found = self.call(f"llvm.{name}.sat.{suffix(kind)}.{suffix(value.type)}", kind, value)
            assert found is not None
            return found
        elif want in FLOATS:
            word = "uitofp" if unsigned or have == "i1" else "sitofp"
        else:
            a, b = int(have[1:]), int(want[1:])
            if a == b:
                return value
            word = "trunc" if b < a else ("zext" if unsigned or have == "i1" else "sext")
        if have != "i1" and have not in FLOATS and want not in FLOATS and \
                value.number is not None and value.number >= 0:
            return self.constant(kind, value.number)
        return self.emit(kind, f"{word} {value.type} {value.ref} to {kind}")

    def bitcast(self, value, kind) -> Value:
        """The same bits as another type."""
        return self.emit(kind, f"bitcast {value.type} {value.ref} to {kind}")

    # vectors
    def splat(self, value, lanes) -> Value:
        """A vector with `value` in every lane."""
        if lanes == 1:
            return value
        kind = vector(value.type, lanes)
        if value.number is not None:
            return self.constant(kind, value.number)
        one = self.emit(kind, f"insertelement {kind} poison, {value.type} {value.ref}, i32 0")
        return self.emit(kind, f"shufflevector {kind} {one.ref}, {kind} poison, "
                               f"<{lanes} x i32> zeroinitializer")

    def extract(self, value, lane) -> Value:
        """One lane of a vector (a Python index)."""
        kind = element_type(value.type)
        if value.type[0] != "<":
            return value
        return self.emit(kind, f"extractelement {value.type} {value.ref}, i32 {lane}")

    def insert(self, value, element, lane) -> Value:
        """`value` with one lane replaced (a Python index)."""
        return self.emit(value.type, f"insertelement {value.type} {value.ref}, "
                                     f"{element.type} {element.ref}, i32 {lane}")

    def shuffle(self, a, b, lanes) -> Value:
        """The lanes of `a` followed by those of `b`, chosen by a list of Python numbers."""
        kind = vector(element_type(a.type), len(lanes))
        mask = ", ".join(f"i32 {n}" if n is not None else "i32 poison" for n in lanes)
        other = f"{b.type} {b.ref}" if b is not None else f"{a.type} poison"
        return self.emit(kind, f"shufflevector {a.type} {a.ref}, {other}, "
                               f"<{len(lanes)} x i32> <{mask}>")

    def iota(self, element, lanes) -> Value:
        """0, 1, 2, ... in the lanes of an integer vector."""
        kind = vector(element, lanes)
        if lanes == 1:
            return self.constant(kind, 0)
        return Value(self, kind, "<" + ", ".join(f"{element} {i}" for i in range(lanes)) + ">")

    def reduce(self, value, combine) -> Value:
        """All lanes combined by ``combine(a, b)``, as a tree of halves (a fixed order)."""
        lanes = lanes_of(value.type)
        while lanes > 1:
            half = lanes // 2
            low = self.shuffle(value, None, range(half))
            high = self.shuffle(value, None, range(half, lanes))
            if half == 1:
                low, high = self.extract(value, 0), self.extract(value, 1)
            value = combine(low, high)
            lanes = half
        return value

    # memory
    def variable(self, value, kind=None) -> Variable:
        """A mutable value that starts as `value`."""
        kind = kind or value.type
        pointer = Value(self, "ptr", self.fresh("slot"))
        self.entry.append(f"  {pointer.ref} = alloca {kind}, align 64")
        made = Variable(self, kind, pointer)
        made.set(value)
        return made

    def stack(self, element, count, align=64) -> Value:
        """The address of an array on the stack (`count`: a Python number)."""
        pointer = Value(self, "ptr", self.fresh("stack"))
        self.entry.append(f"  {pointer.ref} = alloca [{count} x {element}], align {align}")
        return pointer

    def element(self, pointer, index, kind) -> Value:
        """The address of element `index` of an array of `kind` (no bounds, no scaling by lanes)."""
        index = self.as_value(index, "i64")
        if index.number == 0:
            return pointer
        return self.emit("ptr", f"getelementptr {element_type(kind)}, ptr {pointer.ref}, "
                                f"{index.type} {index.ref}")

    def global_address(self, name) -> Value:
        """The address of a global such as `Module.table` gives."""
        return Value(self, "ptr", name)

    def load(self, kind, pointer, align=None) -> Value:
        """A value from memory; aligned to its element unless said otherwise."""
        return self.emit(kind, f"load {kind}, ptr {pointer.ref}, "
                               f"align {align or natural_alignment(kind)}")

    def store(self, value, pointer, align=None) -> None:
        """A value to memory."""
        self.line(f"store {value.type} {value.ref}, ptr {pointer.ref}, "
                  f"align {align or natural_alignment(value.type)}")

    def masked_load(self, kind, pointer, mask, other=None) -> Value:
        """Lanes where `mask` holds from memory, elsewhere `other` (zero by default)."""
        other = self.constant(kind, 0) if other is None else other
        name = f"llvm.masked.load.{suffix(kind)}.p0"
        self.module.declarations.setdefault(
            name, f"declare {kind} @{name}(ptr, i32, {mask.type}, {kind})")
        return self.emit(kind, f"call {kind} @{name}(ptr {pointer.ref}, i32 "
                               f"{natural_alignment(kind)}, {mask.type} {mask.ref}, "
                               f"{kind} {other.ref})")

    def first_lanes(self, lanes, count) -> Value:
        """The mask of the first `count` lanes (a Value or a Python number)."""
        count = self.cast(self.as_value(count, "i64"), "i32")
        mask = self.compare("lt", self.iota("i32", lanes), self.splat(count, lanes))
        mask.number = count.number
        return mask

    def masked_store(self, value, pointer, mask) -> None:
        """Store the lanes where `mask` holds."""
        if mask.number == 1:
            # LLVM 22 turns one lane of a truncated vector into a store of the wide element.
            self.store(self.extract(value, 0), pointer)
            return
        name = f"llvm.masked.store.{suffix(value.type)}.p0"
        self.module.declarations.setdefault(
            name, f"declare void @{name}({value.type}, ptr, i32, {mask.type})")
        self.line(f"call void @{name}({value.type} {value.ref}, ptr {pointer.ref}, i32 "
                  f"{natural_alignment(value.type)}, {mask.type} {mask.ref})")

    def gather(self, kind, pointer, indices) -> Value:
        """Elements at vector `indices` of an array."""
        element = element_type(kind)
        lanes = lanes_of(kind)
        pointers = self.emit(f"<{lanes} x ptr>", f"getelementptr {element}, ptr {pointer.ref}, "
                                                 f"{indices.type} {indices.ref}")
        name = f"llvm.masked.gather.{suffix(kind)}.v{lanes}p0"
        self.module.declarations.setdefault(
            name, f"declare {kind} @{name}(<{lanes} x ptr>, i32, <{lanes} x i1>, {kind})")
        return self.emit(kind, f"call {kind} @{name}(<{lanes} x ptr> {pointers.ref}, i32 "
                               f"{natural_alignment(element)}, <{lanes} x i1> splat (i1 true), "
                               f"{kind} zeroinitializer)")

    def prefetch(self, pointer, write=False, locality=3) -> None:
        """Ask for a cache line; `locality` 3 keeps it in all levels."""
        name = "llvm.prefetch.p0"
        self.module.declarations.setdefault(name, f"declare void @{name}(ptr, i32, i32, i32)")
        self.line(f"call void @{name}(ptr {pointer.ref}, i32 {int(write)}, i32 {locality}, i32 1)")

    def renamed(self, pointer) -> Value:
        """The same address, which LLVM takes for another: it does not merge loads through both.

        A load with a single user becomes a memory operand of that instruction.
        """
        return self.emit("ptr", f'call ptr asm "", "=r,0"(ptr {pointer.ref})')

    # control
    def place(self, label) -> None:
        """Start a block."""
        self.lines.append(f"{label[1:]}:")
        self.label = label[1:]

    def jump(self, label) -> None:
        """Go to a block."""
        self.line(f"br label {label}")

    def branch(self, condition, yes, no) -> None:
        """Go to one of two blocks."""
        self.line(f"br i1 {condition.ref}, label {yes}, label {no}")

    @contextmanager
    def loop(self, begin, end, step: Any = 1, unroll=True):
        """``for i in range(begin, end, step)`` (step > 0); gives the index, an i64.

        ``unroll=False`` forbids LLVM to unroll or vectorise it (which takes long to consider).
        """
        begin, end = self.as_value(begin, "i64"), self.as_value(end, "i64")
        head, body, done = (self.fresh(n) for n in ("head", "body", "done"))
        index, following = self.fresh("i"), self.fresh("next")
        before = self.label
        self.jump(head)
        self.place(head)
        at = len(self.lines)
        self.line("")       # the phi: its second edge is known at the end
        counter = Value(self, "i64", index)
        self.branch(counter < end, body, done)
        self.place(body)
        yield counter
        step = self.as_value(step, "i64")
        self.line(f"{following} = add nsw i64 {index}, {step.ref}")
        latch = self.label
        hint = ""
        if not unroll:
            hint = ", !llvm.loop !1"
            self.module.globals["!1"] = "!1 = distinct !{!1, !2, !3}"
            self.module.globals["!2"] = '!2 = !{!"llvm.loop.unroll.disable"}'
            self.module.globals["!3"] = '!3 = !{!"llvm.loop.vectorize.enable", i1 false}'
        self.line(f"br label {head}{hint}")
        self.lines[at] = (f"  {index} = phi i64 [ {begin.ref}, %{before} ], "
                          f"[ {following}, %{latch} ]")
        self.place(done)

    @contextmanager
    def when(self, condition):
        """Code that runs where the condition holds (for an alternative see `otherwise`)."""
        yes, done = self.fresh("yes"), self.fresh("done")
        self.branch(condition, yes, done)
        self.place(yes)
        yield
        self.jump(done)
        self.place(done)

    @contextmanager
    def unless(self, condition):
        """Code that runs where the condition does not hold."""
        no, done = self.fresh("no"), self.fresh("done")
        self.branch(condition, done, no)
        self.place(no)
        yield
        self.jump(done)
        self.place(done)

    def ret(self, value=None) -> None:
        """Return from the function."""
        if value is None:
            self.line("ret void")
        else:
            value = self.as_value(value, self.result)
            self.line(f"ret {value.type} {value.ref}")

    def fail_when(self, condition) -> None:
        """Leave a kernel with 1: an input that the interpreter must refuse."""
        failed, fine = self.fresh("failed"), self.fresh("fine")
        self.branch(condition, failed, fine)
        self.place(failed)
        self.ret(1)
        self.place(fine)


def _fold(name, a, b):
    if a is None or b is None:
        return None
    if name == "add":
        return a + b
    if name == "sub":
        return a - b
    if name == "mul":
        return a * b
    if name == "sdiv" and a >= 0 and b > 0:
        return a // b
    if name == "srem" and a >= 0 and b > 0:
        return a % b
    return None
