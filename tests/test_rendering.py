"""A page as an image, and the words of a span lit up where they stand."""

import io
import os
import random
import re
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image

from documents.extraction import ExtractedPage, Order, extract
from documents.rendering import Rect, RenderingError, page_image, page_size, rectangles
from documents.rendering.__main__ import by_line, ranges
from tests import pdfs

FILES = Path(__file__).resolve().parent.parent.parent / "shared" / "eval" / "files"
REAL = sorted([*FILES.glob("agency/*.pdf"), *FILES.glob("ntsb/*.pdf")])
LINE = pdfs.text([(50, 500, 20, b"Hello lamp")])


def saved(tmp_path: Path, data: bytes, name: str = "file.pdf") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def ink(path: Path, rect: Rect) -> tuple[float, float, float, float]:
    """What part of the ink, at one pixel a point, lies in the rectangle's left, top, right and bottom bounds."""
    box = Image.open(io.BytesIO(page_image(path, 1, scale=4))).convert("L").point(lambda level: level < 128 and 255)
    left, top, right, bottom = (side / 4 for side in box.getbbox())
    return left - rect.left, top - rect.top, right - rect.left - rect.width, bottom - rect.top - rect.height


def test_a_page_becomes_a_jpeg_of_its_size(tmp_path):
    image = Image.open(io.BytesIO(page_image(saved(tmp_path, pdfs.pdf(LINE)), 1, scale=1.5)))
    assert (image.format, image.size) == ("JPEG", (600, 900))


def test_a_huge_page_is_drawn_smaller(tmp_path):
    path = saved(tmp_path, pdfs.pdf(LINE, page=b"/MediaBox[0 0 14400 7200]"))
    assert Image.open(io.BytesIO(page_image(path, 1))).size == (4000, 2000)


def test_the_size_is_that_of_the_page_as_it_is_shown(tmp_path):
    path = saved(tmp_path, pdfs.pdf(LINE, page=b"/MediaBox[0 0 400 600]/CropBox[40 100 390 560]/Rotate 90"))
    assert page_size(path, 1) == (460, 350)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("crop", [b"", b"/CropBox[30 200 390 560]"])
def test_the_rectangle_lies_round_the_ink_on_turned_and_cropped_pages(tmp_path, rotation, crop):
    path = saved(tmp_path, pdfs.pdf(LINE, page=b"/MediaBox[0 0 400 600]%s/Rotate %d" % (crop, rotation)))
    [rects] = rectangles(path, 1, [(0, 10)])
    bounds = [min(rect[side] for rect in rects) for side in (0, 1)]
    right = max(rect.left + rect.width for rect in rects)
    bottom = max(rect.top + rect.height for rect in rects)
    whole = Rect(bounds[0], bounds[1], right - bounds[0], bottom - bounds[1])
    assert all(abs(difference) < 3 for difference in ink(path, whole))


def test_words_on_one_line_are_one_rectangle(tmp_path):
    path = saved(tmp_path, pdfs.pdf(LINE))
    assert len(rectangles(path, 1, [(0, 10)])[0]) == 1


def test_a_span_over_two_lines_has_two_rectangles(tmp_path):
    path = saved(tmp_path, pdfs.pdf(pdfs.text([(50, 500, 20, b"one"), (50, 470, 20, b"two")])))
    first, second = rectangles(path, 1, [(0, 8)])[0]
    assert first.top + first.height <= second.top


def test_columns_are_not_joined():
    assert len(by_line([(0, 0, 100, 10), (300, 0, 400, 10)])) == 2


def test_spans_outside_the_text_have_no_rectangles(tmp_path):
    assert rectangles(saved(tmp_path, pdfs.pdf(LINE)), 1, [(5, 5), (90, 99), (-3, 0)]) == [[], [], []]


# Places that are not PDFium's, or not in its order ---------------------------------------------------------------

TWO_LINES = pdfs.text([(50, 500, 20, b"one"), (50, 470, 20, b"two")])  # PDFium's text: one, end of line, two
BOXES = [(10, 14, 50, 300, 40, 12), (15, 18, 95, 300, 30, 12), (19, 22, 50, 320, 30, 12)]


def test_words_of_an_image_are_lit_line_by_line_where_their_boxes_are(tmp_path):
    path = saved(tmp_path, pdfs.pdf(LINE))
    assert rectangles(path, 1, [(10, 22)], boxes=BOXES) == [[Rect(50, 300, 75, 12), Rect(50, 320, 30, 12)]]


def test_a_part_of_a_word_lights_the_whole_of_it(tmp_path):
    assert rectangles(saved(tmp_path, pdfs.pdf(LINE)), 1, [(16, 17)], boxes=BOXES) == [[Rect(95, 300, 30, 12)]]


def test_a_span_from_the_printed_text_into_the_boxes_is_lit_in_both(tmp_path):
    path = saved(tmp_path, pdfs.pdf(LINE))
    [printed] = rectangles(path, 1, [(6, 10)])[0]
    assert rectangles(path, 1, [(6, 14)], boxes=BOXES) == [[printed, Rect(50, 300, 40, 12)]]


def test_behind_the_first_box_no_letter_has_the_place_of_a_printed_one(tmp_path):
    scanned = [(0, 3, 50, 300, 40, 12), (8, 11, 50, 320, 30, 12)]  # On a page that has a printed text as well.
    assert rectangles(saved(tmp_path, pdfs.pdf(LINE)), 1, [(3, 8)], boxes=scanned) == [[]]


def test_letters_that_nothing_places_are_not_lit(tmp_path):
    assert rectangles(saved(tmp_path, pdfs.pdf(LINE)), 1, [(11, 40)], boxes=[(40, 44, 1, 1, 9, 9)]) == [[]]


def test_a_text_in_another_order_is_lit_where_its_letters_stand(tmp_path):
    path = saved(tmp_path, pdfs.pdf(TWO_LINES))
    one, two = rectangles(path, 1, [(0, 3), (5, 8)])
    assert rectangles(path, 1, [(0, 3), (4, 7)], runs=[(0, 5, 3, 1), (4, 0, 3, 1)]) == [two, one]


def test_a_span_over_two_stretches_of_another_order_is_lit_in_both(tmp_path):
    path = saved(tmp_path, pdfs.pdf(TWO_LINES))
    one, two = rectangles(path, 1, [(0, 3), (5, 8)])
    assert rectangles(path, 1, [(0, 7)], runs=[(0, 5, 3, 1), (4, 0, 3, 1)]) == [two + one]


def test_letters_that_stand_from_right_to_left_are_lit_from_the_right(tmp_path):
    path = saved(tmp_path, pdfs.pdf(LINE))
    [lamp] = rectangles(path, 1, [(6, 10)])
    assert rectangles(path, 1, [(0, 4)], runs=[(0, 9, 10, -1)]) == [lamp]


@pytest.mark.parametrize(
    ("span", "runs", "expected"),
    [
        ((2, 9), [(0, 40, 4, 1), (4, 20, 4, -1)], [(42, 2), (17, 4)]),
        ((0, 3), [(0, 40, 4, 2)], [(40, 1), (42, 1), (44, 1)]),
        ((0, 9), [(20, 40, 4, 1)], []),
        ((0, 4), [(0, 98, 4, 1)], [(98, 2)]),
        ((0, 4), [(0, 1, 4, -1)], [(0, 2)]),
        ((0, 4), [(0, 300, 4, 1), (4, -20, 4, 1)], []),
        ((7, 3), [], []),
        ((-5, 300), [], [(0, 100)]),
    ],
)
def test_a_span_stands_for_these_of_a_hundred_characters(span, runs, expected):
    assert list(ranges(*span, 100, runs)) == expected


@pytest.mark.skipif(not FILES.is_dir(), reason="the real files are not here")
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_under_the_rectangles_of_a_real_page_stand_the_words_of_the_span(path):
    pages = [
        page
        for page in extract(Order(path, 200), "pdf", memory_bytes=2**31, seconds=60)
        if isinstance(page, ExtractedPage)
    ]
    number = next(number for number in (2, 1, 3) if len(pages[number - 1].text.split()) > 40)
    words = [match.span() for match in re.finditer(r"\S+", pages[number - 1].text)]
    chosen = random.Random(7).sample(range(len(words) - 12), 6)
    spans = [(words[at][0], words[at + 12][1]) for at in chosen]
    with pypdfium2.PdfDocument(path) as pdf:
        textpage, height = pdf[number - 1].get_textpage(), pdf[number - 1].get_height()
        for (start, end), boxes in zip(spans, rectangles(path, number, spans), strict=True):
            under = " ".join(
                textpage.get_text_bounded(x - 0.3, height - y - h - 0.3, x + w + 0.3, height - y + 0.3)
                for x, y, w, h in boxes
            )
            missing = [word for word in letters(pages[number - 1].text[start:end]) if word not in letters(under)]
            assert not missing


def letters(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.replace("\ufffe", "-"))


def test_a_page_that_is_not_there_is_refused_in_words(tmp_path):
    with pytest.raises(RenderingError, match="The file has no page 7"):
        page_image(saved(tmp_path, pdfs.pdf(LINE)), 7)


def test_a_damaged_file_is_refused_in_words(tmp_path):
    with pytest.raises(RenderingError, match="damaged"):
        page_image(saved(tmp_path, b"%PDF-1.7 nothing"), 1)


def test_a_missing_file_is_refused_in_words(tmp_path):
    with pytest.raises(RenderingError, match="not there"):
        page_size(tmp_path / "none.pdf", 1)


def test_many_threads_may_ask_at_once(tmp_path):
    path = saved(tmp_path, pdfs.pdf(*[LINE] * 8))
    with ThreadPoolExecutor(8) as threads:
        images = list(threads.map(lambda number: page_image(path, number % 8 + 1), range(24)))
    assert len(set(images)) == 1


def test_the_renderer_outlives_the_thread_that_first_asked(tmp_path):
    path = saved(tmp_path, pdfs.pdf(LINE))
    thread = threading.Thread(target=page_size, args=(path, 1))
    thread.start()
    thread.join()
    assert page_size(path, 1) == (400, 600)


def test_after_a_renderer_died_the_next_page_is_drawn_by_a_new_one(tmp_path):
    path = saved(tmp_path, pdfs.pdf(LINE))
    page_size(path, 1)
    for pid in children_that("documents.rendering"):
        os.kill(pid, signal.SIGKILL)
    assert page_size(path, 1) == (400, 600)


def test_a_page_that_takes_too_long_is_given_up_and_the_next_one_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr("documents.rendering.SECONDS", 0.3)
    slow = pdfs.pdf(b"0.5 w 0 0 m " + b"400 600 l 0 600 l 400 0 l 0 0 l " * 60_000 + b"S")
    with pytest.raises(RenderingError, match="too long"):
        page_image(saved(tmp_path, slow), 1, scale=6)
    monkeypatch.undo()
    assert page_size(saved(tmp_path, pdfs.pdf(LINE), "next.pdf"), 1) == (400, 600)


def children_that(name: str) -> list[int]:
    pids = [int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]
    return [pid for pid in pids if name.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()]
