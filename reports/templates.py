"""The pages' templates, as all pages fill them in."""

import jinja2


def template(name: str) -> jinja2.Template:
    """The template of that name. What is filled in is text: no name from a run can become markup."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("reports", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
