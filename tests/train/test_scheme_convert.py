"""What `convert` makes of a model, says of it, and refuses."""

from __future__ import annotations

import copy
import io
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hfp8_hw import CATALOGUE, ParameterError
from hfp8_hw.nn import Arithmetic, arithmetic, convert
from hfp8_hw.nn.scheme.arithmetic import NAMES
from hfp8_hw.nn.scheme.layers import kept_format

FWD, ACC = CATALOGUE["HFP8_FWD"], CATALOGUE["DLFLOAT16"]


class Everything(nn.Module):
    """One layer of each kind, and some that have no counterpart."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 8)
        self.conv = nn.Conv1d(8, 8, 3, padding=1)
        self.norm = nn.BatchNorm1d(8)
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.lstm = nn.LSTM(8, 8, batch_first=True)
        self.gru = nn.GRU(8, 8, batch_first=True)
        self.scale = nn.ParameterList([nn.Parameter(torch.ones(8))])
        self.out = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.conv(self.embed(x).transpose(1, 2))).transpose(1, 2)
        return self.out(self.gru(self.lstm(self.encoder(x))[0])[0] * self.scale[0])


def everything() -> Everything:
    torch.manual_seed(2)
    return Everything()


INDEX = torch.tensor([[1, 5, 10, 0], [3, 3, 2, 7]])


def gradients(model: nn.Module) -> list[Tensor]:
    model.zero_grad()
    y = model(INDEX)
    (y * y).sum().backward()
    return [y.detach(), *(p.grad for p in model.parameters() if p.grad is not None)]


def test_fp32_is_the_model_itself() -> None:
    plain = everything()
    found = convert(plain, "fp32")
    assert found.converted == () and found.model is not plain
    for got, want in zip(gradients(found.model), gradients(plain), strict=True):
        assert torch.equal(got, want)


def test_what_is_said() -> None:
    found = convert(everything(), "hfp8-fast")
    assert found.converted == (
        "embed: Embedding(11, 8) -> DLFLOAT16, fast",
        "conv: Conv1d(8, 8, kernel_size=(3,), stride=(1,), padding=(1,)) -> HFP8_FWD, fast",
        "encoder.self_attn: MultiheadAttention(8, heads=2) -> HFP8_FWD, fast",
        "encoder.linear1: Linear(in_features=8, out_features=16, bias=True) -> HFP8_FWD, fast",
        "encoder.linear2: Linear(in_features=16, out_features=8, bias=True) -> HFP8_FWD, fast",
        "lstm: LSTM(8, 8, batch_first=True) -> HFP8_FWD, fast",
        "out: Linear(in_features=8, out_features=4, bias=True) -> DLFLOAT16, fast",
    )
    assert found.left == (
        "norm: BatchNorm1d normalizes, in float32",
        "encoder.dropout: Dropout drops, without arithmetic",
        "encoder.norm1: LayerNorm normalizes, in float32",
        "encoder.norm2: LayerNorm normalizes, in float32",
        "encoder.dropout1: Dropout drops, without arithmetic",
        "encoder.dropout2: Dropout drops, without arithmetic",
        "gru: GRU has no counterpart, stays in float32",
        "scale: ParameterList has no counterpart, stays in float32",
    )
    text = str(found).splitlines()
    assert text[0] == "7 layers in hfp8-fast" and text[8] == "8 modules left alone"
    assert text[1] == f"  {found.converted[0]}"


def test_the_original_stays_and_every_parameter_is_marked() -> None:
    plain = everything()
    before = copy.deepcopy(plain.state_dict())
    found = convert(plain, "hfp8")
    assert type(plain.out) is nn.Linear and kept_format(plain.out.weight) is None
    assert all(torch.equal(plain.state_dict()[k], v) for k, v in before.items())
    kept = {name: kept_format(p) for name, p in found.model.named_parameters()}
    narrow = {"conv.weight", "encoder.self_attn.in_proj_weight", "encoder.linear1.weight",
              "encoder.self_attn.out_proj.weight", "encoder.linear2.weight", "lstm.weight_ih_l0",
              "lstm.weight_hh_l0"}  # fmt: skip
    plainly = ("norm", "encoder.norm", "gru", "scale")
    for name, fmt in kept.items():
        want = FWD if name in narrow else None if name.startswith(plainly) else ACC
        assert fmt == want, name


@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
def test_copies_keep_their_marks_and_results(how: str) -> None:
    model = convert(everything(), "hfp8-fast").model
    if how == "deepcopy":
        other = copy.deepcopy(model)
    else:
        file = io.BytesIO()
        torch.save(model, file)
        file.seek(0)
        other = torch.load(file, weights_only=False)
    marks = [[kept_format(p) for p in m.parameters()] for m in (model, other)]
    assert marks[0] == marks[1] and FWD in marks[0]
    for got, want in zip(gradients(other), gradients(model), strict=True):
        assert torch.equal(got, want)


def test_an_encoder_layer_computes_alike_when_it_evaluates() -> None:
    """PyTorch has a path of its own there, which would pass by our layers."""
    x = torch.randn(2, 3, 8)
    for keep in ((), ("self_attn",)):
        layer = convert(everything().encoder, "hfp8-fast", keep=keep).model
        want = layer.train()(x).detach()
        with torch.no_grad():
            got = layer.eval()(x)
        # What was kept is PyTorch's, and evaluates in another order.
        assert torch.allclose(got, want, atol=1e-4) if keep else torch.equal(got, want)


def test_a_transformer_evaluates_and_trains() -> None:
    """With masks of all kinds; PyTorch would make nested tensors of a padded batch."""
    torch.manual_seed(4)
    plain = nn.Transformer(16, 4, 1, 1, 32, dropout=0.0, batch_first=True)
    model = convert(plain, "hfp8-fast").model
    x, y = torch.randn(2, 5, 16), torch.randn(2, 4, 16)
    later, padding = torch.ones(4, 4).triu(1).bool(), torch.zeros(2, 5).bool()
    padding[0, 3:] = True
    given = {"tgt_mask": later, "src_key_padding_mask": padding, "memory_key_padding_mask": padding}
    want = model(x, y, **given)
    want.sum().backward()
    assert torch.allclose(want, plain(x, y, **given), atol=0.5)
    with torch.no_grad():
        assert torch.equal(model.eval()(x, y, **given), want)


def test_first_last_and_keep() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4))

    def wide(**how: Any) -> list[Any]:
        layers = convert(model, how.pop("arith", "hfp8"), **how).model
        return [getattr(layer, "wide", None) for layer in layers.children()]

    assert wide() == [True, False, False, True]
    assert wide(first_last=False) == [False] * 4
    assert wide(first_last=("1",)) == [False, True, False, False]
    assert wide(keep=("0", "2")) == [None, True, None, True]
    assert wide(arith=arithmetic("hfp8", first_last="none")) == [False] * 4
    assert convert(model, keep="1").left == ("1: kept, as asked",)


def test_layers_that_are_set_up_otherwise_are_left_alone() -> None:
    class Special(nn.Linear):
        """Anything may happen in a subclass."""

    model = nn.ModuleDict({
        "norm": nn.Embedding(3, 2, max_norm=1.0), "sparse": nn.Embedding(3, 2, sparse=True),
        "proj": nn.LSTM(4, 4, proj_size=2), "zero": nn.MultiheadAttention(4, 1, add_zero_attn=True),
        "special": Special(2, 2),
    })  # fmt: skip
    found = convert(model, "hfp8")
    assert found.converted == ()
    assert found.left[:5] == (
        "norm: Embedding has max_norm set, stays in float32",
        "sparse: Embedding has sparse set, stays in float32",
        "proj: LSTM has proj_size set, stays in float32",
        "zero: MultiheadAttention has add_bias_kv or add_zero_attn set, stays in float32",
        "zero.out_proj: NonDynamicallyQuantizableLinear has no counterpart, stays in float32",
    )
    assert found.left[5] == "special: Special has no counterpart, stays in float32"


def test_shared_layers_and_weights() -> None:
    """A weight that a layer of 8 bits and one of 16 bits share is kept in 16 bits."""
    inner = nn.Linear(4, 4)
    model = nn.Sequential(nn.Linear(4, 4), inner, inner, nn.Linear(4, 4))
    model[3].weight = inner.weight
    found = convert(model, "hfp8").model
    assert found[1] is found[2] and found[3].weight is found[1].weight
    assert kept_format(found[1].weight) == ACC


def test_every_arithmetic_has_its_name_and_members() -> None:
    for name, one in NAMES.items():
        assert arithmetic(name) is not None and str(arithmetic(name)) == name == one.name
        assert arithmetic(one) == one
    assert arithmetic("hfp8", chunk=None).chunk is None
    assert not arithmetic("hfp8", loss_scaling=False).loss_scaling
    assert arithmetic("int8").trains is False and arithmetic("fp32").plain
    assert arithmetic("ocp").weight_format is None


REFUSED: list[tuple[Any, dict[str, Any], str]] = [
    ("fp8", {}, "arithmetic='fp8' is not allowed: one of fp32, hfp8, hfp8-fast, e5m2, ocp, int8"),
    ("hfp8", {"size": 8}, "member of an arithmetic='size' is not allowed: one of forward, back"),
    ("hfp8", {"chunk": 0}, "chunk=0 is not allowed: an integer from 1 to 65536"),
    ("hfp8", {"exact": 2}, "exact=2 is not allowed: True or False"),
    ("hfp8", {"loss_scaling": "no"}, "loss_scaling='no' is not allowed: True or False"),
    ("hfp8", {"first_last": True}, "first_last=True is not allowed: one of dlfloat16, none"),
    ("hfp8", {"rounding": "SR(8)"}, r"rounding='SR\(8\)' is not allowed: one of RNE, RNA, RTZ"),
    ("hfp8", {"scaling": "row"}, "scaling='row' is not allowed: one of none, tensor"),
    ("hfp8", {"weights": "fp32"}, "weights='fp32' is not allowed: one of codes, master"),
    ("hfp8", {"forward": "FP16"}, "forward='FP16' is not allowed: at most 8 bits and only values"),
    ("hfp8", {"backward": "INT8"}, "backward='INT8' is not allowed: one of HFP8_FWD"),
    ("hfp8", {"forward": None}, "backward='HFP8_BWD' is not allowed without forward: None"),
    ("hfp8", {"forward": "INT8"}, "forward='INT8' is not allowed here: only for inference"),
    ("ocp", {"exact": True}, "scaling='tensor' is not allowed with exact=True: 'none'"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "changes", "said"), REFUSED)
def test_what_an_arithmetic_refuses(name: Any, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        arithmetic(name, **changes)


def test_what_convert_refuses() -> None:
    model = nn.Sequential(nn.Linear(2, 2))
    with pytest.raises(ParameterError, match=r"model=3 is not allowed: a torch.nn.Module"):
        convert(3)  # type: ignore[arg-type]
    with pytest.raises(
        ParameterError, match="keep='1' is not allowed: the name of a module, such as 0"
    ):
        convert(model, keep=("1",))
    with pytest.raises(ParameterError, match="first_last='a' is not allowed: the name of a module"):
        convert(model, first_last=("a",))
    with pytest.raises(ParameterError, match="one that has not been converted yet"):
        convert(convert(model).model)
    assert isinstance(convert(model, Arithmetic("mine", "E4M3FN", "E5M2")).model, nn.Module)
