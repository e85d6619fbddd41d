"""The columns of a recommendation with facts that follow from other records, and the triggers that write or protect them.

`recommendations/facts.py` has the rules. Only `recompute_status()` and the trigger of addressees write these columns.
"""

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from policytracker.records.constraints import NOT_LOADING, DerivedWrite
from recommendations.models.periods import RECOMPUTING, RECOMPUTING_SETTING


def fact(help_text: Any) -> models.BooleanField:
    return models.BooleanField(default=False, db_default=False, editable=False, help_text=help_text)


class Facts(models.Model):
    """Facts are no change of the recommendation: they have no version and no history."""

    claim_differs = fact(_("The newest claim of a party differs from our assessment."))
    has_update = fact(_("An update is in effect."))
    has_evidence = fact(_("An update in effect has evidence."))
    has_addressee = fact(_("The recommendation is addressed to a party."))
    has_response = fact(_("The response of an addressee is recorded."))

    class Meta:
        abstract = True


FACTS = tuple(field.name for field in Facts._meta.local_fields)

# Other writes, such as saving an object that was read before, keep the stored values.
FACTS_ARE_CALCULATED = DerivedWrite(
    "facts_are_calculated",
    f"""IF NOT ({RECOMPUTING}) THEN
    IF tg_op = 'INSERT' THEN {" ".join(f"new.{name} := false;" for name in FACTS)}
    ELSE {" ".join(f"new.{name} := old.{name};" for name in FACTS)} END IF;
  END IF;""",
    before=True,
)

# A new addressee can only make facts true, and writes its recommendation only if it does. A load adds many, and calculates all facts at
# its end. A change or deletion locks the recommendations first, so that two of them see each other.
FACTS_OF_ADDRESSEES = DerivedWrite(
    "facts_of_addressees",
    f"""DECLARE outer_setting text := current_setting('{RECOMPUTING_SETTING}', true); BEGIN
    IF tg_op = 'INSERT' AND NOT ({NOT_LOADING}) THEN RETURN new; END IF;
    PERFORM set_config('{RECOMPUTING_SETTING}', 'on', true);
    IF tg_op = 'INSERT' THEN
      UPDATE recommendations_recommendation SET has_addressee = true, has_response = has_response OR new.response <> 'none_recorded'
      WHERE id = new.recommendation_id AND NOT (has_addressee AND (has_response OR new.response = 'none_recorded'));
    ELSE
      PERFORM FROM recommendations_recommendation WHERE id IN (old.recommendation_id, new.recommendation_id) ORDER BY id FOR NO KEY UPDATE;
      UPDATE recommendations_recommendation AS stored SET (has_addressee, has_response) = ROW(calculated.addressed, calculated.answered)
      FROM (
        SELECT r.id, EXISTS (SELECT FROM recommendations_addressee a WHERE a.recommendation_id = r.id) AS addressed,
          EXISTS (SELECT FROM recommendations_addressee a WHERE a.recommendation_id = r.id AND a.response <> 'none_recorded') AS answered
        FROM recommendations_recommendation r WHERE r.id IN (old.recommendation_id, new.recommendation_id)
      ) AS calculated
      WHERE stored.id = calculated.id
        AND (stored.has_addressee, stored.has_response) IS DISTINCT FROM (calculated.addressed, calculated.answered);
    END IF;
    PERFORM set_config('{RECOMPUTING_SETTING}', coalesce(outer_setting, ''), true);
  END;""",
)
