"""Numbers as people and spreadsheets write them: what has one reading is read, what has two is not guessed."""

from decimal import Decimal

import pytest

from touchstream.schemas.numbers import DecimalSign, NumberReading, Unclear, read

SPACES = (" ", "\u00a0", "\u2007", "\u2009", "\u202f")


@pytest.mark.parametrize(
    ("text", "decimal", "number"),
    [
        ("1.230", ",", "1230"),
        ("1.234,56", ",", "1234.56"),
        ("-1.234.567,8", ",", "-1234567.8"),
        ("12,5", ",", "12.5"),
        ("1.230", ".", "1.230"),
        ("1,230", ".", "1230"),
        ("1,234,567.89", ".", "1234567.89"),
        ("12,34,567.50", ".", "1234567.50"),
        ("1,234.50", None, "1234.50"),
        ("1,234,567", None, "1234567"),
        ("+7", None, "7"),
        ("1e3", None, "1000"),
        ("12,5e2", ",", "1250"),
        (" 5 ", None, "5"),
        *[(f"12{space}345,6", ",", "12345.6") for space in SPACES],
        *[(f"1{mark}234.5", ".", "1234.5") for mark in ("'", "\u2019")],
    ],
)
def test_a_number_with_one_reading_is_that_number(text: str, decimal: DecimalSign | None, number: str) -> None:
    found = read(text, decimal)
    assert found is not None
    assert (found.value, found.by_thousands) == (Decimal(number), None)


@pytest.mark.parametrize(
    ("text", "decimal", "readings"),
    [
        ("1,234", None, ("1234", "1.234")),
        ("-999,999", None, ("-999999", "-999.999")),
        ("12,5", None, ("12.5", "decimal comma")),
        ("1.234,56", None, ("1234.56", "decimal comma")),
        ("12.50", ",", ("12.50", "decimal point")),
        ("1,234.56", ",", ("1234.56", "decimal point")),
        ("12,50", ".", ("12.50", "decimal comma")),
        ("1.234,5", ".", ("1234.5", "decimal comma")),
    ],
)
def test_a_number_that_needs_another_sign_is_refused_with_what_it_would_be(
    text: str, decimal: DecimalSign | None, readings: tuple[str, ...]
) -> None:
    with pytest.raises(Unclear) as caught:
        read(text, decimal)
    assert all(reading in str(caught.value) for reading in readings), caught.value


@pytest.mark.parametrize("text", ["1.234", "999.000", "-12.345"])
def test_a_point_before_three_digits_has_two_readings_where_no_sign_is_declared(text: str) -> None:
    number = Decimal(text)
    assert read(text, None) == NumberReading(number, number * 1000)
    assert read(text, ".") == NumberReading(number)


@pytest.mark.parametrize("text", ["0.234", "1234.567", "1.2345", "1.23", "01.234"])
def test_a_point_that_parts_no_thousands_has_one_reading(text: str) -> None:
    assert read(text, None) == NumberReading(Decimal(text))


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "-", ".", ",", "1,23,4", "1.23.456", "12,34.5,6", "0,123,456", "1 23", "1''000", "--5", "5-", "1_000",
        "0x10", "five", "NaN", "inf", "1e9999", "1" * 31, "١٢", "½", "5 €", "10 - Extremely likely", "1 234 5",
    ],
)  # fmt: skip
@pytest.mark.parametrize("decimal", [None, ".", ","])
def test_a_text_that_is_no_number_is_none(text: str, decimal: DecimalSign | None) -> None:
    assert read(text, decimal) is None
