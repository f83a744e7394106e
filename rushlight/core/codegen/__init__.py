"""Room 3: native code. Traces become kernels in LLVM's language, compiled through llvmlite.

`emit` writes the language, `target` knows the CPU, `library` compiles and keeps machine code,
`pool` runs kernels on threads, `words` are the scalar words, the generators write kernels,
`lowering` says which kernels an op becomes.
"""
