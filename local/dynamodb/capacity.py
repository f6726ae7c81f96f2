"""Consumed capacity: what a call costs, for who asks to be told (ReturnConsumedCapacity).

Developer guide, read-write-operations and GSI: a read costs a unit for each 4 KB, and half of it if it need not be
consistent; a write costs one for each 1 KB, and again for each index in which it changes something.
"""

import math
from typing import Any, Final

from local.dynamodb.attribute_value import InvalidError, Item, size_of
from local.dynamodb.request import Body
from local.dynamodb.table import Index, Table

_READ_BYTES: Final = 4096
_WRITE_BYTES: Final = 1024
_DETAILS: Final = ("NONE", "TOTAL", "INDEXES")


def of_read(values: Body, table: Table, size: int, index: str | None = None) -> Body:
    """What a read of so many bytes cost, as a part of the answer; nothing found costs the least there is.

    Raises:
        InvalidError: it asks to be told in a way that there is not.
    """
    if not _is_asked(values):
        return {}
    units = max(1, math.ceil(size / _READ_BYTES)) * (1.0 if values.get("ConsistentRead") else 0.5)
    return _told(values, table, units, {}) if index is None else _told(values, table, 0.0, {index: units})


def of_write(values: Body, table: Table, old: Item | None, new: Item | None) -> Body:
    """What it cost to put `new` in the place of `old`, as a part of the answer; None is no item.

    Raises:
        InvalidError: it asks to be told in a way that there is not.
    """
    if not _is_asked(values):
        return {}
    indexes = {name: units for name, index in table.indexes.items() if (units := _index_units(index, old, new)) > 0}
    return _told(values, table, _units(old, new), indexes)


def _is_asked(values: Body) -> bool:
    details = values.get("ReturnConsumedCapacity", "NONE")
    if details not in _DETAILS:
        raise InvalidError(f"ReturnConsumedCapacity has no value {str(details)[:100]}; only {', '.join(_DETAILS)}")
    return bool(details != "NONE")


def _told(values: Body, table: Table, own: float, indexes: dict[str, float]) -> Body:
    consumed: dict[str, Any] = {"TableName": table.name, "CapacityUnits": own + sum(indexes.values())}
    if values["ReturnConsumedCapacity"] == "INDEXES":
        consumed["Table"] = {"CapacityUnits": own}
        if indexes:
            consumed["GlobalSecondaryIndexes"] = {name: {"CapacityUnits": units} for name, units in indexes.items()}
    return {"ConsumedCapacity": consumed}


def _units(*items: Item | None) -> float:
    """Those of the largest; of no item, one."""
    return float(max([1, *(math.ceil(size_of(item) / _WRITE_BYTES) for item in items if item is not None)]))


def _index_units(index: Index, old: Item | None, new: Item | None) -> float:
    before, after = _entry(index, old), _entry(index, new)
    if before == after:
        return 0.0
    if before is not None and after is not None and index.schema.of(before) != index.schema.of(after):
        # Out of one place and into another.
        return _units(before) + _units(after)
    return _units(before, after)


def _entry(index: Index, item: Item | None) -> Item | None:
    return index.shown(item) if item is not None and index.schema.held_by(item) else None
