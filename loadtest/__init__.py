"""The load test: open-model arrivals, run by Locust."""
