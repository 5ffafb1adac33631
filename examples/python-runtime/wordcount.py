"""The words of a text and how often each occurs, the most frequent first."""


def counts(text: str) -> list[tuple[str, int]]:
    words = []
    for word in text.lower().split():
        words.append(word.strip(".,;:!?"))
    found = []
    for word in words:
        if word and word not in [known for known, _ in found]:
            found.append((word, words.count(word)))
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))
