"""The page "Work from a source": the text of a source, and beside it grids for what the text states."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from agreements import models
from agreements.admin.grids import NEW_AGREEMENT, PLACE, QUOTE
from agreements.models.source_texts import full_text
from agreements.quotes import QuotedText, passages
from policytracker.admin import Page, RecordAdmin, add_page, apply_theme, grids
from policytracker.admin.error_summary import FieldError, errors_of_form
from policytracker.admin.forms import VerbatimField
from policytracker.admin.querysets import visible
from policytracker.importing import documents
from policytracker.importing.tables import TableError
from policytracker.records import violations
from policytracker.records.context import change_context
from policytracker.records.models import lock_for_change
from policytracker.web.heavy import REPORT, heavy, take_turn

SHOWN_TEXT = 60_000  # characters that are on the page; a longer text is loaded after it
BLANK_ROWS, MORE_ROWS = 3, 5
SHARED_LIST = "party-names"
ROWS_SAVED = "rows-saved"  # the message after which the browser forgets the draft
MAX_NAMES = 500  # of parties that fields offer
NEW_SOURCE = ["title", "kind", "publisher", "original_url", "published_on", "language"]
# Words with which a text states obligations and dates, as a regular expression of JavaScript. The texts are in English.
PROPOSES = (
    r"\b(shall|must|undertakes?|agrees? to|commits? (itself |themselves )?to|pledges?|is required to|are required to|"
    r"by (the end of )?(\d{1,2} )?((January|February|March|April|May|June|July|August|September|October|November|December) )?(19|20)\d\d)\b"
)
NO_TEXT = gettext_lazy("Enter the text, or choose a file.")
NO_SOURCE = gettext_lazy("Choose a source, or enter the title of a new one.")
NOT_IN_TEXT = gettext_lazy("The text of the source does not contain these words. Copy them from the text, with … for omissions.")
NO_AGREEMENT = gettext_lazy("Choose the agreement that the rows belong to, or enter the title of a new one.")
TWO_AGREEMENTS = gettext_lazy("Choose an agreement or enter a new one, not both.")


class TextForm(forms.Form):
    """The text of a source: entered, or read from a file."""

    text = VerbatimField(label=gettext_lazy("Text"), required=False, widget=forms.Textarea(attrs={"rows": 10}))
    file = forms.FileField(
        label=gettext_lazy("File with the text"),
        required=False,
        help_text=gettext_lazy("PDF or text, at most 25 MB. At most 1 MB of text is kept."),
        widget=forms.ClearableFileInput(attrs={"accept": ",".join(documents.SUFFIXES)}),
    )

    def clean(self) -> dict[str, Any]:
        values = super().clean()
        if (file := values.get("file")) and not self.errors:
            if values.get("text", "").strip():
                raise ValidationError({"file": ValidationError(_("Enter the text or choose a file, not both."), "conflict")})
            try:
                values["text"] = documents.text_of(file.name, file.open().read())
            except TableError as error:
                raise ValidationError({"file": ValidationError(str(error), "unreadable")}) from error
        return values


class WorkForm(TextForm):
    """The source to work from, and its text."""

    autocomplete = {"source": models.Citation._meta.get_field("source")}
    field_order = ["source", "text", "file"]

    source = forms.ModelChoiceField(models.Source.objects.none(), label=gettext_lazy("Existing source"), required=False)

    def __init__(self, user: Any, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.fields["source"].queryset = visible(models.Source, user)
        apply_theme(self)


class AgreementChoiceForm(forms.Form):
    """The agreement that the rows belong to."""

    autocomplete = {"agreement": models.Participation._meta.get_field("agreement")}

    agreement = forms.ModelChoiceField(models.Agreement.objects.none(), label=gettext_lazy("Existing agreement"), required=False)

    def __init__(self, user: Any, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.fields["agreement"].queryset = visible(models.Agreement, user)
        apply_theme(self)


class SourceWork(RecordAdmin):
    """Adds the pages to those of sources."""

    def get_urls(self):
        own = [
            path("work/", self.admin_site.admin_view(self.work_start), name="agreements_source_work_start"),
            path("<path:object_id>/work/", self.admin_site.admin_view(self.work_view), name="agreements_source_work"),
            path("<path:object_id>/text/", self.admin_site.admin_view(self.text_view), name="agreements_source_text"),
        ]
        return [*own, *super().get_urls()]

    def may_work(self, request: HttpRequest) -> bool:
        """Whether the user may enter something from a source."""
        return request.user.has_perms([f"agreements.{verb}_source{part}" for verb in ("add", "change") for part in ("", "text")])

    # ---- choosing or adding the source

    @heavy(REPORT, when=lambda request: bool(request.FILES))
    def work_start(self, request: HttpRequest) -> HttpResponse:
        if not self.may_work(request):
            raise PermissionDenied
        sent = request.method == "POST"
        form = WorkForm(request.user, request.POST if sent else None, request.FILES if sent else None)
        new = self.get_form(request, None, fields=NEW_SOURCE)(request.POST if sent else None)
        new.fields["title"].required = True  # its key is made of it
        if sent:
            take_turn(request)
            if source := self.chosen_source(request, form, new):
                return HttpResponseRedirect(self.work_address(source))
        context = {"form": form, "new": [new[name] for name in NEW_SOURCE], "media": form.media + new.media}
        errors = list(errors_of_form(form)) + (list(errors_of_form(new)) if sent and self.is_new(form) else [])
        return self.rendered(request, "start", context | {"title": _("Work from a source"), "error_summary": errors})

    @staticmethod
    def is_new(form: forms.Form) -> bool:
        return not form.cleaned_data.get("source") and "source" not in form.errors

    def chosen_source(self, request: HttpRequest, form: WorkForm, new: Any) -> models.Source | None:
        """The source of a valid form, which is stored with its text. None if the form has errors."""
        valid = form.is_valid()
        if not self.is_new(form):
            source = form.cleaned_data.get("source")
            return source if valid and self.save_text(request, form, source) else None
        new.full_clean()
        if not (new.is_valid() and valid):
            return None
        try:
            with change_context(request.user, "", "admin"):
                source = new.save()
                if not self.save_text(request, form, source):
                    raise Unsaved
        except Unsaved:
            return None
        except DatabaseError as error:
            form.add_error(None, violations.constraint_of(error).message)
            return None
        return source

    def save_text(self, request: HttpRequest, form: forms.Form, source: models.Source) -> bool:
        """Store the text of the form, if it has one. Otherwise adds the errors to the form, and returns False."""
        content = form.cleaned_data.get("text", "")
        if not content.strip():
            return True
        try:
            with change_context(request.user, "", "admin"):
                lock_for_change(models.Source._base_manager.all()).get(pk=source.pk)
                stored = models.SourceText.objects.filter(source=source).first() or models.SourceText(source=source)
                stored.text = content
                stored.full_clean()
                stored.save()
        except ValidationError as error:
            form.add_error("file" if form.cleaned_data.get("file") else "text", error.messages)
        except DatabaseError as error:
            form.add_error(None, violations.constraint_of(error).message)
        return form.is_valid()

    # ---- the text

    def text_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The text alone: it is loaded into the page, and can be read without a script."""
        source = self.record_to_work_on(request, object_id)
        if source is None or not self.has_view_permission(request, source):
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        text = full_text(source)
        context = {"title": _("Text of %(source)s") % {"source": source}, "source": source, "passages": list(passages(text))}
        return self.rendered(request, "text", context)

    def record_to_work_on(self, request: HttpRequest, object_id: str) -> models.Source | None:
        key = unquote(object_id)
        if not (key.isascii() and key.isdecimal() and len(key) < 19):
            return None
        return models.Source.objects.visible_to(request.user).filter(pk=key).first()

    # ---- the grids

    @heavy(REPORT, when=lambda request: request.method == "POST")
    def work_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not self.may_work(request):
            raise PermissionDenied
        source = self.record_to_work_on(request, object_id)
        if source is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if request.method == "POST":
            take_turn(request)
        if "_text" in request.POST:
            form = TextForm(request.POST, request.FILES)
            if form.is_valid() and not form.cleaned_data["text"].strip():
                form.add_error("text", ValidationError(NO_TEXT, "required"))
            if form.is_valid() and self.save_text(request, form, source):
                self.message_user(request, _("The text was saved."), messages.SUCCESS)
                return HttpResponseRedirect(self.work_address(source))
            return self.work_page(request, source, Work(request, self.usable_grids(request)), text_form=form)
        work = Work(request, self.usable_grids(request))
        if "_save" in request.POST and work.save(source):
            self.message_user(request, work.summary(), messages.SUCCESS, extra_tags=ROWS_SAVED)
            return HttpResponseRedirect(f"{self.work_address(source)}?agreement={work.agreement_id}")
        return self.work_page(request, source, work)

    def usable_grids(self, request: HttpRequest) -> list[grids.Grid]:
        return [grid for grid in grids.GRIDS.values() if grid.may_write(request.user)]

    def work_address(self, source: models.Source) -> str:
        return reverse("admin:agreements_source_work", args=[source.pk])

    def work_page(self, request: HttpRequest, source: models.Source, work: Work, text_form: TextForm | None = None) -> HttpResponse:
        text = full_text(source)
        text_form = apply_theme(text_form or TextForm())
        names = party_names(request.user)
        more = request.POST.get("_rows", "")
        context = {
            "title": _("Work from a source: %(source)s") % {"source": source},
            "source": source,
            "has_text": bool(text),
            "passages": list(passages(text)) if len(text) <= SHOWN_TEXT else [],
            "text_form": text_form,
            "agreement_form": work.form,
            "new_agreement": work.shown(NEW_AGREEMENT, 1, names),
            "grids": [work.shown(grid, BLANK_ROWS + MORE_ROWS * (more == grid.name), names) for grid in work.grids],
            "names": names,
            "names_id": SHARED_LIST,
            "max_rows": grids.MAX_ROWS,
            "proposes": PROPOSES,
            "bound": request.method == "POST" and "_text" not in request.POST,
            "saved": any(message.extra_tags == ROWS_SAVED for message in messages.get_messages(request)),
            "error_summary": [*errors_of_form(text_form), *work.errors()],
            "media": work.form.media + text_form.media,
        }
        return self.rendered(request, "work", context)

    def rendered(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        request.current_app = self.admin_site.name
        own = {"model_admin": self}  # makes the breadcrumb, which ends with the title
        return TemplateResponse(request, f"admin/agreements/source/{name}.html", self.admin_site.each_context(request) | own | context)


class Unsaved(Exception):
    """The text of a new source cannot be stored, so the source is not stored either."""


def party_names(user: Any) -> list[str]:
    """The names of the parties, to choose from; none if there are too many."""
    names = list(models.Party.objects.visible_to(user).order_by("name").values_list("name", flat=True)[: MAX_NAMES + 1])
    return names if len(names) <= MAX_NAMES else []


class Work:
    """What a person entered on the page: the agreement and the rows of the grids, and what is wrong with them."""

    def __init__(self, request: HttpRequest, usable: list[grids.Grid]):
        self.user, self.grids = request.user, usable
        sent = request.method == "POST" and "_text" not in request.POST
        self.form = AgreementChoiceForm(request.user, request.POST if sent else None, initial={"agreement": self.asked(request)})
        self.rows = grids.entered_rows(request.POST if sent else {}, [NEW_AGREEMENT, *usable])
        self.problems: list[grids.CellProblem] = []
        self.agreement_id: int | None = None

    @staticmethod
    def asked(request: HttpRequest) -> str:
        asked = request.GET.get("agreement", "")
        return asked if asked.isascii() and asked.isdecimal() and len(asked) < 19 else ""

    def save(self, source: models.Source) -> bool:
        """Write everything. Returns whether that was possible; otherwise nothing was written."""
        is_new, is_filled = bool(self.rows[NEW_AGREEMENT.name]), any(self.rows[grid.name] for grid in self.grids)
        chosen = self.form.cleaned_data["agreement"] if self.form.is_valid() else None
        if is_new and chosen:
            self.form.add_error("agreement", ValidationError(TWO_AGREEMENTS, "conflict"))
        elif not is_new and not chosen and self.form.is_valid():
            self.form.add_error("agreement", ValidationError(NO_AGREEMENT, "required"))
        elif not is_filled and not is_new:
            self.form.add_error(None, ValidationError(_("Enter at least one row."), "required"))
        self.check_quotes(full_text(source))
        entry = grids.GridImport([NEW_AGREEMENT, *self.grids], self.rows, {"source": source.slug}, self.user, self.problems)
        key = "" if not self.form.is_valid() else chosen.slug if chosen else entry.keys[NEW_AGREEMENT.name, 1]
        entry.fixed["agreement"] = key
        if not (is_new or is_filled) or not entry.run():
            self.problems = entry.problems
            return False
        self.agreement_id = models.Agreement._base_manager.values_list("pk", flat=True).get(slug=key)
        return True

    def check_quotes(self, text: str) -> None:
        """Refuse quotes that the text does not contain, and give the others a place."""
        quoted = QuotedText(text) if text else None
        for grid in self.grids:
            for row, cells in self.rows[grid.name].items():
                if quoted and (quote := cells.get(QUOTE)):
                    place = quoted.place_of(quote)
                    if place is None:
                        self.problems.append(grids.CellProblem(grid, row, QUOTE, str(NOT_IN_TEXT)))
                    else:
                        cells.setdefault(PLACE, place)

    def summary(self) -> str:
        """What was saved, with links to the agreement."""
        counts = [f"{grid.title}: {number}" for grid in self.grids if (number := len(self.rows[grid.name]))]
        saved = _("Saved. %(counts)s.") % {"counts": ", ".join(counts)} if counts else _("The agreement was saved.")
        page = reverse("admin:agreements_agreement_change", args=[self.agreement_id])
        return format_html('{} <a href="{}" class="underline">{}</a>', saved, page, _("View the agreement"))

    def errors(self) -> Iterator[FieldError]:
        yield from errors_of_form(self.form)
        yield from (FieldError(problem.cell, problem.label, problem.message) for problem in self.problems)

    def shown(self, grid: grids.Grid, number: int, names: list[str]) -> grids.ShownGrid:
        return grids.shown_grid(grid, self.rows[grid.name], self.problems, number, {models.Party: SHARED_LIST} if names else {})


add_page(
    Page(
        gettext_lazy("Work from a source"),
        "admin:agreements_source_work_start",
        "edit_note",
        1,
        in_menu=False,
        guides=("analyst#enter-from-a-text",),
        description=gettext_lazy("Enter what a text says: parties, actions, components, sums and recommendations, each with its quote."),
        may_open=lambda request: admin.site.get_model_admin(models.Source).may_work(request),
    )
)


@admin.register(models.SourceText)
class SourceTextAdmin(RecordAdmin):
    """The text of a source by itself: to correct it, and its history. It is not in the menu."""

    list_display = ["source"]
    list_select_related = ["source"]
    search_fields = ["source"]
    fieldsets = [(None, {"fields": ["source", "text"]})]

    def get_readonly_fields(self, request, obj=None):
        return [*super().get_readonly_fields(request, obj), *(["source"] if obj else [])]

    def has_module_permission(self, request):
        return False
