"""VTL, and infra.yaml's own API in front of services that answer as they do."""

import asyncio
import functools
import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from hypothesis import strategies as st

from local.gateway.mapping_template import (
    Input,
    MappingTemplate,
    Parameters,
    TemplateFailedError,
    TemplateSyntaxError,
)
from local.gateway.payload import Payload
from local.physical_names import PhysicalNames
from local.template import load
from local.wire import WireRequest
from tests.fuzz.mutation import as_text, documents, dumped, in_a_head, mutated
from tests.fuzz.open_api import OpenApi
from tests.fuzz.target import Target

_INFRA: Final = Path(__file__).parents[2] / "infra.yaml"
_TOKENS: Final = [
    *("#set($x = 1)", "#set($x = $input.path('$.a'))", "#if($x)", "#if($x == 'y')", "#elseif(!$x)", "#else", "#end"),
    *("#foreach($i in [1..3])", "#foreach($i in $input.path('$.a'))", "$foreach.index", "#stop", "##", "#*", "*#"),
    *("#[[", "]]#", "$input.json('$')", "$input.json('$.a')", "$input.json('$..a')", "$input.path('$.a[0]').b"),
    *("$input.params('x')", "$input.params()", "$input.body", "$util.urlEncode($x)", "$util.base64Encode('x')"),
    *("$util.base64Decode('eA')", "$util.parseJson('{')", "$util.escapeJavaScript($x)", "$context.stage", "$!nothing"),
    *("$context.identity.sourceIp", "${x}", "$x.length()", "$x.replaceAll('[', '')", "$x.matches('(a+)+b')"),
    *("$x.substring(5)", "$x.size()", "$x.get(0)", "$x.split(',')", "$x.foo.bar()", "#macro(m)", "#m()", "#define($d)"),
    *("$d", "#evaluate('$x')", "$", "#", "'", '"', "\\", "(", ")", "{", "}", "[", "]", " ", "\n", "1 / 0", "1 % 0"),
    *("&&", "||", "!", "é", "\ud800", "a"),
]
_REPEATS: Final = re.compile(r"#(macro|evaluate|define)")


@functools.cache
def _templates() -> list[bytes]:
    """The templates of infra.yaml."""
    found: list[bytes] = []

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                if name in ("RequestTemplates", "ResponseTemplates"):
                    found.extend(text.encode() for text in inner.values())
                else:
                    collect(inner)
        elif isinstance(value, list):
            for inner in value:
                collect(inner)

    for resource in load(_INFRA).resolve(_GIVEN, _NAMES).resources.values():
        collect(resource.properties)
    return sorted(set(found))


_GIVEN: Final = {"CodeBucket": "code", "CodeKey": "forebay.zip"}
_NAMES: Final = PhysicalNames(queue_base_url="http://127.0.0.1:4100")
_BODY: Final = b'{"a": [{"b": "c"}, 1.50, null], "image": {"bytes": "AAEC"}, "group": "g"}'


def _template(given: tuple[str, bytes]) -> None:
    text, body = given
    payload = Payload(body, binary=False)
    parameters = Parameters({"id": "x"}, {"x": "\r\n"}, {"x": "y"})
    context: dict[str, Any] = {"stage": "live", "requestTimeEpoch": 1, "identity": {"sourceIp": "127.0.0.1"}}
    try:
        template = MappingTemplate(text)
        assert isinstance(template.render(Input(payload, parameters), context, {"SqsFifo": "false"}), str)
    except (TemplateSyntaxError, TemplateFailedError) as error:
        str(error).encode("utf-8", "surrogatepass")


@functools.cache
def _api() -> OpenApi:
    return OpenApi(load(_INFRA).resolve(_GIVEN, _NAMES))


def _route(given: tuple[str, str, str, dict[str, str], bytes]) -> None:
    method, path, query, headers, body = given
    request = WireRequest(method, f"/live{path}", query, headers, body, list(headers.items()))
    response = asyncio.run(_api().handle(request))
    # A 500 is the gateway's word for a defect of its own, or of the template.
    assert response.status != 500, response.body
    assert 200 <= response.status < 600
    for name, value in response.headers.items():
        assert not set(f"{name}{value}") & set("\r\n\0"), "a header that ends early"


_BODIES: Final = [
    *(b'{"image":{"bytes":"AAEC"}}', b'{"image":{"key":"cat.jpg"},"group":"g"}'),
    b'{"image":{"key":"a"},"run":{"id":"r","sequence":7,"intended_at":1.5},"callback_url":"https://a.example/"}',
]  # fmt: skip
_PATHS: Final = [
    *(b"/v1/sns/images", b"/v1/sqs/images", b"/v1/kinesis/images", b"/v1/kinesis-efo/images", b"/v1/sync/images"),
    *(b"/v1/handler/sqs/images", b"/v1/images/cat.jpg", b"/v1/requests/Fv6kVGuJIAMF3Iw="),
    b"/v1/requests/h-0123456789012345678901",
]
_HEADERS: Final = st.dictionaries(
    st.sampled_from(
        [
            "content-type",
            "accept",
            "host",
            "user-agent",
            "x-forwarded-for",
            "idempotency-key",
            "x-amz-target",
            "authorization",
        ]
    ),
    st.sampled_from(
        ["application/json", "image/jpeg", "text/plain; charset=x", "", "*/*", "application/json;", ";", "a/b/c"]
    )
    | st.binary(max_size=20).map(in_a_head),
    max_size=4,
)


def _target(data: bytes) -> str:
    # As a client has to write it: whatever is no letter of a path is escaped, but for what stands for itself.
    return quote(data, safe="/%?=&$'()*+,;:@~!")


TARGETS: Final = [
    Target(
        "template",
        st.tuples(
            st.lists(st.sampled_from(_TOKENS), max_size=12).map("".join)
            | st.deferred(lambda: mutated(_templates(), [token.encode("utf-8", "replace") for token in _TOKENS])).map(
                as_text
            ),
            mutated([_BODY, *_BODIES]),
        ).filter(lambda given: len(_REPEATS.findall(given[0])) < 2),
        _template,
    ),
    Target(
        "route",
        st.tuples(
            st.sampled_from(["POST", "GET", "PUT", "DELETE", "HEAD", "OPTIONS", "X"]),
            st.sampled_from(_PATHS).map(_target) | mutated(_PATHS).map(_target) | mutated(_PATHS).map(in_a_head),
            mutated([b"", b"a=1&b=%41"]).map(_target) | mutated([b"a=1&b=%41"]).map(in_a_head),
            st.just({"content-type": "application/json"}) | _HEADERS,
            mutated(_BODIES) | documents(["image", "bytes", "key", "run", "group", "attach"]).map(dumped),
        ),
        _route,
    ),
]
