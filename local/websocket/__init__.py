"""The WebSocket API of a template (`AWS::ApiGatewayV2::*`), with `@connections`, on a port of its own."""
