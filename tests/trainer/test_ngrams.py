"""Counted n-grams: a distribution, and one that does not know the token it is asked about."""

import dataclasses
import math
from collections import Counter, defaultdict

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tokenizers")
np = pytest.importorskip("numpy")
prepare = pytest.importorskip("prepare")
train = pytest.importorskip("train")

VOCAB, ORDER, BOS = 7, 4, 6
TEXT = np.random.default_rng(0).choice(6, 400, p=[0.4, 0.25, 0.15, 0.1, 0.06, 0.04])
PADDED = [BOS] * (ORDER - 1) + TEXT.tolist()
ROWS, PLACES = TEXT[:96].reshape(4, 24), np.arange(0, 96, 24)


@pytest.fixture(scope="module")
def model():
    return train.KneserNey(TEXT.astype(np.uint16), ORDER, VOCAB)


def textbook(model, forgotten: tuple[int, ...] = ()):
    """p(target, context) by the definition, with dictionaries; one occurrence may be forgotten."""
    grams = Counter(tuple(PADDED[i : i + ORDER]) for i in range(len(TEXT)))
    if forgotten:
        grams[forgotten] -= 1
    counts = {ORDER: +grams}
    for n in range(ORDER - 1, 0, -1):
        counts[n] = Counter(gram[1:] for gram in counts[n + 1])
    followers = {n: defaultdict(dict) for n in counts}
    for n, table in counts.items():
        for gram, count in table.items():
            followers[n][gram[:-1]][gram[-1]] = count

    def discount(n: int, count: int) -> float:
        return float(model.levels[ORDER - n].discount[min(count, 3)])

    def probability(target: int, context: tuple[int, ...]) -> float:
        n = len(context) + 1
        if n == 1:
            return float(model.unigram[target])
        shorter, seen = probability(target, context[1:]), followers[n].get(context)
        if not seen:
            return shorter
        tail = sum(discount(n, count) for count in seen.values())
        count = seen.get(target, 0)
        return (count - discount(n, count) + tail * shorter) / sum(seen.values())

    return probability


def contexts(rows):
    """(each target of the rows, the ORDER - 1 tokens before it, what the row was until then)."""
    padded = np.pad(rows, ((0, 0), (ORDER - 1, 0)), constant_values=BOS)
    for row in padded.tolist():
        for end in range(ORDER, len(row)):
            yield row[end], tuple(row[end - ORDER + 1 : end]), row[ORDER - 1 : end]


def after_cache(p: float, target: int, row: list[int]) -> float:
    """How often the row itself went on like that counts, too: first after one token, then two."""
    for length, weight in enumerate(train.CACHE, start=1):
        ends = range(length, len(row))
        went_on = [row[end] for end in ends if row[end - length : end] == row[-length:]]
        p = (went_on.count(target) + weight * p) / (len(went_on) + weight)
    return p


def test_what_it_says_of_every_next_token_is_kneser_ney_with_a_cache_and_sums_to_one(model):
    said, seen = model.of_all(ROWS)
    assert said.shape == (ROWS.size, VOCAB)
    assert seen.shape == (ROWS.size, ORDER)
    assert said.min() > 0
    torch.testing.assert_close(said.sum(1), torch.ones(len(said)), rtol=1e-5, atol=0)
    probability = textbook(model)
    last = said.view(*ROWS.shape, VOCAB)[:, :-1].flatten(0, 1)  # the row before each target
    changed = 0
    for row, (_, context, before) in zip(last.tolist(), contexts(ROWS), strict=True):
        counted = [probability(token, context) for token in range(VOCAB)]
        expected = [after_cache(p, token, before) for token, p in enumerate(counted)]
        assert row == pytest.approx(expected, rel=1e-4)
        changed += expected != counted
    assert changed > 80


def test_a_training_token_is_judged_as_if_it_had_not_been_counted(model):
    said, seen = model.of_targets(ROWS, PLACES)
    assert seen.shape == (len(said), ORDER)
    asked = [
        (place + end, ROWS[i, :end].tolist())
        for i, place in enumerate(PLACES)
        for end in range(1, 24)
    ]
    counted = []
    for ours, (end, row) in zip(said.tolist(), asked, strict=True):
        *context, target = gram = tuple(PADDED[end : end + ORDER])
        expected = textbook(model, gram)(target, tuple(context))
        assert ours == pytest.approx(after_cache(expected, target, row), rel=1e-4)
        counted.append(after_cache(textbook(model)(target, tuple(context)), target, row))
    assert said.log().mean() < torch.tensor(counted).log().mean() - 0.1


@pytest.mark.parametrize("softcap", [0.0, 15.0])
def test_the_mixture_is_a_distribution_and_its_loss_is_what_it_costs(model, softcap):
    settings = {"vocab_size": VOCAB, "sequence_len": 24, "depth": 2, "width": 32, "head_dim": 16}
    torch.manual_seed(0)
    gpt = train.GPT(train.GPTConfig(**settings, order=ORDER, softcap=softcap))
    for weight in gpt.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    gpt.ngrams = model
    tokens, targets = (torch.from_numpy(part.copy()) for part in (ROWS[:, :-1], ROWS[:, 1:]))
    mixed = gpt(tokens).exp()
    torch.testing.assert_close(mixed.sum(-1), torch.ones(tokens.shape), rtol=1e-4, atol=0)
    said, seen = model.of_all(tokens.numpy())
    expected = mixed.gather(-1, targets[..., None]).log().mean()
    known = said.gather(1, targets.flatten()[:, None])[:, 0]
    assert gpt.loss(tokens, targets, (known, seen)).item() == pytest.approx(
        -expected.item(), rel=1e-4
    )


def test_its_gradients_are_those_of_the_mixture_and_a_share_of_the_networks_own_loss():
    torch.manual_seed(0)
    x = torch.randn(200, 16, requires_grad=True)
    weight, mix = torch.randn(50, 16, requires_grad=True), torch.randn(200, requires_grad=True)
    targets, known = torch.randint(50, (200,)), torch.rand(200)
    train.HeadLoss.apply(x, weight, targets, 15.0, known, mix).backward()
    chunked = [x.grad, weight.grad, mix.grad]
    x.grad = weight.grad = mix.grad = None
    logits = train.soft_cap(x @ weight.T, 15.0)
    own = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
    share = mix.sigmoid()
    mixed = -((1 - share) * (-own).exp() + share * known).log()
    (mixed + train.OWN_LOSS * own).mean().backward()
    for ours, theirs in zip(chunked, [x.grad, weight.grad, mix.grad], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(("vocab", "order"), [(300, 5), (8192, 4), (65536, 3)])
def test_n_grams_of_a_large_vocabulary_are_shorter(data, vocab, order):
    assert train.make_config(dataclasses.replace(data, vocab_size=vocab)).order == order


def test_a_run_counts_on_the_clock_and_starts_better_than_knowing_nothing(data):
    machine = prepare.Machine("cpu", torch.float32, "cpu", 1e12)
    budget = prepare.Budget(60, steps=1)
    train.train(data, machine, budget)
    assert budget.step == 1
    assert 0 < budget.loss / 0.1 < 0.8 * math.log(data.vocab_size)
