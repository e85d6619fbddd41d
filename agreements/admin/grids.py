"""What can be entered in grids from the text of a source."""

from django.utils.translation import gettext_lazy as _

from policytracker.admin.grids import Grid, GridColumn, record, register

QUOTE, PLACE = "quote", "locator"
QUOTED = (GridColumn(QUOTE, _("Quote"), width="wide"), GridColumn(PLACE, _("Place")))
CITED = ("source", QUOTE, PLACE)

# The agreement that the rows belong to, if it is new.
NEW_AGREEMENT = Grid(
    "agreement",
    _("New agreement"),
    (GridColumn("title", required=True, width="wide"), GridColumn("short_title"), GridColumn("kind"), GridColumn("legal_force")),
    (record("agreements", "title", "short_title", "kind", "legal_force", slug="key"),),
    key_from="title",
)

register(
    Grid(
        "parties",
        _("Parties"),
        (GridColumn("party", required=True), GridColumn("role", required=True), GridColumn("since"), *QUOTED),
        (
            record("participations", "agreement", "party", "role", "since", uid="key"),
            record("citations", *CITED, participation="key", when=QUOTE),
        ),
    ),
    Grid(
        "actions",
        _("Actions"),
        (
            GridColumn("kind", required=True),
            GridColumn("party"),
            GridColumn("acted_on"),
            GridColumn("effective_on"),
            *QUOTED,
        ),
        (record("treaty-actions", "agreement", "kind", "party", "acted_on", "effective_on", *CITED, uid="key"),),
    ),
    Grid(
        "components",
        _("Components"),
        (
            GridColumn("title", required=True, width="wide"),
            GridColumn("lead_parties"),
            GridColumn("status"),
            GridColumn("due_on"),
            GridColumn("due_anchor", _("Counted from")),
            GridColumn("due_offset", _("Time after")),
            *QUOTED,
        ),
        (
            record("components", "agreement", "title", "lead_parties", "status", "due_on", "due_anchor", "due_offset", slug="key"),
            record("citations", *CITED, component="key", when=QUOTE),
        ),
        key_from="title",
    ),
    Grid(
        "sums",
        _("Sums"),
        (
            GridColumn("payer"),
            GridColumn("stage", required=True),
            GridColumn("bound"),
            GridColumn("amount", required=True),
            GridColumn("currency", required=True, width="narrow"),
            GridColumn("stated_on"),
            GridColumn("disputes", _("Disputes row"), width="narrow", rows_of="sums"),
            GridColumn("component", _("Component in row"), width="narrow", rows_of="components"),
            *QUOTED,
        ),
        (
            record(
                "commitments", "agreement", "payer", "stage", "bound", "amount", "currency", "stated_on", "disputes", "component", *CITED,
                uid="key",
            ),
        ),
    ),
)  # fmt: skip
