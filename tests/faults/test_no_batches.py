"""UnprocessedItems cannot happen to us: nothing that is deployed calls an operation that answers with it."""

import re
from pathlib import Path

from botocore.session import get_session

ROOT = Path(__file__).parents[2]


def test_no_code_of_ours_calls_an_operation_that_leaves_items_unprocessed() -> None:
    model = get_session().get_service_model("dynamodb")
    partial = {
        name
        for name in model.operation_names
        if (shape := model.operation_model(name).output_shape) is not None
        and any(member.startswith("Unprocessed") for member in shape.members)
    }
    assert partial == {"BatchGetItem", "BatchWriteItem"}
    called = re.compile("batch_get_item|batch_write_item|BatchGetItem|BatchWriteItem|batch_writer")
    rooms = [*(ROOT / "pipeline").rglob("*.py"), *(ROOT / "consumers").rglob("*.py")]
    assert not [path.name for path in rooms if called.search(path.read_text(encoding="utf-8"))]
