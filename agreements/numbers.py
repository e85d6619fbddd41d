"""Numbers as people read them."""

from decimal import Decimal


def number(value: Decimal | float | str, unit: str = "") -> str:
    """With thousands separators and the unit, without trailing zeros: `13,000,000,000`, `0.5 t/y`."""
    return f"{Decimal(value).normalize():,f} {unit}".rstrip()
