"""What a PDF holds beside its printed text: forms, files, a title in its metadata, and passwords."""

import subprocess
import sys
import zlib
from pathlib import Path

import pypdf
import pypdfium2
import pytest

from documents.extraction import Order
from documents.extraction.pdf import extras
from tests import pdfs

PAGE = pdfs.text([(50, 500, 12, b"Printed")])


def loaded(tmp_path: Path, data: bytes) -> pypdfium2.PdfDocument:
    path = tmp_path / "file.pdf"
    path.write_bytes(data)
    return pypdfium2.PdfDocument(path)


# Forms ---------------------------------------------------------------------------------------------------------------


def field(kind: bytes, name: bytes, entries: bytes = b"", rect: bytes = b"100 500 300 520", flags: int = 4) -> bytes:
    parts = (kind, name, rect, flags, entries)
    return b"<</Type/Annot/Subtype/Widget/FT/%s/T(%s)/Rect[%s]/F %d/DA(/F1 12 Tf 0 g)%s>>" % parts


def form(*fields: bytes, printed: bytes = b"", page: bytes = b"/MediaBox[0 0 400 600]") -> pypdfium2.PdfDocument:
    """A page with this form on it; the fields are the objects from 5 on."""
    numbers = b" ".join(b"%d 0 R" % (5 + at) for at in range(len(fields)))
    acro = b"<</Fields[%s]/DR<</Font<</F1 3 0 R>>>>/DA(/F1 12 Tf 0 g)>>" % numbers
    page += b"/Annots[%s]" % numbers
    return pypdfium2.PdfDocument(pdfs.pdf(printed, more=[acro, *fields], catalogue=b"/AcroForm 4 0 R", page=page))


def lines(pdf: pypdfium2.PdfDocument) -> list[str]:
    return [line for line, _ in extras.form_lines(pdf, pdf[0])]


def test_a_filled_in_field_is_told_with_its_name():
    assert lines(form(field(b"Tx", b"n1", b"/TU(Full name)/V(Ada Lovelace)"))) == ["Full name: Ada Lovelace"]


def test_a_field_that_explains_itself_to_nobody_has_its_own_name():
    assert lines(form(field(b"Tx", b"LastName", b"/V(Lovelace)"))) == ["Last Name: Lovelace"]


@pytest.mark.parametrize("name", [b"f1_02[0]", b"Text12", b"undefined_3", b"topmostSubform[0].Page1[0].f1_1[0]"])
@pytest.mark.parametrize("place", [(40, 505), (100, 525)])
def test_a_field_with_a_machines_name_has_that_printed_beside_or_above_it(name, place):
    printed = pdfs.text([(*place, 10, b"Street:")])
    assert lines(form(field(b"Tx", name, b"/V(12 Byron Row)"), printed=printed)) == ["Street: 12 Byron Row"]


def test_a_field_without_any_name_is_its_value():
    assert lines(form(field(b"Tx", b"Text1", b"/V(12 Byron Row)"))) == ["12 Byron Row"]


def test_the_words_before_another_field_do_not_name_this_one():
    printed = pdfs.text([(20, 505, 10, b"Street")])
    fields = field(b"Tx", b"f1", rect=b"70 500 100 520"), field(b"Tx", b"f2", b"/V(London)", rect=b"110 500 300 520")
    assert lines(form(*fields, printed=printed)) == ["London"]


def test_a_ticked_box_says_yes_and_an_empty_one_nothing():
    ticked = field(b"Btn", b"pets", b"/TU(Pets allowed)/V/On/AS/On", rect=b"100 400 120 420")
    assert lines(form(ticked, field(b"Btn", b"dogs", b"/TU(Dogs allowed)/AS/Off"))) == ["Pets allowed: yes"]


def test_a_box_with_a_machines_name_has_that_printed_on_its_right():
    printed = pdfs.text([(20, 505, 10, b"Before"), (130, 505, 10, b"Pets allowed")])
    box = field(b"Btn", b"Check Box3", b"/V/Yes/AS/Yes", rect=b"100 500 120 520")
    assert lines(form(box, printed=printed)) == ["Pets allowed: yes"]


def test_of_radio_buttons_the_chosen_one_is_told():
    options = [b"Weekly", b"Monthly"]
    fields = [
        field(b"Btn", b"pay", b"/Ff 49152/TU(Paid)/V/Monthly/AS/%s" % (name if name == b"Monthly" else b"Off"))
        for name in options
    ]
    assert lines(form(*fields)) == ["Paid: Monthly"]


def test_a_radio_button_known_by_a_number_has_the_words_beside_it():
    printed = pdfs.text([(130, 505, 10, b"Monthly")])
    button = field(b"Btn", b"pay", b"/Ff 49152/TU(Paid)/V/2/AS/2", rect=b"100 500 120 520")
    assert lines(form(button, printed=printed)) == ["Paid: Monthly"]


def test_a_choice_is_told_as_the_reader_sees_it():
    city = field(b"Ch", b"city", b"/Ff 131072/V(B)/Opt[[(A)(Aberdeen)][(B)(Bristol)]]")
    assert lines(form(city)) == ["city: Bristol"]


def test_all_that_is_chosen_in_a_list_is_told():
    spoken = field(b"Ch", b"spoken", b"/Ff 2097152/V[(German)(French)]/Opt[(English)(German)(French)]/I[1 2]")
    assert lines(form(spoken)) == ["spoken: German, French"]


def test_what_somebody_typed_instead_of_a_choice_is_told():
    assert lines(form(field(b"Ch", b"city", b"/Ff 393216/V(Cardiff)/Opt[(Bristol)]"))) == ["city: Cardiff"]


@pytest.mark.parametrize(
    "hidden",
    [
        field(b"Tx", b"empty"),
        field(b"Tx", b"blank", b"/V(   )"),
        field(b"Tx", b"secret", b"/Ff 8192/V(hush)"),
        field(b"Tx", b"hidden", b"/V(unseen)", flags=2),
        field(b"Tx", b"unviewed", b"/V(unseen)", flags=32),
        field(b"Btn", b"send", b"/Ff 65536/V(Send)"),
    ],
)
def test_what_is_empty_hidden_secret_or_a_command_is_left_out(hidden):
    assert lines(form(hidden)) == []


def test_a_value_that_is_printed_in_its_place_is_not_doubled():
    printed = pdfs.text([(102, 505, 10, b"Ada Lovelace")])
    assert lines(form(field(b"Tx", b"name", b"/V(Ada Lovelace)"), printed=printed)) == []


def test_a_value_that_is_printed_elsewhere_is_told_all_the_same():
    printed = pdfs.text([(102, 205, 10, b"Ada Lovelace")])
    assert lines(form(field(b"Tx", b"name", b"/V(Ada Lovelace)"), printed=printed)) == ["name: Ada Lovelace"]


def test_a_value_of_several_lines_becomes_one():
    assert lines(form(field(b"Tx", b"address", rb"/V(12 Byron Row\r\nLondon\000)"))) == ["address: 12 Byron Row London"]


def test_the_lines_come_row_by_row_whatever_their_order_in_the_file():
    rects = {b"d": b"20 100 60 120", b"b": b"200 500 260 520", b"c": b"20 300 60 320", b"a": b"20 503 60 523"}
    fields = [field(b"Tx", name, b"/V(x)", rect=rect) for name, rect in rects.items()]
    assert lines(form(*fields)) == ["a: x", "b: x", "c: x", "d: x"]


@pytest.mark.parametrize(
    ("page", "box"),
    [
        (b"/MediaBox[0 0 400 600]", (100, 80, 200, 20)),
        (b"/MediaBox[0 0 400 600]/CropBox[50 100 400 560]", (50, 40, 200, 20)),
        (b"/MediaBox[0 0 400 600]/Rotate 90", (500, 100, 20, 200)),
        (b"/MediaBox[0 0 400 600]/Rotate 270", (80, 100, 20, 200)),
    ],
)
def test_each_line_has_its_fields_place_on_the_page_as_shown(page, box):
    pdf = form(field(b"Tx", b"name", b"/V(Ada)"), page=page)
    assert extras.form_lines(pdf, pdf[0])[0][1] == pytest.approx(box)


def test_what_was_typed_onto_a_page_without_fields_is_told():
    typed = b"<</Type/Annot/Subtype/FreeText/Rect[100 500 300 520]/F 4/DA(/F1 12 Tf 0 g)/Contents(Ada Lovelace)>>"
    page = b"/MediaBox[0 0 400 600]/Annots[4 0 R]"
    pdf = pypdfium2.PdfDocument(pdfs.pdf(PAGE, more=[typed], page=page))
    assert extras.form_lines(pdf, pdf[0]) == [("Ada Lovelace", (100, 80, 200, 20))]


def test_a_field_that_shows_its_value_twice_is_told_once():
    fields = [field(b"Tx", b"name", b"/V(Ada)", rect=rect) for rect in (b"20 500 60 520", b"20 300 60 320")]
    assert lines(form(*fields)) == ["name: Ada"]


def test_a_page_without_a_form_has_no_lines():
    pdf = pypdfium2.PdfDocument(pdfs.pdf(PAGE))
    assert extras.form_lines(pdf, pdf[0]) == []


# Files inside --------------------------------------------------------------------------------------------------------


def holding(*files: tuple[bytes, bytes]) -> bytes:
    return pdfs.pdf(PAGE, **pdfs.files_inside(*files))


def test_the_files_inside_are_told_with_their_sizes():
    pdf = pypdfium2.PdfDocument(holding((b"a.txt", zlib.compress(b"hello")), (b"b.csv", zlib.compress(b"1;2"))))
    assert extras.attachments(pdf) == [("a.txt", 5), ("b.csv", 3)]


def test_a_name_has_no_controls():
    assert (
        extras.attachments(pypdfium2.PdfDocument(holding((rb"a\n\007b.txt", zlib.compress(b"x")))))[0][0] == "a b.txt"
    )


def test_a_file_that_unpacks_to_more_than_there_is_memory_for_is_told_without_its_size(tmp_path):
    loaded(tmp_path, holding((b"a.txt", zlib.compress(b"x")), (b"bomb", pdfs.bomb()))).close()
    code = (
        "import sys, pypdfium2; from pathlib import Path; from documents.extraction import limits;"
        "from documents.extraction.pdf import extras;"
        "limits.confine(2**29, 20); print(extras.attachments(pypdfium2.PdfDocument(Path(sys.argv[1]))))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "file.pdf")]
    told = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).resolve().parent.parent)
    assert told.stdout.strip() == "[('a.txt', 1), ('bomb', 0)]"


def test_a_file_without_files_inside_has_none():
    assert extras.attachments(pypdfium2.PdfDocument(pdfs.pdf(PAGE))) == []


# The title -----------------------------------------------------------------------------------------------------------

XMP = (
    '<?xpacket begin="" id="W5M0"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title><rdf:Alt>'
    '<rdf:li xml:lang="x-default">{}</rdf:li><rdf:li xml:lang="de">Jahresbericht</rdf:li>'
    '</rdf:Alt></dc:title></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)


def described(tmp_path: Path, *packets: str, info: bytes = b"") -> pypdfium2.PdfDocument:
    streams = [pdfs.stream(packet.encode(), b"/Type/Metadata/Subtype/XML") for packet in packets]
    more = [b"<<%s>>" % info, *streams]
    data = pdfs.pdf(PAGE, more=more, catalogue=b"/Metadata 5 0 R" if packets else b"")
    return loaded(tmp_path, data.replace(b"/Root 1 0 R", b"/Root 1 0 R/Info 4 0 R"))


def test_the_title_is_that_of_the_old_metadata(tmp_path):
    assert extras.title(described(tmp_path, XMP.format("Other"), info=b"/Title(Annual report)")) == "Annual report"


def test_a_title_that_a_program_wrote_is_none(tmp_path):
    assert extras.title(described(tmp_path, info=b"/Title(Microsoft Word - a.doc)")) == ""


def test_without_a_good_title_the_new_metadata_is_asked(tmp_path):
    pdf = described(tmp_path, XMP.format("Rent &amp; repair"), info=b"/Title(untitled)")
    assert extras.title(pdf) == "Rent & repair"


def test_where_pictures_have_titles_of_their_own_none_is_taken(tmp_path):
    assert extras.title(described(tmp_path, XMP.format("Annual report"), XMP.format("A harbour"))) == ""


@pytest.mark.parametrize(
    "packet",
    [
        XMP.format("Rent</rdf:li"),
        XMP.format("Rent")[:300] + "</x:xmpmeta>",
        "<x:xmpmeta></x:xmpmeta>",
        "<x:xmpmeta>\x00\xff<<<</x:xmpmeta>",
        "<x:xmpmeta " * 50_000,
        XMP.format("x" * 300_000),
        '<x:xmpmeta xmlns:x="y">' + "<a>" * 20_000 + "</x:xmpmeta>",
    ],
)
def test_broken_metadata_never_raises(tmp_path, packet):
    assert extras.title(described(tmp_path, packet)) in ("", "Rent")


def test_metadata_that_declares_entities_is_not_read(tmp_path):
    packet = XMP.format("&a;").replace("<rdf:RDF", '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]><rdf:RDF')
    assert extras.title(described(tmp_path, packet)) == ""


# Passwords -----------------------------------------------------------------------------------------------------------


def locked(tmp_path: Path, password: str, algorithm: str = "AES-256") -> Path:
    plain = tmp_path / "plain.pdf"
    plain.write_bytes(pdfs.pdf(PAGE, pdfs.text([(50, 400, 12, b"Second")])))
    writer = pypdf.PdfWriter(clone_from=plain)
    writer.encrypt(password, "owner", algorithm=algorithm)
    writer.write(tmp_path / "locked.pdf")
    return tmp_path / "locked.pdf"


def unlocked(path: Path, folder: Path, *, password: str | None = "geheim") -> bool:
    """Whether a copy was saved, for somebody who gave "geheim" as the password; the file opens with `password`."""
    with pypdfium2.PdfDocument(path, password=password) as pdf:
        return extras.opened(pdf, Order(path, 10, password="geheim", folder=folder))


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-256"])
def test_a_file_that_needed_its_password_is_saved_without_and_has_the_same_text(tmp_path, algorithm):
    assert unlocked(locked(tmp_path, "geheim", algorithm), tmp_path)
    with pypdfium2.PdfDocument(tmp_path / "opened") as copy:
        assert [page.get_textpage().get_text_range() for page in copy] == ["Printed", "Second"]


def test_a_file_that_opens_without_a_password_needs_no_copy(tmp_path):
    assert not unlocked(locked(tmp_path, ""), tmp_path, password=None)
    assert not (tmp_path / "opened").exists()


def test_a_file_without_security_needs_no_copy(tmp_path):
    path = tmp_path / "file.pdf"
    path.write_bytes(pdfs.pdf(PAGE))
    assert not unlocked(path, tmp_path, password=None)


def test_where_no_copy_can_be_written_none_is_promised(tmp_path):
    assert not unlocked(locked(tmp_path, "geheim"), tmp_path / "gone")


def test_a_copy_that_breaks_off_is_not_left_behind(tmp_path):
    path = locked(tmp_path, "geheim")
    (tmp_path / "opened").symlink_to("/dev/full")
    assert not unlocked(path, tmp_path)
    assert not (tmp_path / "opened").is_symlink()
