"""Products whose results stay on a core: golden's chains, boundaries of models, jobs of a core."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from hfp8_hw import ParameterError, golden
from hfp8_hw.errors import RunError
from hfp8_hw.formats import parse_format
from hfp8_hw.golden import scalar
from hfp8_hw.golden.engine import (
    Chain,
    CheckedEngine,
    GoldenEngine,
    Link,
    Linked,
    ProductJob,
    Sums,
)
from hfp8_hw.golden.engine.chains import one_by_one
from hfp8_hw.golden.engine.jobs import Progress, silent
from hfp8_hw.jobs import GemmJob, JobError
from hfp8_hw.models import Deployment, Settings, prepare
from hfp8_hw.models.chains.build import build, chains
from hfp8_hw.parameters import CoreParameters
from hfp8_hw.rounding import parse_rounding
from verif.core.engine.chains import LinkPart, chain_pieces, height, refusal
from verif.core.program import Program

from .onnx_files import SEED, normal, save

FWD, ACC = parse_format("HFP8_FWD"), parse_format("DLFLOAT16")


def chain(m: int = 11, *sizes: int, biased: bool = True) -> Chain:
    """Random codes, small ones and large ones, with and without a ReLU."""
    rng = np.random.default_rng(SEED)
    links = [
        Link(
            rng.integers(0, 256, (k, n), np.uint8),
            rng.integers(0, 1 << 16, n, np.uint16) if biased and number != 1 else None,
            relu=number % 2 == 0,
            scale=-number - 2,
        )
        for number, (k, n) in enumerate(pairwise(sizes))
    ]
    a = rng.integers(0, 256, (m, sizes[0]), np.uint8)
    return Chain(a, tuple(links), "HFP8_FWD", Sums(chunk=8))


def test_a_chain_is_the_jobs_of_a_core() -> None:
    """Bit for bit what `gemm_job` has, with every result kept as N x M."""
    given = chain(9, 20, 7, 5, 3)
    found = one_by_one(GoldenEngine(), given)
    a = given.a
    how: dict[str, Any] = {"semantics": "chunked", "chunk": 8, "y": "HFP8"}
    for number, (link, one) in enumerate(zip(given.links, found, strict=True)):
        k, n = link.b.shape
        last = number == 2
        job = GemmJob(
            9, n, k, transpose_a=number > 0, bias=link.bias is not None, quantize=not last,
            relu=link.relu and not last, scale=0 if last else link.scale,
        )  # fmt: skip
        y = golden.gemm_job(job, a, link.b, "HFP8", "HFP8", "DLFLOAT16", bias=link.bias, **how)
        assert ((one.sums if last else one.codes) == y).all()
        a = y.T
    assert found[-1].codes is None and len(np.unique(found[1].codes)) > 5


def test_shapes_that_do_not_belong_together() -> None:
    b = np.zeros((4, 3), np.uint8)
    for link in (Link(b[:3]), Link(b, np.zeros(4, np.uint16))):
        with pytest.raises(ParameterError, match=r"is not allowed for sums of 4 products"):
            Chain(np.zeros((2, 4), np.uint8), (link,), "HFP8_FWD", Sums())


def mlp(folder: Path, settings: Settings, **how: Any) -> tuple[Deployment, dict[str, np.ndarray]]:
    """Three products, of which the second has no bias, and a ReLU behind the first."""
    rng = np.random.default_rng(SEED)
    nodes = how.get("nodes") or [
        helper.make_node("Gemm", ["x", "w0", "b0"], ["s0"], "one"),
        helper.make_node("Relu", ["s0"], ["h0"], "relu"),
        helper.make_node("MatMul", ["h0", "w1"], ["s1"], "two"),
        helper.make_node("Gemm", ["s1", "w2", "b2"], ["y"], "three", transB=1, beta=0.5),
    ]
    constants = {
        "w0": normal(rng, 12, 9), "b0": normal(rng, 9), "w1": normal(rng, 9, 6),
        "w2": normal(rng, 5, 6), "b2": normal(rng, 1, 5),
    }  # fmt: skip
    path = save(folder / "m.onnx", nodes, {"x": ["N", 12]}, how.get("outputs", ["y"]), constants)
    x = {"x": normal(rng, 17, 12)}
    return prepare(path, x, settings), x


def test_a_bias_in_the_accumulators_format(tmp_path: Path) -> None:
    """By exact rationals: rounded to (1,6,9), added, and rounded again; half of 0.5 b too."""
    net, x = mlp(tmp_path, Settings(biases="acc"))
    whole = net.run(x, GoldenEngine(), compare=False)
    layer = net.plan.layers["one"]
    scale = net.sums_scale(layer)
    codes = net.numbers["x"].code(x["x"]).codes
    sums = GoldenEngine().run(
        ProductJob(codes[None], net.weights(layer)[None], "HFP8_FWD", "HFP8_FWD", Sums())
    )[0]
    how = parse_rounding("RNA")
    values: dict[str, Any] = {}
    layer_y = net.compute("one", dict(x), GoldenEngine(), net.records()["one"])
    for m, n in np.ndindex(sums.shape):
        exact = scalar.from_float(float(net.graph.constant("b0")[n]) / scale)
        bias, _ = scalar.quantize(exact, ACC, how, "saturate")
        total, _ = scalar.add([scalar.decode(int(sums[m, n]), ACC), scalar.decode(bias, ACC)], how)
        due = scalar.decode(scalar.quantize(total, ACC, how, "special")[0], ACC)
        assert float(layer_y[m, n]) == (0.0 if due == "-0" else float(due) * scale)  # type: ignore[arg-type]
        values[str(due)] = due
    assert len(values) > 20
    other, _ = mlp(tmp_path, Settings())
    fp32 = other.run(x, GoldenEngine()).outputs["y"]
    assert 0 < np.abs(whole.outputs["y"] - fp32).max() < 0.1 * np.abs(fp32).max()
    half = net.bias(net.plan.layers["three"])
    assert half is not None and half.shape == (5,)
    found = golden.decode(half, ACC) * net.sums_scale(net.plan.layers["three"])
    np.testing.assert_allclose(found, net.graph.constant("b2")[0] / 2, rtol=2**-9)


class Kept:
    """An engine that does chains, and tells only what a board has to."""

    def __init__(self, change: Callable[[int, Linked], Linked] = lambda k, one: one) -> None:
        self.change, self.jobs, self.chains = change, 0, 0

    def run(self, job: ProductJob, progress: Progress = silent) -> Any:
        self.jobs += 1
        return GoldenEngine().run(job, progress)

    def run_chain(self, given: Chain, progress: Progress = silent) -> list[Linked]:
        self.chains += 1
        found = one_by_one(GoldenEngine(), given, progress)
        told = [Linked(None, None) for _ in found[1:]] + [Linked(found[-1].sums, None)]
        return [self.change(k, one) for k, one in enumerate(told)]


def test_what_stays_changes_no_bit(tmp_path: Path) -> None:
    net, x = mlp(tmp_path, Settings(biases="acc"))
    assert [(b.first, b.second, b.relu, b.why) for b in net.boundaries] == [
        ("one", "two", True, ""), ("two", "three", False, ""),
        ("three", "", False, "the model gives it"),
    ]  # fmt: skip
    joined = chains(net.boundaries)
    assert [[b.first for b in one] for one in joined] == [["one", "two"]]
    plain = net.run(x, GoldenEngine())
    kept = Kept()
    checked = CheckedEngine(kept)
    done = net.run(x, checked, chains=joined, batch=7)
    assert (done.outputs["y"] == plain.outputs["y"]).all()
    assert (kept.jobs, kept.chains) == (0, 3)
    assert (checked.elements, checked.mismatches) == (17 * 5, 0)
    for one, other in zip(done.nodes, plain.nodes, strict=True):
        assert one.sqnr_db == pytest.approx(other.sqnr_db) and one.macs == other.macs
        assert one.a and other.a and (one.a.histogram == other.a.histogram).all()


def test_a_wrong_bit_of_a_chain_is_counted_and_told(tmp_path: Path) -> None:
    net, x = mlp(tmp_path, Settings(biases="acc"))

    def last(k: int, one: Linked) -> Linked:
        if one.sums is None:
            return one
        one.sums[3, 1] ^= 1
        return one

    checked = CheckedEngine(Kept(last))
    net.run(x, checked, chains=chains(net.boundaries), compare=False)
    assert checked.mismatches == 1
    assert checked.first.startswith("link 2 of a chain (17, 12), element (3, 1): ")

    def first(k: int, one: Linked) -> Linked:
        return one if k else Linked(None, np.full((17, 9), 0x11, np.uint8))

    checked = CheckedEngine(Kept(first))
    text = r"of 153 codes that stayed on the core are not those that the host has for two; run with"
    with pytest.raises(RunError, match=text):
        net.run(x, checked, chains=chains(net.boundaries), compare=False)
    assert checked.mismatches > 100


def gemm(x: str, w: str, y: str, name: str, **more: Any) -> Any:
    return helper.make_node("Gemm", [x, w, *more.pop("c", [])], [y], name, **more)


THEN = gemm("h", "w1", "y", "two")
WHY = {
    "its bias is added in FP32; with --biases acc the core could": [
        gemm("x", "w0", "h", "one", c=["b0"]), THEN],
    "Sigmoid is done there": [
        gemm("x", "w0", "s", "one"), helper.make_node("Sigmoid", ["s"], ["h"], "sg"), THEN],
    "2 nodes take it": [
        gemm("x", "w0", "h", "one"), gemm("h", "w1", "z", "also"), THEN,
        helper.make_node("Neg", ["z"], ["v"], "neg")],
    "its products have a factor": [gemm("x", "w0", "h", "one", alpha=2.0), THEN],
}  # fmt: skip


@pytest.mark.parametrize("why", WHY)
def test_why_results_go_through_the_host(why: str, tmp_path: Path) -> None:
    outputs = ["y", "v"] if "2 nodes" in why else ["y"]
    net, _ = mlp(tmp_path, Settings(), nodes=WHY[why], outputs=outputs)
    assert net.boundaries[0].first == "one" and net.boundaries[0].why == why
    assert not chains(net.boundaries)


def test_other_reasons(tmp_path: Path) -> None:
    nodes = [gemm("x", "w0", "h", "one"), THEN]
    assert mlp(tmp_path, Settings(), nodes=nodes)[0].boundaries[0].why == ""
    net, _ = mlp(tmp_path, Settings(), nodes=nodes, outputs=["y", "h"])
    assert net.boundaries[0].why == "the model gives it"
    turned = gemm("w1", "h", "y", "two", transA=1, transB=1)
    net, _ = mlp(tmp_path, Settings(), nodes=[nodes[0], turned])
    assert net.boundaries[0].why == "the second operand of two is no constant matrix"
    net, _ = mlp(tmp_path, Settings(keep=("two",)), nodes=nodes)
    assert net.boundaries[0].why == "Gemm is done there"
    wide = [gemm("x", "w0", "h", "one"), THEN, gemm("y", "w2", "z", "three", transB=1)]
    net, _ = mlp(tmp_path, Settings(first_last="fp16"), nodes=wide, outputs=["z"])
    assert [(b.first, b.why) for b in net.boundaries] == [("two", "three has operands of 16 bits")]
    with pytest.raises(ParameterError, match="biases='acc' is not allowed for format='int8'"):
        Settings("int8", biases="acc")
    with pytest.raises(ParameterError, match="biases='acc' is not allowed for scales='channel'"):
        Settings(scales="channel", biases="acc")
    net, _ = mlp(tmp_path, Settings(scales="channel"), nodes=nodes)
    assert net.boundaries[0].why == "its columns have scales of their own"
    with pytest.raises(ParameterError, match="biases='x' is not allowed: one of fp32, acc"):
        Settings(biases="x")


CORES = {
    "as it comes": {},
    "small pages": {"a_size": 256, "b_size": 256},
    "fewer pages than links": {"a_size": 512, "b_size": 512, "lanes": 1, "rows": 4, "cols": 1},
    "many pages": {"pages": 4, "a_size": 128, "b_size": 256},
}


@pytest.mark.parametrize("read", [False, True])
@pytest.mark.parametrize("core", CORES)
def test_jobs_of_a_chain(core: str, read: bool) -> None:
    """As golden has the core's program, which keeps pages of its own, the jobs give the chain."""
    words: dict[str, Any] = {"rows": 2, "cols": 2, **CORES[core]}
    p = CoreParameters(semantics="chunked", chunk=8, epilogue="full", **words)
    given = chain(45, 20, 7, 5, 3)
    found = list(chain_pieces(p, given, read))
    whole = [np.full((45, link.b.shape[1]), -1, np.int64) for link in given.links]
    weights = 0
    for piece in found:
        assert 3 <= len(piece.parts) <= 32
        program = Program(p, [part.task for part in piece.parts])
        assert not program.refusals()
        weights += sum(part.task.job.load_b for part in piece.parts)
        assert all(part.task.job.m == part.rows.stop - part.rows.start for part in piece.parts)
        for part, (codes, _) in zip(piece.sent, program.expected(), strict=True):
            assert isinstance(part, LinkPart)
            whole[part.link][part.rows] = codes
    due = one_by_one(GoldenEngine(), given)
    assert (whole[2] == due[2].sums).all()
    for k in range(2):
        assert (whole[k] == due[k].codes).all() if read else (whole[k] == -1).all()
    blocks = -(-45 // height(p, given))
    assert weights == (3 * len(found) if p.pages >= 3 else 3 * blocks)
    assert blocks > 1 or core != "small pages"


REFUSED = {
    "the parameter epilogue leaves out": {},
    "B does not fit a page": {"epilogue": "full", "b_size": 16},
    "the core has y='E4M3FN'": {"epilogue": "full", "y": "E4M3FN"},
    "y_rounding='RTZ'": {"epilogue": "full", "y_rounding": "RTZ"},
    "drains is not rows": {"epilogue": "full", "drains": 1},
}


@pytest.mark.parametrize("text", REFUSED)
def test_cores_that_cannot(text: str) -> None:
    p = CoreParameters(rows=2, cols=2, semantics="chunked", chunk=8, **REFUSED[text])
    given = chain(5, 20, 7, 5)
    assert text in refusal(p, given)
    with pytest.raises(ParameterError, match="a chain of 2 products is not allowed: "):
        next(chain_pieces(p, given))
    assert p.refusal(GemmJob(5, 7, 20)) is JobError.NONE or "B does" in text


def test_the_chain_of_a_model(tmp_path: Path) -> None:
    net, x = mlp(tmp_path, Settings(biases="acc"))
    given = build(net, chains(net.boundaries)[0], net.numbers["x"].code(x["x"]).codes)
    assert [link.b.shape for link in given.links] == [(12, 9), (9, 6), (6, 5)]
    assert [link.relu for link in given.links] == [True, False, False]
    assert given.macs == 17 * (12 * 9 + 9 * 6 + 6 * 5) and given.links[1].bias is None
