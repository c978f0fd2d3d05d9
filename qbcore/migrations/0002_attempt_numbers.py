"""Where attempt numbers come from: a sequence on PostgreSQL; and how hot tables are kept tidy."""

from django.db import migrations

POSTGRES = """
CREATE SEQUENCE IF NOT EXISTS attempt_number CACHE 64;
ALTER TABLE job SET (fillfactor = 70);
ALTER TABLE subjob SET (fillfactor = 50);
ALTER TABLE work SET (autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE delta SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
"""


def forward(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(POSTGRES)


def backward(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP SEQUENCE IF EXISTS attempt_number")


class Migration(migrations.Migration):
    dependencies = [("qbcore", "0001_initial")]
    operations = [migrations.RunPython(forward, backward)]
