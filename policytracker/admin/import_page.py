"""The page "Import" of a list: upload, preview, then all rows or none."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.db import OperationalError, connection, transaction
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from policytracker.admin.error_summary import errors_of_form
from policytracker.admin.imports import ImportForm, Preview, Upload, columns
from policytracker.admin.theme import ModelAdmin
from policytracker.importing import uploads
from policytracker.importing.mapping import MappingError, is_importable
from policytracker.importing.tables import TableError
from policytracker.records.exceptions import NotPermitted
from policytracker.representation.workbooks import write_example
from policytracker.resources import Resource, registry
from policytracker.sql.errors import temporary_error
from policytracker.web.heavy import REPORT, heavy, take_turn

SALT = "policytracker.admin.import_page"
OPTIONS = ("source", "update_others", "encoding", "reason", "leave_out_refused")  # of an upload, in the order of its fields
TIMEOUT = "timeout"  # the code of sql/errors.py for the statement timeout of the web server
MAX_SECONDS = 10  # for writing the rows, also in a preview, which keeps others from changing the same records meanwhile
TOO_LONG = gettext_lazy("The import takes too long for this page. Nothing was written. Use a smaller file, or the command import_table.")
EXPIRED = gettext_lazy("This preview has expired, or it was imported already. Nothing was written. Choose the file again.")
DIFFERENT = gettext_lazy("Records were changed since the preview. Nothing was written. Check this new preview.")
IMPORTED = gettext_lazy("Import of {name}: {created} created, {changed} changed, {unchanged} unchanged.")


REASON_REQUIRED = gettext_lazy("Enter a reason. The file makes a change that requires one.")


def left_out(preview: Preview) -> str:
    """How many rows the import leaves out, as a sentence; "" for none."""
    number = preview.rows_left_out
    return (
        ngettext("%(number)s refused row is left out.", "%(number)s refused rows are left out.", number) % {"number": number}
        if number
        else ""
    )


class TooLong(Exception):
    """The import takes too long for a page."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raises TooLong before a statement of the block that would begin later than this."""
    end = time.monotonic() + seconds

    def check(execute: Callable[..., Any], *args: Any) -> Any:
        if time.monotonic() > end:
            raise TooLong(str(TOO_LONG))
        return execute(*args)

    with connection.execute_wrapper(check):
        yield


def run(preview: Preview, *, dry_run: bool) -> None:
    """Raises TooLong."""
    try:
        with time_limit(MAX_SECONDS):
            preview.run(dry_run=dry_run)
    except OperationalError as error:
        temporary = temporary_error(error)
        if temporary is None or temporary.code != TIMEOUT:
            raise
        raise TooLong(str(TOO_LONG)) from error


class ImportPage(ModelAdmin):
    """Adds the page to the list of a record type, if a row of a table can create its records."""

    @property
    def resource(self) -> Resource:
        return registry.of(self.model)

    def get_urls(self):
        prefix = f"{self.opts.app_label}_{self.opts.model_name}"
        views = {"import": self.import_view, "example": self.example_view} if is_importable(self.resource) else {}
        own = [path(f"{page}/", self.admin_site.admin_view(view), name=f"{prefix}_{page}") for page, view in views.items()]
        return [*own, *super().get_urls()]

    def address_of(self, page: str) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}")

    def may_import(self, request: HttpRequest) -> bool:
        return is_importable(self.resource) and self.has_add_permission(request) and self.has_change_permission(request)

    def changelist_view(self, request, extra_context=None):
        link = {"import_url": self.address_of("import")} if self.may_import(request) else {}
        return super().changelist_view(request, link | (extra_context or {}))

    def example_view(self, request: HttpRequest) -> HttpResponseBase:
        """An empty sheet to fill in and import."""
        if not self.may_import(request):
            raise PermissionDenied
        file = io.BytesIO()
        write_example(file, self.resource, [column.name for column in columns(self.resource)])
        return FileResponse(io.BytesIO(file.getvalue()), as_attachment=True, filename=f"{self.resource.address}.xlsx")

    # ---- the page

    @heavy(REPORT, when=lambda request: request.method == "POST")
    def import_view(self, request: HttpRequest) -> HttpResponse:
        if not self.may_import(request):
            raise PermissionDenied
        if "refused" in request.POST:
            return self.leave_out_refused(request)
        if "token" in request.POST:
            return self.confirm_import(request)
        sent = request.method == "POST"
        form = ImportForm(self.resource, request.user, request.POST if sent else None, request.FILES if sent else None)
        preview, token = None, ""
        if sent and form.is_valid():
            take_turn(request)
            upload = form.cleaned_data["upload"]
            try:
                preview = Preview(upload.name, upload.table_import(self.resource.address, request.user))
                run(preview, dry_run=True)
            except MappingError as error:
                form.add_error("mapping_file" if form.cleaned_data["mapping_file"] else "mapping", str(error))
            except (TableError, TooLong) as error:
                form.add_error("file", str(error).splitlines())
            except NotPermitted as error:
                form.add_error(None, str(error))
            else:
                token = self.token(request, upload, preview)
                if preview.needs_reason:
                    form.add_error("reason", REASON_REQUIRED)
        return self.render_import(request, form, preview, token)

    def leave_out_refused(self, request: HttpRequest) -> HttpResponse:
        """A preview of the same table without its refused rows."""
        try:
            _stored, _digest, upload = self.read_token(request, request.POST["refused"])
            take_turn(request)
            upload = replace(upload, leave_out_refused=True)
            preview = Preview(upload.name, upload.table_import(self.resource.address, request.user))
            run(preview, dry_run=True)
        except (signing.BadSignature, FileNotFoundError):
            return self.import_refused(request, EXPIRED)
        except (MappingError, TableError, NotPermitted, TooLong) as error:
            return self.import_refused(request, str(error))
        return self.render_import(request, ImportForm(self.resource, request.user), preview, self.token(request, upload, preview))

    def confirm_import(self, request: HttpRequest) -> HttpResponse:
        """Import the table of a preview, unless the import would do something else than the preview says."""
        try:
            stored, digest, upload = self.read_token(request, request.POST["token"])
            take_turn(request)
            preview = Preview(upload.name, upload.table_import(self.resource.address, request.user))
            with transaction.atomic():
                uploads.take(stored)  # before anything is written, so that a preview is imported once
                run(preview, dry_run=False)
                same = preview.digest == digest
                transaction.set_rollback(not same)
        except (signing.BadSignature, FileNotFoundError):
            return self.import_refused(request, EXPIRED)
        except (MappingError, TableError, NotPermitted, TooLong) as error:
            return self.import_refused(request, str(error))
        if not same or preview.is_refused:
            self.message_user(request, DIFFERENT, messages.ERROR)
            return self.render_import(request, ImportForm(self.resource, request.user), preview, self.token(request, upload, preview))
        done = IMPORTED.format(name=upload.name, **preview.counts)
        self.message_user(
            request,
            format_html(
                '{} <a href="{}" class="underline">{}</a>',
                f"{done} {left_out(preview)}".strip(),
                self.address_of("changelist"),
                _("View %(records)s") % {"records": self.opts.verbose_name_plural},
            ),
            messages.SUCCESS,
        )
        return HttpResponseRedirect(self.address_of("import"))

    def import_refused(self, request: HttpRequest, message: Any) -> HttpResponse:
        self.message_user(request, message, messages.ERROR)
        return HttpResponseRedirect(self.address_of("import"))

    def render_import(self, request: HttpRequest, form: ImportForm, preview: Preview | None, token: str) -> HttpResponse:
        context = self.admin_site.each_context(request) | {
            "title": _("Import %(records)s") % {"records": self.opts.verbose_name_plural},
            "model_admin": self,  # makes the breadcrumb, which ends with the title
            "form": form,
            "columns": columns(self.resource),
            "example_url": self.address_of("example"),
            "error_summary": list(errors_of_form(form)),
            "preview": preview,
            "left_out": left_out(preview) if preview else "",
            "token": "" if preview and preview.is_refused else token,
            "refused_token": token if preview and preview.is_refused else "",
            "back_url": self.address_of("changelist"),
            "import_url": self.address_of("import"),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/import.html", context)

    # ---- from the preview to the import

    def token(self, request: HttpRequest, upload: Upload, preview: Preview) -> str:
        """A signed text that names a previewed table, which is kept for the import; "" if there is nothing to import.

        A table with refused rows is kept too, so that they can be left out.

        A user has one such table for each list: an earlier one can no longer be imported.
        """
        owner = f"{request.user.pk}-{self.resource.address}"
        uploads.discard(owner)
        if preview.changes_nothing:
            return ""
        content = {
            "user": request.user.pk,
            "resource": self.resource.address,
            "digest": preview.digest,
            "stored": uploads.keep(owner, upload.data),
            "name": upload.name,
            "mapping": [upload.mapping_name, upload.mapping_data.decode()],
            **{field: getattr(upload, field) for field in OPTIONS},
        }
        return signing.dumps(content, salt=SALT, compress=True)

    def read_token(self, request: HttpRequest, token: str) -> tuple[str, str, Upload]:
        """The name of the stored file, the digest of the preview, and the upload.

        Raises BadSignature for a token of another user or list, for an old one and for a forged one, and FileNotFoundError.
        """
        content = signing.loads(token, salt=SALT, max_age=uploads.KEPT)
        if (content["user"], content["resource"]) != (request.user.pk, self.resource.address):
            raise signing.BadSignature("The token was made for another user or list.")
        name, text = content["mapping"]
        data, options = uploads.read(content["stored"]), (content[field] for field in OPTIONS)
        upload = Upload(content["name"], data, name, text.encode(), *options)
        return content["stored"], content["digest"], upload
