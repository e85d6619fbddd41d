"""Recommendations in a grid, from the text of a source."""

from django.utils.translation import gettext_lazy as _

from agreements.admin.grids import CITED, QUOTED
from policytracker.admin.grids import Grid, GridColumn, record, register

register(
    Grid(
        "recommendations",
        _("Recommendations"),
        (
            GridColumn("key_action", required=True, width="wide"),
            GridColumn("addressees", _("Addressed to")),
            GridColumn("priority"),
            GridColumn("due_on"),
            *QUOTED,
        ),
        (
            record("recommendations", "key_action", "priority", "due_on", *CITED, slug="key", agreements="agreement"),
            record("addressees", recommendation="key", party="addressees", when="addressees", split="addressees"),
        ),
        key_from="key_action",
    )
)
