"""The model, the optimizer and the schedule: what must hold whatever the constants are."""

import dataclasses
import functools
import itertools
import math
import shutil

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tokenizers")
prepare = pytest.importorskip("prepare")
train = pytest.importorskip("train")

F = torch.nn.functional
CPU = prepare.Machine("cpu", torch.float32, "cpu", 1e12)


def small_gpt(dtype=torch.float32, **changes) -> train.GPT:
    """Two layers; every weight random, so that nothing is hidden by a zero."""
    settings = {"vocab_size": 50, "sequence_len": 24, "depth": 2, "width": 32, "head_dim": 16}
    torch.manual_seed(0)
    model = train.GPT(
        train.GPTConfig(**settings | {"shifted_heads": 1, "smear": 3, "pair_rows": 64} | changes),
        dtype,
    )
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return model.eval()


def gradients(model: train.GPT) -> dict[str, torch.Tensor]:
    weights = model.named_parameters()
    return {name: weight.grad.to_dense() for name, weight in weights if weight.grad is not None}


def test_the_first_loss_is_about_ln_of_the_vocabulary(data):
    run = train.Run(data, CPU)
    assert run.step(0.0, 0).item() == pytest.approx(math.log(data.vocab_size), abs=0.02)


@pytest.mark.parametrize("window_pattern", ["L", "SL"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_future_token_cannot_change_an_earlier_logit(dtype, window_pattern):
    model = small_gpt(dtype, window_pattern=window_pattern, short_window=5)
    tokens = torch.randint(50, (2, 24))
    logits = model(tokens)
    for place in (1, 11, 23):
        changed = tokens.clone()
        changed[:, place] = (changed[:, place] + 1) % 50
        after = model(changed)
        assert torch.equal(after[:, :place], logits[:, :place])
        assert not torch.equal(after[:, place], logits[:, place])


@pytest.mark.parametrize("length", [1, 2, 3, 5])
def test_a_short_row_is_read_like_the_start_of_a_long_one(length):
    model, tokens = small_gpt(), torch.randint(50, (2, 24))
    torch.testing.assert_close(model(tokens[:, :length]), model(tokens)[:, :length])


def test_pairs_are_left_out_while_training_only():
    model, plain = small_gpt(depth=1), small_gpt(depth=1, pair_rows=0)
    plain.load_state_dict({**model.state_dict(), "pairs.weight": torch.zeros(0, 32)})
    tokens = torch.randint(50, (8, 24))
    with_pairs, without = (m.features(tokens)[:, 0] for m in (model, plain))
    found = model.train().features(tokens)[:, 0]  # a row's first token sees nothing but itself
    left_out = (found == without).all(-1)
    assert 0 < left_out.sum() < len(tokens)
    assert torch.equal(found[~left_out], with_pairs[~left_out])


def test_a_short_window_forgets_what_lies_before_it():
    model = small_gpt(depth=1, window_pattern="L")
    q, k, v = (torch.randn(1, 24, 2, 16) for _ in "qkv")
    before = train.attend(q, k, v, window=5)
    k[:, 0] += 1
    after = train.attend(q, k, v, window=5)
    assert torch.equal(after[:, 5:], before[:, 5:])
    assert not torch.equal(after[:, :5], before[:, :5])
    assert model.config.window(0) == 24


@pytest.mark.parametrize("window", [5, 24])
def test_the_eager_attention_computes_what_the_fused_one_does(window):
    q, k, v = (torch.randn(2, 24, 2, 16) for _ in "qkv")
    fused = train.attend(q, k, v, window)
    eager = train.attend(*(x.bfloat16() for x in (q, k, v)), window)
    assert (fused - eager.float()).abs().max() < 0.05


@pytest.mark.parametrize("softcap", [0.0, 15.0])
def test_the_chunked_loss_and_its_gradients_are_those_of_cross_entropy(softcap):
    model = small_gpt(softcap=softcap, sequence_len=200)
    tokens, targets = torch.randint(50, (2, 2, 200))
    model.loss(tokens, targets).backward()
    chunked = gradients(model)
    model.zero_grad()
    loss = F.cross_entropy(model(tokens).flatten(0, 1), targets.flatten())
    loss.backward()
    assert model.loss(tokens, targets).item() == pytest.approx(loss.item(), rel=1e-5)
    assert len(chunked) > 15
    torch.testing.assert_close(chunked, gradients(model), rtol=1e-3, atol=1e-6)


def test_the_hand_written_norm_is_rms_norm_with_its_gradient():
    x = torch.randn(3, 7, 16, requires_grad=True)
    weights = torch.randn(3, 7, 16)
    (ours,) = torch.autograd.grad((train.norm(x) * weights).sum(), x)
    (theirs,) = torch.autograd.grad((F.rms_norm(x, (16,)) * weights).sum(), x)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_soft_capped_logits_stay_within_the_cap():
    logits = train.soft_cap(torch.tensor([-1e4, -3.0, 0.0, 3.0, 1e4]), 15.0)
    expected = 15 * torch.tanh(torch.tensor([-1e4, -3.0, 0.0, 3.0, 1e4]) / 15)
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)


def test_a_shifted_head_looks_for_what_followed_the_same_token():
    model = small_gpt(depth=1, shifted_heads=2, rope_base=1e9)
    block = model.blocks[0]
    with torch.no_grad():
        block.gate.fill_(-1e9)  # no value embedding
        block.q.copy_(block.k)  # a query is most like the key of its own token
        block.out.copy_(torch.eye(32))
    cos, sin = torch.ones_like(model.cos), torch.zeros_like(model.sin)  # positions do not matter
    x = 20 * torch.nn.functional.one_hot(torch.tensor([[3, 7, 5, 3]]), 32).float()
    values = torch.nn.functional.linear(x, block.v)[0]
    attended = block.attention(x, cos[:, :4], sin[:, :4], None)[0, -1]
    nearest = [F.cosine_similarity(attended, value, dim=0).item() for value in values]
    assert max(range(4), key=nearest.__getitem__) == 1  # 7 is what followed 3


@pytest.mark.parametrize("shape", [(2, 16, 16), (1, 8, 32), (3, 32, 8)])
def test_orthogonalize_brings_every_singular_value_near_one(shape):
    update = train.orthogonalize(torch.randn(*shape), 5, torch.float32)
    values = torch.linalg.svdvals(update)
    assert values.min() > 0.6
    assert values.max() < 1.2


def test_it_overfits_one_batch(data, monkeypatch):
    for name, value in {"DEPTH": 2, "WIDTH": 64, "HEAD_DIM": 32}.items():
        monkeypatch.setattr(train, name, value)
    run = train.Run(data, CPU)
    ((rows, _),) = next(run.ready)
    run.ready = itertools.repeat([(rows[:8], None)])  # 256 tokens
    for count in range(120):
        loss = run.step(0.0, count).item()
    assert loss < 0.1


def test_the_same_seed_gives_the_same_number(data):
    def score() -> tuple[float, float]:
        model = train.train(data, CPU, prepare.Budget(60, steps=4)).model
        return prepare.evaluate_bpb(model, data, 4), model.head.sum().item()

    assert score() == score()


@pytest.mark.parametrize("passes", [0.5, 3])
def test_it_doubts_what_it_knows_of_a_text_the_more_the_more_often_it_read_it(data, passes):
    steps = round(passes * data.train_size / train.BATCH_TOKENS)
    run = train.train(data, CPU, prepare.Budget(60, steps=steps))
    doublings = math.log2(max(1, steps * run.tokens / data.train_size))
    assert (doublings > 1) == (passes > 1)
    assert run.model.temperature == [1 + doubt * doublings for doubt in train.DOUBT]
    tokens = torch.arange(8)[None]
    warm = run.model(tokens)
    run.model.temperature = [100.0, 1.0]
    run.model.ngrams = None
    cold = run.model(tokens)
    assert cold.softmax(-1).max() < warm.softmax(-1).max()
    torch.testing.assert_close(cold.exp().mean(), torch.ones(()), rtol=0.1, atol=0)


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.filterwarnings("ignore")  # PyTorch warns itself while it traces
def test_compiled_it_computes_the_same(data, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(train, "DEPTH", 1)
    monkeypatch.setattr(train, "MUON_ITERATIONS", 1)
    run = train.Run(data, CPU)
    run.count(data)
    ((rows, counted),) = next(run.ready)
    run.compile()
    assert "not compiled" not in capsys.readouterr().out
    with torch.no_grad():
        for weight in run.model.parameters():
            torch.nn.init.normal_(weight, std=0.3)
    run.model.eval()  # no pairs are left out at random
    found = []
    for loss in (run.loss, run.model.loss):
        run.model.zero_grad()
        value = loss(rows[:, :-1], rows[:, 1:], counted)
        value.backward()
        found.append(gradients(run.model) | {"loss": value.detach()})
    # A scale's gradient is one sum over all activations, which nearly cancel: what float32 rounds
    # off grows with the terms, and another order of adding changes the sum by half a percent.
    scales = [{name: one.pop(name) for name in [*one] if "_scale" in name} for one in found]
    assert scales[0]
    torch.testing.assert_close(*scales, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(*found, rtol=1e-3, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_without_a_compiler_it_says_so_and_trains_all_the_same(data, monkeypatch, capsys):
    def none(graph, inputs):
        raise RuntimeError("no compiler here")

    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=none))
    run = train.Run(data, CPU)
    before = [weight.clone() for weight in run.model.parameters()]
    run.compile()
    assert "not compiled" in capsys.readouterr().out
    torch.testing.assert_close([*run.model.parameters()], before, rtol=0, atol=0)
    assert run.step(0.0, 0).item() == pytest.approx(math.log(data.vocab_size), rel=0.1)


@pytest.mark.parametrize("constants", [train.GPU, {}], ids=["of a GPU", "of a CPU"])
def test_off_the_cpu_nothing_of_a_step_stays_on_the_cpu(data, monkeypatch, constants):
    # The meta device computes nothing, but like a GPU it takes no operand from another device.
    for name, value in (constants | {"BATCH_TOKENS": 2**11, "SHORT_WINDOW": 8}).items():
        monkeypatch.setattr(train, name, value)
    run = train.Run(data, prepare.Machine("meta", torch.bfloat16, "meta", 1e12))
    run.count(data)
    [(rows, counted)] = next(run.ready)
    run.ready.close()
    rows = rows.to("meta")
    loss = run.loss(rows[:, :-1], rows[:, 1:], counted)
    loss.backward()
    run.optimizers[1].step()  # Muon, the one that is written here
    assert loss.is_meta
    assert run.model.eval()(rows[:, :-1]).is_meta
    found = [weight.grad for weight in run.model.parameters() if weight.grad is not None]
    assert {gradient.device.type for gradient in found} == {"meta"}


def test_nothing_of_the_validation_split_is_read_before_the_evaluation(data, tmp_path):
    shutil.copytree(data.folder, tmp_path / "blind")
    (tmp_path / "blind" / "val.bin").unlink()
    blind = dataclasses.replace(data, folder=tmp_path / "blind")
    budget = prepare.Budget(60, steps=2)
    train.train(blind, CPU, budget)
    assert budget.step == 2


def test_the_schedule_starts_at_its_peak_and_ends_at_its_floor():
    assert train.schedule(0.0) == 1.0
    assert train.schedule(1 - train.WARMDOWN) == pytest.approx(1.0)
    assert train.schedule(1.0) == pytest.approx(train.FINAL_LR)
    rates = [train.schedule(i / 100) for i in range(101)]
    assert rates == sorted(rates, reverse=True)
