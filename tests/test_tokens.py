"""Tokens are counted as services count them. The figures are what OpenAI's service itself told for these messages."""

import subprocess
import sys

import pytest

from project.catalogue import Model, model_of
from project.tokens import count_messages, count_tokens, counter

# Messages and prompt_tokens of calls to gpt-4 and gpt-4o: OpenAI's cookbook ("How to count tokens with tiktoken"), and
# the checks of openai-messages-token-helper 0.1.4 (MIT), which compare with the service.
JARGON = "You are a helpful, pattern-following assistant that translates corporate jargon into plain English."
PLAN = (
    "Assistant helps the company employees with their healthcare plan questions, and questions about the employee "
    "handbook. Be brief in your answers."
)
REVIEW = (
    "The supervisor will discuss the employee's performance and provide feedback on areas for improvement. They will "
    "also provide an opportunity for the employee to discuss their goals and objectives for the upcoming year. The "
    "review is a two-way dialogue between managers and employees, and employees will receive a written summary of "
    "their performance review which will include a rating of their performance, feedback, and goals for the upcoming "
    "year [employee_handbook-3.pdf]."
)
DRESS = "Yes, there is a dress code at Contoso Electronics. Look sharp! [employee_handbook-1.pdf]"
RECORDED = [
    ("system", "You are a bot.", 12, 12),
    ("system", JARGON, 25, 24),
    ("system", PLAN, 31, 31),
    ("system", "á", 8, 8),
    ("user", "Hello, how are you?", 13, 13),
    ("user", "What happens in a performance review?", 14, 14),
    ("user", "Is there a dress code?", 13, 13),
    ("user", "What does a Product Manager do?", 14, 14),
    ("assistant", REVIEW, 91, 91),
    ("assistant", DRESS, 30, 30),
]


@pytest.mark.parametrize(("role", "text", "older", "newer"), RECORDED)
def test_a_message_counts_what_the_service_counted(role, text, older, newer):
    message = [{"role": role, "content": text}]
    assert count_messages(message, counter(model_of("gpt-4"))) == older
    assert count_messages(message, counter(model_of("gpt-4o"))) == newer


def test_the_catalogues_encoding_stands_above_what_a_name_says():
    assert counter(Model("gpt-4o", encoding="cl100k_base"))("租金") == count_tokens("租金", "gpt-4") == 3


def test_a_model_that_nobody_knows_is_counted_as_the_newer_ones():
    assert counter(Model("my-llama"))("租金") == count_tokens("租金", "gpt-4o") == 2


def test_only_the_vocabulary_that_is_needed_is_read():
    code = (
        "import rs_bpe; read = rs_bpe.openai.cl100k_base; rs_bpe.openai.cl100k_base = None\n"
        "from project.tokens import counter; from project.catalogue import Model\n"
        "assert counter(Model('m', encoding='o200k_base'))('rent is due') == 3"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
