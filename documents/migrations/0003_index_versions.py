import django.db.models.deletion
from django.db import migrations, models


# What is held so far, is held by the version that is live.
FILL = """
DELETE FROM documents_chunk AS chunk USING documents_document AS document, documents_collection AS collection,
    documents_index AS index
WHERE document.id = chunk.document_id AND collection.id = document.collection_id
    AND index.id = collection.index_id AND index.live_id IS NULL;
UPDATE documents_chunk AS chunk SET index_version_id = index.live_id
FROM documents_document AS document JOIN documents_collection AS collection ON collection.id = document.collection_id
    JOIN documents_index AS index ON index.id = collection.index_id
WHERE document.id = chunk.document_id;
INSERT INTO documents_holding (
    index_version_id, document_id, generation, collection_id, chunk_count, done, finished_at
)
SELECT index.live_id, document.id, document.generation, document.collection_id, held.cut, held.searched, now()
FROM documents_document AS document JOIN documents_collection AS collection ON collection.id = document.collection_id
    JOIN documents_index AS index ON index.id = collection.index_id
    CROSS JOIN LATERAL (
        SELECT count(*) AS cut, count(*) FILTER (WHERE chunk.is_searched) AS searched FROM documents_chunk AS chunk
        WHERE chunk.document_id = document.id AND chunk.generation = document.generation
    ) AS held
WHERE index.live_id IS NOT NULL AND document.generation > 0 AND document.deleted_at IS NULL
    AND document.superseded_at IS NULL
    AND NOT (document.state IN ('embedding', 'indexing') AND document.generation = document.building);
SET CONSTRAINTS ALL IMMEDIATE;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('documents', '0002_receipts_and_turns'),
    ]

    operations = [
        migrations.CreateModel(
            name='Holding',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('generation', models.PositiveIntegerField()),
                ('chunk_count', models.PositiveIntegerField(default=0)),
                ('done', models.PositiveIntegerField(default=0, help_text='Chunks that are searched and stored in the index.')),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.AlterModelOptions(
            name='indexversion',
            options={'ordering': ['index', 'number']},
        ),
        migrations.RemoveConstraint(
            model_name='chunk',
            name='one_chunk_an_ordinal',
        ),
        migrations.AddField(
            model_name='chunk',
            name='index_version',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='chunks', to='documents.indexversion'),
        ),
        migrations.AddField(
            model_name='indexversion',
            name='embedded',
            field=models.PositiveIntegerField(default=0, help_text='Chunks whose vectors were computed for it.'),
        ),
        migrations.AddField(
            model_name='indexversion',
            name='error',
            field=models.CharField(blank=True, help_text='A sentence: why it failed, or what it waits for.', max_length=300),
        ),
        migrations.AddField(
            model_name='indexversion',
            name='languages',
            field=models.JSONField(blank=True, default=list, help_text='ISO 639-1: those whose grammar the keyword search knows; none: all it can.'),
        ),
        migrations.AddField(
            model_name='indexversion',
            name='lease_token',
            field=models.UUIDField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='indexversion',
            name='lease_until',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='indexversion',
            name='not_before',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='indexversion',
            name='retired_at',
            field=models.DateTimeField(blank=True, help_text='When another took its place.', null=True),
        ),
        migrations.AddField(
            model_name='indexversion',
            name='seconds',
            field=models.FloatField(default=0, help_text='Spent at work on it.'),
        ),
        migrations.AddField(
            model_name='indexversion',
            name='state',
            field=models.CharField(choices=[('building', 'Being built'), ('ready', 'Ready'), ('failed', 'Failed'), ('canceled', 'Cancelled')], default='ready', max_length=12),
        ),
        migrations.AddField(
            model_name='indexversion',
            name='tokens',
            field=models.PositiveBigIntegerField(default=0, help_text='Paid for, as the embedding service counted them.'),
        ),
        migrations.AddConstraint(
            model_name='chunk',
            constraint=models.UniqueConstraint(fields=('document', 'index_version', 'generation', 'ordinal'), name='one_chunk_an_ordinal'),
        ),
        migrations.AddConstraint(
            model_name='indexversion',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'building')), fields=('index',), name='one_building_an_index'),
        ),
        migrations.AddField(
            model_name='holding',
            name='collection',
            field=models.ForeignKey(help_text='Where the index believes it to lie.', on_delete=django.db.models.deletion.CASCADE, related_name='+', to='documents.collection'),
        ),
        migrations.AddField(
            model_name='holding',
            name='document',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='holdings', to='documents.document'),
        ),
        migrations.AddField(
            model_name='holding',
            name='index_version',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='holdings', to='documents.indexversion'),
        ),
        migrations.AddConstraint(
            model_name='holding',
            constraint=models.UniqueConstraint(fields=('index_version', 'document'), name='one_holding_a_document'),
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name='chunk',
            name='index_version',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='chunks', to='documents.indexversion'),
        ),
    ]
