"""A model service at the wire: checks every request against the published schemas and answers as it is told.

`service` is the server, `dialects` what each service takes at which path, `chat` and `embeddings` what it says.
"""

from tests.fake_openai.chat import Reply
from tests.fake_openai.dialects import SPECS, properties
from tests.fake_openai.embeddings import Vectors, vector
from tests.fake_openai.service import FakeOpenAI

__all__ = ["SPECS", "FakeOpenAI", "Reply", "Vectors", "properties", "vector"]
