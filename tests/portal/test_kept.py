"""What is worked out again, and what is kept for a while."""

import pytest
from django.core.cache import cache

from portal.kept import kept

ALWAYS, NEVER = 0.0, float("inf")


@pytest.fixture
def made():
    """Gives 1, 2, 3 and so on: what is worked out anew differs from what was kept."""
    numbers = iter(range(1, 100))
    cache.delete_many(["numbers", "numbers:slow"])
    yield lambda: next(numbers)
    cache.delete_many(["numbers", "numbers:slow"])


def test_what_is_quick_is_fresh_each_time(made):
    found = [kept("numbers", made, slow=NEVER) for _ in range(3)]
    assert [(one.value, one.old) for one in found] == [(1, False), (2, False), (3, False)]


def test_what_was_slow_twice_is_kept_and_says_since_when(made):
    found = [kept("numbers", made, slow=ALWAYS) for _ in range(4)]
    assert [(one.value, one.old) for one in found] == [(1, False), (2, False), (2, True), (2, True)]
    assert found[3].at == found[1].at


def test_what_was_slow_once_is_fresh_as_soon_as_it_is_quick(made):
    assert kept("numbers", made, slow=ALWAYS).value == 1
    assert kept("numbers", made, slow=NEVER).value == 2
