"""Families of ops that load when one of their names is first used.

Importing every family would make ``import rushlight`` slower for programs that never invert a
matrix. `FAMILIES` says which modules make a family; `TORCH` and `TENSOR` say which names of the
package and which methods bring it in. A test compares the tables with what the modules export.
"""

from __future__ import annotations

FAMILIES = {
    "linalg": ("linalg_solve", "linalg_factors", "linalg_functions"),
    "fft": ("fourier", "short_time_fourier"),
    "special": ("special_functions",),
}

TORCH = {
    "linalg": "chain_matmul cholesky cholesky_inverse cholesky_solve det eig frobenius_norm geqrf "
              "inverse logdet lstsq lu lu_solve lu_unpack matrix_exp matrix_rank norm_except_dim "
              "nuclear_norm orgqr ormqr pinverse qr slogdet solve svd symeig triangular_solve",
    "fft": "istft stft",
    "special": "i0 i0_ igamma igamma_ igammac igammac_ mvlgamma mvlgamma_ polygamma",
}

TENSOR = {
    "linalg": "cholesky cholesky_inverse cholesky_solve det eig geqrf inverse logdet lstsq lu "
              "lu_solve matrix_exp nuclear_norm orgqr ormqr pinverse qr slogdet solve svd symeig "
              "triangular_solve",
    "fft": "istft stft",
    "special": "i0 i0_ igamma igamma_ igammac igammac_ mvlgamma mvlgamma_ polygamma polygamma_",
}

FAMILY_OF = {name: family for family, names in TORCH.items() for name in names.split()}
METHODS = tuple((name, family) for family, names in TENSOR.items() for name in names.split())
