"""The table: a DynamoDB table's items and its indexes, in memory."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from local.dynamodb.attribute_value import InvalidError, Item, Value, kind_of, size_of, sort_key

# DynamoDB quotas, ServiceQuotas: an item's size; a key's. Query's page (API:Query).
ITEM_BYTES: Final = 400 * 1024
_HASH_BYTES: Final = 2_048
_SORT_BYTES: Final = 1_024
PAGE_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class KeySchema:
    """The attributes of a key, and their types S, N or B. `sort` is None for a key of one attribute."""

    hash: str
    sort: str | None
    types: Mapping[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """The key's attributes."""
        return (self.hash,) if self.sort is None else (self.hash, self.sort)

    def of(self, item: Item) -> tuple[Any, ...]:
        """An item's key, as what items are found and ordered by."""
        return tuple(sort_key(item[name]) for name in self.names)

    def held_by(self, item: Item) -> bool:
        """Whether an item has all of it: what lacks a part is not in an index."""
        return all(name in item for name in self.names)

    def check(self, item: Item) -> None:
        """See that what an item has of it is of its type and size.

        Raises:
            InvalidError: it is not.
        """
        for name in self.names:
            if name not in item:
                continue
            kind, wanted = kind_of(item[name]), self.types[name]
            if kind != wanted:
                raise InvalidError(
                    "One or more parameter values were invalid: "
                    f"Type mismatch for key {name} expected: {wanted} actual: {kind}"
                )
            content = item[name][kind]
            if kind == "N":
                continue
            if not content:
                raise InvalidError(
                    "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain "
                    f"an empty {'string' if kind == 'S' else 'binary'} value. Key: {name}"
                )
            most = _HASH_BYTES if name == self.hash else _SORT_BYTES
            if len(content if kind == "B" else content.encode()) > most:
                what = "hashkey" if name == self.hash else "rangekey"
                raise InvalidError(
                    "One or more parameter values were invalid: "
                    f"Size of {what} has exceeded the maximum size limit of {most} bytes"
                )


@dataclass(slots=True)
class Index:
    """Items ordered by a key: the table's own, or a secondary one, in which keys may repeat.

    `projected` are the attributes it shows beside the keys; None for all.
    """

    schema: KeySchema
    projected: frozenset[str] | None = None
    _partitions: dict[Any, list[tuple[Any, tuple[Any, ...]]]] = field(default_factory=dict)

    def add(self, item: Item, key: tuple[Any, ...]) -> None:
        """Put an item in, if it has the index's key; `key` is its key in the table."""
        if self.schema.held_by(item):
            entry = (self.schema.of(item)[1:], key)
            insort(self._partitions.setdefault(sort_key(item[self.schema.hash]), []), entry)

    def remove(self, item: Item, key: tuple[Any, ...]) -> None:
        """Take an item out, if it is in."""
        if self.schema.held_by(item):
            hash_ = sort_key(item[self.schema.hash])
            partition = self._partitions[hash_]
            del partition[bisect_left(partition, (self.schema.of(item)[1:], key))]
            if not partition:
                del self._partitions[hash_]

    def partition(self, hash_: Value) -> Sequence[tuple[Any, tuple[Any, ...]]]:
        """The entries of one hash key in their order: sort key (a tuple), key in the table."""
        return self._partitions.get(sort_key(hash_), ())

    def entries(self) -> Iterator[tuple[Any, tuple[Any, ...]]]:
        """All entries, partition by partition."""
        for partition in self._partitions.values():
            yield from partition

    def shown(self, item: Item) -> Item:
        """What of an item the index shows."""
        return item if self.projected is None else {name: item[name] for name in item if name in self.projected}


@dataclass(frozen=True, slots=True)
class SortRange:
    """Which sort keys of a partition a query wants. None is open; `prefix` is for begins_with."""

    low: Value | None = None
    high: Value | None = None
    without_low: bool = False
    without_high: bool = False
    prefix: Value | None = None


class Table:
    """A table. Who calls it from one thread sees each call whole."""

    def __init__(self, name: str, schema: KeySchema, indexes: Mapping[str, Index]) -> None:
        self.name = name
        self.schema = schema
        self.indexes = indexes
        self.own_index = Index(schema)
        self._items: dict[tuple[Any, ...], Item] = {}
        self._sizes: dict[tuple[Any, ...], int] = {}

    def __len__(self) -> int:
        return len(self._items)

    def key_of(self, attributes: Item) -> tuple[Any, ...]:
        """The key that a request names.

        Raises:
            InvalidError: it is not this table's.
        """
        if set(attributes) != set(self.schema.names):
            raise InvalidError("The provided key element does not match the schema")
        self.schema.check(attributes)
        return self.schema.of(attributes)

    def get(self, key: tuple[Any, ...]) -> Item | None:
        """An item by its key."""
        return self._items.get(key)

    def size(self, item: Item) -> int:
        """Bytes of an item that is in the table."""
        return self._sizes[self.schema.of(item)]

    def put(self, item: Item) -> None:
        """Store an item in place of any with its key.

        Raises:
            InvalidError: it lacks its key, a key has the wrong type, or it is too large.
        """
        for name in self.schema.names:
            if name not in item:
                raise InvalidError(f"One or more parameter values were invalid: Missing the key {name} in the item")
        self.schema.check(item)
        for index in self.indexes.values():
            index.schema.check(item)
        size = size_of(item)
        if size > ITEM_BYTES:
            raise InvalidError("Item size has exceeded the maximum allowed size")
        key = self.schema.of(item)
        self.delete(key)
        self._items[key] = item
        self._sizes[key] = size
        for index in (self.own_index, *self.indexes.values()):
            index.add(item, key)

    def delete(self, key: tuple[Any, ...]) -> Item | None:
        """Remove an item; answers with what it was."""
        item = self._items.pop(key, None)
        if item is not None:
            del self._sizes[key]
            for index in (self.own_index, *self.indexes.values()):
                index.remove(item, key)
        return item

    def within(self, index: Index, hash_: Value, range_: SortRange) -> list[Item]:
        """The items of one hash key that a query wants, in the index's order."""
        entries = index.partition(hash_)
        start, end = 0, len(entries)
        if range_.low is not None:
            cut = bisect_right if range_.without_low else bisect_left
            start = cut(entries, (sort_key(range_.low),), key=_sort_of)
        if range_.high is not None:
            cut = bisect_left if range_.without_high else bisect_right
            end = cut(entries, (sort_key(range_.high),), key=_sort_of)
        if range_.prefix is not None:
            prefix = sort_key(range_.prefix)
            start = end = bisect_left(entries, (prefix,), key=_sort_of)
            while end < len(entries) and entries[end][0][0].startswith(prefix):
                end += 1
        return [self._items[key] for _, key in entries[start:end]]

    def all(self, index: Index) -> list[Item]:
        """Every item that is in the index, ordered by its keys there, so that one can go on after a deleted one."""
        items = [self._items[key] for _, key in index.entries()]
        return sorted(items, key=lambda item: self.place(index, item))

    def place(self, index: Index, item: Item) -> tuple[Any, ...]:
        """Where an item stands in an index, also one that is not there."""
        return (index.schema.of(item), self.schema.of(item))


def _sort_of(entry: tuple[Any, tuple[Any, ...]]) -> Any:
    return entry[0]
