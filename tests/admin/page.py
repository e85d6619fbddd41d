"""Pages of the admin, as a person uses them."""

from django.db import models
from django.http import HttpResponse
from django.urls import reverse


def change(record: models.Model) -> str:
    return reverse(f"admin:{record._meta.app_label}_{record._meta.model_name}_change", args=[record.pk])


def edit(recommendation: models.Model) -> str:
    """The tab with the form of a recommendation; `change` is the tab with its progress."""
    return f"{change(recommendation)}?tab=edit"


def delete(record: models.Model) -> str:
    return reverse(f"admin:{record._meta.app_label}_{record._meta.model_name}_delete", args=[record.pk])


def history(record: models.Model) -> str:
    return reverse(f"admin:{record._meta.app_label}_{record._meta.model_name}_history", args=[record.pk])


def changes(model: type[models.Model], query: str = "") -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") + query


def add(model: type[models.Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add")


def typed(response: HttpResponse) -> dict[str, object]:
    """What the browser would send if nothing on the page were touched."""
    context, sent = response.context, {}
    forms = [context["adminform"].form]
    for inline in context["inline_admin_formsets"]:
        forms += [inline.formset.management_form, *inline.formset.forms]
    for form in forms:
        for field in form:
            value = field.value()
            if value is None or value is False:
                continue
            if isinstance(value, list | tuple | models.QuerySet):
                sent[field.html_name] = [str(getattr(one, "pk", one)) for one in value]
            else:
                sent[field.html_name] = str(getattr(value, "pk", value))
    return sent


def listed(response: HttpResponse) -> set:
    return set(response.context["cl"].result_list)


def told(response: HttpResponse) -> str:
    """Every message on the page that came after a redirect."""
    return " ".join(str(message) for message in response.context["messages"])
