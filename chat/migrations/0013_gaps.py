import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

REFUSED = """
INSERT INTO chat_gap (question_id, opened_at, looked_at)
SELECT reply_to_id, max(created_at), max(created_at) FROM chat_message
WHERE role = 'assistant' AND reply_to_id IS NOT NULL
GROUP BY reply_to_id HAVING (array_agg(state ORDER BY created_at DESC))[1] = 'refused'
"""


class Migration(migrations.Migration):
    dependencies = [("chat", "0012_sentence_proofs")]

    operations = [
        migrations.CreateModel(
            name="Gap",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("opened_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "looked_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, help_text="What came before that has been searched."
                    ),
                ),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "dismissed_at",
                    models.DateTimeField(blank=True, help_text="The asker has put the news away.", null=True),
                ),
                (
                    "citation",
                    models.OneToOneField(
                        blank=True,
                        help_text="Where the answer stands.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="gap",
                        to="chat.citation",
                    ),
                ),
                (
                    "question",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="gap", to="chat.message"
                    ),
                ),
            ],
            options={
                "ordering": ["-opened_at"],
                "indexes": [
                    models.Index(condition=models.Q(("closed_at", None)), fields=["-opened_at"], name="open_gaps")
                ],
            },
        ),
        migrations.RunSQL(REFUSED, migrations.RunSQL.noop),
    ]
