"""A scenario file is read as it is written, and refused with file, line, key and cure where it cannot be."""

from dataclasses import fields

import botocore.session
import pytest

from delivery.quotas import Quotas
from pipeline.document import DocumentError
from pipeline.workload_file import WORKLOADS, arrival_times
from simulator import scenario_file
from simulator.duration import Fixed, Lognormal, Transit
from simulator.limits import LIMITS
from simulator.scenario import (
    Burst,
    Downstream,
    Function,
    Hot,
    MappingSettings,
    Provisioned,
    Rate,
    Recorded,
    Scenario,
    Uniform,
    Zipf,
)
from simulator.scenario_file import SCENARIOS, find, read
from simulator.transits import PUBLISHED

# The example of the form's own description: every key an architect is told of.
WHOLE = """\
name: burst
seed: 3
until_s: 1800
buffer: sqs
arrivals: {burst: 100000}
payload_bytes: 1000
partition_keys: {uniform: 10}
mapping: {batch_size: 2, batching_window_s: 1, maximum_concurrency: null, visibility_timeout_s: 300,
          max_receive_count: 5, shards: 2, parallelization_factor: 1, bisect: true, maximum_retry_attempts: 10,
          partial_failures: true}
function: {reserved_concurrency: null, timeout_s: 60, cold_start_ms: {p50: 300, p99: 900}, per_record_ms: {fixed: 50},
           in_batch_concurrency: 1, error_rate: 0.0, poison_rate: 0.0}
downstream: {rate_per_s: null, sdk_attempts: 5}
quotas: {account_concurrency: 1000, sqs_pollers_per_minute: 300, sqs_pollers_max: 1250}
"""


@pytest.fixture
def scenario(tmp_path):
    """Read a scenario of that text."""

    def read_text(text, *overrides):
        path = tmp_path / "s.yaml"
        path.write_text(text, encoding="utf-8")
        return read(path, overrides)

    return read_text


def test_every_key_of_the_form_is_read(scenario):
    assert scenario(WHOLE) == Scenario(
        name="burst",
        seed=3,
        until_s=1800,
        buffer="sqs",
        arrivals=Burst(100_000),
        payload_bytes=1_000,
        partition_keys=Uniform(10),
        mapping=MappingSettings(batch_size=2, batching_window_s=1.0),
        function=Function(),
        downstream=Downstream(),
        quotas={"account_concurrency": 1000, "sqs_pollers_per_minute": 300, "sqs_pollers_max": 1250},
    )


def test_what_is_not_written_has_its_default_and_the_name_is_the_files(scenario):
    assert scenario("seed: 1\n") == Scenario(name="s")


@pytest.mark.parametrize(
    ("kind", "readers"),
    [
        (MappingSettings, scenario_file._MAPPING),
        (Function, scenario_file._FUNCTION),
        (Downstream, scenario_file._DOWNSTREAM),
    ],
)
def test_every_setting_can_be_written(kind, readers):
    assert [entry.name for entry in fields(kind)] == list(readers)


def test_every_field_of_a_scenario_is_a_key(scenario):
    with pytest.raises(DocumentError) as refused:
        scenario("qqqqqq: 1\n")

    assert str(refused.value).endswith("there are " + ", ".join(entry.name for entry in fields(Scenario)))


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("arrivals: {rate: [[0, 5], [9, 5]]}", "arrivals", Rate(((0.0, 5.0), (9.0, 5.0)))),
        (
            "arrivals: {rate: [[0, 5], [9, 5]], poisson: false}",
            "arrivals",
            Rate(((0.0, 5.0), (9.0, 5.0)), poisson=False),
        ),
        ("arrivals: {workload: smoke}", "arrivals", Recorded(arrival_times(WORKLOADS / "smoke.yaml"), "smoke")),
        ("partition_keys: {zipf: [100, 1.2]}", "partition_keys", Zipf(100, 1.2)),
        ("partition_keys: {hot: [100, 0.5]}", "partition_keys", Hot(100, 0.5)),
        ("transit_ms: {fixed: 3.5}", "transit_ms", Fixed(3.5)),
        ("transit_ms: {p50: 3, p99: 20}", "transit_ms", Lognormal(3.0, 20.0)),
        ("transit_ms: {base_ms: 55, rare: 0.1, rare_ms: 9}", "transit_ms", Transit(55.0, rare=0.1, rare_ms=9.0)),
        ("transit_ms: published", "transit_ms", PUBLISHED["sqs"]),
        ("buffer: sns\ntransit_ms: published", "transit_ms", PUBLISHED["sns"]),
        ("api: true", "api", True),
        (
            "mapping: {provisioned: {minimum_pollers: 2, maximum_pollers: 20}}",
            "mapping",
            MappingSettings(provisioned=Provisioned(2, 20)),
        ),
        ("mapping: {maximum_retry_attempts: -1}", "mapping", MappingSettings(maximum_retry_attempts=-1)),
        (
            "mapping: {shards: null, max_receive_count: null}",
            "mapping",
            MappingSettings(shards=None, max_receive_count=None),
        ),
        ("mapping: {maximum_record_age_s: 60}", "mapping", MappingSettings(maximum_record_age_s=60.0)),
        ("function: {invocation_ms: {fixed: 8}}", "function", Function(invocation_ms=Fixed(8.0))),
        ("function: {reserved_concurrency: 0}", "function", Function(reserved_concurrency=0)),
        ("downstream: {rate_per_s: 50, sdk_attempts: null}", "downstream", Downstream(50.0, None)),
    ],
)
def test_the_other_forms_of_a_key_are_read(scenario, line, field, value):
    assert getattr(scenario(line + "\n"), field) == value


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("buffr: sqs", 1, "buffr: there is no such key; did you mean buffer?"),
        ("seed: 1\nmapping: {batchsize: 1}", 2, "mapping.batchsize: there is no such key; did you mean batch_size?"),
        ("buffer: rabbitmq", 1, "'rabbitmq' is none of sns, sqs, sqs-fifo, kinesis, kinesis-efo"),
        ("until_s: 0", 1, "until_s: 0 is not more than 0"),
        ("until_s: 9000000", 1, "9,000,000 is more than 1,209,600, two weeks"),
        ("arrivals: {}", 1, "arrivals: it needs one kind, and has none"),
        ("arrivals: {burst: 1, workload: spike}", 1, "it needs one kind, and has burst and workload"),
        ("arrivals: {burst: 0}", 1, "arrivals.burst: 0 is less than 1"),
        ("arrivals: {burst: 30000000}", 1, "30,000,000 is more than 20,000,000"),
        ("arrivals: {burst: 5, poisson: true}", 1, "arrivals.poisson: it goes with a rate only"),
        ("arrivals: {rate: [[0, 5]]}", 1, "arrivals.rate: it needs two knots at least"),
        ("arrivals: {workload: spiek}", 1, "there is no workload 'spiek': did you mean spike?"),
        ("partition_keys: {uniform: 0}", 1, "0 is less than 1"),
        ("partition_keys: {zipf: [5]}", 1, "it has 1 numbers, not two: [keys, s]"),
        ("partition_keys: {hot: [5, 2]}", 1, "partition_keys.hot[1]: 2 is more than 1"),
        ("transit_ms: 5", 1, "transit_ms: it is a whole number ('5'), not a text"),
        ("transit_ms: publisht", 1, "'publisht' is none of published"),
        ("transit_ms: {base_ms: 5, fixed: 3}", 1, "it is neither {fixed: ms} nor"),
        ("transit_ms: {base_ms: 5, rare: 3}", 1, "transit_ms.rare: 3 is more than 1"),
        ("function: {per_record_ms: 5}", 1, "function.per_record_ms: it is a whole number ('5'), not keys and values"),
        ("transit_ms: {p50: 5}", 1, "it is neither {fixed: ms} nor {p50: ms, p99: ms}"),
        ("transit_ms: {p50: 5, p99: 4}", 1, "transit_ms.p99: 4 is less than p50, 5"),
        ("function: {error_rate: 1.5}", 1, "function.error_rate: 1.5 is more than 1"),
        ("function: {in_batch_concurrency: 0}", 1, "0 is less than 1"),
        ("function: {timeout_s: 901}", 1, "901: AWS takes 1 to 900"),
        ("function: {memory_mb: 64}", 1, "64: AWS takes 128 to 10,240"),
        ("mapping:\n  batch_size: 0", 2, "mapping.batch_size: 0: AWS takes 1 to 10,000 (Lambda API"),
        ("mapping: {batch_size: 1.5}", 1, "it is a number ('1.5'), not a whole number"),
        ("mapping: {batching_window_s: 301}", 1, "301: AWS takes 0 to 300"),
        ("mapping: {maximum_concurrency: 1}", 1, "1: AWS takes 2 to 1,000"),
        ("mapping: {parallelization_factor: 11}", 1, "11: AWS takes 1 to 10"),
        ("mapping: {maximum_retry_attempts: -2}", 1, "-2: AWS takes -1, or 0 to 10,000"),
        ("mapping: {maximum_record_age_s: 30}", 1, "30: AWS takes 60 to 604,800"),
        ("mapping: {maximum_event_age_s: 30000}", 1, "30,000: AWS takes 60 to 21,600"),
        ("mapping: {max_receive_count: 0}", 1, "0: AWS takes 1 to 1,000"),
        ("mapping: {bisect: 1}", 1, "it is a whole number ('1'), not true or false"),
        ("mapping: {provisioned: {minimum_pollers: 5}}", 1, "mapping.provisioned: maximum_pollers is missing"),
        ("mapping: {provisioned: {minimum_pollers: 5, maximum_pollers: 4}}", 1, "4 is less than minimum_pollers, 5"),
        ("quotas: {account_concurency: 5}", 1, "did you mean account_concurrency?"),
        ("quotas: {account_concurrency: 5.5}", 1, "it must be a whole number"),
        ("quotas: {account_concurrency: -1}", 1, "-1 is less than 0"),
        # what only two settings together make impossible
        ("seed: 1\nfunction: {timeout_s: 400}", 1, "mapping.visibility_timeout_s: 300 s is less than the function's"),
        (
            "mapping:\n  batch_size: 11",
            2,
            "mapping.batch_size: 11: above 10 AWS asks for a batching_window_s of 1 s or",
        ),
        ("buffer: sqs-fifo\nmapping: {batch_size: 11, batching_window_s: 1}", 2, "AWS takes 1 to 10 of a FIFO queue"),
        ("buffer: sqs-fifo\nmapping: {batching_window_s: 1}", 2, "AWS takes no batching window of a FIFO queue"),
        (
            "mapping: {maximum_concurrency: 5, provisioned: {minimum_pollers: 2, maximum_pollers: 4}}",
            1,
            "AWS takes either provisioned mode or a maximum_concurrency",
        ),
    ],
)
def test_a_faulty_scenario_is_refused_with_file_line_and_key(scenario, tmp_path, text, line, says):
    with pytest.raises(DocumentError) as refused:
        scenario(text + "\n")

    assert str(refused.value).startswith(f"{tmp_path / 's.yaml'}:{line}: ")
    assert says in str(refused.value)


@pytest.mark.parametrize(
    "text", ["buffer: kinesis\nmapping: {batch_size: 100}", "buffer: sns\nfunction: {timeout_s: 900}"]
)
def test_a_limit_of_queues_holds_for_queues_only(scenario, text):
    assert scenario(text + "\n").buffer in text


def test_a_setting_of_the_command_line_goes_before_the_files(scenario):
    changed = scenario(
        WHOLE,
        "mapping.batch_size=7",
        "buffer=kinesis",
        "arrivals={burst: 5}",
        "function.memory_mb=512",
        "downstream.rate_per_s=",
    )

    assert (changed.mapping.batch_size, changed.mapping.batching_window_s) == (7, 1.0)
    assert (changed.buffer, changed.arrivals, changed.function.memory_mb) == ("kinesis", Burst(5), 512)
    assert changed.downstream.rate_per_s is None


def test_a_setting_of_the_command_line_makes_the_keys_on_its_way(scenario):
    assert scenario(
        "seed: 1\n", "mapping.provisioned={minimum_pollers: 2, maximum_pollers: 3}"
    ).mapping == MappingSettings(provisioned=Provisioned(2, 3))


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("mapping.batch_size=0", "--set mapping.batch_size=0: mapping.batch_size: 0: AWS takes 1 to 10,000"),
        ("mapping.batchsize=1", "--set mapping.batchsize=1: mapping.batchsize: there is no such key; did you mean"),
        ("mapping.batch_size", "--set mapping.batch_size: it is not KEY.KEY=VALUE"),
        (".seed=1", "--set .seed=1: it is not KEY.KEY=VALUE"),
        ("seed.x=1", "--set seed.x=1: seed has no keys"),
        ("mapping={", "this is not YAML"),
        (
            "function.timeout_s=400",
            ":8: mapping.visibility_timeout_s: 300 s is less than the function's timeout",
        ),
    ],
)
def test_a_faulty_setting_of_the_command_line_is_refused_by_its_own_words(scenario, setting, says):
    with pytest.raises(DocumentError) as refused:
        scenario(WHOLE, setting)

    assert says in str(refused.value)


def test_a_workload_is_looked_for_beside_the_scenario(scenario, tmp_path):
    (tmp_path / "mine.yaml").write_text("seed: 4\nrate: [[0, 20], [1, 20]]\n", encoding="utf-8")

    found = scenario("arrivals: {workload: mine.yaml}\n").arrivals

    assert found == Recorded(arrival_times(tmp_path / "mine.yaml"), "mine")


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.yaml")), ids=lambda path: path.stem)
def test_each_scenario_of_ours_is_sound_says_why_and_is_called_as_its_file(path):
    assert read(path).name == path.stem
    assert path.read_text(encoding="utf-8").startswith("# ")


def test_a_scenario_is_found_by_its_name_or_its_file(tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text("seed: 1\n", encoding="utf-8")

    assert find("burst") == SCENARIOS / "burst.yaml"
    assert find(str(own)) == own
    with pytest.raises(DocumentError, match=r"there is no scenario 'brust': did you mean burst\?"):
        find("brust")


SHAPES = {
    "batch_size": "BatchSize",
    "batching_window_s": "MaximumBatchingWindowInSeconds",
    "maximum_concurrency": "MaximumConcurrency",
    "maximum_pollers": "MaximumNumberOfPollers",
    "parallelization_factor": "ParallelizationFactor",
    "maximum_event_age_s": "MaximumEventAgeInSeconds",
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_limit_is_that_of_awss_own_model(name):
    model = botocore.session.get_session().get_service_model("lambda").shape_for(SHAPES[name]).metadata

    assert (LIMITS[name].least, LIMITS[name].most) == (model["min"], model["max"])


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("maximum_retry_attempts", "MaximumRetryAttemptsEventSourceMapping"),
        ("maximum_record_age_s", "MaximumRecordAgeInSeconds"),
    ],
)
def test_a_limit_with_a_value_for_none_is_that_of_awss_own_model(name, shape):
    model = botocore.session.get_session().get_service_model("lambda").shape_for(shape).metadata

    assert (-1, LIMITS[name].most) == (model["min"], model["max"])


def test_every_limit_belongs_to_a_setting():
    settings = {entry.name for kind in (MappingSettings, Provisioned, Function) for entry in fields(kind)}

    assert set(LIMITS) <= settings
    assert all(name in Quotas.table() for name in ("sqs_fifo_batch_max", "sqs_provisioned_pollers_max"))
