"""AWS's query protocol: a form (or a query string) with an Action, and XML or, if the caller accepts it, JSON back.

A form is flat: `Entries.member.1.Id=a`, or with flattened lists `SendMessageBatchRequestEntry.1.Id=a`. It is made a
tree, and the tree is read by the model's shapes into what the JSON protocol's body would have been.
"""

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from botocore.model import ListShape, MapShape, Shape, StructureShape

from local.api_model import ApiModel, Operation
from local.json_protocol import Handler, Translate
from local.service_error import MalformedError, ServiceError, UnreadableError
from local.wire import WireRequest, WireResponse

# Far more than a batch of ten with ten attributes each has.
MAX_FIELDS = 5_000
# What XML 1.0 cannot hold even escaped.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Tree = dict[str, Any]


class QueryProtocol:
    """One service behind the query protocol.

    `element_names` gives the name of a flattened list or map by its shape's name: the models of services that moved on
    to JSON no longer say it, and their maps' keys and values are called Name and Value. `json_names` are members that
    a JSON answer calls otherwise. `path_member` is what the URL's path stands for, if the form leaves it out.
    """

    def __init__(
        self,
        model: ApiModel,
        xml_namespace: str,
        handlers: Mapping[str, Handler],
        translate: Translate,
        request_id: Callable[[], str],
        *,
        element_names: Mapping[str, str] | None = None,
        json_names: Mapping[str, str] | None = None,
        path_member: str | None = None,
    ) -> None:
        self._model = model
        self._xml_namespace = xml_namespace
        self._actions = {name: (model.operation(name), handler) for name, handler in handlers.items()}
        self._translate = translate
        self._request_id = request_id
        self._names = element_names or {}
        self._json_names = json_names or {}
        self._path_member = path_member

    async def handle(self, request: WireRequest) -> WireResponse:
        """Answer one request."""
        request_id = self._request_id()
        as_json = "json" in request.headers.get("accept", "")
        try:
            form = self._form(request)
            operation, handler = self._find(form.get("Action", ""))
            output = await handler(operation.read(self._body(operation, form, request.path)))
        except ServiceError as error:
            return self._error(error, request_id, as_json)
        except UnreadableError as error:
            return self._error(self._translate(error), request_id, as_json)
        return self._answer(operation, output or {}, request_id, as_json)

    def _form(self, request: WireRequest) -> dict[str, str]:
        try:
            text = request.body.decode()
            fields = parse_qsl(request.query, keep_blank_values=True, max_num_fields=MAX_FIELDS)
            fields += parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
        except ValueError as error:
            raise MalformedError(f"The request is not a form: {error}") from None
        return dict(fields)

    def _find(self, action: str) -> tuple[Operation, Handler]:
        found = self._actions.get(action)
        if found is not None:
            return found
        if not action:
            raise ServiceError("MissingAction", "The request must contain the parameter Action.")
        raise ServiceError("InvalidAction", f"The action {action} is not valid for this endpoint.")

    def _body(self, operation: Operation, form: Mapping[str, str], path: str) -> Tree:
        body = self._read_structure(operation.input, _tree(form)) if operation.input is not None else {}
        if self._path_member is not None and self._path_member not in body and path.strip("/"):
            body[self._path_member] = path
        return body

    def _read(self, shape: Shape, node: Tree) -> Any:
        match shape:
            case StructureShape():
                return self._read_structure(shape, node)
            case ListShape():
                inner = node if self._is_flat(shape) else _child(node, _wire_name(shape.member, "member"))
                return [self._read(shape.member, member) for member in _numbered(inner)]
            case MapShape():
                inner = node if self._is_flat(shape) else _child(node, "entry")
                key_name, value_name = self._map_names(shape)
                return {
                    str(self._read(shape.key, _child(entry, key_name))): self._read(
                        shape.value, _child(entry, value_name)
                    )
                    for entry in _numbered(inner)
                }
        return _scalar(shape, node.get("", ""))

    def _read_structure(self, shape: StructureShape, node: Tree) -> Tree:
        body = {}
        for name, member in shape.members.items():
            child = node.get(self._member_name(name, member))
            if isinstance(child, dict):
                body[name] = self._read(member, child)
        return body

    def _is_flat(self, shape: ListShape | MapShape) -> bool:
        return bool(shape.serialization.get("flattened"))

    def _member_name(self, name: str, member: Shape) -> str:
        return self._names.get(member.name) or _wire_name(member, name)

    def _map_names(self, shape: MapShape) -> tuple[str, str]:
        if shape.name in self._names:
            return "Name", "Value"
        return _wire_name(shape.key, "key"), _wire_name(shape.value, "value")

    def _answer(self, operation: Operation, output: Tree, request_id: str, as_json: bool) -> WireResponse:
        if as_json:
            body: Tree = {"ResponseMetadata": {"RequestId": request_id}}
            if operation.output is not None:
                body[f"{operation.name}Result"] = self._plain(operation.output, output)
            return _response(200, {f"{operation.name}Response": body}, request_id)
        result = ""
        if operation.output is not None:
            result = _element(f"{operation.name}Result", "".join(self._elements(operation.output, output)))
        metadata = _element("ResponseMetadata", _element("RequestId", _text(request_id)))
        return self._xml(200, f"{operation.name}Response", result + metadata, request_id)

    def _error(self, error: ServiceError, request_id: str, as_json: bool) -> WireResponse:
        kind = "Sender" if error.sender_fault else "Receiver"
        fields = {"Type": kind, "Code": error.query_code, "Message": error.message}
        if as_json:
            return _response(error.status, {"Error": fields, "RequestId": request_id}, request_id)
        inner = "".join(_element(name, _text(value)) for name, value in fields.items())
        body = _element("Error", inner) + _element("RequestId", _text(request_id))
        return self._xml(error.status, "ErrorResponse", body, request_id)

    def _xml(self, status: int, root: str, inner: str, request_id: str) -> WireResponse:
        text = f'<?xml version="1.0"?>\n<{root} xmlns="{self._xml_namespace}">{inner}</{root}>'
        return WireResponse(status, {"content-type": "text/xml", "x-amzn-requestid": request_id}, text.encode())

    def _elements(self, shape: StructureShape, values: Tree) -> Iterable[str]:
        for name, member in shape.members.items():
            value = values.get(name)
            if value is not None:
                yield self._write(member, self._member_name(name, member), value)

    def _write(self, shape: Shape, name: str, value: Any) -> str:
        match shape:
            case StructureShape():
                return _element(name, "".join(self._elements(shape, value)))
            case ListShape():
                if self._is_flat(shape):
                    return "".join(self._write(shape.member, name, member) for member in value)
                inner_name = _wire_name(shape.member, "member")
                return _element(name, "".join(self._write(shape.member, inner_name, member) for member in value))
            case MapShape():
                key_name, value_name = self._map_names(shape)
                entry_name = name if self._is_flat(shape) else "entry"
                entries = "".join(
                    _element(
                        entry_name, self._write(shape.key, key_name, key) + self._write(shape.value, value_name, member)
                    )
                    for key, member in value.items()
                )
                return entries if self._is_flat(shape) else _element(name, entries)
        if isinstance(value, bool):
            return _element(name, "true" if value else "false")
        if isinstance(value, bytes):
            return _element(name, base64.b64encode(value).decode("ascii"))
        return _element(name, _text(str(value)))

    def _plain(self, shape: Shape, value: Any) -> Any:
        """The same answer for a caller that accepts JSON: members without a value are null."""
        if value is None:
            return None
        match shape:
            case StructureShape():
                return {
                    self._json_names.get(name, name): self._plain(member, value.get(name))
                    for name, member in shape.members.items()
                }
            case ListShape():
                return [self._plain(shape.member, member) for member in value]
            case MapShape():
                if self._is_flat(shape):
                    return [{"Name": key, "Value": self._plain(shape.value, member)} for key, member in value.items()]
                return {key: self._plain(shape.value, member) for key, member in value.items()}
        return base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else value


def _tree(form: Mapping[str, str]) -> Tree:
    """Names split at their dots. A node holds its children by name, and its own value under the empty name."""
    root: Tree = {}
    for name, value in form.items():
        node = root
        for part in name.split(".", 12):
            if not part:
                break
            node = node.setdefault(part, {})
        else:
            node[""] = value
    return root


def _child(node: Tree, name: str) -> Tree:
    child = node.get(name)
    return child if isinstance(child, dict) else {}


def _numbered(node: Tree) -> list[Tree]:
    numbers = [name for name in node if name.isascii() and name.isdigit() and len(name) < 10]
    return [node[name] for name in sorted(numbers, key=int)]


def _scalar(shape: Shape, text: str) -> Any:
    match shape.type_name:
        case "integer" | "long":
            if re.fullmatch(r"-?[0-9]{1,19}", text) is None:
                raise MalformedError(f"{text[:100]} is not a valid integer.")
            return int(text)
        case "boolean":
            if text not in ("true", "false"):
                raise MalformedError(f"{text[:100]} is not a valid boolean.")
            return text == "true"
    return text


def _wire_name(shape: Shape, otherwise: str) -> str:
    return str(shape.serialization.get("name", otherwise))


def _element(name: str, inner: str) -> str:
    return f"<{name}>{inner}</{name}>"


def _text(value: str) -> str:
    return escape(_NOT_XML.sub("\ufffd", value), {"\r": "&#xD;"})


def _response(status: int, body: Tree, request_id: str) -> WireResponse:
    text = json.dumps(body, separators=(",", ":"))
    return WireResponse(status, {"content-type": "application/json", "x-amzn-requestid": request_id}, text.encode())
