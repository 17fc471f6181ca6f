from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('documents', '0014_run_seen_and_names'),
    ]

    operations = [
        migrations.AddField(
            model_name='index',
            name='unpublished',
            field=models.CharField(blank=True, help_text='Why its service does not know yet which version is live.', max_length=300),
        ),
    ]
