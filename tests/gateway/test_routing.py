import pytest

from local.gateway.routing import Routes


def routes() -> Routes[str]:
    table: Routes[str] = Routes()
    for path, verb in [
        ("/", "GET"),
        ("/v1/things", "POST"),
        ("/v1/things/{name}", "GET"),
        ("/v1/things/{name}", "ANY"),
        ("/v1/things/latest", "GET"),
        ("/v1/{kind}/special/x", "GET"),
        ("/v1/files/{path+}", "GET"),
    ]:
        table.add(path, verb, f"{verb} {path}")
    return table


@pytest.mark.parametrize(
    ("path", "verb", "method", "parameters", "reason"),
    [
        ("", "GET", "GET /", {}, "the stage itself"),
        ("/", "GET", "GET /", {}, "with its slash"),
        ("/v1/things", "POST", "POST /v1/things", {}, "a literal path"),
        ("/v1/things", "GET", None, {}, "a verb it has not"),
        ("/v1/things/", "POST", None, {}, "a slash at the end is another path"),
        ("/v1", "GET", None, {}, "a resource without a method"),
        ("/v1/things/a%2Fb%20c", "GET", "GET /v1/things/{name}", {"name": "a/b c"}, "a variable is decoded, once"),
        ("/v1/things/%252F", "GET", "GET /v1/things/{name}", {"name": "%2F"}, "and not twice"),
        ("/v1/things/..", "GET", "GET /v1/things/{name}", {"name": ".."}, "dots are not resolved"),
        ("/v1/things/a", "DELETE", "ANY /v1/things/{name}", {"name": "a"}, "ANY takes the other verbs"),
        ("/v1/things/latest", "GET", "GET /v1/things/latest", {}, "a literal goes before a variable"),
        ("/v1/things/special/x", "GET", "GET /v1/{kind}/special/x", {"kind": "things"}, "back out of a dead end"),
        ("/v1/things/a/b", "GET", None, {}, "a variable is one part"),
        ("/v1/files/a/b%20/c", "GET", "GET /v1/files/{path+}", {"path": "a/b /c"}, "a greedy variable is all the rest"),
        ("/v1/files/", "GET", None, {}, "but not nothing"),
        ("/v1/THINGS", "POST", None, {}, "case matters"),
        ("/v1/things/a/", "GET", None, {}, "nothing after the last slash"),
    ],
)
def test_a_path_finds_its_method(
    path: str, verb: str, method: str | None, parameters: dict[str, str], reason: str
) -> None:
    found = routes().find(path, verb)
    assert (found.method if found else None, dict(found.path_parameters) if found else {}) == (method, parameters), (
        reason
    )


def test_two_names_for_one_variable_are_refused() -> None:
    table = routes()
    with pytest.raises(ValueError, match="other"):
        table.add("/v1/things/{other}", "PUT", "x")
