"""Words on pages that are images: read upright, in their language, and each lit where it stands."""

import io
import os
import random
import shutil
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image

from documents.extraction import ocr
from documents.extraction.ocr import Recognised, Word, installed_names, laid_out, words
from documents.extraction.pdf.extras import shown
from tests import pdfs

ROOT = Path(__file__).resolve().parent.parent
needs_tesseract = pytest.mark.skipif(not shutil.which("tesseract"), reason="tesseract is not installed")
SIZE = (300, 200)
LINES = (
    (30, 150, 14, b"The landlord shall repair the roof"),
    (30, 132, 14, b"within fourteen days of notice."),
    (30, 80, 14, b"Rent is due on the first of May."),
)
FULL = [(20, 180, 11, b"Chimneys and roofs are repaired")] + [
    (20, y, 11, b"by whoever owns the building.") for y in range(166, 20, -14)
]
TEXT = "The landlord shall repair the roof\nwithin fourteen days of notice.\n\nRent is due on the first of May."


def printed(lines: Sequence[tuple[float, float, float, bytes]] = LINES, page: bytes = b"") -> pypdfium2.PdfDocument:
    return pypdfium2.PdfDocument(pdfs.pdf(pdfs.text(lines), page=b"/MediaBox[0 0 %d %d]%s" % (*SIZE, page)))


def scan(pdf: pypdfium2.PdfDocument, *, turned: int = 0) -> pypdfium2.PdfPage:
    """The document's first page as it comes from a scanner, on which it lay turned to the left."""
    image = pdf[0].render(scale=200 / 72).to_pil().convert("L").rotate(turned, expand=True)
    return page_of(image)


def page_of(image: Image.Image) -> pypdfium2.PdfPage:
    out = io.BytesIO()
    image.save(out, "PDF", resolution=200)
    return pypdfium2.PdfDocument(out.getvalue())[0]


def places(recognised: Recognised) -> dict[str, tuple[float, float]]:
    """The middle of each word's box."""
    return {
        recognised.text[start:end]: (left + width / 2, top + height / 2)
        for start, end, left, top, width, height in recognised.boxes
    }


def program(folder: Path, script: str) -> None:
    """A tesseract that does what the script says; $* is what it was asked."""
    path = folder / "tesseract"
    path.write_text("#!/bin/sh\n" + textwrap.dedent(script))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def row(text: str, confidence: float) -> str:
    return f"5\\t1\\t1\\t1\\t1\\t1\\t10\\t10\\t90\\t20\\t{confidence}\\t{text}\\n"


# What is read ------------------------------------------------------------------------------------------------------


@needs_tesseract
def test_the_words_of_a_scan_are_read_in_lines_and_paragraphs():
    assert ocr.recognise(scan(printed()), ()).text == TEXT


@needs_tesseract
def test_a_scan_tells_its_language_and_how_sure_its_words_are():
    found = ocr.recognise(scan(printed()), ("en",))
    assert found.languages == "eng"
    assert found.confidence > 80


@needs_tesseract
@pytest.mark.parametrize("turned", [0, 90, 180, 270])
def test_a_page_that_lay_turned_on_the_scanner_is_read_upright(turned):
    found = ocr.recognise(scan(printed(FULL), turned=turned), ())
    assert found.text.split("\n")[0] == "Chimneys and roofs are repaired"


@needs_tesseract
@pytest.mark.parametrize("turned", [90, 180, 270])
def test_the_boxes_of_a_turned_page_are_where_it_shows_its_words(turned):
    x, y = places(ocr.recognise(scan(printed(FULL)), ()))["Chimneys"]
    found = places(ocr.recognise(scan(printed(FULL), turned=turned), ()))["Chimneys"]
    width, height = SIZE
    assert found == pytest.approx(
        {90: (y, width - x), 180: (width - x, height - y), 270: (height - y, x)}[turned], abs=2
    )


@needs_tesseract
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("crop", [b"", b"/CropBox[10 40 290 190]"])
def test_each_box_lies_over_its_word_on_rotated_and_cropped_pages(rotation, crop):
    page = printed(page=b"%s/Rotate %d" % (crop, rotation))[0]
    textpage = page.get_textpage()
    text = textpage.get_text_range()
    found = places(ocr.recognise(page, ()))
    for word in ("landlord", "fourteen", "notice.", "first"):
        textpage.count_rects(text.index(word), len(word))
        left, top, width, height = shown(page, textpage.get_rect(0))
        assert left < found[word][0] < left + width
        assert top < found[word][1] < top + height


@needs_tesseract
def test_a_hyphen_at_the_end_of_a_line_stays():
    lines = [(30, 150, 14, b"The tenant gives a fort-"), (30, 132, 14, b"night of notice.")]
    assert "fort-\nnight" in ocr.recognise(scan(printed(lines)), ()).text


@needs_tesseract
def test_an_empty_page_has_no_words():
    assert ocr.recognise(page_of(Image.new("L", (800, 600), 255)), ()) == Recognised()


@needs_tesseract
def test_noise_has_no_words():
    grains = random.Random(3).randbytes(400 * 300)
    assert ocr.recognise(page_of(Image.frombytes("L", (400, 300), grains)), ()) == Recognised()


@needs_tesseract
def test_a_page_of_five_metres_is_read_at_a_size_that_fits():
    lines = [(30, 150, 14, b"The landlord shall repair the roof")]
    image = printed(lines)[0].render(scale=200 / 72).to_pil().convert("L")
    out = io.BytesIO()
    image.save(out, "PDF", resolution=4)
    page = pypdfium2.PdfDocument(out.getvalue())[0]
    assert page.get_width() > 14_000
    assert ocr.recognise(page, ()).text == "The landlord shall repair the roof"


@needs_tesseract
def test_what_was_filled_into_a_form_is_not_read_a_second_time():
    field = b"<</Type/Annot/Subtype/Widget/FT/Tx/T(n)/Rect[30 60 280 90]/F 4/V(Ada Lovelace)/DA(/F1 16 Tf 0 g)>>"
    form = b"<</Fields[5 0 R]/DR<</Font<</F1 3 0 R>>>>/DA(/F1 16 Tf 0 g)>>"
    page = b"/MediaBox[0 0 300 200]/Annots[5 0 R]"
    data = pdfs.pdf(pdfs.text(LINES[:2]), more=[form, field], catalogue=b"/AcroForm 4 0 R", page=page)
    found = ocr.recognise(pypdfium2.PdfDocument(data)[0], ())
    assert (found.text.split("\n")[0], "Ada" in found.text) == ("The landlord shall repair the roof", False)


@needs_tesseract
def test_a_page_is_read_within_a_gibibyte(tmp_path):
    path = tmp_path / "scan.pdf"
    printed().save(path)
    code = (
        "import sys, pypdfium2; from pathlib import Path; from documents.extraction import limits, ocr;"
        "limits.confine(2**30, 20); print(ocr.recognise(pypdfium2.PdfDocument(Path(sys.argv[1]))[0], ()).text)"
    )
    run = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, cwd=ROOT)
    assert run.stdout.strip() == TEXT


# When tesseract is not there, fails, or knows other languages ------------------------------------------------------


def test_without_tesseract_nothing_is_said_of_the_page(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ocr.recognise(scan(printed()), ()) is None


def test_a_page_on_which_tesseract_fails_has_no_words(monkeypatch, tmp_path):
    program(tmp_path, 'case "$*" in *--list-langs*) printf "List:\\neng\\n";; *) kill -SEGV $$;; esac')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert ocr.recognise(scan(printed()), ()) == Recognised()


def test_a_page_that_takes_too_long_has_no_words_and_leaves_no_process(monkeypatch, tmp_path):
    program(
        tmp_path,
        f'case "$*" in *--list-langs*) printf "List:\\neng\\n";; *) sleep 60 & echo $! >{tmp_path}/pid; wait;; esac',
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("documents.extraction.ocr.SECONDS", 0.5)
    assert ocr.recognise(scan(printed()), ()) == Recognised()
    assert gone(int((tmp_path / "pid").read_text()))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process cannot ask for that")
def test_tesseract_goes_when_the_reader_is_killed(monkeypatch, tmp_path):
    program(
        tmp_path,
        f"""\
        case "$*" in
            *--list-langs*) printf "List:\\neng\\n";;
            *) echo $$ >{tmp_path}/pid.new; mv {tmp_path}/pid.new {tmp_path}/pid; exec sleep 60;;
        esac""",
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    printed().save(tmp_path / "scan.pdf")
    code = (
        "import sys, pypdfium2; from pathlib import Path; from documents.extraction import ocr;"
        "ocr.recognise(pypdfium2.PdfDocument(Path(sys.argv[1]))[0], ())"
    )
    reader = subprocess.Popen([sys.executable, "-c", code, tmp_path / "scan.pdf"], cwd=ROOT)
    while not (tmp_path / "pid").exists():
        assert reader.poll() is None
        time.sleep(0.05)
    reader.kill()
    reader.wait()
    assert gone(int((tmp_path / "pid").read_text()))


def gone(pid: int) -> bool:
    for _ in range(50):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


def test_a_program_without_languages_is_as_good_as_none(monkeypatch, tmp_path):
    program(tmp_path, 'printf "List:\\nosd\\n"')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert ocr.recognise(scan(printed()), ()) is None


def test_the_languages_of_the_document_are_asked_for(monkeypatch, tmp_path):
    table = row("Miete", 91)
    program(
        tmp_path,
        f'case "$*" in *--list-langs*) printf "List:\\ndeu\\neng\\n";; *"-l deu+eng"*) printf "{table}";; esac',
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = ocr.recognise(scan(printed()), ("de", "en"))
    assert (found.text, found.languages) == ("Miete", "deu+eng")


def test_a_text_that_turns_out_to_be_german_is_read_again_as_german(monkeypatch, tmp_path):
    text = "Der Vermieter muss das Dach innerhalb von vierzehn Tagen reparieren und die Kosten tragen"
    english, german = "".join(row(word, 80) for word in text.split()), row("gelesen", 92)
    program(
        tmp_path,
        f"""\
        case "$*" in
            *--list-langs*) printf "List:\\ndeu\\neng\\nosd\\n";;
            *"-l eng"*) printf "{english}";;
            *"-l deu"*) printf "{german}";;
        esac""",
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert ocr.recognise(scan(printed()), ()).text == "gelesen"


def test_a_page_in_another_script_is_read_in_its_languages(monkeypatch, tmp_path):
    program(
        tmp_path,
        f"""\
        case "$*" in
            *--list-langs*) printf "List:\\neng\\nosd\\nrus\\n";;
            *"--psm 0"*) printf "Rotate: 0\\nScript: Cyrillic\\n";;
            *"-l eng"*) printf "{row("Apennna", 31)}";;
            *"-l rus"*) printf "{row("Аренда", 93)}";;
        esac""",
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = ocr.recognise(scan(printed()), ())
    assert (found.text, found.languages) == ("Аренда", "rus")


# The table -----------------------------------------------------------------------------------------------------------


def test_rows_that_are_no_words_are_passed_over():
    table = "level\tpage_num\n4\t1\t1\t1\t1\t0\t0\t0\t9\t9\t-1\t\n5\t1\t1\t1\t1\t1\t0\t0\t9\t9\t95.5\t \n5\t1\tbroken\n"
    assert list(words(table)) == []


def test_a_quotation_mark_is_a_letter_like_any_other():
    assert [word.text for word in words('5\t1\t1\t1\t1\t1\t0\t0\t9\t9\t95.5\t"Rent\n')] == ['"Rent']


def test_each_box_has_the_letters_of_its_word():
    found = laid_out(
        [Word(text, 90, (1, 1, line), (0, 0, 9, 9)) for line, text in enumerate(["One", "two,", "3"])], 1, "eng"
    )
    assert [found.text[start:end] for start, end, *_ in found.boxes] == ["One", "two,", "3"]


def test_chinese_words_are_not_parted_by_blanks():
    assert (
        laid_out([Word(text, 90, (1, 1, 1), (0, 0, 9, 9)) for text in ("租金", "五月", "May")], 1, "x").text
        == "租金五月 May"
    )


def test_marks_and_doubtful_letters_alone_are_no_words():
    assert (
        laid_out([Word("~|", 95, (1, 1, 1), (0, 0, 9, 9)), Word("ix", 12, (1, 1, 1), (0, 0, 9, 9))], 1, "eng")
        == Recognised()
    )


def test_no_more_than_three_languages_are_read_at_once():
    assert installed_names(("de", "fr", "it", "en"), {"deu", "fra", "ita", "eng"}) == ["deu", "fra", "ita"]
