"""The pages of the parts of an agreement, and of the money that is to pay for them."""

from django.contrib import admin

from agreements import filters, models, serializers
from agreements.admin.shared import AGREEMENT, CITED, DEADLINE_COLOURS, PUBLISHED, WHO_READS_IT, RegistryColumns
from agreements.deadlines import DeadlineState, of_component
from agreements.models.commitments import CURRENCIES, Stage
from agreements.models.components import ComponentStatus, DueAnchor
from policytracker.admin import RecordAdmin, choice_filter, code_column, date_range_filters, display, related_filter
from policytracker.admin.forms import RecordForm
from policytracker.api.parameters import today

FOLLOWS = "It follows the day of {anchor}, {offset} after it, and is empty while that is not known to the day."


class Relative:
    """A form of a component, in which nobody writes the due day of a relative deadline."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        component = self.instance
        if "due_on" in self.fields and component.pk and component.due_anchor != DueAnchor.NONE:
            field = self.fields["due_on"]
            field.disabled = True
            field.help_text = FOLLOWS.format(anchor=component.get_due_anchor_display().lower(), offset=component.due_offset)
            field.widget.attrs |= {"placeholder": "not known yet", "title": field.help_text}


class ComponentForm(Relative, RecordForm):
    """The form of a component's own page."""


@admin.register(models.Component)
class ComponentAdmin(RegistryColumns, RecordAdmin):
    form = ComponentForm
    serializer = serializers.ComponentSerializer
    named_filters = filters.COMPONENTS
    icon, menu_position = "account_tree", 2
    list_display = ["named", "agreement", "status_shown", "due", "deadline_state_shown", "visibility_shown", "publication_shown"]
    list_filter = [
        choice_filter("status"),
        choice_filter("deadline_state", answers=DeadlineState.choices),
        AGREEMENT,
        *date_range_filters("due_on"),
        choice_filter("due_anchor"),
        *PUBLISHED,
    ]
    fieldsets = [
        (None, {"fields": ["slug", "title", "agreement", ("parent", "position"), "status", "description", "lead_parties"]}),
        ("By when", {"fields": [("due_on", "original_due_on"), ("due_anchor", "due_offset"), ("starts_on", "completed_on")]}),
        WHO_READS_IT,
    ]
    readonly_fields = ["original_due_on"]
    prepopulated_fields = {"slug": ["title"]}

    status_shown = code_column("status", ComponentStatus, success=["completed"], info=["active"], warning=["suspended"])
    deadline_state_shown = code_column("deadline_state", DeadlineState, **DEADLINE_COLOURS)

    def get_queryset(self, request):
        return super().get_queryset(request).annotate(deadline_state=of_component(today()))

    @display(description="title", ordering="slug", header=True)
    def named(self, component):
        return [component.title, component.slug]

    @display(description="due on", ordering="due_on_first")
    def due(self, component):
        return component.due_on


@admin.register(models.Commitment)
class CommitmentAdmin(RecordAdmin):
    serializer = serializers.CommitmentSerializer
    icon, menu_position = "payments", 14
    list_display = ["__str__", "stage_shown", "agreement", "component", "payer", "stated", "disputes", "part_of"]
    list_filter = [
        AGREEMENT,
        choice_filter("stage"),
        choice_filter("currency", answers=[(code, code) for code in sorted(CURRENCIES)]),
        related_filter("payer", models.Commitment._meta.get_field("payer")),
        related_filter("component", models.Commitment._meta.get_field("component")),
        *date_range_filters("stated_on"),
        choice_filter("disputes__empty", title="disputing another figure", answers=[("false", "Yes"), ("true", "No")]),
        choice_filter("part_of__empty", title="part of another figure", answers=[("false", "Yes"), ("true", "No")]),
        related_filter("source", models.Commitment._meta.get_field("source")),
        choice_filter("source__empty", title="without a source"),
    ]
    search_fields = ["uid", "agreement", "payer", "description"]
    fieldsets = [
        (None, {"fields": ["agreement", "component", "payer", "stage", ("bound", "amount", "currency"), "stated_on", "description"]}),
        ("Related figures", {"fields": ["disputes", "part_of"]}),
        CITED,
    ]

    stage_shown = code_column("stage", Stage, info=[Stage.AUTHORISED, Stage.COMMITTED], success=[Stage.DISBURSED])

    @display(description="stated on", ordering="stated_on_first")
    def stated(self, commitment):
        return commitment.stated_on
