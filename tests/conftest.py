"""What every test shares."""

from hypothesis import HealthCheck, settings

# The machine is shared, and so are its two cores: how long an example takes says nothing about the code.
settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")
