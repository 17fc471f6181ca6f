from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('chat', '0017_conversations_of_programs'),
    ]

    operations = [
        migrations.AddField(
            model_name='citation',
            name='copies',
            field=models.JSONField(default=list, help_text='[[document, page, its label, start, end], ...]: where else the same words were found.'),
        ),
    ]
