"""Orders of crops: rounds, streams, evenness over yaw."""

from __future__ import annotations

import numpy as np

from counterface.swap.training.order import EvenOrder, ShuffledOrder, pair_of


def test_a_place_gives_the_same_crop_whatever_was_asked_before() -> None:
    one, two = ShuffledOrder(7, (3, 0)), ShuffledOrder(7, (3, 0))
    forward = [one.at(0, place) for place in range(35)]
    backward = [two.at(0, place) for place in reversed(range(35))]
    assert forward == backward[::-1]


def test_streams_keys_and_rounds_are_shuffled_apart() -> None:
    order = ShuffledOrder(50, (3, 0))
    rounds = [[order.at(0, r * 50 + i) for i in range(50)] for r in range(2)]
    other = [order.at(1, i) for i in range(50)]
    seeded = [ShuffledOrder(50, (4, 0)).at(0, i) for i in range(50)]
    lists = [*rounds, other, seeded]
    assert all(sorted(one) == list(range(50)) for one in lists)
    assert len({tuple(one) for one in lists}) == 4


def test_one_crop_is_enough() -> None:
    assert {ShuffledOrder(1, (0,)).at(0, place) for place in range(5)} == {0}
    assert {EvenOrder(np.array([12.0], np.float32), (0,)).at(0, p) for p in range(5)} == {0}


def test_equal_yaws_are_one_bin_of_shuffled_rounds() -> None:
    order = EvenOrder(np.zeros(9, np.float32), (0, 1))
    assert sorted(order.at(0, place) for place in range(9)) == list(range(9))


def test_two_people_keep_their_roles() -> None:
    assert [pair_of(index, 2, seed=1) for index in (0, 9)] == [((0, 1), 0), ((0, 1), 9)]


def test_each_of_many_takes_both_roles_in_every_round() -> None:
    for people in (3, 4, 7):
        for round_ in range(4):
            pairs = [pair_of(round_ * people + i, people, seed=0) for i in range(people)]
            assert {place for _, place in pairs} == {round_}
            for role in (0, 1):
                assert sorted(pair[role] for pair, _ in pairs) == list(range(people))
            assert all(a != b for (a, b), _ in pairs)
