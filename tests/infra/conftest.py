from pathlib import Path

import pytest

from local.physical_names import PhysicalNames
from local.template import ResolvedStack, Template, load


@pytest.fixture(scope="session")
def infra_path() -> Path:
    return Path(__file__).parents[2] / "infra.yaml"


@pytest.fixture(scope="session")
def template(infra_path: Path) -> Template:
    return load(infra_path)


@pytest.fixture(scope="session")
def stack(template: Template) -> ResolvedStack:
    names = PhysicalNames(queue_base_url="http://127.0.0.1:4100")
    return template.resolve({"CodeBucket": "code", "CodeKey": "forebay.zip"}, names)


def path_of(stack: ResolvedStack, resource_id: str) -> str:
    """Where a resource of the API lies."""
    for resource in stack.of_type("AWS::ApiGateway::Resource"):
        if resource.ref == resource_id:
            return path_of(stack, resource.properties["ParentId"]) + "/" + resource.properties["PathPart"]
    return ""
