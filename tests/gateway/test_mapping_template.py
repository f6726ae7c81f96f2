import base64
import json
import urllib.parse
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.gateway.mapping_template import (
    Input,
    MappingTemplate,
    Parameters,
    TemplateFailedError,
    TemplateSyntaxError,
    Util,
)
from local.gateway.payload import Payload

BODY = (
    b'{"name": "O\'Neil", "n": 12345678901234567890123, "f": 1.10, "e": 1E400,'
    b' "u": "\\ud83d\\ude00\xc3\xa9", "l": [1, null, true]}'
)


def render(template: str, body: bytes = BODY, **context: Any) -> str:
    parameters = Parameters({"key": "a b"}, {"q": "1"}, {"content-type": "text/x", "key": "not this one"})
    return MappingTemplate(template).render(Input(Payload(body), parameters), context, {"table": "t1"})


@given(st.text(st.characters(max_codepoint=0x200), max_size=300))
def test_a_short_text_is_escaped_as_a_long_one(text: str) -> None:
    filler = "x" * 256
    assert Util().urlEncode(text) + filler == Util().urlEncode(text + filler)
    assert Util().escapeJavaScript(text) + filler == Util().escapeJavaScript(text + filler)


@pytest.mark.parametrize(
    ("template", "rendered", "reason"),
    [
        ("$context.missing|$nothing|$context.a.b", "||", "an undefined reference prints as nothing, not as itself"),
        ("#if($nothing)yes#{else}no#end", "yes", "recorded on AWS: what is not there is true in #if"),
        ("#set($p = $input.path('$'))#if($p.gone)yes#{else}no#end", "yes", "so is a key that is not there"),
        ("#if(\"$!nothing\" != '')yes#{else}no#end", "no", "which is why templates compare texts"),
        ("#if($input.params('gone') == '')empty#end", "empty", "a parameter that was not sent is an empty text"),
        ("#if($input.params('gone'))yes#end", "yes", "Velocity 1.7: an empty text is true"),
        ("#if($context.off)yes#{else}no#end", "no", "false is false"),
        ("$context.on $context.off", "true false", "Java's booleans"),
        ("#set($a = \"x\"\"y\")$a", 'x"y', "two quotes are one"),
        (r"#set($a = '\n')$a", r"\n", "a backslash in a text is just that"),
        ("$stageVariables.table", "t1", "stage variables"),
        ("$context.x-y", "", "a hyphen belongs to a name"),
        ("${context.stage}s", "lives", "formal references"),
        ("#foreach($i in [1, 2])$foreach.index#if($foreach.hasNext),#end#end", "0,1", "loops"),
        ("#set($context.responseOverride.status = 429)$context.responseOverride.status", "429", "overrides can be set"),
        ("#set($context.responseOverride.header.Retry-After = '1')", "", "and headers with a hyphen"),
        ("$", "$", "a bare dollar"),
        ("100%$ #notadirective", "100%$ #notadirective", "what is no VTL is text"),
    ],
)  # fmt: skip
def test_velocity_as_api_gateway_runs_it(template: str, rendered: str, reason: str) -> None:
    context = {"on": True, "off": False, "stage": "live", "responseOverride": {"header": {}}}
    assert render(template, **context) == rendered, reason


@pytest.mark.parametrize(
    ("template", "rendered", "reason"),
    [
        ("$input.body", BODY.decode(), "the body as it was sent"),
        ("$input.json('$')", BODY.decode(), "the whole body loses nothing"),
        ("$input.json('$.n')", "12345678901234567890123", "a number of any length"),
        ("$input.json('$.f')", "1.10", "a fraction as it was written"),
        ("$input.json('$.e')", "1E+400", "a number no double holds"),
        ("$input.json('$.name')", '"O\'Neil"', "a text with its quotes"),
        ("$input.json('$.u')", '"\U0001f600é"', "unicode as itself"),
        ("$input.json('$.l')", "[1,null,true]", "compact"),
        ("$input.json('$.gone')", '""', "what is not there is an empty text"),
        ("$input.path('$.name').length()", "6", "a text's methods"),
        ("$input.path('$.l[0]')", "1", "an index"),
        ("$input.path('$.l').size()", "3", "a list's methods"),
        ("$input.path('$.l[*]')", "[1, null, true]", "many matches are a list, printed as Java does"),
        ("$input.path('$').keySet().size()", "6", "a map's methods"),
        ("$input.path('$')['name']", "O'Neil", "a key in brackets"),
        ("$input.params('key')", "a b", "the path goes before query and headers"),
        ("$input.params('q')$input.params('Content-Type')", "1text/x", "then the query, then headers of any case"),
        ("$input.params().path.key", "a b", "all of them"),
        ("$input.params().header.get('content-type')", "text/x", "header names are lower-case here"),
        ("$input.params().querystring", "{q=1}", "a map prints as Java's does"),
    ],
)  # fmt: skip
def test_input_reads_body_and_parameters(template: str, rendered: str, reason: str) -> None:
    assert render(template) == rendered, reason


@pytest.mark.parametrize(
    ("template", "rendered"),
    [("$input.json('$')", "{}"), ("$input.path('$')", "{}"), ("$input.body", ""), ("$input.path('$.a')x", "{}x")],
)
def test_no_body_is_an_empty_object(template: str, rendered: str) -> None:
    assert render(template, b"") == rendered


@pytest.mark.parametrize(
    ("text", "escaped", "reason"),
    [
        ("it's", "it\\'s", "' becomes \\', which is no JSON"),
        ('say "hi"', 'say \\"hi\\"', "quotes"),
        ("a\\b", "a\\\\b", "backslashes, first"),
        ("a/b", "a\\/b", "slashes, as Commons Lang 2.6"),
        ("\b\n\t\f\r\x01\x7f", "\\b\\n\\t\\f\\r\\u0001\\u007F", "controls"),
        ("é\u2028\U0001f600", "\\u00E9\\u2028\\uD83D\\uDE00", "all but ASCII in UTF-16 units"),
    ],
)
def test_escape_java_script(text: str, escaped: str, reason: str) -> None:
    assert Util().escapeJavaScript(text) == escaped, reason


def test_escaped_quotes_can_be_turned_back_as_aws_documents_it() -> None:
    template = """#set($b = $input.path('$.s')){"s": "$util.escapeJavaScript($b).replaceAll("\\\\'","'")"}"""
    for text in ["it's", "\\'", "a\\", "'\\''", 'x"y\u2028\n\U0001f600']:
        assert json.loads(render(template, json.dumps({"s": text}).encode())) == {"s": text}


@given(st.text())
def test_url_encode_is_java_net_url_encoder(text: str) -> None:
    encoded = Util().urlEncode(text)
    assert urllib.parse.unquote_plus(encoded) == text
    assert set(encoded) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-*_+%")
    assert Util().urlDecode(encoded) == text


@given(st.text())
def test_base64_both_ways(text: str) -> None:
    encoded = Util().base64Encode(text)
    assert base64.b64decode(encoded, validate=True) == text.encode()
    assert Util().base64Decode(encoded) == text


@given(st.text())
def test_escaped_text_is_the_same_text_in_json(text: str) -> None:
    escaped = Util().escapeJavaScript(text).replaceAll("\\\\'", "'")
    assert json.loads(f'"{escaped}"') == text


def test_half_a_surrogate_pair_becomes_a_question_mark_as_in_java() -> None:
    assert render("$util.urlEncode($input.path('$.s'))", b'{"s": "a\\ud800b"}') == "a%3Fb"


@pytest.mark.parametrize(
    ("template", "rendered"),
    [
        ('$util.parseJson(\'{"a": [1, {"b": "c"}]}\').a[1].b', "c"),
        ("$input.path('$.s').replaceAll('(a)(b)', '$2$1')", "ba$c"),
        ("$input.path('$.s').replaceAll('[^a-c]', '*')", "ab*c"),
        ("$input.path('$.s').replaceAll('c', '\\$')", "ab$$"),
        ("$input.path('$.s').replace('b', '\\')", "a\\$c"),
        ("$input.path('$.s').split('[b$]+')", "[a, c]"),
        ("$input.path('$.s').substring(1, 2)", "b"),
        ("$input.path('$.s').contains('b$') $input.path('$.s').startsWith('b')", "true false"),
        ("$input.path('$.s').matches('ab') $input.path('$.s').matches('ab.c')", "false true"),
        ("$input.path('$.s').indexOf('zz') $input.path('$.s').toUpperCase().endsWith('C')", "-1 true"),
    ],
)
def test_java_methods(template: str, rendered: str) -> None:
    assert render(template, b'{"s": "ab$c"}') == rendered


@given(st.text(st.sampled_from("$#{}()\\'\"!*@abcontexinpu.[]\n"), max_size=60))
def test_what_a_client_sends_is_never_read_as_vtl(text: str) -> None:
    body = json.dumps({"s": text}).encode()
    template = "#set($s = $input.path('$.s'))#set($t = \"$s\")$t#foreach($x in [1])$s#end"
    assert render(template, body, secret="leaked") == text + text


@pytest.mark.parametrize(
    "template",
    ["#if(true)", "#foreach($a in )#end", "#set($a)", "${context.a", "x" * 300_000 + "y" * 20_000],
)
def test_a_template_that_is_none_is_refused_when_it_is_made(template: str) -> None:
    with pytest.raises(TemplateSyntaxError):
        MappingTemplate(template)


@pytest.mark.parametrize(
    "template",
    [
        "$input.path('$.name').substring(5, 99)",
        "$input.path('no path at all $$')",
        "$util.parseJson('{')",
        "$util.base64Decode('#')",
        "$input.path('$.name').replaceAll('(', 'x')",
    ],
)
def test_a_template_that_fails_says_so(template: str) -> None:
    with pytest.raises(TemplateFailedError):
        render(template)


@pytest.mark.parametrize(
    "body",
    [b"{", b"nope", b"[" * 100_000, b'{"a": NaN}', b'{"a": Infinity}', b'"\x01"', b"{} {}", b"\xef\xbb\xbf{}", b"\xff"],
)
def test_a_body_that_is_no_json_fails(body: bytes) -> None:
    for template in ("$input.json('$')", "$input.json('$.a')", "$input.path('$.a')"):
        with pytest.raises(TemplateFailedError):
            render(template, body)
