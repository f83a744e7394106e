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
    "further": ("further_names",),
}

TORCH = {
    "linalg": "chain_matmul cholesky cholesky_inverse cholesky_solve det eig frobenius_norm geqrf "
              "inverse logdet lstsq lu lu_solve lu_unpack matrix_exp matrix_rank norm_except_dim "
              "nuclear_norm orgqr ormqr pinverse qr slogdet solve svd symeig triangular_solve",
    "fft": "istft stft",
    "special": "i0 i0_ igamma igamma_ igammac igammac_ mvlgamma mvlgamma_ polygamma",
    "further": "binary_cross_entropy_with_logits cosine_embedding_loss detach detach_ fill fill_ "
               "from_file hash_tensor hinge_embedding_loss histogramdd kl_div lobpcg "
               "margin_ranking_loss pca_lowrank poisson_nll_loss resize_as_ segment_reduce "
               "svd_lowrank triplet_margin_loss unsafe_split_with_sizes while_loop zero_",
}

TENSOR = {
    "linalg": "cholesky cholesky_inverse cholesky_solve det eig geqrf inverse logdet lstsq lu "
              "lu_solve matrix_exp nuclear_norm orgqr ormqr pinverse qr slogdet solve svd symeig "
              "triangular_solve",
    "fft": "istft stft",
    "special": "i0 i0_ igamma igamma_ igammac igammac_ mvlgamma mvlgamma_ polygamma polygamma_",
    "further": "narrow_copy unsafe_chunk unsafe_split unsafe_split_with_sizes",
}

FAMILY_OF = {name: family for family, names in TORCH.items() for name in names.split()}
METHODS = tuple((name, family) for family, names in TENSOR.items() for name in names.split())
