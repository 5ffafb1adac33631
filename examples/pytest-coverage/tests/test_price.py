from shop.price import total


def test_one_costs_its_price() -> None:
    assert total(250, 1) == 250
