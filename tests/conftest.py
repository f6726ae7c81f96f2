"""What every test shares."""

import os
import sys

from hypothesis import HealthCheck, settings

# The machine is shared, and so are its two cores: how long an example takes says nothing about the code. Each run draws
# other examples; for many at once: --hypothesis-profile=thorough.
settings.register_profile(
    "shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50
)
settings.register_profile("thorough", settings.get_profile("shared machine"), max_examples=1_000)
settings.load_profile("shared machine")

# An image of a container often has Python write no bytecode, and then each of a thousand processes that the tests start
# compiles all of ours again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
