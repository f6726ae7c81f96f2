"""The options that a load test has besides Locust's own.

Locust answers `--help` before it reads any locustfile, so that ours are not in it, and no hook comes earlier. They have
a help of their own: `locust -f loadtest/ --help-forebay`.
"""

import argparse
from typing import TYPE_CHECKING, Any, Final

from loadtest._dispatcher import MOST_IN_FLIGHT
from loadtest._embedded_target import OWN_COMMAND
from loadtest._run_folders import RUNS
from producers.authentication import API_KEY_VARIABLE, MODES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locust.argument_parser import LocustArgumentParser

_DESCRIPTION: Final = """\
Forebay's load test: the same arrivals through each buffer in turn, and a report. Without --host and --stack it starts
an embedded AWS on this machine and aims at that.
"""
_EPILOG: Final = """\
Of Locust's own options (locust --help) these are of use here:
  --headless              no page: run at once and end, with 0 if the run is valid, with 1 if it is not
  --web-port PORT         where the page is, on 127.0.0.1; 8089 without it
  --host URL              an API that is there already; for a workload with a `route`, any HTTP server
  --processes N, --master, --worker
                          from several processes: docs/workloads.md
-u, -r and -t are ignored: when requests leave, and how many, is the workload's to say.
Ctrl-C ends a run and makes the report of what there is, marked partial; a second one leaves the report for later.

Examples:
  locust -f loadtest/                                       the page, with a live view: http://127.0.0.1:8089
  locust -f loadtest/ --headless --workload smoke           a minute
  locust -f loadtest/ --headless --workload my.yaml --repeat 6
  locust -f loadtest/ --headless --stack forebay            on AWS
"""


def add_to(parser: "LocustArgumentParser") -> None:
    """Add ours to Locust's parser."""
    _declare(parser)
    parser.add_argument(
        "--help-forebay", action=_Help, nargs=0, default=argparse.SUPPRESS, help="what Forebay adds to these options",
        include_in_web_ui=False,
    )  # fmt: skip
    parser.set_defaults(web_host="127.0.0.1")


class _Help(argparse.Action):
    """Print ours alone, and end."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        _namespace: argparse.Namespace,
        _values: "str | Sequence[Any] | None",
        _option: str | None = None,
    ) -> None:
        ours = type(parser)(
            prog="locust -f loadtest/",
            usage="%(prog)s [options]",
            description=_DESCRIPTION,
            epilog=_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            add_help=False,
        )
        _declare(ours)
        ours.print_help()
        parser.exit()


def _declare(parser: Any) -> None:
    """On the parser itself: what stands in a group never reaches the page. Nor are `%(default)s` filled in there."""
    parser.add_argument(
        "--workload",
        default="spike",
        help="a workload by name (loadtest/workloads/), or its YAML file; spike without it",
    )
    parser.add_argument("--stack", default="", help="the stack in your AWS account to aim at")
    parser.add_argument(
        "--authentication",
        default="",
        choices=["", *MODES],
        help="what the API at --host asks of its callers. By default requests are signed if there are AWS credentials, "
        f"and bring a key if {API_KEY_VARIABLE} has one; a stack says itself what it asks",
    )
    parser.add_argument(
        "--most-in-flight",
        type=int,
        default=MOST_IN_FLIGHT,
        help="requests that may wait for an answer at once; more are dropped, and the run is not valid; "
        f"{MOST_IN_FLIGHT:,} without it",
    )
    parser.add_argument(
        "--repeat",
        type=int,
        default=1,
        help="how many times to run the same load, and sum up how far the runs differ; forebay compare builds on it",
    )
    parser.add_argument(
        "--runs", default=str(RUNS), help="the folder of all runs; reports/runs without it", include_in_web_ui=False
    )
    parser.add_argument("--no-report", action="store_true", help="leave the report for later", include_in_web_ui=False)
    parser.add_argument(
        "--embedded",
        default=OWN_COMMAND,
        help="the command that starts the embedded AWS; `forebay local` without it",
        include_in_web_ui=False,
    )
