"""Compile the kernel of the recursion for real GPUs, none of which is needed: the interpreter takes more than they do.

A process of its own: whether ``triton.jit`` interprets or compiles is settled when Triton is first imported.
"""

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from ofer_bench.latent_ofer import scan_kernel

NUMBERS = {"steps": "i32", "channels": "i32", "eps": "fp32"}


def source(kernel, dtype: str, **constants: object) -> ASTSource:
    """Return ``kernel`` for tensors of ``dtype``, with ``constants`` compiled in."""
    types = {name: NUMBERS.get(name, f"*{dtype}") for name in kernel.arg_names}
    return ASTSource(kernel, types | dict.fromkeys(constants, "constexpr"), constants)


for capability in (75, 90):
    for kernel in (scan_kernel._forward, scan_kernel._backward):
        for dtype, cosine, channels in (("fp32", True, 512), ("fp16", False, 48), ("bf16", True, 2048)):
            options = scan_kernel._blocks(channels)
            compiled = triton.compile(
                source(kernel, dtype, cosine=cosine, block=options.pop("block")),
                target=GPUTarget("cuda", capability, 32),
                options=options,
            )
            print(capability, kernel.__name__, dtype, len(compiled.asm["cubin"]))
