"""How many threads NumPy's BLAS uses while the compiler works."""

from __future__ import annotations

import pytest

from rushlight.core.runtime import threads


@pytest.fixture
def blas(monkeypatch):
    """A BLAS that only remembers; four processors."""
    count = [4]
    monkeypatch.setattr(threads, "_blas",
                        lambda: (lambda: count[0], lambda n: count.__setitem__(0, n)))
    monkeypatch.setattr(threads, "set_native_threads", lambda n: None)
    monkeypatch.setattr(threads, "processors", lambda: 4)
    return count


def test_a_processor_is_lent_and_taken_back(blas):
    threads.lend_a_processor(True)
    threads.lend_a_processor(True)
    assert blas == [3]
    threads.lend_a_processor(False)
    threads.lend_a_processor(False)
    assert blas == [4]


@pytest.mark.parametrize("wanted, meanwhile", [(2, 2), (8, 3)])
def test_what_the_program_asks_for_meanwhile_holds_afterwards(blas, wanted, meanwhile):
    threads.lend_a_processor(True)
    threads.set_threads(wanted)
    assert blas == [meanwhile]
    threads.lend_a_processor(False)
    assert blas == [wanted]


def test_what_others_set_meanwhile_is_left_alone(blas):
    threads.lend_a_processor(True)
    blas[0] = 2
    threads.lend_a_processor(False)
    assert blas == [2]


def test_few_threads_are_left_as_they_are(blas):
    blas[0] = 1
    threads.lend_a_processor(True)
    assert blas == [1]
    threads.lend_a_processor(False)
    assert blas == [1]


def test_a_blas_that_cannot_be_told_is_no_error(monkeypatch):
    monkeypatch.setattr(threads, "_blas", lambda: ())
    threads.lend_a_processor(True)
    threads.lend_a_processor(False)
