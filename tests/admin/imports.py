"""The import page of a list: upload a table, and confirm its preview."""

from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from recommendations.models import Recommendation


def page(model=Recommendation) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_import")


def example(model=Recommendation) -> str:
    """The address of the example sheet."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_example")


def upload(content, name="table.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content.encode() if isinstance(content, str) else content)


def preview(client, content, model=Recommendation, *, name="table.csv", mapping_file=None, **fields):
    """The response to an upload of this file."""
    files = {"file": upload(content, name)} | ({"mapping_file": upload(mapping_file, "own.toml")} if mapping_file is not None else {})
    return client.post(page(model), fields | files)


def confirm(client, response, model=Recommendation):
    """The page after the button "Import" of a preview."""
    return client.post(page(model), {"token": response.context["token"]}, follow=True)
