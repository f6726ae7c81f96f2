"""Who calls an API: signatures, API keys, and whose they are. The gateway and the WebSocket API ask it alike."""
