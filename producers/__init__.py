"""Clients that put requests in: through the HTTP API, or straight into each buffer."""
