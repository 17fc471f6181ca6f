from django.db import migrations

# Questions that were asked one after another follow the newest answer of the question before.
CHAIN = """
UPDATE chat_message AS asked SET after_id = (
    SELECT reply.id FROM chat_message AS reply WHERE reply.reply_to_id = (
        SELECT before.id FROM chat_message AS before
        WHERE before.conversation_id = asked.conversation_id AND before.role = 'user'
            AND before.created_at < asked.created_at
        ORDER BY before.created_at DESC LIMIT 1
    ) ORDER BY reply.created_at DESC LIMIT 1
) WHERE asked.role = 'user'
"""


class Migration(migrations.Migration):
    dependencies = [("chat", "0009_the_page_of_a_conversation")]
    operations = [migrations.RunSQL(CHAIN, migrations.RunSQL.noop)]
