"""The logical id of infra.yaml's API deployment, which has to change whenever the API does.

A deployment is a snapshot: CloudFormation updates a method and leaves the stage serving the old one, unless the
template names a new deployment. So the id ends in a hash of everything the snapshot holds. Where a condition takes part
of the API away or changes it, there is a deployment for each case, and its name says which. After an edit:

    python -m local.api_deployment
"""

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Final

from local.template import Template, TemplateError, load

# What a snapshot holds. A stage and its settings are no part of it.
_HELD: Final = frozenset(
    f"AWS::ApiGateway::{kind}"
    for kind in ("RestApi", "Resource", "Method", "Model", "RequestValidator", "GatewayResponse")
)
_WRITTEN_ID: Final = re.compile(r"\b(ApiDeployment[A-Za-z]*?)[0-9a-f]{8}\b")


def deployment_digest(template: Template) -> str:
    """What the id of the template's deployment should end in. Comments and layout do not count."""
    resources = template.document["Resources"]
    held = {logical_id: resource for logical_id, resource in resources.items() if resource["Type"] in _HELD}
    written = json.dumps([held, template.document.get("Mappings")], sort_keys=True)
    return hashlib.sha256(written.encode()).hexdigest()[:8]


def rewrite(path: Path) -> bool:
    """Put the right digest into the template's ids; answers whether it was another.

    Raises:
        TemplateError: the template cannot be read.
    """
    right = deployment_digest(load(path))
    text = path.read_text(encoding="utf-8")
    renewed = _WRITTEN_ID.sub(lambda written: written[1] + right, text)
    if renewed == text:
        return False
    path.write_text(renewed, encoding="utf-8")
    return True


def main() -> None:
    """Rewrite the infra.yaml of this checkout."""
    path = Path(__file__).parent.parent / "infra.yaml"
    try:
        renewed = rewrite(path)
    except TemplateError as error:
        sys.exit(str(error))
    sys.stdout.write(f"{path.name}: the deployment's id is {'renewed' if renewed else 'right already'}\n")


if __name__ == "__main__":
    main()
