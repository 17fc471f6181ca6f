import uuid

import django.contrib.postgres.functions
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('chat', '0006_ended_at'),
        ('documents', '0007_search_tables'),
    ]

    operations = [
        # Each citation that is there gets a name of its own.
        migrations.AddField(
            model_name='citation',
            name='public_id',
            field=models.UUIDField(db_default=django.contrib.postgres.functions.RandomUUID(), editable=False, help_text='What its link names.', unique=True),
        ),
        migrations.AlterField(
            model_name='citation',
            name='public_id',
            field=models.UUIDField(default=uuid.uuid4, editable=False, help_text='What its link names.', unique=True),
        ),
        migrations.AddField(
            model_name='citation',
            name='is_sent',
            field=models.BooleanField(default=True, help_text='False: found, but not shown to whoever answered.'),
        ),
        migrations.AddField(
            model_name='citation',
            name='tokens',
            field=models.PositiveIntegerField(default=0, help_text='Of the passage, as we count.'),
        ),
        migrations.AddField(
            model_name='message',
            name='made',
            field=models.JSONField(blank=True, default=dict, help_text='What it took: chat.making.Made.'),
        ),
        migrations.CreateModel(
            name='Recheck',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('sentences', models.JSONField(blank=True, default=list, help_text='What no longer holds: [{"sentence", "number", "reason"}, ...]')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('dismissed_at', models.DateTimeField(blank=True, null=True)),
                ('document', models.ForeignKey(help_text='The version that took the place of one it cites, or the one it cites that was deleted.', on_delete=django.db.models.deletion.CASCADE, related_name='+', to='documents.document')),
                ('message', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='rechecks', to='chat.message')),
            ],
            options={
                'ordering': ['created_at'],
                'constraints': [models.UniqueConstraint(fields=('message', 'document'), name='one_recheck_a_change')],
            },
        ),
    ]
