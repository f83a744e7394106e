"""A reader of pickles that runs no code.

`Unpickler` interprets the instructions of pickle protocols 2 to 5. Whatever is more than plain
data (a global name, a call, an object's state, a persistent id) is put to a `Policy`, which
admits a short list and refuses everything else; see `rushlight/_files/admission.py`.

The input is a buffer, and every length in it is checked against what is left of it, so a pickle
cannot make us ask for more memory than it has bytes.
"""

import pickle
import struct

_UINT16 = struct.Struct("<H")
_INT32 = struct.Struct("<i")
_UINT32 = struct.Struct("<I")
_UINT64 = struct.Struct("<Q")
_FLOAT = struct.Struct(">d")

_PLAIN_KEYS = (str, int, float, bool, bytes, complex, type(None))
_KEY_PARTS = 1000
_ABSENT = object()


class Policy:
    """What an `Unpickler` may do beyond plain data. This one refuses everything."""

    def find_global(self, module, name):
        raise pickle.UnpicklingError(f"Unsupported global: GLOBAL {module}.{name}")

    def persistent_load(self, identifier):
        raise pickle.UnpicklingError(f"Unsupported persistent id {type(identifier).__name__}")

    def call(self, function, arguments):
        raise pickle.UnpicklingError("Trying to call an object that is not a known function")

    def new(self, kind, arguments, keywords):
        raise pickle.UnpicklingError("Trying to make an object of a class that is not known")

    def build(self, instance, state):
        raise pickle.UnpicklingError(f"Trying to set the state of a {type(instance).__name__}")

    def append(self, target, items):
        raise pickle.UnpicklingError(f"Can only append to lists, not to a {type(target).__name__}")

    def add(self, target, items):
        raise pickle.UnpicklingError(f"Can only add to sets, not to a {type(target).__name__}")

    def set_items(self, target, pairs):
        raise pickle.UnpicklingError(
            f"Can only set items of dictionaries, not of a {type(target).__name__}"
        )


def check_key(key):
    """Refuse a dictionary key or set element whose hash could run away or run code.

    A tuple may hold the same tuple twice, to any depth: hashing it would take forever, or
    overflow the stack. Tuples of up to a thousand parts are fine.
    """
    if isinstance(key, _PLAIN_KEYS):
        return
    if not isinstance(key, (tuple, frozenset)):
        if type(key).__hash__ is None:
            raise pickle.UnpicklingError(f"a {type(key).__name__} cannot be a dictionary key")
        return
    pending, parts = [key], 0
    while pending:
        for part in pending.pop():
            parts += 1
            if parts > _KEY_PARTS:
                raise pickle.UnpicklingError("a dictionary key or set element is nested too far")
            if isinstance(part, (tuple, frozenset)):
                pending.append(part)
            elif type(part).__hash__ is None:
                raise pickle.UnpicklingError(f"a {type(part).__name__} cannot be a dictionary key")


class Unpickler:
    """Read one pickled object from `data`, starting at `start`; `position` is then its end.

    Raises `pickle.UnpicklingError` for anything malformed or not admitted, `EOFError` if the data
    end before the object does.
    """

    def __init__(self, data, policy, start=0, encoding="utf-8"):
        self.data = memoryview(data).cast("B")
        self.position = start
        self.policy = policy
        self.encoding = encoding
        self.stack = []
        self.marked = []
        self.memo = {}

    def load(self):
        """Return the object."""
        instructions = self._instructions
        data, end = self.data, len(self.data)
        try:
            while True:
                if self.position >= end:
                    raise EOFError("Ran out of input")
                code = data[self.position]
                self.position += 1
                if code == 0x2E:  # STOP
                    return self.stack.pop()
                instruction = instructions.get(code)
                if instruction is None:
                    raise pickle.UnpicklingError(f"Unsupported operand {code}")
                instruction(self)
        except (pickle.UnpicklingError, EOFError):
            raise
        except (IndexError, KeyError, TypeError, ValueError, OverflowError, struct.error) as error:
            raise pickle.UnpicklingError(
                f"malformed pickle: {type(error).__name__} ({error}) before byte {self.position}"
            ) from None

    # Reading from the data.

    def take(self, count):
        start = self.position
        end = start + count
        if count < 0:
            raise ValueError("a length is negative")
        if end > len(self.data):
            raise EOFError("Ran out of input")
        self.position = end
        return self.data[start:end]

    def unpack(self, form):
        return form.unpack(self.take(form.size))[0]

    def line(self):
        """The text up to the next newline; names of modules and classes are never long."""
        window = bytes(self.data[self.position : self.position + 4096])
        size = window.find(b"\n")
        if size < 0:
            raise pickle.UnpicklingError("a name in the pickle has no end")
        self.position += size + 1
        return window[:size].decode("utf-8")

    def pop_marked(self):
        items = self.stack
        self.stack = self.marked.pop()
        return items

    # Plain data.

    def do_proto(self):
        version = self.take(1)[0]
        if not 2 <= version <= 5:
            raise pickle.UnpicklingError(f"unsupported pickle protocol: {version}")

    def do_frame(self):
        if self.unpack(_UINT64) > len(self.data) - self.position:
            raise EOFError("Ran out of input")

    def do_mark(self):
        self.marked.append(self.stack)
        self.stack = []

    def do_pop(self):
        if self.stack:
            self.stack.pop()
        else:
            self.pop_marked()

    def do_dup(self):
        self.stack.append(self.stack[-1])

    def do_none(self):
        self.stack.append(None)

    def do_true(self):
        self.stack.append(True)

    def do_false(self):
        self.stack.append(False)

    def do_int4(self):
        self.stack.append(self.unpack(_INT32))

    def do_int1(self):
        self.stack.append(self.take(1)[0])

    def do_int2(self):
        self.stack.append(self.unpack(_UINT16))

    def do_long1(self):
        self.stack.append(int.from_bytes(self.take(self.take(1)[0]), "little", signed=True))

    def do_long4(self):
        self.stack.append(int.from_bytes(self.take(self.unpack(_INT32)), "little", signed=True))

    def do_float(self):
        self.stack.append(self.unpack(_FLOAT))

    def _text(self, size):
        self.stack.append(str(self.take(size), "utf-8", "surrogatepass"))

    def do_text1(self):
        self._text(self.take(1)[0])

    def do_text4(self):
        self._text(self.unpack(_UINT32))

    def do_text8(self):
        self._text(self.unpack(_UINT64))

    def do_bytes1(self):
        self.stack.append(bytes(self.take(self.take(1)[0])))

    def do_bytes4(self):
        self.stack.append(bytes(self.take(self.unpack(_UINT32))))

    def do_bytes8(self):
        self.stack.append(bytes(self.take(self.unpack(_UINT64))))

    def do_bytearray8(self):
        self.stack.append(bytearray(self.take(self.unpack(_UINT64))))

    def _python2_string(self, size):
        data = bytes(self.take(size))
        self.stack.append(data if self.encoding == "bytes" else data.decode(self.encoding))

    def do_string1(self):
        self._python2_string(self.take(1)[0])

    def do_string4(self):
        self._python2_string(self.unpack(_UINT32))

    # Containers.

    def do_empty_tuple(self):
        self.stack.append(())

    def do_empty_list(self):
        self.stack.append([])

    def do_empty_dict(self):
        self.stack.append({})

    def do_empty_set(self):
        self.stack.append(set())

    def _last(self, count):
        if len(self.stack) < count:
            raise IndexError("the stack is empty")
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def do_tuple1(self):
        self.stack.append(tuple(self._last(1)))

    def do_tuple2(self):
        self.stack.append(tuple(self._last(2)))

    def do_tuple3(self):
        self.stack.append(tuple(self._last(3)))

    def do_tuple(self):
        items = self.pop_marked()
        self.stack.append(tuple(items))

    def do_list(self):
        items = self.pop_marked()
        self.stack.append(items)

    def do_dict(self):
        items = self.pop_marked()
        self.stack.append({})
        self._set_items(items)

    def do_frozenset(self):
        items = self.pop_marked()
        for item in items:
            check_key(item)
        self.stack.append(frozenset(items))

    def _append(self, items):
        target = self.stack[-1]
        if type(target) is list:
            target.extend(items)
        else:
            self.policy.append(target, items)

    def do_append(self):
        self._append(self._last(1))

    def do_appends(self):
        self._append(self.pop_marked())

    def do_add_items(self):
        items = self.pop_marked()
        target = self.stack[-1]
        for item in items:
            check_key(item)
        if type(target) is set:
            target.update(items)
        else:
            self.policy.add(target, items)

    def _set_items(self, items):
        target = self.stack[-1]
        pairs = list(zip(items[::2], items[1::2], strict=True))
        for key, _ in pairs:
            check_key(key)
        if type(target) is dict:
            target.update(pairs)
        else:
            self.policy.set_items(target, pairs)

    def do_set_item(self):
        self._set_items(self._last(2))

    def do_set_items(self):
        self._set_items(self.pop_marked())

    # The memo.

    def do_get1(self):
        self.stack.append(self.memo[self.take(1)[0]])

    def do_get4(self):
        self.stack.append(self.memo[self.unpack(_UINT32)])

    def do_put1(self):
        self.memo[self.take(1)[0]] = self.stack[-1]

    def do_put4(self):
        self.memo[self.unpack(_UINT32)] = self.stack[-1]

    def do_memoize(self):
        self.memo[len(self.memo)] = self.stack[-1]

    # What the policy decides.

    def _global(self, module, name):
        if type(module) is not str or type(name) is not str:
            raise pickle.UnpicklingError("the name of a global must be text")
        self.stack.append(self.policy.find_global(module, name))

    def do_global(self):
        module = self.line()
        self._global(module, self.line())

    def do_stack_global(self):
        self._global(*self._last(2))

    def _arguments(self, arguments):
        if type(arguments) is not tuple:
            raise pickle.UnpicklingError("the arguments of a call must be a tuple")
        return arguments

    def do_reduce(self):
        function, arguments = self._last(2)
        self.stack.append(self.policy.call(function, self._arguments(arguments)))

    def do_new(self):
        kind, arguments = self._last(2)
        self.stack.append(self.policy.new(kind, self._arguments(arguments), {}))

    def do_new_keywords(self):
        kind, arguments, keywords = self._last(3)
        if type(keywords) is not dict:
            raise pickle.UnpicklingError("the keywords of a call must be a dictionary")
        self.stack.append(self.policy.new(kind, self._arguments(arguments), keywords))

    def do_build(self):
        state = self.stack.pop()
        self.policy.build(self.stack[-1], state)

    def do_persistent(self):
        self.stack.append(self.policy.persistent_load(self.stack.pop()))

    _instructions = {
        0x80: do_proto,
        0x95: do_frame,
        ord("("): do_mark,
        ord("0"): do_pop,
        ord("1"): pop_marked,
        ord("2"): do_dup,
        ord("N"): do_none,
        0x88: do_true,
        0x89: do_false,
        ord("J"): do_int4,
        ord("K"): do_int1,
        ord("M"): do_int2,
        0x8A: do_long1,
        0x8B: do_long4,
        ord("G"): do_float,
        0x8C: do_text1,
        ord("X"): do_text4,
        0x8D: do_text8,
        ord("C"): do_bytes1,
        ord("B"): do_bytes4,
        0x8E: do_bytes8,
        0x96: do_bytearray8,
        ord("U"): do_string1,
        ord("T"): do_string4,
        ord(")"): do_empty_tuple,
        ord("]"): do_empty_list,
        ord("}"): do_empty_dict,
        0x8F: do_empty_set,
        0x85: do_tuple1,
        0x86: do_tuple2,
        0x87: do_tuple3,
        ord("t"): do_tuple,
        ord("l"): do_list,
        ord("d"): do_dict,
        0x91: do_frozenset,
        ord("a"): do_append,
        ord("e"): do_appends,
        0x90: do_add_items,
        ord("s"): do_set_item,
        ord("u"): do_set_items,
        ord("h"): do_get1,
        ord("j"): do_get4,
        ord("q"): do_put1,
        ord("r"): do_put4,
        0x94: do_memoize,
        ord("c"): do_global,
        0x93: do_stack_global,
        ord("R"): do_reduce,
        0x81: do_new,
        0x92: do_new_keywords,
        ord("b"): do_build,
        ord("Q"): do_persistent,
    }
