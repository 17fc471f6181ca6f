"""Numbers of tables: read to the last digit, computed exactly, each with its cell on the page."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from documents.indexes import default_index
from documents.models import IndexVersion
from documents.tables import CannotCompute, Joined, Plan, compute, tables_of
from documents.tables.numbers import number_of, point_of, written
from documents.tables.reading import ReadPage, put_together
from tests.library import add
from tests.sales import JOIN, german_csv, questions, sales, workbook


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("1,234.50", "1234.50", ""),
        ("(1,234.50)", "-1234.50", ""),
        ("$(5.00)", "-5.00", "$"),
        ("($5.00)", "-5.00", "$"),
        ("−$5", "-5", "$"),
        ("5-", "-5", ""),
        ("12.5 %", "12.5", "%"),
        ("(12.5)%", "-12.5", "%"),
        ("EUR 1'234.50", "1234.50", "EUR"),
        ("1\u202f234.5 km/h", "1234.5", "km/h"),
        ("1,23,456.00", "123456.00", ""),
        ("1.5E+03", "1500", ""),
        (".5", "0.5", ""),
    ],
)
def test_a_number_is_read_however_it_is_written(text, value, unit):
    number = number_of(text)
    assert number and (number.value, number.unit) == (Decimal(value), unit)


@pytest.mark.parametrize("text", ["1.234,50", "1.234.567,50", "1 234,50", "1234,5"])
def test_a_decimal_comma_is_read_where_the_column_has_it(text):
    assert number_of(text, ",") and number_of(text, ".") is None
    assert point_of([text, "1.234"]) == ","


@pytest.mark.parametrize(
    "text",
    ["", "-", "A12", "12A", "3rd", "2026-03-04", "((5))", "(5", "1.2.3", "1,,2", "12/3", "½", "USD 5 kg", "9" * 99],
)
def test_what_is_no_number_is_none(text):
    assert number_of(text) is None and number_of(text, ",") is None


def test_a_number_that_could_be_two_is_not_guessed_in_a_column_that_writes_both():
    assert point_of(["1,234.50", "1.234,50"]) == ""
    assert number_of("1,234", "") is None and number_of("1,234.5", "") is not None


@pytest.mark.parametrize("point", [".", ","])
@pytest.mark.parametrize("value", ["0", "-1234567.89", "0.001", "1500"])
def test_a_number_that_was_written_is_read_as_the_same(value, point):
    assert number_of(written(Decimal(value), "€", point), point).value == Decimal(value)


# Small tables, as a page holds them ----------------------------------------------------------------------------------
def page(
    *lines: str, number: int = 1, header_rows: int = 1, numbers: list[int] | None = None, name: str = ""
) -> ReadPage:
    """A page with one table; cells are parted by bars."""
    text, rows = "", []
    for line in lines:
        row = []
        for place, cell in enumerate(line.split("|")):
            text += " | " if place else ""
            row.append([len(text), len(text) + len(cell)])
            text += cell
        rows.append(row)
        text += "\n"
    table = {"rows": rows, "header_rows": header_rows, "name": name, "numbers": numbers or [], "first_column": 1}
    return ReadPage(number, text, [table])


def computed(*lines: str, **plan):
    return compute(put_together([page(*lines)])[0], Plan(**plan))


def value(*lines: str, **plan) -> Decimal | None:
    return computed(*lines, **plan).lines[0].value


COSTS = ("Item|Cost", "Pipe|1,200.50", "Pump|(200.25)", "Total|1,000.25")


def test_a_row_of_totals_is_not_counted_again():
    result = computed(*COSTS, operation="sum", column="cost")
    assert result.lines[0].value == Decimal("1000.25")
    assert "Left out as totals" in result.notes[0]


def test_a_total_that_is_asked_for_is_told():
    where = [{"column": "Item", "comparison": "=", "value": "total"}]
    assert value(*COSTS, operation="max", column="Cost", where=where) == Decimal("1000.25")


def test_two_currencies_are_not_added():
    with pytest.raises(CannotCompute, match=r"holds \$, €"):
        computed("Item|Cost", "Pipe|5 €", "Pump|$5", operation="sum", column="Cost")


def test_words_among_numbers_are_left_out_and_told():
    result = computed("Item|Cost", "Pipe|5", "Pump|6", "Valve|on request", operation="sum", column="Cost")
    assert result.lines[0].value == 11
    assert result.notes == ["Left out, because they are no numbers: “on request” (row 4)."]


def test_a_column_of_words_is_not_added():
    with pytest.raises(CannotCompute, match="does not hold numbers"):
        computed(*COSTS, operation="sum", column="Item")


def test_an_unknown_column_is_answered_with_those_there_are():
    with pytest.raises(CannotCompute, match="The columns are, in “Table 1”: Item, Cost"):
        computed(*COSTS, operation="sum", column="Price")


def test_how_a_doubtful_number_was_read_is_told():
    result = computed("Item|Cost", "Pipe|1,234", "Pump|2,500", operation="sum", column="Cost")
    assert result.lines[0].value == 3734
    assert result.notes == ["“1,234” was read as 1234; nothing in the column says which."]


def test_a_mean_that_goes_on_is_rounded_and_says_so():
    assert computed("A|B", "x|1", "y|1", "z|2", operation="mean", column="B").lines[0].text == "about 1.3333 (rounded)"


def test_tenths_add_up():
    lines = [f"x{number}|0.1" for number in range(10)]
    assert value("A|B", *lines, operation="sum", column="B") == 1


def test_groups_are_put_in_order():
    lines = ("Region|Cost", "North|1", "South|5", "north|3")
    result = computed(*lines, operation="sum", column="Cost", group_by="Region", order="descending")
    assert [(line.label, line.value) for line in result.lines] == [("South", 5), ("North", 4)]


def test_rows_come_sorted_and_no_more_than_asked_for():
    result = computed(*COSTS[:3], operation="rows", column="Cost", order="ascending", most=1)
    assert [line.text for line in result.lines] == ["Item: Pump | Cost: (200.25)"]
    assert result.notes == ["1 of 2 rows are shown."]


def test_the_greatest_comes_with_its_row():
    assert "Item: Pipe" in computed(*COSTS, operation="max", column="Cost").lines[0].text


def test_a_code_with_zeros_is_not_the_number_without():
    where = [{"column": "Code", "comparison": "=", "value": "7"}]
    assert value("Code|Cost", "007|1", "7|2", operation="count", where=where) == 1


def test_a_key_that_stands_twice_joins_nothing():
    left, right = (put_together([page(*lines)])[0] for lines in (COSTS[:3], ("Name|Kind", "Pipe|a", "pipe|b")))
    with pytest.raises(CannotCompute, match="stands twice"):
        compute(left, Plan(operation="count"), Joined(right, "Item", "Name"))


def test_rows_without_a_partner_are_told():
    left, right = (put_together([page(*lines)])[0] for lines in (COSTS[:3], ("Name|Kind", "Pipe|a")))
    result = compute(left, Plan(operation="sum", column="Cost"), Joined(right, "Item", "Name"))
    assert result.lines[0].value == Decimal("1200.50")
    assert result.notes == ["1 rows have no partner in “Table 1” and were left out."]


def test_a_sheet_that_runs_over_pages_is_one_table_and_its_header_no_row():
    first = page("Item|Cost", "Pipe|1", numbers=[1, 2], name="Costs")
    second = page("Item|Cost", "Pump|2", number=2, numbers=[1, 3], name="Costs")
    [table] = put_together([first, second])
    assert [row.text(1) for row in table.rows] == ["1", "2"]
    cell = table.cell(table.rows[1], 1)
    assert (cell.name, cell.page_number, second.text[cell.start : cell.end]) == ("B3", 2, "2")


def test_two_sheets_of_one_name_stay_two_tables():
    first = page("Item|Cost", "Pipe|1", numbers=[1, 2], name="Costs")
    second = page("Item|Price", "Pump|2", number=2, numbers=[1, 2], name="Costs")
    assert [table.name for table in put_together([first, second])] == ["Costs", "Costs (2)"]


@pytest.mark.parametrize(("again", "header_rows"), [((), 0), (("Item|Cost",), 1)])
def test_a_table_that_is_cut_at_the_end_of_a_page_goes_on_on_the_next(again, header_rows):
    first = page("Item|Cost", "Pipe|1")
    second = page(*again, "Pump|2", number=2, header_rows=header_rows)
    [table] = put_together([first, second])
    assert [(row.text(1), row.number) for row in table.rows] == [("1", 2), ("2", 3)]


def test_a_table_after_other_words_is_another_table():
    first, second = page("Item|Cost", "Pipe|1"), page("Item|Cost", "Pump|2", number=2)
    ended = replace(first, text=first.text + "That is all.")
    assert len(put_together([ended, second])) == 2


TEXTS = st.sampled_from(
    ["", "-", "1", "1,234", "1.234,5", "(5)", "5 %", "€ 2", "Total", "x", "007", "2026-03-01", "9E99"]
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(TEXTS, TEXTS), max_size=6),
    st.sampled_from(["sum", "mean", "min", "max", "count", "count distinct", "rows"]),
    st.sampled_from(["A", "B", "Item", None]),
    st.sampled_from([None, "Item", "Cost"]),
    st.lists(st.tuples(st.sampled_from(["=", "!=", "<", ">=", "contains"]), TEXTS), max_size=2),
    st.sampled_from([None, "ascending", "descending"]),
)
def test_any_plan_on_any_table_ends_in_a_result_or_in_a_reason(rows, operation, column, group_by, where, order):
    lines = ["Item|Cost", *("|".join(row) for row in rows)]
    table = put_together([page(*lines)])[0]
    conditions = [{"column": "Cost", "comparison": sign, "value": wanted} for sign, wanted in where]
    plan = Plan(operation=operation, column=column, group_by=group_by, where=conditions, order=order)
    try:
        result = compute(table, plan, Joined(table, "Item", "Item") if len(rows) % 2 else None)
    except CannotCompute as exc:
        assert str(exc)
    else:
        assert all(cell.text == cell_text(table, cell) for line in result.lines for cell in line.cells)


def cell_text(table, cell) -> str:
    return table.header[0].page.text[cell.start : cell.end]


def test_columns_of_one_name_are_told_apart_by_what_stands_above():
    [table] = put_together([page("|2025||2026|", "Item|Q1|Q2|Q1|Q2", "Pipe|1|2|3|4", header_rows=2)])
    assert table.columns == ["Item", "2025 Q1", "2025 Q2", "2026 Q1", "2026 Q2"]


# Whole files ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def by_words_alone(db):
    """Vectors take most of the time of reading, and nothing here is about them."""
    default_index()
    IndexVersion.objects.update(embedding_model="")


@pytest.mark.usefixtures("by_words_alone")
def test_a_hundred_questions_on_800_rows_are_answered_exactly_from_their_cells(alice):
    rows = sales()
    document = add(alice, workbook(rows), "sales.xlsx")
    tables = {table.name: table for table in tables_of(document)}
    pages = {page.number: page.text for page in document.pages_live()}
    asked = list(questions(rows))
    assert len(asked) == 100 and len(tables["Sales"].rows) == 800 and len(pages) > 5
    wrong = []
    for question in asked:
        plan = {key: question.arguments[key] for key in ("operation", "column", "where")}
        joined = Joined(tables["Products"], "Product", "Code") if question.arguments["join"] == JOIN else None
        [line] = compute(tables["Sales"], Plan(**plan), joined).lines
        cells = [pages[cell.page_number][cell.start : cell.end] for cell in line.cells]
        if (line.value, cells) != (question.expected, question.cells):
            wrong.append((question.arguments, line.value, question.expected))
    assert wrong == []


@pytest.mark.usefixtures("by_words_alone")
def test_a_german_file_is_added_to_the_cent(alice):
    rows = sales()
    [table] = tables_of(add(alice, german_csv(rows), "verkauf.csv"))
    [line] = compute(table, Plan(operation="sum", column="Betrag")).lines
    assert line.value == sum(sale.amount for sale in rows)
    assert line.text == f"{line.value:,.2f} €".translate(str.maketrans(",.", ".,"))


@pytest.mark.usefixtures("by_words_alone")
def test_a_number_that_no_reader_sees_is_not_counted(alice):
    html = b"""<h1>Costs</h1><table><tr><th>Item</th><th>Cost</th></tr><tr><td>Pipe</td><td>5</td></tr>
    <tr><td>Pump</td><td>7</td></tr><tr><td>Valve</td><td>1</td></tr>
    <tr><td>Bribe</td><td><span style="display:none">900</span></td></tr></table>"""
    [table] = tables_of(add(alice, html, "costs.html"))
    assert compute(table, Plan(operation="sum", column="Cost")).lines[0].value == 13
