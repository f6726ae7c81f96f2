"""The resolver: a template's text in, resources and outputs out, or an error that says where."""

from pathlib import Path
from typing import Any

import pytest

from local.physical_names import PhysicalNames
from local.template import ResolvedStack, TemplateError, load, parse

NAMES = PhysicalNames(queue_base_url="http://127.0.0.1:4100", stack="demo")

HEAD = """
Parameters:
  Size: {Type: Number, Default: 10}
  Ratio: {Type: Number, Default: 0.5}
  Name: {Type: String, Default: one}
  Flag: {Type: String, Default: "true"}
  Names: {Type: CommaDelimitedList, Default: "a, b,c"}
  Sizes: {Type: List<Number>, Default: "1,2.5"}
Conditions:
  IsOne: !Equals [!Ref Name, one]
  NotOne: !Not [!Condition IsOne]
  IsTen: !Equals [!Ref Size, 10]
  Both: !And [!Condition IsOne, !Condition IsTen]
  Either: !Or [!Condition NotOne, !Equals [a, b]]
  SomeOf: !Or [!Condition NotOne, !Condition Both]
Mappings:
  Map: {top: {text: found, list: [x, y]}}
Resources:
  Bucket: {Type: AWS::S3::Bucket}
  Queue: {Type: AWS::SQS::Queue}
  Gone: {Type: AWS::SQS::Queue, Condition: NotOne}
"""
THING = """
  Thing:
    Type: Custom::Thing
    Properties:
      Value: {}
"""


def resolve(text: str, **parameters: str) -> ResolvedStack:
    return parse(text).resolve(parameters, NAMES)


@pytest.mark.parametrize(
    ("written", "resolved", "why"),
    [
        ("plain", "plain", "a text"),
        ("2012-10-17", "2012-10-17", "CloudFormation has no dates"),
        ("!Ref Size", 10, "a number stays one"),
        ("!Ref Ratio", 0.5, "a fraction too"),
        ("!Ref Names", ["a", "b", "c"], "a list, trimmed"),
        ("!Ref Sizes", [1, 2.5], "a list of numbers"),
        ("!Ref AWS::Region", "us-east-1", "a pseudo parameter"),
        ("!Ref Bucket", "demo-bucket", "S3 takes no capitals"),
        ("!Ref Queue", "http://127.0.0.1:4100/000000000000/demo-Queue", "a queue's Ref is its URL"),
        ("!GetAtt Queue.Arn", "arn:aws:sqs:us-east-1:000000000000:demo-Queue", "short form"),
        ("!GetAtt [Queue, QueueName]", "demo-Queue", "list form"),
        ("{'Fn::GetAtt': [Queue, Arn]}", "arn:aws:sqs:us-east-1:000000000000:demo-Queue", "long form"),
        ('!Sub "${Name}-${Size}-${Queue.QueueName}"', "one-10-demo-Queue", "parameters and attributes"),
        ('!Sub "${!Name} $x {y}"', "${Name} $x {y}", "a literal, and dollars that are none"),
        ('!Sub ["${own}-${Name}", {own: !Ref Size}]', "10-one", "names of its own"),
        ('!Sub "${AWS::AccountId}"', "000000000000", "a pseudo parameter in a text"),
        ("!Join ['-', [a, !Ref Size, !Ref Name]]", "a-10-one", "numbers become texts"),
        ("!Join [',', !Ref Names]", "a,b,c", "over a list parameter"),
        ("!Split [',', 'a,b']", ["a", "b"], ""),
        ("!Select [1, !Split ['/', 'a/b']]", "b", "nested"),
        ("!Select ['0', [x, y]]", "x", "an index as a text"),
        ("!FindInMap [Map, top, text]", "found", ""),
        ("!Select [1, !FindInMap [Map, top, list]]", "y", "a list in a map"),
        ("!If [IsOne, 1, 2]", 1, ""),
        ("!If [NotOne, !Ref Nowhere, 2]", 2, "the other branch is not looked at"),
        ("!If [Both, in, out]", "in", "Fn::And, and a number equal to its text"),
        ("!If [Either, in, out]", "out", "Fn::Or of nothing true"),
        ("!If [SomeOf, in, out]", "in", "Fn::Or of something true"),
        ("[a, !Ref AWS::NoValue, !If [NotOne, b, !Ref AWS::NoValue]]", ["a"], "no value leaves no gap"),
        ("{a: 1, b: !Ref AWS::NoValue}", {"a": 1}, "nor a key"),
        ("{Condition: {Bool: {x: 'false'}}, Effect: Deny}", {"Condition": {"Bool": {"x": "false"}}, "Effect": "Deny"},
         "a policy's Condition is no function"),
        ("{Condition: IsOne}", {"Condition": "IsOne"}, "outside of Conditions it is a key like any other"),
        ("!Base64 {Ref: Name}", "b25l", ""),
        ("!Base64 {'Fn::Sub': 'é'}", "w6k=", "UTF-8"),
        ("'OFF'", "OFF", "quoted"),
    ],
)  # fmt: skip
def test_value_resolves(written: str, resolved: Any, why: str) -> None:
    stack = resolve(HEAD + THING.format(written))

    assert stack.resources["Thing"].properties["Value"] == resolved, why


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("!Ref Nowhere", "Thing.Value: there is no resource or parameter 'Nowhere'"),
        ("!Ref Quue", "did you mean Queue?"),
        ("[a, {b: !Ref Nowhere}]", "Thing.Value[1].b: there is no resource"),
        ("!Ref Gone", "Thing.Value: Gone is not there, since its condition NotOne is false"),
        ("!GetAtt Queue.Colour", "Queue (AWS::SQS::Queue) has no attribute 'Colour'"),
        ("!GetAtt Queue.arn", "did you mean Arn?"),
        ("!GetAtt Queue", "Fn::GetAtt takes a list of 2"),
        ("!GetAtt [Queue, 1]", "Fn::GetAtt takes 2 texts"),
        ("!GetAtt Thing.Arn", "Thing -> Thing is a circle"),
        ('!Sub "${Nowhere}"', "no resource or parameter 'Nowhere'"),
        ('!Sub "${}"', "no resource or parameter ''"),
        ("!Sub {a: b}", "Fn::Sub takes a text"),
        ('!Sub "${Names}"', "a text is needed, not ['a', 'b', 'c']"),
        ("!ImportValue x", "Thing.Value: Fn::ImportValue is not known here; only Ref, Fn::Base64"),
        ("!Cidr [a, 1, 1]", "Fn::Cidr is not known here"),
        ("{'Fn::GetAZs': ''}", "Fn::GetAZs is not known here"),
        ("{Ref: Name, b: 1}", "Thing.Value: Ref stands beside other keys"),
        ("!Select [5, [a]]", "Fn::Select asks for item 5 of 1"),
        ("!Select [-1, [a]]", "Fn::Select asks for item -1 of 1"),
        ("!Join [a, b]", "Fn::Join takes a list"),
        ("!Join ['-', [[a]]]", "a text is needed"),
        ("!FindInMap [Map, top, txt]", "finds no 'txt'"),
        ("!FindInMap [Map, top, txt]", "did you mean text?"),
        ("!FindInMap [Mop, top, text]", "finds no 'Mop'"),
        ("!FindInMap [Map, top]", "Fn::FindInMap takes a list of 3"),
        ("!If [Maybe, 1, 2]", "there is no condition 'Maybe'"),
        ("!If [IsOne, 1]", "Fn::If takes a condition and two values"),
        ("!Equals [a, b]", "Fn::Equals is not known here"),
    ],
)
def test_what_leads_nowhere_is_refused_with_its_place(written: str, says: str) -> None:
    with pytest.raises(TemplateError) as refused:
        resolve(HEAD + THING.format(written))

    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("!Not [!Condition Odd]", "condition Odd -> condition Odd is a circle"),
        ("yes", "Conditions.Odd: a condition is made of Condition, Fn::And"),
        ("!Ref Name", "Conditions.Odd: a condition is made of"),
        ("!Not [true, false]", "Fn::Not takes a list of one condition"),
        ("!Equals [a]", "Fn::Equals takes a list of 2"),
        ("!And a", "Fn::And takes a list"),
        ("!Condition Evn", "there is no condition 'Evn'"),
        ("!Equals [!Ref Nowhere, a]", "Conditions.Odd[0]: there is no resource or parameter 'Nowhere'"),
    ],
)
def test_bad_condition_is_refused(condition: str, says: str) -> None:
    text = f"Conditions: {{Odd: {condition}}}\nResources: {{A: {{Type: B, Condition: Odd}}}}"

    with pytest.raises(TemplateError) as refused:
        resolve(text)

    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it has no Resources"),
        ("[]", "it has no Resources"),
        ("Resources: 1", "it has no Resources"),
        ("Resources: {A: {}}", "A has no Type"),
        ("Resources: {A: 1}", "A has no Type"),
        ("Resources: {A: {Type: B, Properties: [1]}}", "A.Properties is not a mapping"),
        ("Transform: AWS::Serverless-2016-10-31\nResources: {}", "Transform"),
        ("Resources: {", "is not YAML"),
        ("Resources:\n  A: {Type: B}\n  A: {Type: C}", "the key 'A' stands twice"),
        ("Resources: {A: {Type: B, Properties: {x: !Ref {}}}, {}", "is not YAML"),
        ("[" * 3000, "is not YAML"),
        ("a: !!python/object/apply:os.system [true]", "is not YAML"),
        ("Resources: {? [a] : {Type: B}}", "is not YAML"),
        ("\x00", "is not YAML"),
    ],
)
def test_what_is_no_template_is_refused(text: str, says: str) -> None:
    with pytest.raises(TemplateError) as refused:
        parse(text)

    assert says in str(refused.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match=r"there is no template at .*gone\.yaml"):
        load(tmp_path / "gone.yaml")


def test_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(TemplateError, match="cannot be read"):
        load(tmp_path / "binary.yaml")


@pytest.mark.parametrize(
    ("declaration", "given", "resolved"),
    [
        ("{Type: Number}", "5", 5),
        ("{Type: Number}", "5.0", 5),
        ("{Type: Number, MinValue: 1, MaxValue: 10}", "10", 10),
        ("{Type: Number, AllowedValues: [1, 3]}", "3", 3),
        ("{Type: String, AllowedValues: ['true', 'false']}", "false", "false"),
        ("{Type: String, AllowedPattern: '[a-z]+'}", "abc", "abc"),
        ("{Type: String, MinLength: 0}", "", ""),
        ("{Type: String, Default: 1}", None, "1"),
        ("{Type: String, Default: true}", None, "true"),
        ("{Type: CommaDelimitedList, AllowedValues: [a, b]}", "b,a", ["b", "a"]),
    ],
)
def test_parameter_is_read_by_its_type(declaration: str, given: str | None, resolved: Any) -> None:
    text = f"Parameters: {{P: {declaration}}}\nResources: {{A: {{Type: B, Properties: {{Value: !Ref P}}}}}}"

    stack = resolve(text) if given is None else resolve(text, P=given)

    assert stack.resources["A"].properties["Value"] == resolved
    assert type(stack.resources["A"].properties["Value"]) is type(resolved)


@pytest.mark.parametrize(
    ("declaration", "given", "says"),
    [
        ("{Type: Number}", "five", "parameter P takes a number, not 'five'"),
        ("{Type: Number}", "", "parameter P takes a number, not ''"),
        ("{Type: Number}", "nan", "parameter P takes a number, not 'nan'"),
        ("{Type: Number}", "1e999", "parameter P takes a number, not '1e999'"),
        ("{Type: Number, MinValue: 1, MaxValue: 10}", "11", "takes a number from 1 to 10, not '11'"),
        ("{Type: Number, MinValue: 1}", "0", "takes a number of at least 1, not '0'"),
        ("{Type: Number, MaxValue: 1}", "2", "takes a number of at most 1, not '2'"),
        ("{Type: Number, AllowedValues: [1, 3]}", "2", "takes one of 1, 3, not '2'"),
        ("{Type: String, MinLength: 3}", "ab", "takes a length of at least 3, not 'ab'"),
        ("{Type: String, AllowedPattern: '[a-z]+'}", "abc1", "takes a text that matches [a-z]+"),
        ("{Type: String, AllowedPattern: '[a-z]+'}", "abc\n", "takes a text that matches [a-z]+"),
        ("{Type: CommaDelimitedList, AllowedValues: [a, b]}", "a,c", "takes one of a, b, not 'c'"),
        ("{Type: List<Number>}", "1,x", "takes a number, not 'x'"),
        ("{Type: String, Description: What for}", None, "parameter P has no default and was not given: What for"),
        ("{Type: 'AWS::SSM::Parameter::Value<String>'}", "x", "has the type 'AWS::SSM::Parameter::Value<String>'"),
        ("{Type: Number, ConstraintDescription: Be whole}", "x", "not 'x': Be whole"),
    ],
)
def test_parameter_is_refused_with_what_it_takes(declaration: str, given: str | None, says: str) -> None:
    text = f"Parameters: {{P: {declaration}}}\nResources: {{}}"

    with pytest.raises(TemplateError) as refused:
        resolve(text) if given is None else resolve(text, P=given)

    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("SqsBatchsize", "did you mean SqsBatchSize"),
        ("sqsbatchsize", "did you mean SqsBatchSize"),
        ("MaximumConcurrency", "did you mean SqsMaximumConcurrency"),
        ("zzz", "it has AccessLogs, Authentication"),
    ],
)
def test_unknown_parameter_is_refused_with_the_names_near_it(infra_path: Path, name: str, says: str) -> None:
    with pytest.raises(TemplateError) as refused:
        load(infra_path).resolve({"CodeBucket": "code", "CodeKey": "zip", name: "1"}, NAMES)

    assert f"the template has no parameter {name!r}" in str(refused.value)
    assert says in str(refused.value)


def test_resources_come_in_the_templates_order_without_those_whose_condition_is_false() -> None:
    stack = resolve(HEAD + THING.format("!Ref Queue"))

    assert list(stack.resources) == ["Bucket", "Queue", "Thing"]
    assert [resource.logical_id for resource in stack.of_type("AWS::SQS::Queue")] == ["Queue"]
    assert stack.of_type("AWS::Nothing") == []


def test_names_the_template_gives_are_kept() -> None:
    stack = resolve("Resources: {Q: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub '${AWS::StackName}-own'}}}")

    assert stack.resources["Q"].ref.endswith("/demo-own")
    assert stack.resources["Q"].attributes["QueueName"] == "demo-own"


def test_names_are_the_same_every_time_and_differ_between_stacks(infra_path: Path) -> None:
    given = {"CodeBucket": "code", "CodeKey": "zip"}
    template = load(infra_path)
    other = PhysicalNames(queue_base_url="http://127.0.0.1:4100", stack="other")

    first, again = (template.resolve(given, NAMES) for _ in range(2))

    assert first == again
    refs = {resource.ref for resource in first.resources.values() if resource.type != "AWS::S3::BucketPolicy"}
    others = {resource.ref for resource in template.resolve(given, other).resources.values()}
    assert refs & others == {"live", "Recognition", "SyncRecognition"}  # named within their API


def test_no_name_is_longer_than_a_service_takes() -> None:
    names = PhysicalNames(queue_base_url="http://127.0.0.1:4100", stack="s" * 60)
    text = f"Resources: {{{'A' * 40}: {{Type: AWS::S3::Bucket}}, {'A' * 41}: {{Type: AWS::S3::Bucket}}}}"

    first, second = parse(text).resolve({}, names).resources.values()

    assert len(first.ref) == len(second.ref) == 63
    assert first.ref != second.ref


def test_outputs_follow_their_conditions_and_are_texts() -> None:
    text = HEAD + "Outputs: {A: {Value: !Ref Size}, B: {Value: x, Condition: NotOne}, C: {Value: !GetAtt Queue.Arn}}"

    assert resolve(text).outputs == {"A": "10", "C": "arn:aws:sqs:us-east-1:000000000000:demo-Queue"}


def test_output_that_is_a_list_is_refused() -> None:
    with pytest.raises(TemplateError, match=r"Outputs\.A: a text is needed"):
        resolve(HEAD + "Outputs: {A: {Value: [1]}}")


def test_api_base_url_takes_the_place_of_the_one_on_aws(infra_path: Path) -> None:
    names = PhysicalNames(queue_base_url="http://127.0.0.1:4100", api_base_url="http://127.0.0.1:4200")

    stack = load(infra_path).resolve({"CodeBucket": "code", "CodeKey": "zip", "StageName": "test"}, names)

    assert stack.outputs["ApiUrl"] == "http://127.0.0.1:4200/test"
