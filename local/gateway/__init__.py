"""API Gateway (REST): serves the `AWS::ApiGateway::*` resources of a template as AWS would.

    api = RestApi(stack.resources, services={"kinesis": ..., "lambda": LambdaApi(...)}, clock=epoch_clock())
    server = await serve(api, pages=True)          # routes are below {server.url}/{api.stage_name}

A request's way, one module each: routing, who calls (local.authentication), throttle (stage), validation, integration
(with parameters and mapping_template), integration_response; whatever goes wrong before or between ends in a
gateway_response. Where a function answers (function_integration), it is told of the request by a function_event, and
answers with a function_response that nothing maps.

What is not served is refused by name when the API is made: authorizers of its own (Lambda, Cognito), throttles and
quotas of usage plans, integrations other than of the types AWS and AWS_PROXY.
Header names are lower-case in `$input.params().header`, as a WireRequest has them.
"""
