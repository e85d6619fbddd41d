"""The page *Late*: everything that is late, the longest first, with its owner, last evidence and reason; also as a sheet."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import date
from io import BytesIO, StringIO
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.datastructures import MultiValueDict
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from xlsxwriter import Workbook

from agreements.models import Agreement, Party
from agreements.models.components import ComponentStatus
from policytracker.admin.menu import Page, add_page
from policytracker.admin.query_lines import key_named
from policytracker.admin.theme import INPUT_CLASSES
from policytracker.representation.filters import Filter
from policytracker.representation.values import code, reference
from policytracker.resources import ReadContext
from policytracker.web.heavy import REPORT, heavy, take_turn
from recommendations.admin.home import lateness
from recommendations.filters import owner
from recommendations.models import Recommendation, Status
from recommendations.reports.late import KINDS, Filters, Late, LateReport, Reason

PAGE_SIZE = 50
MOST_ROWS = 20_000  # of a sheet
READ_AT_A_TIME = 500
FORMULA = re.compile(
    r"^(?='*[-=+@\t\r\uFF1D\uFF0B\uFF0D\uFF20])"
)  # the beginning of a cell that a spreadsheet would execute (api/export.py)


def may_read(request: HttpRequest) -> bool:
    return request.user.has_perm("recommendations.view_recommendation")


add_page(Page(gettext_lazy("Late"), "late", "alarm", 1, may_open=may_read, guides=("analyst#what-is-late",)))


def unfiltered(rows: Any, values: Any, context: Any) -> Any:
    return rows


FILTERS = {
    "type": Filter(code(KINDS), unfiltered),
    "reason": Filter(code(Reason.values), unfiltered),
    "agreement": Filter(reference(Agreement), unfiltered),
    "party": Filter(reference(Party), unfiltered),
    "owner": Filter(owner, unfiltered, of_people=True),
}
TITLES = {"agreement": gettext_lazy("Agreement"), "party": gettext_lazy("Party"), "owner": gettext_lazy("Owner (a user name, me or none)")}
HEADERS = {
    gettext_lazy("Days late"): 10,
    gettext_lazy("Due date"): 12,
    gettext_lazy("Type"): 20,
    gettext_lazy("Record"): 60,
    gettext_lazy("Agreement"): 40,
    gettext_lazy("Owner"): 14,
    gettext_lazy("Why"): 30,
    gettext_lazy("Status"): 20,
    gettext_lazy("Last evidence"): 40,
    gettext_lazy("Date of evidence"): 16,
    gettext_lazy("Key"): 36,
}


def read(query: MultiValueDict, context: ReadContext) -> tuple[Filters, dict[str, list[str]], dict[str, str]]:
    """The filters of the URL, their texts, and the error of each field. A record may be given by its name."""
    values, texts, errors = {}, {}, {}
    for name, filter in FILTERS.items():
        typed = [part.strip() for text in query.getlist(name) for part in text.split(",") if part.strip()]
        texts[name] = [(filter.model and key_named(filter.model, text, context)) or text for text in typed]
        try:
            values[name] = tuple(filter.read(texts[name], context))
        except ValueError as error:
            errors[name], values[name] = str(error), ()
    return Filters(values["type"], values["reason"], values["agreement"], values["party"], values["owner"]), texts, errors


class Line:
    """A late record as the page shows it."""

    def __init__(self, late: Late):
        model = late.kind.model._meta
        self.late = late
        self.url = reverse(f"admin:{model.app_label}_{model.model_name}_change", args=[late.pk])
        self.agreements = [(name, reverse("admin:agreements_agreement_change", args=[pk])) for pk, name in late.agreements]
        self.evidence_url = reverse("admin:agreements_source_change", args=[late.evidence.source]) if late.evidence else ""

    @property
    def status(self) -> str:
        codes: Any = Status if self.late.kind.model is Recommendation else ComponentStatus
        return str(codes(self.late.status).label) if self.late.status else ""

    @property
    def how_late(self) -> str:
        """The time since the due date in words."""
        days = self.late.days
        if days < 60:
            return ngettext("%(number)d day", "%(number)d days", days) % {"number": days}
        if days < 730:
            return _("%(number)d months") % {"number": days // 30}
        return _("%(number)d years") % {"number": days // 365}

    def cells(self) -> list[Any]:
        """The cells of the sheet, in the order of HEADERS."""
        late, evidence = self.late, self.late.evidence
        return [
            *(late.days, late.due_on, str(late.kind.label), late.name),
            "; ".join(name for _pk, name in late.agreements),
            late.owner,
            "; ".join(str(reason.label) for reason in late.reasons),
            self.status,
            *((evidence.title, evidence.on) if evidence else ("", "")),
            late.key,
        ]


def lines(report: LateReport) -> Iterator[Line]:
    for start in range(0, MOST_ROWS, READ_AT_A_TIME):
        found = report.page(start, READ_AT_A_TIME)
        yield from map(Line, found)
        if len(found) < READ_AT_A_TIME:
            return


def sheet(report: LateReport, format: str) -> HttpResponse:
    """All late records as a file."""
    if format == "csv":
        text = StringIO()
        writer = csv.writer(text)
        writer.writerow(map(str, HEADERS))
        for line in lines(report):
            writer.writerow([FORMULA.sub("'", cell) if isinstance(cell, str) else cell for cell in line.cells()])
        content, kind = text.getvalue().encode(), "text/csv; charset=utf-8"
    else:
        file = BytesIO()
        with Workbook(file, {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}) as workbook:
            worksheet = workbook.add_worksheet("late")
            bold, day = workbook.add_format({"bold": True}), workbook.add_format({"num_format": "yyyy-mm-dd"})
            for column, (header, width) in enumerate(HEADERS.items()):
                worksheet.set_column(column, column, width)
                worksheet.write_string(0, column, str(header), bold)
            number = 0
            for number, line in enumerate(lines(report), 1):
                for column, cell in enumerate(line.cells()):
                    if isinstance(cell, int):
                        worksheet.write_number(number, column, cell)
                    elif re.fullmatch(r"\d{4}-\d\d-\d\d", cell, re.ASCII):
                        worksheet.write_datetime(number, column, date.fromisoformat(cell), day)
                    else:
                        worksheet.write_string(number, column, cell[:32_000])
            worksheet.freeze_panes(1, 0)
            worksheet.autofilter(0, 0, number, len(HEADERS) - 1)
        content, kind = file.getvalue(), "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    return HttpResponse(content, content_type=kind, headers={"Content-Disposition": f'attachment; filename="late.{format}"'})


@heavy(REPORT)
def page(request: HttpRequest) -> HttpResponse:
    """The page, or with `format` the file."""
    if not may_read(request):
        raise PermissionDenied
    take_turn(request)
    context = ReadContext.of(request.user)
    filters, texts, errors = read(request.GET, context)
    report, format = LateReport(context, filters), request.GET.get("format", "")
    if format in ("csv", "xlsx") and not errors:
        return sheet(report, format)
    counts = {} if errors else report.count()
    pages = max(1, -(-sum(counts.values()) // PAGE_SIZE))
    typed = request.GET.get("p", "1")
    number = min(int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 9 else 1, pages) or 1
    query = urlencode({name: values for name, values in texts.items() if values}, doseq=True)
    shown = {
        "title": _("Late"),
        "lines": [] if errors else [Line(late) for late in report.page((number - 1) * PAGE_SIZE, PAGE_SIZE)],
        "counts": [(KINDS[kind].label, count) for kind, count in counts.items()],
        "total": sum(counts.values()),
        "tiles": lateness(request),
        "types": [(kind.code, kind.label, kind.code in texts["type"]) for kind in KINDS.values()],
        "reasons": [(reason.value, reason.label, reason.definition, reason.value in texts["reason"]) for reason in Reason],
        "wrong": bool(errors),
        "wrong_choices": [errors[name] for name in ("type", "reason") if name in errors],
        "fields": [(name, title, ", ".join(texts[name]), errors.get(name, "")) for name, title in TITLES.items()],
        "input_classes": INPUT_CLASSES,
        "filtered": bool(query),
        "query": query,
        "number": number,
        "previous": number - 1,
        "next": number + 1 if number < pages else 0,
        "pages": pages,
    }
    request.current_app = admin.site.name
    return TemplateResponse(request, "admin/late.html", admin.site.each_context(request) | shown)
