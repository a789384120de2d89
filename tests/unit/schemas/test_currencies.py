from touchstream.schemas.currencies import EXPONENTS


def test_exponents_are_those_of_iso_4217() -> None:
    assert {code: EXPONENTS[code] for code in ("JPY", "KRW", "CLP", "EUR", "USD", "KWD", "BHD", "CLF", "UYW")} == {
        "JPY": 0, "KRW": 0, "CLP": 0, "EUR": 2, "USD": 2, "KWD": 3, "BHD": 3, "CLF": 4, "UYW": 4,
    }  # fmt: skip
    assert len(EXPONENTS) == len({*EXPONENTS}) > 180
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in EXPONENTS)
    assert not {"XXX", "XTS", "XAU", "XDR", "XYZ", "BTC"} & EXPONENTS.keys()
