"""A CloudFormation template, resolved without CloudFormation: what the embedded AWS builds its resources from.

    template = load(Path("infra.yaml"))
    stack = template.resolve({"CodeBucket": "local", "CodeKey": "local"}, PhysicalNames(queue_base_url=...))
    stack.resources["Queue"].ref, stack.of_type("AWS::ApiGateway::Method"), stack.outputs["ApiUrl"]

It knows the intrinsic functions listed in `_FUNCTIONS`, and refuses any other rather than guess. A parameter of type
Number resolves to a number; a text made of it (Fn::Sub, Fn::Join) is a text.
"""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from local.template_parameter import ParameterError, ParameterValue, did_you_mean, read_parameters
from local.template_rule import RuleError, check_rules
from local.template_yaml import TemplateSyntaxError, read_yaml

if TYPE_CHECKING:
    from pathlib import Path

    from local.physical_names import PhysicalNames

_NO_VALUE: Final = object()
_PLACEHOLDER: Final = re.compile(r"\$\{(!?)([^}]*)\}")


class TemplateError(ValueError):
    """A template that cannot be read or resolved; the text says where in it, and why."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource with its properties resolved. `ref` and `attributes` are what others get of it."""

    logical_id: str
    type: str
    properties: Mapping[str, Any]
    ref: str
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ResolvedStack:
    """All resources whose condition holds, by logical id in the template's order, and the outputs as texts."""

    resources: Mapping[str, Resource]
    outputs: Mapping[str, str]
    parameters: Mapping[str, ParameterValue]

    def of_type(self, type_: str) -> list[Resource]:
        """The resources of one type, in the template's order."""
        return [resource for resource in self.resources.values() if resource.type == type_]


@dataclass(frozen=True, slots=True)
class Template:
    """A template as it was written, its short tags (`!Ref`) turned into their long form (`{"Ref": ...}`)."""

    document: Mapping[str, Any]

    def resolve(self, parameters: Mapping[str, str], names: "PhysicalNames") -> ResolvedStack:
        """Put every value in its place.

        Raises:
            TemplateError: a parameter is refused, parameters break a rule, a reference leads nowhere, or a function is
                unknown.
        """
        try:
            values = read_parameters(self.document.get("Parameters") or {}, parameters)
            check_rules(self.document.get("Rules") or {}, values)
        except (ParameterError, RuleError) as error:
            raise TemplateError(str(error)) from None
        resolution = _Resolution(self.document, values, names)
        resources = {
            logical_id: resolution.resource(logical_id)
            for logical_id in self.document["Resources"]
            if resolution.exists(logical_id)
        }
        outputs = resolution.outputs()
        for api in list(resources.values()):
            for on_aws, here in names.addresses(api.type, api.ref).items():
                outputs = {name: text.replace(on_aws, here) for name, text in outputs.items()}
                resources = {
                    logical_id: _readdressed(resource, on_aws, here) for logical_id, resource in resources.items()
                }
        return ResolvedStack(resources, outputs, values)


def _readdressed(resource: Resource, on_aws: str, here: str) -> Resource:
    """A function that finds an API here; any other resource as it is."""
    environment = resource.properties.get("Environment")
    if resource.type != "AWS::Lambda::Function" or not environment:
        return resource
    variables = {
        name: value.replace(on_aws, here) if isinstance(value, str) else value
        for name, value in environment.get("Variables", {}).items()
    }
    return replace(resource, properties={**resource.properties, "Environment": {**environment, "Variables": variables}})


def load(path: "Path") -> Template:
    """Read a template.

    Raises:
        TemplateError: there is no such file, or it is no CloudFormation template.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise TemplateError(f"there is no template at {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateError(f"{path} cannot be read: {error}") from None
    return parse(text, source=str(path))


def parse(text: str, *, source: str = "the template") -> Template:
    """Read a template's text; `source` names it in errors.

    Raises:
        TemplateError: it is no CloudFormation template.
    """
    try:
        document = read_yaml(text)
    except TemplateSyntaxError as error:
        raise TemplateError(f"{source} is not YAML: {error}") from None
    if not isinstance(document, dict) or not isinstance(document.get("Resources"), dict):
        raise TemplateError(f"{source} is no CloudFormation template: it has no Resources")
    if "Transform" in document:
        raise TemplateError(f"{source} has a Transform, which only CloudFormation itself can run")
    for logical_id, resource in document["Resources"].items():
        if not isinstance(resource, dict) or not isinstance(resource.get("Type"), str):
            raise TemplateError(f"{source}: {logical_id} has no Type")
        if not isinstance(resource.get("Properties", {}), dict):
            raise TemplateError(f"{source}: {logical_id}.Properties is not a mapping")
    return Template(document)


class _Resolution:
    """One pass over a template. A resource is resolved when it is first asked for, and once."""

    def __init__(
        self, document: Mapping[str, Any], parameters: Mapping[str, ParameterValue], names: "PhysicalNames"
    ) -> None:
        self._document = document
        self._names = names
        self._values: dict[str, Any] = {**names.pseudo_parameters(), **parameters}
        self._conditions: dict[str, bool] = {}
        self._resources: dict[str, Resource] = {}
        self._under_way: list[str] = []

    def exists(self, logical_id: str) -> bool:
        """Whether a resource's condition holds."""
        condition = self._document["Resources"][logical_id].get("Condition")
        return condition is None or self.condition(condition, f"{logical_id}.Condition")

    def resource(self, logical_id: str) -> Resource:
        """Resolve a resource that is there."""
        known = self._resources.get(logical_id)
        if known is not None:
            return known
        written = self._document["Resources"][logical_id]
        with _Once(self._under_way, logical_id):
            properties = self._mapping(written.get("Properties") or {}, logical_id)
            identity = self._names.identify(logical_id, written["Type"], properties)
        resource = Resource(logical_id, written["Type"], properties, identity.ref, identity.attributes)
        self._resources[logical_id] = resource
        return resource

    def outputs(self) -> dict[str, str]:
        """Resolve the outputs whose condition holds."""
        outputs = {}
        for name, output in (self._document.get("Outputs") or {}).items():
            where = f"Outputs.{name}"
            if "Condition" in output and not self.condition(output["Condition"], where):
                continue
            outputs[name] = _as_text(self.value(output.get("Value"), where), where)
        return outputs

    def condition(self, name: object, where: str) -> bool:
        """Evaluate a condition by its name."""
        written = self._document.get("Conditions") or {}
        if not isinstance(name, str) or name not in written:
            raise TemplateError(f"{where}: there is no condition {name!r}{did_you_mean(str(name), written)}")
        if name not in self._conditions:
            with _Once(self._under_way, f"condition {name}"):
                self._conditions[name] = self._truth(written[name], f"Conditions.{name}")
        return self._conditions[name]

    def value(self, written: Any, where: str) -> Any:
        """Resolve anything below a resource's properties; `where` is its path, for errors."""
        if isinstance(written, dict):
            for key in written:
                if key == "Ref" or (isinstance(key, str) and key.startswith("Fn::")):
                    if len(written) > 1:
                        raise TemplateError(f"{where}: {key} stands beside other keys")
                    return self._call(key, written[key], where)
            return self._mapping(written, where)
        if isinstance(written, list):
            items = (self.value(item, f"{where}[{index}]") for index, item in enumerate(written))
            return [item for item in items if item is not _NO_VALUE]
        return written

    def _mapping(self, written: Mapping[str, Any], where: str) -> dict[str, Any]:
        values = {key: self.value(value, f"{where}.{key}") for key, value in written.items()}
        return {key: value for key, value in values.items() if value is not _NO_VALUE}

    def _call(self, function: str, argument: Any, where: str) -> Any:
        run = _FUNCTIONS.get(function)
        if run is None:
            raise TemplateError(f"{where}: {function} is not known here; only {', '.join(_FUNCTIONS)} are")
        return run(self, argument, where)

    def _truth(self, written: Any, where: str) -> bool:
        if isinstance(written, dict) and len(written) == 1:
            ((function, argument),) = written.items()
            if function == "Condition":
                return self.condition(argument, where)
            logic = _LOGIC.get(function)
            if logic is not None:
                return logic(self, argument, where)
        raise TemplateError(f"{where}: a condition is made of Condition, {', '.join(_LOGIC)}")

    def ref(self, argument: Any, where: str) -> Any:
        """`Ref`: a parameter, a pseudo parameter or a resource."""
        if argument == "AWS::NoValue":
            return _NO_VALUE
        if isinstance(argument, str) and argument in self._values:
            return self._values[argument]
        return self._referred(argument, where).ref

    def attribute(self, argument: Any, where: str) -> str:
        """`Fn::GetAtt`, as `Resource.Attribute` or as a list of the two."""
        if isinstance(argument, str):
            argument = argument.split(".", 1)
        logical_id, attribute = self._strings(argument, 2, "Fn::GetAtt", where)
        resource = self._referred(logical_id, where)
        if attribute not in resource.attributes:
            raise TemplateError(
                f"{where}: {logical_id} ({resource.type}) has no attribute {attribute!r} here"
                f"{did_you_mean(attribute, resource.attributes)}"
            )
        return resource.attributes[attribute]

    def substitute(self, argument: Any, where: str) -> str:
        """`Fn::Sub`, with names of its own or without."""
        own: Mapping[str, Any] = {}
        if isinstance(argument, list) and len(argument) == 2 and isinstance(argument[1], dict):
            own = self._mapping(argument[1], where)
            argument = argument[0]
        if not isinstance(argument, str):
            raise TemplateError(f"{where}: Fn::Sub takes a text, or a text and a mapping")

        def fill(match: re.Match[str]) -> str:
            literal, name = match.groups()
            if literal:
                return f"${{{name}}}"
            if name in own:
                return _as_text(own[name], where)
            return _as_text(self.attribute(name, where) if "." in name else self.ref(name, where), where)

        return _PLACEHOLDER.sub(fill, argument)

    def join(self, argument: Any, where: str) -> str:
        """`Fn::Join`."""
        separator, items = self._list(argument, 2, "Fn::Join", where)
        return str(separator).join(_as_text(item, where) for item in _as_list(items, "Fn::Join", where))

    def split(self, argument: Any, where: str) -> list[str]:
        """`Fn::Split`."""
        separator, text = self._list(argument, 2, "Fn::Split", where)
        return _as_text(text, where).split(str(separator))

    def select(self, argument: Any, where: str) -> Any:
        """`Fn::Select`."""
        index, items = self._list(argument, 2, "Fn::Select", where)
        items = _as_list(items, "Fn::Select", where)
        if not str(index).isdecimal() or int(index) >= len(items):
            raise TemplateError(f"{where}: Fn::Select asks for item {index} of {len(items)}")
        return items[int(index)]

    def find_in_map(self, argument: Any, where: str) -> Any:
        """`Fn::FindInMap`."""
        keys = self._list(argument, 3, "Fn::FindInMap", where)
        found: Any = self._document.get("Mappings") or {}
        for key in keys:
            if not isinstance(found, dict) or key not in found:
                near = did_you_mean(str(key), found) if isinstance(found, dict) else ""
                raise TemplateError(f"{where}: Fn::FindInMap finds no {key!r} of {keys}{near}")
            found = found[key]
        return found

    def choose(self, argument: Any, where: str) -> Any:
        """`Fn::If`. The branch not taken is not resolved: it may speak of resources that are not there."""
        if not isinstance(argument, list) or len(argument) != 3:
            raise TemplateError(f"{where}: Fn::If takes a condition and two values")
        name, if_true, if_false = argument
        return self.value(if_true if self.condition(name, where) else if_false, where)

    def encode(self, argument: Any, where: str) -> str:
        """`Fn::Base64`."""
        return base64.b64encode(_as_text(self.value(argument, where), where).encode()).decode("ascii")

    def equal(self, argument: Any, where: str) -> bool:
        """`Fn::Equals`. Parameters are texts to CloudFormation, so numbers are compared as they are written."""
        left, right = self._list(argument, 2, "Fn::Equals", where)
        return _as_text(left, where) == _as_text(right, where)

    def every(self, argument: Any, where: str) -> bool:
        """`Fn::And`."""
        return all(self._truth(item, where) for item in _as_list(argument, "Fn::And", where))

    def some(self, argument: Any, where: str) -> bool:
        """`Fn::Or`."""
        return any(self._truth(item, where) for item in _as_list(argument, "Fn::Or", where))

    def none(self, argument: Any, where: str) -> bool:
        """`Fn::Not`."""
        if not isinstance(argument, list) or len(argument) != 1:
            raise TemplateError(f"{where}: Fn::Not takes a list of one condition")
        return not self._truth(argument[0], where)

    def _referred(self, logical_id: Any, where: str) -> Resource:
        written = self._document["Resources"]
        if not isinstance(logical_id, str) or logical_id not in written:
            known = [*written, *self._values]
            raise TemplateError(
                f"{where}: there is no resource or parameter {logical_id!r}{did_you_mean(str(logical_id), known)}"
            )
        if not self.exists(logical_id):
            raise TemplateError(
                f"{where}: {logical_id} is not there, since its condition {written[logical_id]['Condition']} is false"
            )
        return self.resource(logical_id)

    def _list(self, argument: Any, length: int, function: str, where: str) -> list[Any]:
        resolved = self.value(argument, where)
        if not isinstance(resolved, list) or len(resolved) != length:
            raise TemplateError(f"{where}: {function} takes a list of {length}")
        return resolved

    def _strings(self, argument: Any, length: int, function: str, where: str) -> list[str]:
        resolved = self._list(argument, length, function, where)
        if not all(isinstance(item, str) for item in resolved):
            raise TemplateError(f"{where}: {function} takes {length} texts")
        return resolved


class _Once:
    """Holds a name while it is being resolved, and refuses to begin it again."""

    def __init__(self, under_way: list[str], name: str) -> None:
        self._under_way = under_way
        self._name = name

    def __enter__(self) -> None:
        if self._name in self._under_way:
            circle = self._under_way[self._under_way.index(self._name) :]
            raise TemplateError(f"{' -> '.join([*circle, self._name])} is a circle")
        self._under_way.append(self._name)

    def __exit__(self, *_: object) -> None:
        self._under_way.pop()


_Function = Callable[[_Resolution, Any, str], Any]
_FUNCTIONS: Final[Mapping[str, _Function]] = {
    "Ref": _Resolution.ref,
    "Fn::Base64": _Resolution.encode,
    "Fn::FindInMap": _Resolution.find_in_map,
    "Fn::GetAtt": _Resolution.attribute,
    "Fn::If": _Resolution.choose,
    "Fn::Join": _Resolution.join,
    "Fn::Select": _Resolution.select,
    "Fn::Split": _Resolution.split,
    "Fn::Sub": _Resolution.substitute,
}
_LOGIC: Final[Mapping[str, Callable[[_Resolution, Any, str], bool]]] = {
    "Fn::And": _Resolution.every,
    "Fn::Equals": _Resolution.equal,
    "Fn::Not": _Resolution.none,
    "Fn::Or": _Resolution.some,
}


def _as_text(value: object, where: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise TemplateError(f"{where}: a text is needed, not {value!r}")


def _as_list(value: object, function: str, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise TemplateError(f"{where}: {function} takes a list")
    return value
