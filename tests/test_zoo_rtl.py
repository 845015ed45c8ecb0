"""Networks with real weights on the core's RTL: every code is golden's."""

import json
from pathlib import Path

import numpy as np
import pytest

from hfp8_hw.golden.engine import CheckedEngine
from hfp8_hw.models import Settings, prepare
from hfp8_hw.models.zoo import find
from verif.core.compiled.engine import CoreEngine

from .conftest import Cli
from .test_compare_core import small_core


def test_a_few_digits(tmp_path: Path) -> None:
    """On the core that `test_compare_core` has compiled; its pages hold the sums of the network's
    first convolution, the other products stay in FP32."""
    example = find("digits_cnn")
    path = tmp_path / "digits.onnx"
    path.write_bytes(example.model())
    images = example.evaluation()["images"][:3]
    settings = Settings(sums="exact", keep=("sums1", "logits"))
    deployment = prepare(path, example.calibration(), settings)
    p, package = small_core()
    checked = CheckedEngine(CoreEngine(package, p))
    outcome = deployment.run({"images": images}, checked)
    assert (checked.elements, checked.mismatches) == (3 * 8 * 64, 0)
    (logits,) = outcome.compared
    assert logits.agreed == logits.compared == 3


def on_the_core(cli: Cli, folder: Path, name: str, samples: int | None) -> dict[str, object]:
    """What `hfp8 run` reports of an example on a core with the default parameters."""
    example = find(name)
    (folder / "m.onnx").write_bytes(example.model())
    files = []
    for what, arrays, count in (("inputs", example.evaluation(), samples),
                                ("calibrate", example.calibration(), 50)):  # fmt: skip
        files += [f"--{what}", folder / f"{what}.npz"]
        np.savez(files[-1], **{key: array[:count] for key, array in arrays.items()})
    report = folder / "r.json"
    status, out, err = cli("run", folder / "m.onnx", *files, "--on", "sim", "--report", report)
    assert (status, err) == (0, ""), out
    found: dict[str, object] = json.loads(report.read_text())
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("name", "elements"), [
    ("digits_mlp", 26_640), ("digits_cnn", 556_560),
])  # fmt: skip
def test_the_whole_test_set(cli: Cli, tmp_path: Path, name: str, elements: int) -> None:
    """360 images: sums of 64 + 10, and of 8 x 64 + 16 x 64 + 10 elements each."""
    core = on_the_core(cli, tmp_path, name, None)["engine"]
    assert isinstance(core, dict)
    assert (core["elements"], core["mismatches"]) == (elements, 0)


@pytest.mark.slow
def test_a_line_of_text(cli: Cli, tmp_path: Path) -> None:
    """One picture through 53 convolutions, 11 of them depthwise, and a layer."""
    data = on_the_core(cli, tmp_path, "text_direction", 1)
    core = data["engine"]
    assert isinstance(core, dict)
    assert (core["mismatches"], core["macs"]) == (0, 16_315_376)
