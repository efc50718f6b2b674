"""Drawing ahead by forked processes: they must end, whatever the parent does with signals."""

import signal
from multiprocessing import get_context

import pytest

from data import ahead


@pytest.fixture
def _deaf():
    """A process that catches SIGTERM and goes on, as Lightning does during a fit or a test."""
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("_deaf")
def test_a_drawing_process_can_be_ended_though_its_parent_catches_sigterm():
    with get_context("fork").Pool(1, initializer=ahead._begin) as pool:
        assert pool.apply(signal.getsignal, (signal.SIGTERM,)) == signal.SIG_DFL


@pytest.mark.usefixtures("_deaf")
def test_samples_are_drawn_in_order_while_sigterm_is_caught():
    assert list(ahead._drawn(_Numbered(100))) == [(number, ()) for number in range(100)]


class _Numbered(list):
    """Stand-ins for samples that draw their own number."""

    def __init__(self, count: int) -> None:
        super().__init__(_Sample(number) for number in range(count))


class _Sample:
    people = ()

    def __init__(self, number: int) -> None:
        self.number, self.pixels = number, self

    def load(self) -> int:
        return self.number
