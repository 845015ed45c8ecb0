"""The run-time compiler is looked for where PyTorch has it, and its errors are told."""

from __future__ import annotations

import ctypes

import pytest

from hfp8_hw.errors import RunError, ToolMissing
from hfp8_hw.nn.kernels import nvrtc


@pytest.fixture(autouse=True)
def fresh() -> None:
    """Nothing remembered of another test."""
    nvrtc.library.cache_clear()


def test_no_compiler_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvrtc, "candidates", lambda: ["no-such-library.so"])
    with pytest.raises(ToolMissing, match="NVRTC is missing; it comes with PyTorch's CUDA builds"):
        nvrtc.library()


class Refusing:
    """A compiler that finds an error in everything."""

    said = b"gemm.cu(3): error"

    def __getattr__(self, name: str) -> object:
        return {"nvrtcCompileProgram": self.refuse, "nvrtcGetProgramLogSize": self.size,
                "nvrtcGetProgramLog": self.log}.get(name, lambda *_: 0)  # fmt: skip

    def refuse(self, *_: object) -> int:
        return 6

    def size(self, _: object, to: object) -> int:
        ctypes.cast(to, ctypes.POINTER(ctypes.c_size_t))[0] = len(self.said) + 1  # type: ignore[arg-type]
        return 0

    def log(self, _: object, to: ctypes.Array[ctypes.c_char]) -> int:
        to.value = self.said
        return 0


def test_the_compilers_text_is_in_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvrtc, "library", lambda: Refusing())
    with pytest.raises(RunError, match=r"pack does not compile for sm_90: gemm.cu\(3\): error"):
        nvrtc.cubin("", "pack", "sm_90")
