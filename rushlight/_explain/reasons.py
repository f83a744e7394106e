"""Why a plan had to be made although plans like it were there: the first difference, in words."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import Any

ALIKE = 0.6         # share of equal operations from which two plans are worth comparing
LONGEST = 2000      # records above which only plans of the same operations are compared


def why_new(record: Any, others: list[Any]) -> str:
    """Compare a plan's record with those seen before it (see `observe.PlanRecord`)."""
    if not others:
        return "the first plan"
    same = [other for other in reversed(others) if other.names == record.names]
    if same:
        return _difference(record, min(same, key=lambda other: _distance(record, other)), others)
    alike, best = ALIKE, None
    for other in reversed(others[-50:]):
        if max(len(other.names), len(record.names)) > LONGEST:
            continue
        matcher = SequenceMatcher(None, other.names, record.names, autojunk=False)
        if matcher.real_quick_ratio() > alike and matcher.quick_ratio() > alike:
            ratio = matcher.ratio()
            if ratio > alike:
                alike, best = ratio, (other, matcher)
    if best is None:
        return "no plan like it was seen before"
    other, matcher = best
    changes = [change for change in matcher.get_opcodes() if change[0] != "equal"]
    _, i1, i2, j1, j2 = changes[0]
    parts = []
    if i2 > i1:
        parts.append(f"without {_listed(other.names[i1:i2])}")
    if j2 > j1:
        parts.append(f"with {_listed(record.names[j1:j2])}")
    more = f" and {len(changes) - 1} more differences" if len(changes) > 1 else ""
    return (f"like plan {_number(other, others)}, {' and '.join(parts)} at record {j1}{more}: the "
            "program took another path, or the trace was cut elsewhere")


def _distance(record: Any, other: Any) -> int:
    return sum(a is not b for a, b in zip(record.metas, other.metas)) + (
        record.params != other.params) + (record.live != other.live)


def _difference(record: Any, other: Any, others: list[Any]) -> str:
    """The first difference of two plans of the same operations."""
    of = f"plan {_number(other, others)}"
    for index, (mine, its) in enumerate(zip(record.operands, other.operands)):
        if record.names[index] == "item_of":        # picks a result of an op that is also here
            continue
        for position, (one, two) in enumerate(zip(mine, its)):
            if one != two:
                return (f"operand {position} of {record.names[index]} (record {index}) is {one}, "
                        f"in {of} it is {two}")
    for index, (one, two) in enumerate(zip(record.metas, other.metas)):
        if one is not two:
            return (f"the result of {record.names[index]} (record {index}) is {one}, in {of} it "
                    f"is {two}")
    for index, (one, two) in enumerate(zip(record.params, other.params)):
        if one != two:
            return (f"the parameters of {record.names[index]} (record {index}) are {one}, in {of} "
                    f"they are {two}")
    for index, (one, two) in enumerate(zip(record.live, other.live)):
        if one != two:
            held = "is" if one else "is not"
            return (f"the result of {record.names[index]} (record {index}) {held} still held by "
                    f"the program, unlike in {of}")
    return f"the operations of {of} are connected in another way"


def _number(other: Any, others: list[Any]) -> int:
    return others.index(other) + 1


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" ... ({len(names)})" if len(names) > 3 else "")
