"""Lectern's tools for a model: they read, for the asker alone, and what they find can be cited."""

import json

import pytest

from chat.events import Question
from chat.tools.own import Desk, toolbox
from chat.tools.toolbox import Outcome, ToolError
from documents.indexes import default_index
from documents.models import IndexVersion
from project.provider.pieces import ToolCall
from tests.library import RENT, add, shared_collection, upload
from tests.sales import JOIN, questions, sales, workbook

pytestmark = pytest.mark.django_db

COSTS = b"Item;Cost\nPipe;1.200,50 EUR\nPump;800,25 EUR\nValve;-\n"


@pytest.fixture(autouse=True)
def _by_words_alone(db):
    """Vectors take most of the time of reading, and nothing here is about them."""
    default_index()
    IndexVersion.objects.update(embedding_model="")


def desk_of(user, **scope) -> Desk:
    return Desk(Question("?", user, **scope))


def use(desk: Desk, name: str, /, **arguments) -> Outcome:
    tool, wanted = toolbox.checked(ToolCall("c", name, json.dumps(arguments)))
    return tool.run(desk, wanted)


EVERY_TOOL = [
    ("search", {"query": "rent", "document": "rules.md"}),
    ("open_page", {"document": "rules.md", "page": 1}),
    ("list_tables", {"document": "rules.md"}),
    ("compute", {"document": "rules.md", "operation": "count"}),
]


@pytest.mark.parametrize(("name", "arguments"), EVERY_TOOL)
def test_a_strangers_document_is_not_there(alice, charlie, name, arguments):
    document = add(alice)
    for said in ("rules.md", str(document.pk)):
        with pytest.raises(ToolError, match="There is no document"):
            use(desk_of(charlie), name, **arguments | {"document": said})


def test_a_stranger_finds_and_lists_nothing(alice, charlie):
    add(alice)
    assert use(desk_of(charlie), "search", query="rent").shown == []
    assert use(desk_of(charlie), "list_documents").text == "0 documents, page 1 of 1 of the list:"


@pytest.mark.parametrize(("name", "arguments"), EVERY_TOOL)
def test_a_document_outside_the_question_is_not_there(alice, name, arguments):
    document = add(alice)
    elsewhere = shared_collection(alice, name="Elsewhere")
    for scope in ({"collections": [elsewhere.pk]}, {"documents": []}):
        with pytest.raises(ToolError, match="There is no document"):
            use(desk_of(alice, **scope), name, **arguments)
        assert str(document.pk) not in use(desk_of(alice, **scope), "list_documents").text


def test_what_is_shared_is_read(alice, bob):
    add(alice, collection=shared_collection(alice, bob))
    assert (
        "Pets need a written permission."
        in use(desk_of(bob), "open_page", document="Rules.MD", page=1).shown[0][1].text
    )


def test_a_deleted_document_is_not_there(alice):
    document = add(alice)
    type(document).objects.update(deleted_at=document.created_at)
    with pytest.raises(ToolError, match="There is no document"):
        use(desk_of(alice), "open_page", document="rules.md", page=1)


def test_a_join_reaches_no_strangers_table(alice, bob):
    add(alice, COSTS, "costs.csv")
    add(bob, COSTS, "secret.csv")
    join = {"document": "secret.csv", "table": "Table 1", "key": "Item", "other_key": "Item"}
    with pytest.raises(ToolError, match="There is no document “secret.csv”"):
        use(desk_of(alice), "compute", document="costs.csv", operation="count", join=join)


def test_what_search_finds_gets_the_next_numbers(alice):
    add(alice)
    add(alice, b"# Parking\n\nA bay costs ten pounds.\n", "parking.md")
    desk = desk_of(alice)
    assert [number for number, _ in use(desk, "search", query="rent").shown] == [1]
    assert [number for number, _ in use(desk, "search", query="parking bay").shown] == [2]


def test_what_has_a_number_keeps_it(alice):
    add(alice)
    desk = desk_of(alice)
    for _ in range(2):
        assert [number for number, _ in use(desk, "search", query="rent").shown] == [1]
    assert len(desk.passages) == 1


def test_a_page_that_is_opened_is_a_passage_with_its_place(alice):
    document = add(alice)
    desk = desk_of(alice)
    outcome = use(desk, "open_page", document=str(document.pk), page=1)
    [(number, passage)] = outcome.shown
    page = document.pages_live().get()
    assert desk.passages[number - 1] == passage
    assert page.text[passage.start : passage.end] == passage.text
    assert passage.chunk_id and outcome.said == "Opened page 1 of House rules"


def test_a_long_page_comes_in_parts_that_leave_nothing_out(alice):
    rows = "".join(f"{number},{'word ' * 40}\n" for number in range(150))
    document = add(alice, f"No,Words\n{rows}".encode(), "long.csv")
    text = document.pages_live().get(number=2).text
    desk, parts = desk_of(alice), []
    while not parts or parts[-1].end < len(text.rstrip()):
        [(_, passage)] = use(desk, "open_page", document="long.csv", page=2, part=len(parts) + 1).shown
        parts.append(passage)
    assert "".join(part.text for part in parts).strip() == text.strip()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [({"page": 2}, "has pages 1 to 1"), ({"page": 1, "part": 2}, "has parts 1 to 1")],
)
def test_a_page_that_is_not_there_is_told(alice, arguments, reason):
    add(alice)
    with pytest.raises(ToolError, match=reason):
        use(desk_of(alice), "open_page", document="rules.md", **arguments)


@pytest.mark.parametrize("name", ["open_page", "search", "list_documents", "list_tables", "compute"])
@pytest.mark.parametrize("letters", ["a\x00b", "'; drop table x; --", "%", "\u202e"])
def test_no_name_breaks_a_tool(alice, name, letters):
    arguments = {
        "open_page": {"document": letters, "page": 1},
        "search": {"query": letters},
        "list_documents": {"name": letters},
        "list_tables": {"document": letters},
        "compute": {"document": letters, "operation": "count"},
    }
    try:
        use(desk_of(alice), name, **arguments[name])
    except ToolError as exc:
        assert "There is no document" in str(exc)


def test_two_documents_of_one_name_are_told_apart(alice):
    add(alice)
    other = add(alice, RENT + b"\nMore.\n", collection=shared_collection(alice))
    with pytest.raises(ToolError, match=f"Ask by id: .*{other.pk}"):
        use(desk_of(alice), "open_page", document="rules.md", page=1)


def test_the_list_tells_names_pages_tables_and_state(alice):
    document = add(alice, COSTS, "costs.csv")
    assert f"costs.csv, 1 pages, 1 tables, ready; id {document.pk})" in use(desk_of(alice), "list_documents").text


def test_a_list_of_many_has_pages(alice):
    for number in range(31):
        upload(alice, b"word %d" % number, f"{number}.txt")
    outcome = use(desk_of(alice), "list_documents", page=2)
    assert outcome.text.startswith("31 documents, page 2 of 2") and "(0.txt" in outcome.text


def test_the_tables_are_listed_with_their_columns(alice):
    add(alice, COSTS, "costs.csv")
    told = use(desk_of(alice), "list_tables", document="costs.csv").text
    assert told == "One table:\n- “Table 1”, 3 rows, columns: Item, Cost"


def test_a_sum_tells_its_formula_its_cells_and_its_passage(alice):
    document = add(alice, COSTS, "costs.csv")
    desk = desk_of(alice)
    outcome = use(desk, "compute", document="costs.csv", operation="sum", column="Cost")
    assert outcome.text.splitlines() == [
        "sum of “Cost” in “Table 1”",
        "2.000,75 EUR (from B2, B3) [1]",
        "1 empty cells were left out.",
    ]
    assert outcome.said == "Computed sum of “Cost” in “Table 1” = 2.000,75 EUR"
    text = document.pages_live().get().text
    assert [text[start:end] for start, end in desk.passages[0].marks] == ["1.200,50 EUR", "800,25 EUR"]


def test_a_number_from_many_pages_cites_the_first_of_them_with_its_cells(alice):
    document = add(alice, workbook(sales()), "sales.xlsx")
    desk = desk_of(alice)
    use(desk, "compute", document="sales.xlsx", table="Sales", operation="sum", column="Amount")
    pages = {page.number: page.text for page in document.pages_live()}
    shown = [pages[p.page_number][start:end] for p in desk.passages for start, end in p.marks]
    assert [passage.page_number for passage in desk.passages] == [1, 2, 3, 4, 5, 6]
    assert shown == [f"{sale.amount:,.2f}" for sale in sales()][: len(shown)]


def test_each_answer_to_a_question_cites_cells_that_hold_its_number(alice):
    """Of the hundred, those about one cell: the greatest and the least, also through a join."""
    rows = sales()
    document = add(alice, workbook(rows), "sales.xlsx")
    pages = {page.number: page.text for page in document.pages_live()}
    for question in [each for each in questions(rows) if each.arguments["operation"] in {"min", "max"}]:
        desk = desk_of(alice)
        use(desk, "compute", **question.arguments)
        marked = [pages[p.page_number][start:end] for p in desk.passages for start, end in p.marks]
        assert marked == question.cells


def test_rows_that_are_joined_cite_both_tables(alice):
    add(alice, workbook(sales()[:20]), "sales.xlsx")
    desk = desk_of(alice)
    where = [{"column": "Order", "comparison": "=", "value": "00002"}]
    outcome = use(desk, "compute", document="sales.xlsx", table="Sales", operation="rows", where=where, join=JOIN)
    assert "Order: 00002" in outcome.text and "Weight:" in outcome.text and outcome.text.rstrip().endswith("[1][2]")


def test_an_unnamed_table_among_several_is_asked_for(alice):
    add(alice, workbook(sales()[:5]), "sales.xlsx")
    with pytest.raises(ToolError, match="Name one of its tables"):
        use(desk_of(alice), "compute", document="sales.xlsx", operation="count")


def test_a_wrong_column_is_an_error_that_helps(alice):
    add(alice, COSTS, "costs.csv")
    with pytest.raises(ToolError, match="The columns are, in “Table 1”: Item, Cost"):
        use(desk_of(alice), "compute", document="costs.csv", operation="sum", column="Price")


def test_a_document_without_tables_says_so(alice):
    add(alice)
    with pytest.raises(ToolError, match="has no tables"):
        use(desk_of(alice), "list_tables", document="rules.md")
