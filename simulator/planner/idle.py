"""How long a buffer takes with nothing to do. AWS publishes none of it, so the planner vouches for nothing below it."""

from typing import Final

from simulator.scenario import Buffer

SOURCE: Final = "bitesizedserverless.com, serverless-messaging-latency-compared, eu-west-1, September 2022"

# 99th percentile from send to handler start: warm consumer, idle system, batch 1; includes the sender's API call.
# Confidence M: one measurement by a third party, of one Region, about 1,024 sends each.
IDLE_P99_S: Final[dict[Buffer, float]] = {
    "sns": 0.225,
    "sqs": 0.105,
    "sqs-fifo": 0.645,
    "kinesis": 1.58,
    "kinesis-efo": 0.109,
}
