"""The native runtime: a thread pool, and the loop that runs a plan's kernels. One LLVM module.

Note [pool]: a job is (kernel, arguments, tasks). The thread that runs the plan opens the job, takes
tasks itself, closes the job when none is left, and waits only for workers that had joined it. A
worker that was asleep, or whose core is busy with something else, is never waited for. `state`
holds generation << 17 | open << 16 | workers inside; joining is one compare-and-exchange on it.
Workers spin while a job is open and for 200 us after it, so that a plan that follows soon finds
them awake, and then sleep on a condition: an idle pool costs nothing.

That thread takes tasks from the front and the workers take them from the back, so that a job like
the last one finds most of its data in the same cores' caches.

How tasks are cut is the kernel's business (see Note [kernels] in `lowering`): the pool only
decides who runs them, so it cannot change a result.
"""

from __future__ import annotations

import ctypes
import os

from ..base.forks import whole
from .library import binary, immortal, link
from .target import host

SPIN_NANOSECONDS = 200_000

# The program of a plan is a flat array of 64-bit words, for each step:
#     kernel address, tasks, argument count, then (slot, bytes to add) per argument
TEXT = """
@state = internal global i64 0, align 64
@taken = internal global i64 0, align 64
@job_kernel = internal global ptr null, align 64
@job_arguments = internal global ptr null
@job_tasks = internal global i64 0
@job_chunk = internal global i64 1
@job_failed = internal global i64 0
@busy = internal global i64 0, align 64
@sleepers = internal global i64 0, align 64
@started = internal global i64 0
@limit = internal global i64 0
@mutex = internal global [128 x i8] zeroinitializer, align 64
@condition = internal global [128 x i8] zeroinitializer, align 64

declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_detach(ptr)
declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_broadcast(ptr)
declare i32 @sched_yield()
declare i32 @clock_gettime(i32, ptr)
{pause_declaration}

; Take chunks of tasks from one end: `step` is 1 for the front, 1 << 32 for the back.
define internal void @work(i64 %step) #0 {{
start:
  %kernel = load ptr, ptr @job_kernel
  %arguments = load ptr, ptr @job_arguments
  %tasks = load i64, ptr @job_tasks
  %chunk = load i64, ptr @job_chunk
  %padded = add i64 %tasks, %chunk
  %almost = sub i64 %padded, 1
  %chunks = udiv i64 %almost, %chunk
  %last = sub i64 %chunks, 1
  %from_front = icmp eq i64 %step, 1
  br label %take
take:
  %taken = atomicrmw add ptr @taken, i64 %step monotonic
  %front = and i64 %taken, 4294967295
  %back = lshr i64 %taken, 32
  %both = add i64 %front, %back
  %any = icmp slt i64 %both, %chunks
  br i1 %any, label %run, label %done
run:
  %last_left = sub i64 %last, %back
  %mine = select i1 %from_front, i64 %front, i64 %last_left
  %begin = mul i64 %mine, %chunk
  %stop = add i64 %begin, %chunk
  %over = icmp sgt i64 %stop, %tasks
  %end = select i1 %over, i64 %tasks, i64 %stop
  %result = call i64 %kernel(ptr %arguments, i64 %begin, i64 %end)
  %failed = icmp ne i64 %result, 0
  br i1 %failed, label %fail, label %take
fail:
  store atomic i64 1, ptr @job_failed monotonic, align 8
  br label %take
done:
  ret void
}}

; A worker joins each job once, if the pool's limit admits it. Every 64th look is at the clock too.
define internal ptr @worker(ptr %number) #0 {{
start:
  %index = ptrtoint ptr %number to i64
  br label %fresh
fresh:
  %last = phi i64 [ -1, %start ], [ %joined_generation, %leave ], [ %last_kept, %woken ]
  br label %look
look:
  %spins = phi i64 [ 0, %fresh ], [ %spins_next, %spin ], [ 0, %lost ]
  %end = phi i64 [ 0, %fresh ], [ %end_next, %spin ], [ 0, %lost ]
  %seen = load atomic i64, ptr @state acquire, align 8
  %generation = lshr i64 %seen, 17
  %open_bit = and i64 %seen, 65536
  %open = icmp ne i64 %open_bit, 0
  %unseen = icmp ne i64 %generation, %last
  %limit_now = load atomic i64, ptr @limit monotonic, align 8
  %admitted = icmp slt i64 %index, %limit_now
  %a = and i1 %open, %unseen
  %joinable = and i1 %a, %admitted
  br i1 %joinable, label %join, label %idle
join:
  %with_me = add i64 %seen, 1
  %exchange = cmpxchg ptr @state, i64 %seen, i64 %with_me acq_rel monotonic
  %joined = extractvalue {{ i64, i1 }} %exchange, 1
  br i1 %joined, label %inside, label %lost
lost:
  br label %look
inside:
  call void @work(i64 4294967296)
  br label %leave
leave:
  %joined_generation = phi i64 [ %generation, %inside ]
  %before = atomicrmw sub ptr @state, i64 1 acq_rel
  br label %fresh
idle:
  %more_spins = add i64 %spins, 1
  %spins_next = select i1 %open, i64 0, i64 %more_spins
  br i1 %admitted, label %patient, label %sleep
patient:
  %spins_low = and i64 %spins_next, 63
  %looks_up = icmp eq i64 %spins_low, 1
  br i1 %looks_up, label %clock, label %spin
clock:
  %now = call i64 @nanoseconds()
  %now_end = add i64 %now, {spin_nanoseconds}
  %begins = icmp eq i64 %spins_next, 1
  %end_known = select i1 %begins, i64 %now_end, i64 %end
  %tired = icmp sgt i64 %now, %end_known
  br i1 %tired, label %sleep, label %spin
spin:
  %end_next = phi i64 [ %end, %patient ], [ %end_known, %clock ]
  {pause}
  br label %look
sleep:
  call i32 @pthread_mutex_lock(ptr @mutex)
  atomicrmw add ptr @sleepers, i64 1 seq_cst
  br label %check
check:
  %state_now = load atomic i64, ptr @state seq_cst, align 8
  %generation_now = lshr i64 %state_now, 17
  %open_bit_now = and i64 %state_now, 65536
  %open_now = icmp ne i64 %open_bit_now, 0
  %unseen_now = icmp ne i64 %generation_now, %last
  %limit_again = load atomic i64, ptr @limit monotonic, align 8
  %admitted_now = icmp slt i64 %index, %limit_again
  %b = and i1 %open_now, %unseen_now
  %wake = and i1 %b, %admitted_now
  br i1 %wake, label %woken, label %wait
wait:
  call i32 @pthread_cond_wait(ptr @condition, ptr @mutex)
  br label %check
woken:
  %last_kept = phi i64 [ %last, %check ]
  atomicrmw sub ptr @sleepers, i64 1 seq_cst
  call i32 @pthread_mutex_unlock(ptr @mutex)
  br label %fresh
}}

; Run all tasks of one kernel, with the workers where that is worth it. Non-zero: an input refused.
define internal i64 @parallel(ptr %kernel, ptr %arguments, i64 %tasks) #0 {{
start:
  %limit = load i64, ptr @limit
  %alone_by_limit = icmp eq i64 %limit, 0
  %alone_by_tasks = icmp sle i64 %tasks, 1
  %alone = or i1 %alone_by_limit, %alone_by_tasks
  br i1 %alone, label %serial, label %claim
serial:
  %result = call i64 %kernel(ptr %arguments, i64 0, i64 %tasks)
  ret i64 %result
claim:
  %claimed = cmpxchg ptr @busy, i64 0, i64 1 acquire monotonic
  %mine = extractvalue {{ i64, i1 }} %claimed, 1
  br i1 %mine, label %publish, label %serial
publish:
  store ptr %kernel, ptr @job_kernel
  store ptr %arguments, ptr @job_arguments
  store i64 %tasks, ptr @job_tasks
  %pieces = udiv i64 %tasks, 64
  %chunk = add i64 %pieces, 1
  store i64 %chunk, ptr @job_chunk
  store i64 0, ptr @job_failed
  store atomic i64 0, ptr @taken monotonic, align 8
  %old = load atomic i64, ptr @state monotonic, align 8
  %old_generation = lshr i64 %old, 17
  %generation = add i64 %old_generation, 1
  %shifted = shl i64 %generation, 17
  %opened = or i64 %shifted, 65536
  %ignored = atomicrmw xchg ptr @state, i64 %opened seq_cst
  %asleep = load atomic i64, ptr @sleepers seq_cst, align 8
  %must_wake = icmp sgt i64 %asleep, 0
  br i1 %must_wake, label %wake, label %help
wake:
  call i32 @pthread_mutex_lock(ptr @mutex)
  call i32 @pthread_cond_broadcast(ptr @condition)
  call i32 @pthread_mutex_unlock(ptr @mutex)
  br label %help
help:
  call void @work(i64 1)
  %closed = atomicrmw and ptr @state, i64 -65537 acq_rel
  br label %check
check:
  %turns = phi i64 [ 0, %help ], [ %turns_next, %again ]
  %now = load atomic i64, ptr @state acquire, align 8
  %inside = and i64 %now, 65535
  %left = icmp eq i64 %inside, 0
  br i1 %left, label %finished, label %delay
delay:
  %turns_next = add i64 %turns, 1
  %long = icmp sgt i64 %turns, 4000
  br i1 %long, label %yield, label %short
yield:
  call i32 @sched_yield()
  br label %again
short:
  {pause}
  br label %again
again:
  br label %check
finished:
  %failed = load atomic i64, ptr @job_failed monotonic, align 8
  store atomic i64 0, ptr @busy release, align 8
  ret i64 %failed
}}

define i64 @initialize() {{
start:
  call i32 @pthread_mutex_init(ptr @mutex, ptr null)
  call i32 @pthread_cond_init(ptr @condition, ptr null)
  store i64 0, ptr @state
  store i64 0, ptr @busy
  store i64 0, ptr @sleepers
  store i64 0, ptr @started
  ret i64 0
}}

; Let `wanted` workers help, starting those that do not exist yet. Returns how many there are.
define i64 @set_workers(i64 %wanted) #0 {{
start:
  %handle = alloca ptr
  store atomic i64 %wanted, ptr @limit seq_cst, align 8
  br label %check
check:
  %have = load i64, ptr @started
  %enough = icmp sge i64 %have, %wanted
  br i1 %enough, label %done, label %create
create:
  %number = inttoptr i64 %have to ptr
  %error = call i32 @pthread_create(ptr %handle, ptr null, ptr @worker, ptr %number)
  %failed = icmp ne i32 %error, 0
  br i1 %failed, label %done, label %created
created:
  %thread = load ptr, ptr %handle
  call i32 @pthread_detach(ptr %thread)
  %more = add i64 %have, 1
  store i64 %more, ptr @started
  br label %check
done:
  ret i64 %have
}}

define internal i64 @nanoseconds() #0 {{
start:
  %time = alloca [2 x i64]
  call i32 @clock_gettime(i32 1, ptr %time)
  %seconds = load i64, ptr %time
  %second = getelementptr i64, ptr %time, i64 1
  %nanos = load i64, ptr %second
  %scaled = mul i64 %seconds, 1000000000
  %sum = add i64 %scaled, %nanos
  ret i64 %sum
}}

; Run steps first.. of a program. Returns the number of the step that refused, or -1.
; `times`: null, or where to store the nanosecond clock before each step and after the last.
define i64 @run(ptr %program, i64 %first, i64 %count, ptr %table, ptr %scratch, ptr %times) #0 {{
start:
  %timed = icmp ne ptr %times, null
  br label %step
step:
  %number = phi i64 [ %first, %start ], [ %number_next, %next ]
  %at = phi ptr [ %program, %start ], [ %at_next, %next ]
  %more = icmp slt i64 %number, %count
  br i1 %timed, label %stamp, label %decide
stamp:
  %clock = call i64 @nanoseconds()
  %place = getelementptr i64, ptr %times, i64 %number
  store i64 %clock, ptr %place
  br label %decide
decide:
  br i1 %more, label %begin, label %finished
begin:
  %kernel = load ptr, ptr %at
  %at_tasks = getelementptr i64, ptr %at, i64 1
  %tasks = load i64, ptr %at_tasks
  %at_count = getelementptr i64, ptr %at, i64 2
  %arguments = load i64, ptr %at_count
  %at_pairs = getelementptr i64, ptr %at, i64 3
  br label %fill
fill:
  %i = phi i64 [ 0, %begin ], [ %i_next, %filling ]
  %filled = icmp sge i64 %i, %arguments
  br i1 %filled, label %call, label %filling
filling:
  %twice = mul i64 %i, 2
  %at_slot = getelementptr i64, ptr %at_pairs, i64 %twice
  %slot = load i64, ptr %at_slot
  %at_add = getelementptr i64, ptr %at_slot, i64 1
  %add = load i64, ptr %at_add
  %at_word = getelementptr i64, ptr %table, i64 %slot
  %word = load i64, ptr %at_word
  %sum = add i64 %word, %add
  %at_argument = getelementptr i64, ptr %scratch, i64 %i
  store i64 %sum, ptr %at_argument
  %i_next = add i64 %i, 1
  br label %fill
call:
  %refused = call i64 @parallel(ptr %kernel, ptr %scratch, i64 %tasks)
  %bad = icmp ne i64 %refused, 0
  br i1 %bad, label %stop, label %next
next:
  %pairs = mul i64 %arguments, 2
  %length = add i64 %pairs, 3
  %at_next = getelementptr i64, ptr %at, i64 %length
  %number_next = add i64 %number, 1
  br label %step
stop:
  ret i64 %number
finished:
  ret i64 -1
}}

; The data pointers of NumPy arrays in a Python list, into the first words of a table.
define i64 @addresses(ptr %list, i64 %items_at, i64 %data_at, i64 %count, ptr %table) #0 {{
start:
  %at_items = getelementptr i8, ptr %list, i64 %items_at
  %items = load ptr, ptr %at_items
  br label %check
check:
  %i = phi i64 [ 0, %start ], [ %i_next, %copy ]
  %done = icmp sge i64 %i, %count
  br i1 %done, label %finished, label %copy
copy:
  %at_item = getelementptr ptr, ptr %items, i64 %i
  %array = load ptr, ptr %at_item
  %at_data = getelementptr i8, ptr %array, i64 %data_at
  %data = load i64, ptr %at_data
  %at_word = getelementptr i64, ptr %table, i64 %i
  store i64 %data, ptr %at_word
  %i_next = add i64 %i, 1
  br label %check
finished:
  ret i64 0
}}

; Both: `whole` holds items_at, data_at, count, program, number of steps, table, scratch. The list
; and its arrays are the caller's own, so they may be read without the interpreter's lock.
define i64 @run_whole(ptr %whole, ptr %list) #0 {{
start:
  %items_at = load i64, ptr %whole
  %at_data = getelementptr i64, ptr %whole, i64 1
  %data_at = load i64, ptr %at_data
  %at_count = getelementptr i64, ptr %whole, i64 2
  %count = load i64, ptr %at_count
  %at_program = getelementptr i64, ptr %whole, i64 3
  %program = load ptr, ptr %at_program
  %at_steps = getelementptr i64, ptr %whole, i64 4
  %steps = load i64, ptr %at_steps
  %at_table = getelementptr i64, ptr %whole, i64 5
  %table = load ptr, ptr %at_table
  %at_scratch = getelementptr i64, ptr %whole, i64 6
  %scratch = load ptr, ptr %at_scratch
  call i64 @addresses(ptr %list, i64 %items_at, i64 %data_at, i64 %count, ptr %table)
  %failed = call i64 @run(ptr %program, i64 0, i64 %steps, ptr %table, ptr %scratch, ptr null)
  ret i64 %failed
}}
"""


class Pool:
    """The loaded runtime: `run` steps, with as many workers as `set_threads` allows."""

    def __init__(self):
        codes = immortal(link(_object or compiled(),
                              ("initialize", "set_workers", "run", "run_whole", "addresses")))
        i64, ptr = ctypes.c_int64, ctypes.c_void_p
        self.initialize = ctypes.CFUNCTYPE(i64)(codes["initialize"])
        self._set_workers = ctypes.CFUNCTYPE(i64, i64)(codes["set_workers"])
        self.run = ctypes.CFUNCTYPE(i64, ptr, i64, i64, ptr, ptr, ptr)(codes["run"])
        self.run_whole = ctypes.CFUNCTYPE(i64, ptr, ptr)(codes["run_whole"])
        # PyDLL's convention: the list and its arrays are read with the interpreter's lock held.
        self.addresses = ctypes.PYFUNCTYPE(i64, ptr, i64, i64, i64, ptr)(codes["addresses"])
        self.initialize()
        self.threads = 1
        self.forked = False

    def set_threads(self, count: int) -> None:
        """Use `count` threads in all, this one included."""
        self._set_workers(max(count, 1) - 1)
        self.threads = max(count, 1)
        self.forked = False


def compiled() -> bytes:
    """The runtime's object file, from disk or compiled now."""
    def text():
        pause, declaration = _pause(host().triple)
        return TEXT.format(spin_nanoseconds=SPIN_NANOSECONDS, pause=pause,
                           pause_declaration=declaration)
    return binary("pool", text)


def receive(found: bytes) -> None:
    """Take the object file from another process, which has compiled it."""
    global _object
    _object = found


def _pause(triple):
    if triple.startswith("x86"):
        return "call void @llvm.x86.sse2.pause()", "declare void @llvm.x86.sse2.pause()"
    if triple.startswith(("aarch64", "arm64")):
        return "call void @llvm.aarch64.hint(i32 1)", "declare void @llvm.aarch64.hint(i32)"
    return "fence acquire", ""


_object = b""
_pool: list = []
_threads = [0]


def pool() -> Pool:
    """The process's pool, made at its first use."""
    if not _pool:
        with whole:     # the one lock that compiling takes as well
            if not _pool:
                made = Pool()
                made.set_threads(_threads[0] or processors())
                _pool.append(made)
    found = _pool[0]
    if found.forked:
        found.set_threads(found.threads)
    return found


def step_words(code, tasks: int, arguments) -> list[int]:
    """One step of a program; `arguments`: (table slot, bytes to add) each."""
    pairs = list(arguments)
    return [code.address, tasks, len(pairs), *(word for pair in pairs for word in pair)]


def processors() -> int:
    """How many processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def set_threads(count: int) -> None:
    """How many threads plans may use from now on; 0: as many as there are processors."""
    _threads[0] = count
    if _pool:
        _pool[0].set_threads(count or processors())


def _forked():
    # Threads do not survive a fork: the child starts its own when it first needs them.
    if _pool:
        _pool[0].initialize()
        _pool[0].forked = True


os.register_at_fork(after_in_child=_forked)
