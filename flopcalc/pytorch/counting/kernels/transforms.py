"""Fourier transforms and direct methods of linear algebra, by the leading order of the usual algorithm.

Neither has MACs: these are products of convolutions, layers and matrices. One multiply-add of linear algebra is one
mul and one add, of complex numbers four of each. What iterates until it converges (eigenvalues, singular values,
least squares, the matrix exponential) has no figure, and stays uncounted.
"""

from collections.abc import Callable

from torch import Tensor

from flopcalc.pytorch.counting.kernels.work import Answer, Kernel, Work, ceil_log2, products


def fft(kernel: Kernel) -> Answer:
    """5 n log2 n operations for n complex numbers: 2 n log2 n muls, 3 n log2 n adds; half of it for real ones.

    The logarithm of each axis is rounded up. The factor that normalises is left out.
    """
    name, axes = kernel.func.name(), kernel.argument("dim")
    grid = kernel.first if "r2c" in name else kernel.result
    # A symbolic size has no logarithm here, and is fixed.
    levels = sum(ceil_log2(int(grid.shape[axis])) for axis in axes)
    half = 1 if "c2c" in name else 2
    work = grid.numel() * levels
    return Work(adds=3 * work // half, muls=2 * work // half, reads=kernel.reads, writes=kernel.size)


def _steps(kernel: Kernel, steps: int, matrix: Tensor) -> Work:
    count = steps * products(matrix)
    return Work(adds=count, muls=count, reads=kernel.reads, writes=kernel.written)


def _factorised(kernel: Kernel, share: Callable[[int, int], int], name: str = "") -> Work:
    matrix = kernel.argument(name) if name else kernel.first
    rows, columns = matrix.shape[-2:]
    return _steps(kernel, matrix.shape[:-2].numel() * share(rows, columns), matrix)


def cholesky(kernel: Kernel) -> Answer:
    """n^3 / 6 multiply-adds."""
    return _factorised(kernel, lambda n, _: n**3 // 6)


def lu(kernel: Kernel) -> Answer:
    """For m x n, m n k - (m + n) k^2 / 2 + k^3 / 3 multiply-adds, k = min(m, n); n^3 / 3 if square."""

    def share(m: int, n: int) -> int:
        k = min(m, n)
        return (6 * m * n * k - 3 * (m + n) * k**2 + 2 * k**3) // 6

    return _factorised(kernel, share, "A")


def inverse(kernel: Kernel) -> Answer:
    """n^3 multiply-adds."""
    return _factorised(kernel, lambda n, _: n**3)


def solve(kernel: Kernel) -> Answer:
    """LU and two triangular systems: n^3 / 3 for each matrix, and n^2 multiply-adds for each right side.

    A matrix that is shared by a batch of right sides is factorised once: torch gives its factors back in its own shape.
    """
    matrix = kernel.argument("A")
    rows = matrix.shape[-1]
    return _steps(kernel, matrix.shape[:-2].numel() * (rows**3 // 3) + kernel.size * rows, matrix)


def solve_factorised(kernel: Kernel) -> Answer:
    """Two triangular systems: n^2 multiply-adds for each right side. It is what has n x r elements."""
    matrix = kernel.argument("LU", kernel.argument("LD", kernel.argument("A", kernel.argument("input2"))))
    rows = matrix.shape[-1]
    return _steps(kernel, kernel.size * rows, matrix)


def solve_triangular(kernel: Kernel) -> Answer:
    """n^2 / 2 multiply-adds for each right side."""
    matrix = kernel.argument("A", kernel.first)
    return _steps(kernel, kernel.size * matrix.shape[-1] // 2, matrix)


def _triangle(m: int, n: int) -> int:
    """R of m x n by reflections: m n^2 - n^3 / 3 for n <= m, and for wide matrices n m^2 - m^3 / 3."""
    long, least = max(m, n), min(m, n)
    return long * least**2 - least**3 // 3


def _unitary(m: int, n: int, k: int) -> int:
    """Columns of Q, n of them, from k reflections of m numbers: 2 m n k - (m + n) k^2 + 2 k^3 / 3.

    As much as R if k = n.
    """
    return 2 * m * n * k - (3 * (m + n) * k**2 - 2 * k**3) // 3


def qr(kernel: Kernel) -> Answer:
    """R by reflections, and Q, where it is wanted: of a tall matrix as many again, of all columns more."""
    mode = kernel.argument("mode", "reduced")

    def share(m: int, n: int) -> int:
        least = min(m, n)
        unitary = 0 if mode == "r" else _unitary(m, m if mode == "complete" else least, least)
        return _triangle(m, n) + unitary

    return _factorised(kernel, share)


def reflections(kernel: Kernel) -> Answer:
    """One half of QR: geqrf."""
    return _factorised(kernel, _triangle)


def from_reflections(kernel: Kernel) -> Answer:
    """Q from its reflections."""
    count = kernel.argument("tau").shape[-1]
    return _factorised(kernel, lambda m, n: _unitary(m, n, count))


def reflected(kernel: Kernel) -> Answer:
    """A matrix times Q, by its k reflections: 2 m k - k^2 for each of its columns of m numbers, or of its rows."""
    matrix, count = kernel.result, kernel.argument("input2").shape[-1]
    rows, columns = matrix.shape[-2:]
    length = rows if kernel.argument("left", True) else columns
    return _steps(kernel, matrix.numel() // max(length, 1) * (2 * length * count - count**2), matrix)


def cross(kernel: Kernel) -> Answer:
    """Two products and a difference for each element."""
    size = kernel.size
    return Work(adds=size, muls=2 * size, reads=kernel.reads, writes=size)


RULES = {
    fft: "aten::_fft_r2c aten::_fft_c2r aten::_fft_c2c",
    cholesky: "aten::linalg_cholesky_ex aten::cholesky aten::linalg_ldl_factor_ex",
    lu: "aten::linalg_lu_factor_ex aten::linalg_lu aten::_linalg_det aten::_linalg_slogdet",
    inverse: "aten::linalg_inv_ex aten::cholesky_inverse",
    solve: "aten::_linalg_solve_ex",
    solve_factorised: (
        "aten::linalg_lu_solve aten::linalg_ldl_solve aten::_cholesky_solve_helper aten::cholesky_solve"
    ),
    solve_triangular: "aten::linalg_solve_triangular aten::triangular_solve",
    qr: "aten::linalg_qr",
    reflections: "aten::geqrf",
    from_reflections: "aten::linalg_householder_product",
    reflected: "aten::ormqr",
    cross: "aten::linalg_cross",
}

# Iterative: their work depends on the values.
UNCOUNTED = frozenset(
    {
        "aten::_linalg_eigh",
        "aten::_linalg_eigvals",
        "aten::linalg_eig",
        "aten::linalg_eigvals",
        "aten::_linalg_svd",
        "aten::linalg_lstsq",
        "aten::linalg_matrix_exp",
        "aten::linalg_pinv",
    }
)
