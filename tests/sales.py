"""A workbook of 800 sales and the products sold, and a hundred questions on it with answers reckoned from the numbers
themselves, before anything was written to a file."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import openpyxl

REGIONS = ("North", "South", "East", "West", "Île-de-France")
ROWS = 800


@dataclass(frozen=True)
class Sale:
    number: int  # of its row on the sheet
    order: str
    day: date
    region: str
    product: str
    quantity: int
    amount: Decimal
    margin: Decimal  # as a share: 0.125
    balance: Decimal  # of which some are negative


@dataclass(frozen=True)
class Product:
    code: str
    name: str
    line: str
    weight: Decimal


PRODUCTS = [
    Product(f"P-{number:02}", f"Valve {number}", ("Pipes", "Pumps", "Tools")[number % 3], Decimal(number * 7) / 4)
    for number in range(1, 25)
]


def sales(seed: int = 7) -> list[Sale]:
    dice = random.Random(seed)
    return [
        Sale(
            number,
            f"{number:05}",
            date(2026, 1, 1) + timedelta(days=dice.randrange(365)),
            dice.choice(REGIONS),
            dice.choice(PRODUCTS).code,
            dice.randrange(1, 60),
            Decimal(dice.randrange(100, 2_500_000)) / 100,
            Decimal(dice.randrange(0, 500)) / 1000,
            Decimal(dice.randrange(-900_000, 900_000)) / 100,
        )
        for number in range(2, ROWS + 2)
    ]


def workbook(rows: list[Sale]) -> bytes:
    """Amounts are shown as 1,234.50, margins as 12.5%, what is owed as (1,234.50)."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Sales"
    sheet.append(["Order", "Day", "Region", "Product", "Quantity", "Amount", "Margin", "Balance"])
    for sale in rows:
        numbers = [sale.quantity, float(sale.amount), float(sale.margin), float(sale.balance)]
        sheet.append([sale.order, sale.day, sale.region, sale.product, *numbers])
        cells = sheet[sheet.max_row]
        for cell, code in zip(cells[5:], ("#,##0.00", "0.0%", "#,##0.00;(#,##0.00)"), strict=True):
            cell.number_format = code
        cells[1].number_format = "yyyy-mm-dd"
    products = book.create_sheet("Products")
    products.append(["Code", "Name", "Line", "Weight"])
    for product in PRODUCTS:
        products.append([product.code, product.name, product.line, float(product.weight)])
    held = io.BytesIO()
    book.save(held)
    return held.getvalue()


def german_csv(rows: list[Sale]) -> bytes:
    """The same as a program in Germany writes it: 1.234,50 € and semicolons."""
    lines = ["Auftrag;Region;Betrag"]
    for sale in rows:
        amount = f"{sale.amount:,.2f}".translate(str.maketrans(",.", ".,"))
        lines.append(f"{sale.order};{sale.region};{amount} €")
    return "\n".join(lines).encode()


@dataclass(frozen=True)
class Asked:
    arguments: dict[str, Any]
    expected: Decimal
    cells: list[str]  # the texts of the cells the answer rests on, in order


def _where(column: str, comparison: str, value: str) -> dict[str, str]:
    return {"column": column, "comparison": comparison, "value": value}


JOIN = {"document": None, "table": "Products", "key": "Product", "other_key": "Code"}


def questions(rows: list[Sale]) -> Iterator[Asked]:
    """A hundred: sums, means, extremes and counts of what a filter leaves, and joined by the product's code."""
    dice = random.Random(11)
    for number in range(100):
        region, line = dice.choice(REGIONS), dice.choice(("Pipes", "Pumps", "Tools"))
        bound, day = Decimal(dice.randrange(1_000, 20_000)), date(2026, dice.randrange(2, 12), 1)
        match number % 10:
            case 0:
                yield _asked("sum", "Amount", [sale for sale in rows if sale.region == region], region=region)
            case 1:
                yield _asked("max", "Amount", [sale for sale in rows if sale.product == f"P-{number // 10 + 1:02}"],
                             _where("Product", "=", f"p-{number // 10 + 1:02}"))  # fmt: skip
            case 2:
                yield _asked("min", "Balance", [sale for sale in rows if sale.region == region], region=region)
            case 3:
                kept = [sale for sale in rows if sale.amount > bound and sale.day < day]
                yield _asked("sum", "Balance", kept, _where("Amount", ">", f"{bound:,}"),
                             _where("Day", "<", day.isoformat()))  # fmt: skip
            case 4:
                yield _asked("count", None, [sale for sale in rows if sale.quantity <= number],
                             _where("Quantity", "<=", str(number)))  # fmt: skip
            case 5:
                lines = {product.code for product in PRODUCTS if product.line == line}
                yield _asked("sum", "Quantity", [sale for sale in rows if sale.product in lines],
                             _where("Line", "=", line), join=JOIN)  # fmt: skip
            case 6:
                light = {product.code for product in PRODUCTS if product.weight < number}
                yield _asked("max", "Margin", [sale for sale in rows if sale.product in light],
                             _where("Weight", "<", str(number)), join=JOIN)  # fmt: skip
            case 7:
                kept = [sale for sale in rows if sale.balance < -bound / 4]
                yield _asked("sum", "Balance", kept, _where("Balance", "<", f"({bound / 4:,})"))
            case 8:
                kept = [sale for sale in rows if sale.margin >= Decimal(number) / 200]
                yield _asked("sum", "Margin", kept, _where("Margin", ">=", f"{Decimal(number) / 2}%"))
            case _:
                kept = [sale for sale in rows if sale.region != region and sale.day >= day]
                yield _asked("count distinct", "Product", kept, _where("Region", "!=", region),
                             _where("Day", ">=", day.isoformat()))  # fmt: skip


def _asked(operation: str, column: str | None, kept: list[Sale], *where: dict, region: str = "", join=None) -> Asked:
    conditions = [*where, *([_where("Region", "=", region)] if region else [])]
    plan = {"operation": operation, "column": column, "where": conditions}
    arguments = {"document": "sales.xlsx", "table": "Sales", "join": join, **plan}
    if operation == "count":
        return Asked(arguments, Decimal(len(kept)), [sale.order for sale in kept])
    if operation == "count distinct":
        codes = list(dict.fromkeys(sale.product for sale in kept))
        return Asked(arguments, Decimal(len(codes)), codes)
    shown = [_shown(sale, column or "") for sale in kept]
    values = [value for value, _ in shown]
    if operation == "sum":
        return Asked(arguments, sum(values, Decimal(0)), [text for _, text in shown])
    best = max(values) if operation == "max" else min(values)
    return Asked(arguments, best, [text for value, text in shown if value == best])


def _shown(sale: Sale, column: str) -> tuple[Decimal, str]:
    """The number, and how the sheet shows it."""
    match column:
        case "Amount":
            return sale.amount, f"{sale.amount:,.2f}"
        case "Quantity":
            return Decimal(sale.quantity), str(sale.quantity)
        case "Margin":
            return sale.margin * 100, f"{sale.margin * 100:.1f}%"
        case _:
            plain = f"{abs(sale.balance):,.2f}"
            return sale.balance, f"({plain})" if sale.balance < 0 else plain
