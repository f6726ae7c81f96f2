"""API Gateway (REST): serves the `AWS::ApiGateway::*` resources of a template as AWS would.

    api = RestApi(stack.resources, services={"kinesis": ..., "dynamodb": HttpProxy(...)}, clock=epoch_clock())
    server = await serve(api)          # routes are below {server.url}/{api.stage_name}

A request's way, one module each: routing, throttle (stage), validation, integration (with parameters and
mapping_template), integration_response; whatever goes wrong before or between ends in a gateway_response.

What is not served is refused by name when the API is made: authorizers, API keys, integrations other than type AWS.
Header names are lower-case in `$input.params().header`, as a WireRequest has them.
"""
