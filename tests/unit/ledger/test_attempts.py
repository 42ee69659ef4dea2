"""The lock-out: who may try to sign in, and when again."""

from ledger.attempts import MOST_IN_ALL, MOST_OF_ONE, WINDOW, Attempts


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def failed(attempts: Attempts, *addresses: str | None) -> None:
    for address in addresses:
        attempts.begin(address)


def test_one_address_is_locked_out_after_some_failures_and_told_until_when() -> None:
    clock = Clock()
    attempts = Attempts(clock)
    failed(attempts, *["192.0.2.1"] * (MOST_OF_ONE - 1))
    assert attempts.wait("192.0.2.1") == 0
    clock.now += 60
    failed(attempts, "192.0.2.1")
    assert attempts.wait("192.0.2.1") == WINDOW - 60
    assert attempts.wait("192.0.2.2") == 0
    clock.now += WINDOW - 60
    assert attempts.wait("192.0.2.1") == 0


def test_a_success_forgets_the_failures_of_its_address() -> None:
    attempts = Attempts(Clock())
    failed(attempts, *["192.0.2.1"] * (MOST_OF_ONE - 1))
    attempts.succeeded("192.0.2.1")
    failed(attempts, *["192.0.2.1"] * (MOST_OF_ONE - 1))
    assert attempts.wait("192.0.2.1") == 0


def test_from_however_many_addresses_so_many_may_fail_in_all() -> None:
    attempts = Attempts(Clock())
    failed(attempts, *(f"192.0.2.{n}" for n in range(MOST_IN_ALL)))
    assert attempts.wait("198.51.100.1") == WINDOW


def test_a_network_of_ipv6_is_one_address_and_no_address_is_one_too() -> None:
    attempts = Attempts(Clock())
    failed(attempts, *(f"2001:db8::{n:x}" for n in range(MOST_OF_ONE)), *[None] * MOST_OF_ONE)
    assert attempts.wait("2001:db8::ffff")
    assert not attempts.wait("2001:db8:0:1::1")
    assert attempts.wait(None)
