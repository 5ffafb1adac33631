from inventory import Shelf, find


def test_what_was_put_can_be_found_and_taken_once() -> None:
    shelf = Shelf("left")
    shelf.put("nail")
    assert find([Shelf("right"), shelf], "nail") == "left"
    assert (shelf.take("nail"), shelf.take("nail")) == ("nail", None)
    assert find([shelf], "nail") is None
