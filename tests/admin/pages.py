"""The demonstration register, and the addresses of the pages and tabs of the admin that show it."""

from collections.abc import Iterator
from io import StringIO
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import admin
from django.core.management import call_command
from django.urls import reverse

from agreements.models import Source
from policytracker.accounts.models import User
from policytracker.admin import TabbedAdmin
from policytracker.management.commands.make_demo import Command as MakeDemo
from recommendations.models import Recommendation
from tests.admin.page import add, admin_request, change, changes, delete, edit, history


def load_demo() -> None:
    """What a fresh `make run` shows: the fixtures, the demo users and the demonstration data."""
    call_command("load_dataset", settings.BASE_DIR / "fixtures", stdout=StringIO())
    MakeDemo().create_users()
    call_command("load_dataset", settings.BASE_DIR / "demo", stdout=StringIO())


def tabs(user: User, record) -> list[str]:
    """The tabs of the page of a record."""
    page = admin.site.get_model_admin(type(record))
    if isinstance(page, TabbedAdmin):
        queries = [urlsplit(link.url).query for link in page.tab_links(admin_request(user), record)]
        return [f"{change(record)}?{query}" for query in queries]
    return [change(record), edit(record)] if isinstance(record, Recommendation) else [change(record)]


def every_page(user: User) -> Iterator[str]:
    """Each page and tab of the admin, with the newest record of each type. Pages that are alike for all types come once."""
    request = admin_request(user)
    yield from (reverse(name) for name in ("admin:index", "data_checks", "recent_changes", "account", "admin:password_change"))
    recommendation = Recommendation.objects.latest("pk")
    yield from (changes(Recommendation) + "import/", history(recommendation), delete(recommendation))
    source = Source.objects.exclude(text=None).latest("pk")
    yield reverse("admin:agreements_source_text", args=[source.pk])
    if user.has_perm("agreements.add_sourcetext"):
        yield from (reverse("admin:agreements_source_work_start"), reverse("admin:agreements_source_work", args=[source.pk]))
    for model, page in admin.site._registry.items():
        yield changes(model)
        if page.has_add_permission(request):
            yield add(model)
        if record := model._default_manager.order_by("pk").last():
            yield from tabs(user, record)
