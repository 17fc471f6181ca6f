"""What several commands take, refused with a sentence where it makes no sense."""

from argparse import ArgumentTypeError

from documents.models import Collection


def collection_name(text: str) -> str:
    letters = Collection._meta.get_field("name").max_length or 0
    if not text.isprintable() or len(text) > letters:
        raise ArgumentTypeError(f"a collection has a name of at most {letters} letters that can be shown")
    return text
