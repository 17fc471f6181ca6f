"""Search tables of an earlier shape make room for today's, and their documents are brought in again by the worker.

Vectors are known by their texts: none is computed, or paid for, again.
"""

import logging

from django.db import migrations

from documents.search.pgvector.tables import CREATE, DROP

log = logging.getLogger(__name__)

SAID = "Its search tables were of an earlier shape; the worker brings its documents in again."
TABLES = ("document", "chunk", "text", "word", "frequency", "vector")
OF_THIS_SHAPE = "SELECT 1 FROM information_schema.columns WHERE table_name = %s AND column_name = 'words'"
# What is being embedded begins with its first chunk again.
BEGIN_AGAIN = """
UPDATE documents_document AS document SET state = 'embedding', done = 0 FROM documents_collection AS collection
WHERE collection.id = document.collection_id AND collection.index_id = %s AND document.state IN ('embedding', 'indexing')
"""


def make_anew(apps, schema_editor):
    for version in apps.get_model("documents", "IndexVersion").objects.filter(backend_name="pgvector"):
        tables = {name: f"search_{version.pk}_{name}" for name in TABLES}
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(OF_THIS_SHAPE, [tables["chunk"]])
            if cursor.fetchone() is None:
                cursor.execute(DROP.format(**tables))
                cursor.execute(CREATE.format(**tables, dimensions=version.dimensions))
                cursor.execute("DELETE FROM documents_holding WHERE index_version_id = %s", [version.pk])
                cursor.execute(BEGIN_AGAIN, [version.index_id])
                cursor.execute("UPDATE documents_indexversion SET error = %s WHERE id = %s", [SAID, version.pk])
                log.warning("index version %s: %s", version.pk, SAID)


class Migration(migrations.Migration):

    dependencies = [
        ("documents", "0006_building_by_turns"),
    ]

    operations = [
        migrations.RunPython(make_anew, migrations.RunPython.noop),
    ]
