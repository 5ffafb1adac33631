from wordcount import counts


def test_words_are_counted_whatever_their_case_and_stops() -> None:
    assert counts("The cat. the dog; THE end!") == [("the", 3), ("cat", 1), ("dog", 1), ("end", 1)]


def test_nothing_has_no_words() -> None:
    assert counts(" ... ") == []
