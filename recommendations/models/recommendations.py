"""Recommendations with their addressees, milestones and dependencies."""

from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import DateField, F, FilteredRelation, Func, OuterRef, Q, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from agreements.models import Agreement, Component, FocusArea, Party, Sector, Source
from agreements.models.sourced import SourceFields
from policytracker.codes import CodeField, Codes
from policytracker.edtf import EdtfField, FirstDay
from policytracker.records.access import OWN, TEAM
from policytracker.records.constraints import (
    MOVED_DEADLINE_HAS_A_REASON,
    CheckConstraint,
    ReservedChange,
    RuleLock,
    TriggerConstraint,
    UniqueConstraint,
    differs,
    steps_down,
)
from policytracker.records.fields import Locator, Quote, Text, contains_index
from policytracker.records.models import DeadlineFields, RegistryQuerySet, RegistryRecord, UidRecord
from policytracker.records.reasons import Either, NamesReader, Through
from policytracker.sql.parameters import ExistsForRow, InLinks
from recommendations.models.facts import FACTS, FACTS_ARE_CALCULATED, FACTS_OF_ADDRESSEES, Facts
from recommendations.models.periods import DERIVED_FIELDS, RECOMPUTING, DerivedStatus
from recommendations.models.updates import DONE, PERCENT_RANGE, ProgressUpdate, UpdateKind


class Priority(Codes):
    CRITICAL = "critical", _("failure would defeat the agreement's purpose"), _("Critical")
    HIGH = "high", _("large effect or near deadline"), _("High")
    MEDIUM = "medium", _("ordinary"), _("Medium")
    LOW = "low", _("helpful and not needed"), _("Low")
    UNSET = "unset", _("source gives none"), _("Not set")


LOWERING_PRIORITY = ReservedChange(
    "lowering_priority_has_a_reason",
    "priority",
    steps_down(Priority.values, Priority.CRITICAL, Priority.HIGH),
    denied=_("Only reviewers and administrators may lower a high or critical priority."),
    reason_missing=_("Enter a change reason to lower a high or critical priority."),
)


READER_FIELDS = ("visibility", "publication", "owner")
DEFAULT_UPDATE_EVERY = 90  # days after which an assessment is stale, if the recommendation does not set `update_every`


def fresh_until() -> Func:
    """The last day on which the newest approved assessment is recent enough."""
    days = Coalesce(F("update_every"), DEFAULT_UPDATE_EVERY)
    return Func(F("last_update_on"), days, arg_joiner=" + ", template="(%(expressions)s)", output_field=DateField())


# All conditions of the deadline state, because PostgreSQL would otherwise combine the index with one on a single column.
MET_LATE = Q(status__in=sorted(DONE), closed_on__isnull=False, due_on_last__isnull=False, closed_on__gt=F("due_on_last"))


def partial_index(condition: Q, name: str) -> models.Index:
    """An index of the recommendations that match the condition, in the default order, with the fields that decide who can read them."""
    return models.Index(fields=["slug"], include=["id", *READER_FIELDS], condition=condition, name=name)


def is_overdue(on: Any) -> Q:
    """The condition of an open recommendation whose due date has passed. A partial date has passed after its last possible day."""
    # The condition on the first day changes no result. With it, an order by the first day does not scan future dates.
    return Q(closed_on__isnull=True, due_on_last__isnull=False, due_on_last__lt=on, due_on_first__lt=on)


def claim_differs(on: Any = None) -> Q:
    """The condition that the newest claim of any party differs from our assessment. For a past day, use with `on_day()`."""
    claims = ProgressUpdate.objects.in_effect(UpdateKind.CLAIM, on=on)
    newest = claims.filter(recommendation=OuterRef(OuterRef("pk"))).newest_for("party_id")
    # Both subqueries filter by the recommendation, so that each uses the index.
    claims = claims.filter(recommendation=OuterRef("pk"))
    differing = claims.filter(pk__in=newest.values("pk")).exclude(status=OuterRef("status"))
    return ~Q(claimed_status="") & Q(ExistsForRow(differing))


class RecommendationQuerySet(RegistryQuerySet):
    def on_day(self, day):
        """The same recommendations with the derived values of a past day, in output, filters and order.

        Filters applied before this call use today's values.
        """
        covering = Q(status_periods__since__lte=day) & (Q(status_periods__until__isnull=True) | Q(status_periods__until__gt=day))
        rows = self.alias(period=FilteredRelation("status_periods", condition=covering))
        for name in DERIVED_FIELDS:
            field = self.model._meta.get_field(name)
            value = F(f"period__{name}") if field.null else Coalesce(F(f"period__{name}"), Value(field.get_default()), output_field=field)
            # An annotation takes precedence over the field of the same name. annotate() does not accept the name of a field.
            rows.query.add_annotation(value, name)
        return rows

    def open(self):
        """Recommendations on which further work is expected."""
        return self.filter(closed_on__isnull=True)

    def closed(self):
        """Recommendations on which no further work is expected."""
        return self.filter(closed_on__isnull=False)

    def overdue(self, *, on):
        """Open recommendations whose due date has passed. A partial date has passed after its last possible day."""
        return self.filter(is_overdue(on))

    def due_between(self, first, last):
        """Open recommendations due between two days, inclusive. A partial date counts as its last possible day."""
        return self.open().filter(due_on_last__range=(first, last))

    def addressed_to(self, parties):
        """Recommendations addressed to any of the parties."""
        return self.filter(InLinks(Addressee.objects.filter(party__in=parties).values("recommendation")))


STATUS_IS_DERIVED = _("The status is calculated from progress updates. Submit an update to change it.")


class Recommendation(DeadlineFields, RegistryRecord, DerivedStatus, Facts):
    """A proposed action that follows from agreements, with addressees, due date and status."""

    label_parts = ("key_action",)
    reasons = {
        OWN: Through("agreements", Agreement.reasons[OWN]),
        TEAM: Either(NamesReader("owner"), Through("agreements", Agreement.reasons[TEAM])),
    }

    key_action = models.CharField(max_length=400, help_text=_("The recommended action."))
    details = Text()
    expected_outcome = Text()
    focus_area = models.ForeignKey(FocusArea, models.PROTECT, null=True, blank=True, related_name="recommendations")
    agreements = models.ManyToManyField(Agreement, blank=True, related_name="recommendations")
    components = models.ManyToManyField(Component, blank=True, related_name="recommendations")
    sectors = models.ManyToManyField(Sector, blank=True, related_name="recommendations")
    parent = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="children")
    made_by = models.ForeignKey(
        Party,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="recommendations_made",
        help_text=_("Party or body that made the recommendation."),
    )
    made_by_text = models.CharField(
        _("author as named"), max_length=300, blank=True, default="", help_text=_("In the words of the source.")
    )
    made_on = EdtfField(_("date made"))
    made_on_first = FirstDay("made_on")
    source = models.ForeignKey(Source, models.PROTECT, null=True, blank=True, related_name="recommendations")
    locator = Locator()
    quote = Quote()
    priority = CodeField(Priority, default=Priority.UNSET)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="recommendations",
        help_text=_("User responsible for this recommendation."),
    )
    update_every = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
        help_text=_("Number of days after which an assessment is stale. Empty means 90."),
    )
    superseded_by = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="supersedes")
    source_scheme = models.CharField(
        _("external register"), max_length=60, blank=True, default="", help_text=_("Name of the external register.")
    )
    source_code = models.CharField(
        _("external status"), max_length=200, blank=True, default="", help_text=_("Status in the external register, verbatim.")
    )

    objects = RecommendationQuerySet.as_manager()

    facts = FACTS
    reserved = (*RegistryRecord.reserved, LOWERING_PRIORITY)
    trigger_constraints = (
        *RegistryRecord.trigger_constraints,
        MOVED_DEADLINE_HAS_A_REASON,
        TriggerConstraint.no_circle(
            "recommendation_is_not_its_own_parent",
            _("A recommendation cannot be its own parent, directly or through others."),
            "recommendations_recommendation",
            "parent",
            lock="recommendation_order",
        ),
        TriggerConstraint.no_circle(
            "recommendation_does_not_supersede_itself",
            _("A recommendation cannot supersede itself, directly or through others."),
            "recommendations_recommendation",
            "superseded_by",
            lock="recommendation_order",
        ),
        TriggerConstraint(
            "status_follows_from_updates",
            STATUS_IS_DERIVED,
            f"NOT ({RECOMPUTING})",
            field="status",
            code="append_only",
            events="UPDATE",
            when=" OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in DERIVED_FIELDS),
        ),
        TriggerConstraint(
            "status_begins_unknown",
            STATUS_IS_DERIVED,
            f"""NEW.status <> 'not_assessed' OR NEW.claimed_status <> ''
                OR num_nonnulls({", ".join(f"NEW.{name}" for name in DERIVED_FIELDS[2:])}) > 0""",
            field="status",
            code="append_only",
            events="INSERT",
        ),
    )

    derived_writes = (FACTS_ARE_CALCULATED,)

    class Meta:
        ordering = ["slug"]
        indexes = [
            contains_index("key_action", "recommendation_text_contains"),
            contains_index("slug", "recommendation_slug_contains"),
            models.Index(fields=["due_on_first", "id"], name="recommendation_by_due_date"),
            models.Index(fields=["made_on_first", "id"], name="recommendation_by_made_on"),
            models.Index(fields=["updated_at", "id"], name="recommendation_by_updated_at"),
            models.Index(fields=["priority", "id"], name="recommendation_by_priority"),
            # The others contain all fields that decide who can read a row, so that counts need only the index.
            models.Index(fields=["visibility", "publication", "owner", "id"], name="recommendation_by_reader"),
            models.Index(fields=["id"], include=[*READER_FIELDS, "slug"], name="recommendation_by_id"),
            models.Index(fields=["status", "id"], include=[*READER_FIELDS, "due_on_last", "closed_on"], name="recommendation_by_status"),
            models.Index(  # the order of the list in the admin: open ones first
                fields=["-closed_on", "due_on_first", "id"],
                include=[*READER_FIELDS, "status", "due_on_last"],
                name="recommendation_by_closed_on",
            ),
            models.Index(
                fields=["due_on_last"],
                include=[*READER_FIELDS, "id", "due_on_first", "status", "closed_on"],
                name="recommendation_by_due_on_last",
            ),
            models.Index(
                fields=["last_update_on", "id"],
                include=[*READER_FIELDS, "closed_on", "update_every", "claimed_status"],
                name="recommendation_by_last_update",
            ),
            models.Index(
                fresh_until(),
                include=[*READER_FIELDS, "id", "last_update_on", "update_every", "closed_on"],
                condition=Q(closed_on__isnull=True),
                name="recommendation_by_freshness",
            ),
            # Lists of rows that are few, in the default order. Other indexes would find them among many.
            partial_index(Q(claim_differs=True), "recommendation_claim_differs"),
            partial_index(Q(has_update=False), "recommendation_without_update"),
            partial_index(Q(has_evidence=False), "recommendation_no_evidence"),
            partial_index(Q(has_addressee=False), "recommendation_not_addressed"),
            partial_index(Q(has_response=False), "recommendation_not_answered"),
            partial_index(MET_LATE, "recommendation_met_late"),
        ]
        constraints = [
            CheckConstraint(
                name="recommendation_percent_is_a_share",
                condition=Q(progress_percent__isnull=True) | Q(progress_percent__lte=100),
                violation_error_message=PERCENT_RANGE,
                field="progress_percent",
            ),
        ]

    def __str__(self):
        return self.key_action


class Response(Codes):
    NONE_RECORDED = "none_recorded", _("No response recorded")
    ACCEPTED = "accepted", _("Accepted")
    ACCEPTED_IN_PART = "accepted_in_part", _("Accepted in part")
    NOTED = "noted", _("Noted")
    REJECTED = "rejected", _("Rejected")
    DEFERRED = "deferred", _("Deferred")


class AddresseeRole(Codes):
    LEAD = "lead", _("Lead")
    SUPPORT = "support", _("Support")


class Addressee(UidRecord, SourceFields):
    """A party that a recommendation is addressed to, with its role and response."""

    access_parents = ("recommendation",)
    label_parts = ("party__code", "recommendation__slug")

    recommendation = models.ForeignKey(Recommendation, models.PROTECT, related_name="addressees")
    party = models.ForeignKey(Party, models.PROTECT, related_name="addressed", db_index=False)
    role = CodeField(AddresseeRole, default=AddresseeRole.LEAD)
    response = CodeField(Response, default=Response.NONE_RECORDED)
    responded_on = EdtfField(_("response date"))
    responded_on_first = FirstDay("responded_on")
    response_text = Text()

    derived_writes = (FACTS_OF_ADDRESSEES,)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["party", "recommendation"], name="addressee_of_party")]
        constraints = [
            UniqueConstraint(
                fields=["recommendation", "party"],
                name="addressee_is_named_once",
                violation_error_message=_("This party is already an addressee."),
                field="party",
            ),
        ]

    def __str__(self):
        return f"{self.party} ({self.get_response_display().lower()})"


class Milestone(UidRecord):
    """A dated intermediate step of a recommendation."""

    access_parents = ("recommendation",)
    label_parts = ("title",)

    recommendation = models.ForeignKey(Recommendation, models.PROTECT, related_name="milestones")
    position = models.PositiveIntegerField(null=True, blank=True, help_text=_("Position among the milestones of the recommendation."))
    title = models.CharField(max_length=500)
    due_on = EdtfField(verbose_name=_("due date"), help_text=_("The date by which this must be completed."))
    due_on_first = FirstDay("due_on")
    completed_on = EdtfField(_("completion date"), help_text=_("The date on which this was completed."))
    completed_on_first = FirstDay("completed_on")

    trigger_constraints = (MOVED_DEADLINE_HAS_A_REASON,)

    class Meta:
        ordering = ["id"]

    def __str__(self):
        return self.title


class Dependency(UidRecord):
    """A recommendation that another one depends on."""

    access_parents = ("recommendation", "depends_on")
    label_parts = ("recommendation__slug", "depends_on__slug")

    recommendation = models.ForeignKey(Recommendation, models.PROTECT, related_name="dependencies")
    depends_on = models.ForeignKey(
        Recommendation, models.PROTECT, related_name="needed_by", help_text=_("Recommendation that must be implemented first.")
    )

    trigger_constraints = (
        TriggerConstraint(
            "dependency_has_no_circle",
            _("A recommendation cannot depend on itself, directly or through others."),
            """EXISTS (WITH RECURSIVE below AS (SELECT NEW.depends_on_id AS id UNION
                SELECT d.depends_on_id FROM recommendations_dependency d JOIN below ON d.recommendation_id = below.id)
                SELECT FROM below WHERE id = NEW.recommendation_id)""",
            field="depends_on",
            changed=("recommendation_id", "depends_on_id"),
            deferred=True,
            locks=(RuleLock("dependencies", "INSERT"), RuleLock("dependencies", "UPDATE", differs("recommendation_id", "depends_on_id"))),
        ),
    )

    class Meta:
        ordering = ["id"]
        verbose_name_plural = _("dependencies")
        constraints = [
            UniqueConstraint(
                fields=["recommendation", "depends_on"],
                name="dependency_is_stated_once",
                violation_error_message=_("This dependency is already recorded."),
                field="depends_on",
            ),
            CheckConstraint(
                name="dependency_needs_two",
                condition=~Q(recommendation=F("depends_on")),
                violation_error_message=_("A recommendation cannot depend on itself."),
                field="depends_on",
            ),
        ]

    def __str__(self):
        return _("{recommendation} depends on: {other}").format(recommendation=self.recommendation, other=self.depends_on)
