"""Forms of the parts of an agreement: choices limited to the agreement, links that cite a field, and what follows from an action."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from agreements import models
from agreements.models.agreements import LegalForce, ParticipationRole
from agreements.models.sources import CITABLE, citable_fields, label_from_name
from agreements.models.treaty_actions import CONSENTS, SIGNATURES, ActionKind
from policytracker.admin import select_widget
from policytracker.admin.forms import RecordForm
from policytracker.admin.querysets import visible

JOINED = _("%(party)s was added to the participations as %(role)s.")


class WithinAgreement(forms.ModelForm):
    """Part of the form of a record of an agreement. Limits the choices of the fields `within` to records of the same agreement."""

    within: Sequence[str] = ()

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        agreement = self.instance.agreement_id or self.data.get(self.add_prefix("agreement")) or self.initial.get("agreement")
        if not str(agreement or "").isdigit():
            return  # the agreement is not selected yet
        for name in set(self.within) & set(self.fields):
            field: Any = self.fields[name]
            rows = visible(field.queryset.model, self.request.user).filter(agreement=agreement)  # type: ignore[attr-defined]
            same_type = isinstance(self.instance, field.queryset.model) and self.instance.pk
            field.widget.widget = select_widget()
            field.queryset = rows.exclude(pk=self.instance.pk) if same_type else rows


def cite_links(form: type[forms.ModelForm], request: HttpRequest, record: Any, target: str) -> type[forms.ModelForm]:
    """Add to each field that states a fact a link that adds a citation of it. `target` is the field of a citation for the record."""
    if record is None or not admin.site.get_model_admin(models.Citation).has_add_permission(request):
        return form
    address = reverse("admin:agreements_citation_add")
    for name, label in citable_fields(type(record)).items():
        if name in form.base_fields:
            query = urlencode({target: record.pk, "field": name, "return_to": request.get_full_path()})
            text = _("Cite this field: %(field)s") % {"field": label}
            link = format_html('<a class="text-link" href="{}?{}" aria-label="{}">{}</a>', address, query, text, _("Cite this field"))
            form.base_fields[name].help_text = format_html("{} {}", form.base_fields[name].help_text, link)
    return form


class CitationForm(RecordForm):
    """The form of a citation. Offers the fields of each record that can be cited, and the stored value.

    admin.js shows those of the chosen record, and clears the record that was chosen before: a citation has exactly one. Without
    scripts, a part of the agreement replaces the agreement with which the form was opened.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if "field" not in self.fields:
            return
        self.fields["field"].help_text = _("The field that the source states.")
        types: dict[str, Any] = {name: self._meta.model._meta.get_field(name).related_model for name in CITABLE}
        groups = {name: str(capfirst(model._meta.verbose_name)) for name, model in types.items()}
        offered = {groups[name]: citable_fields(model) for name, model in types.items()}
        known = set().union(*offered.values())
        others = {name: label_from_name(name) for name in (self.instance.field, self["field"].value()) if name and name not in known}
        self.fields["field"].widget = select_widget()
        self.fields["field"].widget.attrs["data-groups"] = json.dumps(groups)
        self.fields["field"].widget.choices = [
            ("", _("The whole record")),
            *others.items(),
            *((model, list(labels.items())) for model, labels in offered.items()),
        ]

    def clean(self):
        values = super().clean()
        parts = [values[name] for name in CITABLE if name != "agreement" and values.get(name)]
        agreement = values.get("agreement")
        opened_with = self.request.GET.get("agreement") if self.instance.pk is None else None
        if len(parts) == 1 and agreement and str(agreement.pk) == opened_with and parts[0].agreement_id == agreement.pk:
            values["agreement"] = None
        return values


def role_of_signer(agreement: models.Agreement, kind: str = ActionKind.SIGNATURE) -> ParticipationRole | None:
    """The role of a party that signs or consents to a text; None for other actions."""
    if kind not in (*SIGNATURES, *CONSENTS):
        return None
    if agreement.legal_force == LegalForce.NON_BINDING:
        return ParticipationRole.PARTICIPANT
    return ParticipationRole.PARTY if kind in CONSENTS else ParticipationRole.SIGNATORY


def add_participation(request: HttpRequest, page: admin.ModelAdmin, action: models.TreatyAction) -> None:
    """Make a party that signs or consents a participant, if it has no participation yet, and tell the user."""
    role = role_of_signer(action.agreement, action.kind)
    participations = models.Participation.objects.filter(agreement=action.agreement, party=action.party)
    if role is None or action.party is None or participations.exists():
        return
    models.Participation.objects.create(agreement=action.agreement, party=action.party, role=role, since=action.acted_on)
    page.message_user(request, JOINED % {"party": action.party, "role": role.label.lower()}, messages.INFO)
