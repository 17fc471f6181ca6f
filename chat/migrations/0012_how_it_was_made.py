from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('chat', '0011_stored_responses'),
    ]

    operations = [
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
    ]
