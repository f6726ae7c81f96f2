"""YAML as CloudFormation writes it: short tags in their long form, dates as the texts they are, no key twice."""

from typing import Any, Final

import yaml

# libyaml reads infra.yaml in a sixth of the time, which is a quarter of a second of each start. Not every build has it.
_SafeLoader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# libyaml has no limit of its own, and would end the process. Templates are a tenth as deep.
_DEEPEST: Final = 200


class TemplateSyntaxError(ValueError):
    """A text that is not YAML, is nested too deeply, or holds a key twice; the text says where."""


def read_yaml(text: str) -> Any:
    """Read a document, `!Ref X` as `{"Ref": "X"}` and `!Sub X` as `{"Fn::Sub": "X"}`.

    Raises:
        TemplateSyntaxError: it cannot be read.
    """
    try:
        depth = 0
        for event in yaml.parse(text, _SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                raise TemplateSyntaxError(f"it is nested more than {_DEEPEST} deep")
        return yaml.load(text, _Loader)  # noqa: S506 (a SafeLoader, with CloudFormation's tags added)
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise TemplateSyntaxError(str(error)) from None


class _Loader(_SafeLoader):  # type: ignore[misc, valid-type]
    """YAML as CloudFormation reads it: with its short tags, and with dates left as the texts they are."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _construct_tag(loader: _Loader, tag: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        argument: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        argument = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        argument = loader.construct_mapping(node, deep=True)
    return {tag if tag in ("Ref", "Condition") else f"Fn::{tag}": argument}


def _construct_mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    mapping: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if isinstance(key, list | dict):
            raise yaml.constructor.ConstructorError(None, None, "a key is no text", key_node.start_mark)
        if key in mapping:
            raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} stands twice", key_node.start_mark)
        mapping[key] = loader.construct_object(value_node, deep=True)
    return mapping


_Loader.add_multi_constructor("!", _construct_tag)
_Loader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)
