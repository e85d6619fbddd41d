"""Addresses of admin pages, form data as a browser sends it, and what a response shows."""

from collections.abc import Callable
from urllib.parse import urlsplit

from django import forms
from django.contrib import admin
from django.contrib.messages.storage import default_storage
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.urls import resolve, reverse


def change(record: models.Model) -> str:
    return reverse(f"admin:{record._meta.app_label}_{record._meta.model_name}_change", args=[record.pk])


def tab(record: models.Model, name: str) -> str:
    """A tab of the page of a record; `change` is the first one, which is for reading."""
    return f"{change(record)}?tab={name}"


def edit(record: models.Model) -> str:
    """The tab with the form of a record."""
    return tab(record, "edit")


def delete(record: models.Model) -> str:
    return reverse(f"admin:{record._meta.app_label}_{record._meta.model_name}_delete", args=[record.pk])


def history(record: models.Model) -> str:
    return reverse(f"admin:{record._meta.app_label}_{record._meta.model_name}_history", args=[record.pk])


def changes(model: type[models.Model], query: str = "") -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") + query


def add(model: type[models.Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add")


def typed(response: HttpResponse) -> dict[str, object]:
    """The data of the forms on the page, rendered or not, unchanged, as a browser sends it."""
    sent: dict[str, object] = typed_in(response.context_data["adminform"].form)
    for inline in response.context_data["inline_admin_formsets"]:
        for form in (inline.formset.management_form, *inline.formset.forms):
            sent |= typed_in(form)
    return sent


def typed_in(form: forms.Form) -> dict[str, object]:
    """The data of one form, unchanged, as a browser sends it."""
    sent: dict[str, object] = {}
    for field in form:
        value = field.value()
        if value is None or value is False:
            continue
        if isinstance(value, list | tuple | models.QuerySet):
            sent[field.html_name] = [str(getattr(item, "pk", item)) for item in value]
        else:
            sent[field.html_name] = str(getattr(value, "pk", value))
    return sent


def rows_of(response: HttpResponse) -> set:
    return set(response.context["cl"].result_list)


def messages_of(response: HttpResponse) -> str:
    """The text of all messages on the page."""
    return " ".join(str(message) for message in response.context["messages"])


def errors_of(response: HttpResponse) -> dict[str, list[str]]:
    """The messages of the form, by field."""
    return {name: list(errors) for name, errors in response.context_data["adminform"].form.errors.items()}


def admin_request(user, data: dict | None = None, query: str = "") -> HttpRequest:
    """A request of a user to the admin: POST if there is data, otherwise GET."""
    request = RequestFactory().get(f"/admin/?{query}") if data is None else RequestFactory().post("/admin/", data)
    request.user, request.session = user, {}
    request._messages = default_storage(request)
    request._dont_enforce_csrf_checks = True
    return request


def unrendered(view: Callable, user, *args: str, data: dict | None = None, query: str = "") -> HttpResponse | None:
    """The response of an admin view without rendering the template, which is slow. None if permission is denied."""
    try:
        return admin.site.admin_view(view)(admin_request(user, data, query), *args)
    except PermissionDenied:
        return None


def rows_in_list(url: str, user) -> int:
    """The number of rows that the list at this URL shows to the user."""
    parts = urlsplit(url)
    model = resolve(parts.path).func.model_admin.model
    page = admin.site.get_model_admin(model)
    return page.get_changelist_instance(admin_request(user, query=parts.query)).result_count


def report_data(page, **values) -> dict[str, object]:
    """The data of the update form on the page, with changed values."""
    form = page.context["report"]
    sent = {field.html_name: field.value() for part in (form, form.evidence.management_form, *form.evidence) for field in part}
    sent |= {f"evidence-{name[9:]}" if name.startswith("evidence_") else f"report-{name}": value for name, value in values.items()}
    return {name: value for name, value in sent.items() if value is not None and value is not False} | {"_report": "submit"}
