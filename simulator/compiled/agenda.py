"""`delivery.agenda` compiled, of keys that are known: a tree in which the earliest of each two goes up."""

from typing import Any, NamedTuple

import numpy as np

from delivery.downstream_loop import inner


class Agenda(NamedTuple):
    """When each key is due, and in which order that was set; `first` of each node is the key due first below it."""

    at: Any
    order: Any
    first: Any
    orders: Any


def agenda(keys: int) -> Agenda:
    """An agenda of so many keys, none of which is due."""
    leaves = 1 << max(1, (keys - 1).bit_length())
    nodes = np.zeros(2 * leaves, np.int64)
    nodes[leaves:] = np.arange(leaves)
    for node in range(leaves - 1, 0, -1):
        nodes[node] = nodes[2 * node]
    return Agenda(np.full(leaves, np.inf), np.zeros(leaves, np.int64), nodes, np.zeros(1, np.int64))


@inner
def set_due(agenda: Any, key: int, at: float) -> None:
    """Make a key due at a time and at no other; infinity for never."""
    agenda.orders[0] += 1
    agenda.at[key] = at
    agenda.order[key] = agenda.orders[0]
    node = (key + len(agenda.at)) >> 1
    while node > 0:
        one, other = agenda.first[2 * node], agenda.first[2 * node + 1]
        earlier = agenda.at[one] < agenda.at[other]
        if agenda.at[one] == agenda.at[other]:
            earlier = agenda.order[one] < agenda.order[other]
        agenda.first[node] = one if earlier else other
        node >>= 1


@inner
def next_due(agenda: Any) -> Any:
    """When the next key is due; infinity if none is."""
    return agenda.at[agenda.first[1]]


@inner
def take_due(agenda: Any, now: float, keys: Any) -> int:
    """Have `keys` all that are due by now, the earliest first, and due no more; says how many they are."""
    count = 0
    while agenda.at[agenda.first[1]] <= now:
        keys[count] = agenda.first[1]
        set_due(agenda, keys[count], np.inf)
        count += 1
    return count
