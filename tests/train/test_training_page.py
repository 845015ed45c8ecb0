"""What docs/training.md shows runs."""

from typing import Any

import torch

from ..test_docs_blocks import page_blocks


def test_the_model_of_the_page_trains() -> None:
    (block,) = [b for b in page_blocks("docs/training.md") if b.language == "python"]
    torch.manual_seed(1)
    images = torch.rand(16, 784)
    labels = images[:, :10].argmax(1)
    names: dict[str, Any] = {"batches": [(images, labels)] * 30}
    exec(block.body, names)
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(names["model"](images), labels)
    assert float(loss) < 1.5
