"""Parts that threads work on: all of them, in any order, and how they end after an error."""

import threading
import time

import pytest

from gpu_fdm.parallel.backend import CPU


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("number", [0, 1, 2, 50])
def test_every_part_once(threads, number):
    done = []
    CPU(threads).for_each(iter(range(number)), done.append)
    assert sorted(done) == list(range(number))


def test_threads_work_at_the_same_time_and_stay():
    cpu, meeting = CPU(3), threading.Barrier(3, timeout=30)
    names = set()

    def meet(part):
        meeting.wait()
        names.add(threading.get_ident())

    for _ in range(4):
        cpu.for_each(range(3), meet)
    assert len(names) == 3 and threading.get_ident() in names


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_the_error_of_the_first_part_that_has_one(threads):
    done = []

    def work(part):
        if part >= 7:
            time.sleep(0.01 if part == 7 else 0)
            raise ValueError(f"part {part}")
        done.append(part)

    with pytest.raises(ValueError, match=r"^part 7$"):
        CPU(threads).for_each(range(1000), work)
    assert sorted(done) == list(range(7))


def test_nothing_is_begun_after_an_error():
    begun = []

    def work(part):
        begun.append(part)
        if part == 3:
            raise KeyboardInterrupt
        time.sleep(0.02)

    cpu = CPU(2)
    with pytest.raises(KeyboardInterrupt):
        cpu.for_each(range(1000), work)
    assert len(begun) <= 6
    cpu.for_each(range(5), begun.append)  # the threads are free again
    assert begun[-5:] == list(range(5)) or sorted(begun[-5:]) == list(range(5))


def test_parts_may_have_parts():
    cpu, done = CPU(2), []
    cpu.for_each(range(4), lambda part: cpu.for_each(range(3), lambda piece: done.append((part, piece))))
    assert sorted(done) == [(part, piece) for part in range(4) for piece in range(3)]
