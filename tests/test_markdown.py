"""What a model wrote can show text and lead to sources; it can load nothing and run nothing."""

import pytest

from chat.markdown import Chip, Mark, render

CHIPS = {1: Chip("/library/x/pages/4/?mark=1-2", "/p?part=1", "peek-1", 'Guide "A" <b>, page 4')}
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![x](https://evil.example/x.png)",
    "![x][r]\n\n[r]: https://evil.example/x.png",
    "[![x](https://evil.example/x.png)](https://evil.example)",
    "[x](javascript:alert(1))",
    "[x](data:text/html,x)",
    "<https://evil.example/x.png>",
    "<a href='javascript:x'>y</a>",
    "[x](//evil.example)",
    "[plan](http://[9]:2]/)",
    "[x](/admin/logout)",
    "`<img src=x>`",
    "<style>*{display:none}</style>",
    "<svg onload=x>",
    "a\n\n<iframe src=x></iframe>",
    '[a](https://e.example "onmouseover=x")',
    "<div class=cite data-panel=/x>",
    "[x](java&#115;cript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](vbscript:x)",
    "[x](file:///etc/passwd)",
    "[x](\\\\evil.example\\x)",
    "[x][r]\n\n[r]: javascript:alert(1)",
    "<javascript:alert(1)>",
    "![x](/library/1/original)",
    "![x](data:image/svg+xml,<svg onload=x>)",
    "&lt;img src=x&gt; <img/src=x>",
    "<link rel=prefetch href=https://evil.example>",
    "<base href=https://evil.example>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<form action=https://evil.example><button>",
    "<a href='https://evil.example' ping='https://evil.example'>x</a>",
    "<object data=x></object><embed src=x><video src=x></video>",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_hostile_survives(text):
    html = str(render(text, CHIPS)).lower()
    for forbidden in ("<script", "<img", "<iframe", "<svg", "<style", "<div class=\"cite", "href=\"javascript",
                      "href=\"data", "href=\"//", "href=\"/admin", "href=\"/",
                      "href=\"file", "href=\"vbscript", "href=\"\\", "<link", "<base", "<meta", "<form", "<object",
                      "<embed", "<video", "ping=\"", "<button"):  # fmt: skip
        assert forbidden not in html


def test_a_number_of_a_source_becomes_a_link_to_its_page():
    html = render("True. [1]", CHIPS)
    assert 'class="cite"' in html
    assert 'href="/library/x/pages/4/?mark=1-2"' in html
    assert 'aria-label="Source 1: Guide &quot;A&quot; &lt;b&gt;, page 4"' in html


def test_each_citation_of_a_source_knows_its_place():
    html = render("One. [1] Two. [1]", CHIPS)
    assert html.count('data-mark="0"') == html.count('data-mark="1"') == 1


def test_a_number_of_no_source_vanishes():
    assert "7" not in render("True. [7]", CHIPS)


def test_a_number_in_code_stays_code():
    html = render("`list[1]`", CHIPS)
    assert "list[1]" in html and "cite" not in html


def test_a_link_says_where_it_leads_and_gives_nothing_away():
    html = render("[here](https://example.org/a?b=1)", {})
    assert "(example.org)" in html and 'rel="noopener noreferrer nofollow"' in html


def test_a_table_can_be_reached_by_keyboard():
    html = render("| a | b |\n|---|---|\n| 1 | 2 |", {})
    assert 'class="scroll-x"' in html and 'tabindex="0"' in html and "<td>1</td>" in html


def test_headings_stand_under_those_of_the_page():
    assert "<h3>A</h3>" in render("# A", {}).replace("\n", "")


def test_deep_nesting_is_no_burden():
    assert render("[" * 5_000 + "> " * 2_000 + "*" * 5_000, CHIPS)


def test_a_source_that_cannot_be_opened_yet_is_a_number_and_no_link():
    html = render("Rent is due.[1]", {1: Chip("", "", "", "Lease")})
    assert '<span class="cite">1</span>' in html and "<a" not in html


# Verdicts ------------------------------------------------------------------------------------------------------------
PAGE = Chip("/library/x/", "/p", "peek-1", "Guide, page 4", marks=[(5, 9), (20, 30), (40, 44)])


def marked(text: str, *wanted: tuple[str, str], spans: dict | None = None, why: str = "The passage says 12 %.") -> str:
    """Rendered with these stretches marked so."""
    marks = [
        Mark(text.index(words), text.index(words) + len(words), kind, spans or {}, "Not so", "No.", why, "why-1", PAGE)
        for words, kind in wanted
    ]
    return str(render(text, {1: PAGE}, marks))


def test_a_supported_sentence_has_no_mark():
    assert marked("It is so.[1] More.", ("It is so.", "")).startswith("<p>It is so.<a")


def test_a_sentence_supported_in_part_has_a_line_a_word_that_is_read_out_and_a_sign_with_the_reason():
    html = marked("It is so.[1] More.", ("It is so.", "partly"))
    assert '<bdi class="hidden-text">Not so: </bdi><span class="partly">It is so.</span><button class="mark' in html
    assert 'popovertarget="why-1"' in html and 'aria-label="Not so: The passage says 12 %."' in html


def test_the_reason_of_an_unsupported_sentence_stands_below_its_paragraph():
    html = marked("It is so. More.\n\nNext.", ("It is so.", "unsupported"))
    assert '<span class="unsupported">It is so.</span> More.</p><div class="why" role="note">' in html.replace("\n", "")
    assert html.index("The passage says 12 %.") < html.index("<p>Next.")


@pytest.mark.parametrize(
    ("text", "words", "kept"),
    [
        ("**It is. So** then.", "**It is.", '<strong><span class="unsupported">It is.</span> So</strong>'),
        ("A *b* c. D.", "A *b* c.", '<em><span class="unsupported">b</span></em>'),
        ("- one\n- two\n- three", "two", '<li><bdi class="hidden-text">Not so: </bdi><span class="unsupported">two'),
        ("1. **one**", "**one**", '<strong><span class="unsupported">one</span></strong>'),
        ("| A | B |\n|---|---|\n| x | y |", "x | y", '<td><span class="unsupported">y</span></td>'),
        ("See `x.y` so.", "See `x.y` so.", '<code><span class="unsupported">x.y</span></code>'),
        ("[It](https://x.example) is.", "[It](https://x.example) is.", '"><span class="unsupported">It</span></a>'),
        (": so it is.", ": so it is.", '<span class="unsupported">: so it is.</span>'),
        ('**"It" is.** So.', '**"It" is.**', '<strong><span class="unsupported">"It" is.</span></strong>'),
    ],
)
def test_a_line_follows_the_words_through_whatever_shapes_them(text, words, kept):
    html = marked(text, (words, "unsupported"))
    assert kept in html and html.count("why__sign") == 1


def test_two_sentences_that_touch_keep_apart():
    html = marked("One. Two.", ("One.", "unsupported"), ("Two.", "partly"))
    assert '<span class="unsupported">One.</span>' in html and '<span class="partly">Two.</span>' in html


def test_a_number_lights_the_words_its_sentence_rests_on():
    html = marked("It is so.[1] More.[1]", ("It is so.", ""), ("More.", ""), spans={1: [(20, 30), (40, 44)]})
    assert html.count('data-mark="1 2"') == 2


def test_a_model_cannot_write_the_signs_of_a_sentence():
    text = "[\ue0000+;It is so.[\ue0000-; More. [\ue0009+;x"
    html = marked(text, ("More.", "unsupported"))
    assert "\ue000" not in html and html.count("why__sign") == 1


def test_a_reason_is_text():
    html = marked("It is so.", ("It is so.", "unsupported"), why='<img src=x> "&')
    assert "<img" not in html and "&lt;img src=x&gt;" in html


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_hostile_survives_between_marks(text):
    html = str(render(text, CHIPS, [Mark(0, len(text), "unsupported", {}, "Not so", why=text, peek_id="p")])).lower()
    for forbidden in ("<script", "<img", "<iframe", "<svg", "<style", 'href="javascript', 'href="data', "<form"):
        assert forbidden not in html


def test_marks_break_no_heading_no_code_and_no_quotation():
    text = "## Rent[1]\n\n```\nx\n```\n[1]\n\n> Rent.[1]"
    marks = [
        Mark(3, 7, "", {}),
        Mark(text.index("```"), text.index("\n[1]\n"), "", {}),
        Mark(text.index("Rent."), len(text) - 3, "", {}),
    ]
    html = render(text, CHIPS, marks)
    assert "<h4>Rent" in html and "<pre><code>x\n</code></pre>" in html and "<blockquote>" in html


def test_no_sign_turns_the_letters_of_an_answer_round():
    html = render("It costs \u202e12\u202c euros. \u200fשלום", {})
    assert "\u202e" not in html and "\u202c" not in html and "\u200f" in html
