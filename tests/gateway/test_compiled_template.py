"""Compiled templates against airspeed-ext's interpreter, the reference: the same text, the same effects."""

import copy
import json
from typing import Any

import airspeed
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.gateway.compiled_reference import NotCompilableError
from local.gateway.compiled_template import CompiledTemplate
from local.gateway.exchange import RequestId, new_context
from local.gateway.mapping_template import Input, MappingTemplate, Parameters, TemplateFailedError, Util
from local.gateway.payload import Payload
from local.template import ResolvedStack
from local.wire import WireRequest

BODY = json.dumps(
    {
        "text": "a$b",
        "empty": "",
        "null": None,
        "yes": True,
        "no": False,
        "number": 7,
        "fraction": 1.5,
        "list": [1, "two", None, [3, 4], {"x": "y"}],
        "map": {"k": "v", "size": 3, "inner": {"deep": "end"}},
    }
).encode()


def names(body: bytes, path: dict[str, str], headers: dict[str, str]) -> dict[str, Any]:
    request = WireRequest("POST", "/live/v1")
    return {
        "input": Input(Payload(body), Parameters(path, {"q": "1"}, headers)),
        "util": Util(),
        "context": new_context("api", "live", request, RequestId("plain", "Fv6kVGuJIAMF3Iw="), 1732400000123),
        "stageVariables": {"table": "t1"},
    }


def outcome(template: Any, body: bytes, path: dict[str, str], headers: dict[str, str]) -> Any:
    """What rendering comes to: the text or the error's, and $context as it was left."""
    given_names = names(body, path, headers)
    try:
        text = template.merge(given_names)
        assert type(text) is str
    except airspeed.TemplateExecutionError as error:
        text = (str(error), type(error.__cause__))
    return text, copy.deepcopy(given_names["context"]), given_names.keys()


def assert_same(
    text: str, body: bytes = BODY, path: dict[str, str] | None = None, headers: dict[str, str] | None = None
) -> None:
    interpreted = airspeed.Template(text)
    compiled = CompiledTemplate(interpreted)
    expected = outcome(interpreted, body, path or {}, headers or {})
    assert outcome(compiled, body, path or {}, headers or {}) == expected


SET_UP = "#set($t = $input.path('$.text'))#set($l = $input.path('$.list'))#set($m = $input.path('$.map'))#set($n = 5)"
SEMANTICS = [
    ("", "nothing at all"),
    ("plain, 100% # {text} \\ #123 #fff", "text that looks like VTL"),
    ("\\$t \\#set \\\\", "escapes"),
    ("$ $! ${t} $!{t}x $!t. $t.", "a dollar alone, formal and silent references, a full stop"),
    ("[$gone] [$!gone] [${gone}] [$gone.a.b()] [$t.gone] [$m.gone.more]", "what is not there"),
    ("${gone|'other'} ${gone|$t} ${t|'other'} ${gone|$nor}", "an alternate value"),
    ("$context.stage $context.requestTime $context.identity.sourceIp $context", "maps, one of them computed"),
    ("$stageVariables.table $stageVariables.none", "stage variables"),
    ("$m $l $input.path('$.yes') $input.path('$.null') $input.path('$.fraction')", "how values print"),
    ("## all of it\n#* some *#x## to the end", "comments"),
    ("$l[0] $l[1] $l[9] $l[3][1] $l[4]['x'] $m['k'] $m['none']", "indices"),
    ("$l[$n] $l[$zero]", "a variable as index"),
    ("#set($i = 1)$l[$i] $m[\"$!{gone}k\"]", "a computed index"),
    ("$l['x']", "a text as a list's index fails"),
    ("$l[3][7]", "a second index out of range fails"),
    ("$gone[0] $gone[0].x", "an index of nothing is nothing"),
    ("$t.length() $t.contains('$') $t.substring(1) $t.toUpperCase().length()", "methods, one after the other"),
    ("$m.size $m.k.size()", "a key goes before a method"),
    ("$m.size()", "and is no method"),
    ("$l.size() $l.get(4).x $m.keySet() $m.containsKey('k')", "methods of lists and maps"),
    ("#set($x = \"a\")$x.length() $x.contains('a') $x.matches('[a-c]') $x.isEmpty()", "a plain text's lent methods"),
    ("#set($x = [1])$x.size() $x.add(2) $x $x.isEmpty() $x.set(0, 9) $x", "a plain list's"),
    ("#set($x = {'a': 1})$x.put('b', 2) $x.a $x.keySet() $x.toString() $x.b", "a plain map's"),
    ("$t.gone(1, 2) $gone.call($l['x'])", "a method that is not there leaves its arguments alone"),
    ("$t.length(1, 2)", "arguments too many fail"),
    ("$t.substring(5, 99)", "a method that raises fails"),
    ("$input.path('not a path $$')", "so does a path that is none"),
    ("$n.foo $n.real", "members of a number"),
    ("#set($x = 'a$t\\n')$x #set($y = \"a$t\"\"$!gone\\n\")$y", "quotes of both kinds"),
    ("#set($x = \"${t}-$l[1]-#if($n > 3)big#{else}small#end\")$x", "directives inside a text"),
    ("#set($x = \"#set($y = 2)$y\")$x$y", "an assignment inside a text"),
    ("a #set($x = 1) b\n  #set($x = 2)\nc$x", "white space around #set"),
    ("a\n#if(true)\n b\n#else\n c\n#end\nd", "white space around #if"),
    ("#if(false)a#elseif(true) b #else c#end|#if(false)x#end|#{if}", "branches"),
    ("#if($gone)a#else b#end #if(!$gone)a#else b#end #if($gone && true)a#else b#end", "what is not there, in an #if"),
    ("#if(\"\")a#else b#end #if($input.path('$.empty'))a#else b#end #if(0)a#else b#end", "truth of what is empty"),
    ("#if($input.path('$.null'))a#else b#end #if($input.path('$.no'))a#else b#end", "truth of null and false"),
    ("#if([])a#else b#end #if({})a#else b#end #if($input.path('$.list'))a#else b#end", "truth of lists and maps"),
    ("#if($n == 5 && $n != 4 || $n > 9)a#end#if(not ($n lt 5) and $n ge 5)b#end", "operators by precedence"),
    ("#set($x = 2 + 3 * 4 - 6 / 4 % 3)$x #set($x = (2 + 3) * 4)$x #set($x = -1 - -2)$x", "sums"),
    ("#set($x = 7 - 2 - 1)$x #set($x = 1 < 2 == true)$x #set($x = 1.5 + .5)$x", "from the left among equals"),
    ("#set($x = 'a' + 1)", "a text and a number do not add up"),
    ("#set($x = [])#if($x.add(1) == $x.add(2) || $x.add(3) && $x.add(4))#end$x", "the order operands are read in"),
    ("#if($t == 'a$b' || $l['x'])#end", "both sides of || are read"),
    ("#if($n == '5')a#else b#end #if($gone == $nor)a#else b#end #if($n == null)a#else b#end", "equality"),
    ("#set($x = null)[$x] #set($x = $gone)[$x]", "a variable set to null"),
    ("#set($x = true)$x #set($x = !$x)$x #set($x = FALSE)$x #set($x = -3)$x #set($x = 1.50)$x", "literals"),
    ("#set($x = [1, 'b', $n, [], {}])$x #set($x = [1..3])$x #set($x = [$n..3])$x", "lists and ranges"),
    ("#set($x = {'a': $n, $t: [1], 3: {'b': 'c'}})$x.a $x $x[3].b", "maps"),
    ("#foreach($i in $l)$i#if($foreach.hasNext), #end#end", "a loop"),
    ("#foreach($i in [1..3])$foreach.index$foreach.count$foreach.first$foreach.last$velocityCount;#end", "its own"),
    ("#foreach($k in $m)$k=$m[$k];#end#foreach($k in {})x#end#foreach($k in [])x#end", "over keys, over nothing"),
    ("#foreach($i in $gone)x#end#foreach($i in $input.path('$.null'))x#end", "over what is not there"),
    ("#foreach($i in $n)x#end", "over a number fails"),
    ("#foreach($i in $t)$i.#end", "over a text"),
    ("#foreach($i in [1,2])#foreach($j in [3,4])$i$j$foreach.index#end$foreach.index#end", "in a loop"),
    ("#foreach($i in [1,2])[$!new]#set($new = $i)#set($n = $i)$new#end$!new $n", "what a loop sets"),
    ("#foreach($i in [1])#set($context = 'c')#set($input = 'i')$context$input#end$context.stage", "names hidden"),
    ("#foreach($foreach in [1,2])$foreach#end $foreach", "a loop's variable of that name"),
    ("#set($util = 1)$util#set($util = $util + 1)$util", "a name that was given, hidden"),
    ("#set($context.responseOverride.status = 429)#set($context.responseOverride.header.Retry-After = 1)", "overrides"),
    ("#set($context.responseOverride.header[\"X-$n\"] = $t)#set($m['z'] = 1)#set($m.y = $m.z)$m", "keys in brackets"),
    ("#set($gone.a = 1)", "a key of nothing fails"),
    ("#set($m.none.a = 1)", "so does one further down"),
    ("before#set($t.a = 1)", "and one of a text"),
    ("$input.json('$.map') $input.json(\"$.list[$n]\") $input.body $input.params().querystring", "the input"),
    ("$util.base64Encode(\"x$t\") $util.escapeJavaScript($t) $util.parseJson('[1,{\"a\":2}]')[1].a", "util"),
    ("#if(true)#if(false)a#elseif($l['x'])b#end#end", "an error deep inside"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "reason"), SEMANTICS)
def test_a_compiled_template_renders_as_the_interpreter(text: str, reason: str) -> None:
    assert_same(SET_UP + text)


@pytest.mark.parametrize(
    "text",
    [
        "#macro(m $a)$a#end#m(1)",
        "#define($d)x#end$d",
        "a#stop b",
        "#evaluate('$context.stage')",
        "#return('x')",
        "#foreach($i in [[1], [2]])#set($z = 0)$i[0][$z]#end",
    ],
)
def test_what_cannot_be_compiled_is_left_to_the_interpreter(text: str) -> None:
    template = airspeed.Template(text)
    with pytest.raises(NotCompilableError):
        CompiledTemplate(template)

    given_names = names(BODY, {}, {})
    try:
        expected = template.merge(given_names)
    except airspeed.TemplateError:
        with pytest.raises(TemplateFailedError):
            MappingTemplate(text).render(given_names["input"], given_names["context"], {})
    else:
        given_names = names(BODY, {}, {})
        assert MappingTemplate(text).render(given_names["input"], given_names["context"], {}) == expected


def test_airspeeds_marker_is_a_text_like_any_other() -> None:
    body = b'{"s": "__FORMAL_REFERENCE__REPLACE_TEXT__"}'

    assert CompiledTemplate(airspeed.Template("$input.path('$.s')")).merge(names(body, {}, {})) == json.loads(body)["s"]


def infra_templates(stack: ResolvedStack) -> list[str]:
    texts = []
    for resource in stack.resources.values():
        if resource.type == "AWS::ApiGateway::Method":
            integration = resource.properties["Integration"]
            for holder in (integration, *integration.get("IntegrationResponses", ())):
                for kind in ("RequestTemplates", "ResponseTemplates"):
                    texts += (holder.get(kind) or {}).values()
    return texts


def _error_bodies() -> st.SearchStrategy[Any]:
    codes = ["Throttling", "OverLimit", "LimitExceeded", "InvalidParameter", "InvalidMessageContents", "Validation"]
    reasons = ["must be shorter", "too long", "length less than", "size", "", None, 3]
    code = st.sampled_from([*codes, "ProvisionedThroughputExceededException", "", None, 5])
    query = st.fixed_dictionaries({"Error": st.fixed_dictionaries({"Code": code, "Message": st.sampled_from(reasons)})})
    return query | st.fixed_dictionaries({"__type": code, "message": st.sampled_from(reasons)})


def _answers() -> st.SearchStrategy[Any]:
    proof = st.from_regex(r"[0-9a-f-]{1,9}", fullmatch=True) | st.text(max_size=5) | st.none() | st.integers()
    sqs = st.builds(lambda p: {"SendMessageResponse": {"SendMessageResult": {"MessageId": p}}}, proof)
    sns = st.builds(lambda p: {"PublishResponse": {"PublishResult": {"MessageId": p}}}, proof)
    text = st.builds(lambda t: {"S": t}, st.text(max_size=5))
    parents = st.builds(lambda ps: {"L": ps}, st.lists(text, max_size=3))
    label = st.builds(lambda n, ps: {"M": {"name": n, "confidence": {"N": "55.5"}, "parents": ps}}, text, parents)
    item = st.fixed_dictionaries(
        {"request_id": text},
        optional={
            "status": text,
            "reason": text,
            "model_version": text,
            "labels": st.builds(lambda ls: {"L": ls}, st.lists(label, max_size=3)),
        },
    )
    return st.builds(lambda p: {"SequenceNumber": p}, proof) | sqs | sns | st.builds(lambda i: {"Item": i}, item)


BODIES = (
    (_error_bodies() | _answers()).map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=10)
    | st.sampled_from([b"", b"{}", b"null", b"[]", b'{"Item": null}', b'{"image":{"key":"cat.jpg"}}'])
)
PATHS = st.fixed_dictionaries(
    {}, optional={"key": st.text(max_size=5) | st.just("k" * 129), "id": st.text("aZ=_+/.-*$#\"' ", max_size=8)}
)
HEADERS = st.fixed_dictionaries({}, optional={"content-type": st.sampled_from(["image/png", "text/plain", "", "x"])})


@given(body=BODIES, path=PATHS, headers=HEADERS)
def test_every_template_of_infra_renders_as_the_interpreter(
    stack: ResolvedStack, body: bytes, path: dict[str, str], headers: dict[str, str]
) -> None:
    for text in set(infra_templates(stack)):
        assert_same(text, body, path, headers)


ATOMS = st.sampled_from(
    [
        "$t",
        "$!gone",
        "$gone",
        "$l",
        "$m.k",
        "$n",
        "$i",
        "'a'",
        '"x$t$!gone"',
        "3",
        "1.5",
        "true",
        "null",
        "[1,$n]",
        "[1..2]",
        "{'k': $n}",
        "$l.size()",
        "$l[1]",
        "$t.length()",
        "$foreach.index",
        "$input.path('$.map.inner')",
        "$input.json('$.list')",
    ]
)
OPERATORS = st.sampled_from(["==", "!=", "<", ">=", "&&", "||", "and", "or", "+", "-", "*", "%", "gt"])
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: (
        st.builds(lambda a, op, b: f"{a} {op} {b}", inner, OPERATORS, inner)
        | st.builds(lambda a: f"({a})", inner)
        | st.builds(lambda a: f"!({a})", inner)
    ),
    max_leaves=5,
)
TEMPLATES = st.recursive(
    st.sampled_from(["text ", "\n", "  ", "$t", "$!{gone}", "${i}", "$l[4].x", "## comment\n", "$ ", "# "])
    | st.builds(lambda e: f"#set($x = {e})[$!x]", EXPRESSIONS)
    | st.builds(lambda e: f"#set($context.responseOverride.status = {e})\n", EXPRESSIONS),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map("".join)
        | st.builds(lambda c, a, b: f"#if({c}){a}#else {b}#end", EXPRESSIONS, inner, inner)
        | st.builds(lambda c, a, d, b: f"#if({c})\n{a}#elseif({d})\n{b}\n#end\n", EXPRESSIONS, inner, ATOMS, inner)
        | st.builds(lambda v, a: f"#foreach($i in {v}) {a} #end", ATOMS, inner)
    ),
    max_leaves=6,
)


@given(TEMPLATES)
def test_any_template_renders_as_the_interpreter(text: str) -> None:
    assert_same(SET_UP + text)
