"""`python -m reports RUN`: the same as `forebay report RUN`."""

from reports.command import report

if __name__ == "__main__":
    report(prog_name="python -m reports")
