"""What follows for an account, whoever changes it and by whatever means: tokens end with the password, staff are who have a role."""

from django.db import migrations, models

# The setting is made by User.check_password(), which stores a stronger hash of the same password.
TOKENS = """
CREATE FUNCTION end_tokens() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.is_active AND NOT NEW.is_active OR coalesce(current_setting('policytracker.same_password', true), '') <> 'on' THEN
    DELETE FROM policytracker_token WHERE user_id = NEW.id;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER end_tokens AFTER UPDATE ON policytracker_user FOR EACH ROW
WHEN (OLD.password <> NEW.password OR OLD.is_active AND NOT NEW.is_active) EXECUTE FUNCTION end_tokens();
"""
# Django's admin lets in whoever has `is_staff`.
STAFF = """
CREATE FUNCTION staff_have_a_role() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.is_staff := NEW.is_superuser OR EXISTS (SELECT FROM policytracker_user_groups WHERE user_id = NEW.id);
  RETURN NEW;
END $$;
CREATE TRIGGER staff_have_a_role BEFORE INSERT OR UPDATE ON policytracker_user FOR EACH ROW EXECUTE FUNCTION staff_have_a_role();

CREATE FUNCTION role_makes_staff() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE policytracker_user SET is_staff = is_staff WHERE id = coalesce(NEW.user_id, OLD.user_id);
  RETURN NULL;
END $$;
CREATE TRIGGER role_makes_staff AFTER INSERT OR DELETE ON policytracker_user_groups
FOR EACH ROW EXECUTE FUNCTION role_makes_staff();

UPDATE policytracker_user SET is_staff = is_staff;
"""


class Migration(migrations.Migration):
    dependencies = [("policytracker", "0002_date_functions_restore")]

    operations = [
        migrations.AddIndex(
            model_name="idempotencykey",
            index=models.Index(fields=["created_at"], name="idempotency_key_by_age"),
        ),
        migrations.RunSQL(TOKENS, "DROP TRIGGER end_tokens ON policytracker_user; DROP FUNCTION end_tokens();"),
        migrations.RunSQL(
            STAFF,
            """DROP TRIGGER role_makes_staff ON policytracker_user_groups; DROP FUNCTION role_makes_staff();
            DROP TRIGGER staff_have_a_role ON policytracker_user; DROP FUNCTION staff_have_a_role();""",
        ),
    ]
