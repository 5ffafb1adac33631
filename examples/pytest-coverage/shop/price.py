"""What an order costs, in cents."""


def total(cents: int, amount: int) -> int:
    """A dozen and more costs a tenth less."""
    if amount < 1:
        raise ValueError("nothing was ordered")
    full = cents * amount
    if amount >= 12:
        full -= full // 10
    return full


def shipping(cents: int, express: bool = False) -> int:
    """Free from 50.00 on, unless it is to be fast."""
    if express:
        return 990
    return 0 if cents >= 5000 else 490
