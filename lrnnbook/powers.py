"""Powers of the recurrent weights, by squaring as far as squaring keeps their digits.

A power that has grown far loses its digits when it is squared: what is to cancel in its square is as large as the
square of its norm. Where a stable but strongly non-normal matrix takes the powers there, sums are taken lag by lag: a
vector that is multiplied by the matrix once a lag is what slightly other weights would give exactly.
"""

from math import isfinite, prod, sqrt
from typing import Any

import numpy as np

from .checks import check_stable, finite

# Norms, as multiples of the identity's: above which powers are not squared, for a vector and for a sum whose own square they
# enter, and below which they are again.
LIMIT, SUM_LIMIT, RESUME = 10, 100, 1
MOST_DOUBLINGS, MOST_STRIDES = 40, 10_000
LONG, MOST_LAGS = 1000, 20_000  # lags that a finite sum takes one by one, more are doubled; and where these would not do

# The C library of Linux hands the memory of each sum back and asks for it anew, page by page, which takes as long as the sum
# itself: until one block as large as this has come and gone.
np.empty(2**21)


def krylov(W: np.ndarray, X: np.ndarray, count: int) -> np.ndarray:
    r"""Stack :math:`X, WX, W^2X, \dots, W^{count-1}X`.

    Parameters
    ----------
    W : array (..., n, n)
    X : array (..., n, m)
    count : int
        Number of powers, at least 1.

    Returns
    -------
    array (..., count, n, m)
        Entry ``[..., k, :, :]`` is :math:`W^k X`.

    Examples
    --------
    >>> krylov(np.array([[2.0]]), np.array([[3.0]]), 4).ravel()
    array([ 3.,  6., 12., 24.])
    """
    return stacked(krylov_columns(W, X, count), X.shape[-1])


def krylov_columns(W: np.ndarray, X: np.ndarray, count: int) -> np.ndarray:
    """The same side by side, (..., n, count * m): a stride is one product with all the blocks that it moves.

    Examples
    --------
    >>> krylov_columns(np.array([[2.0]]), np.array([[3.0, 1.0]]), 3)
    array([[ 3.,  1.,  6.,  2., 12.,  4.]])
    """
    n, m = X.shape[-2:]
    batch = np.broadcast_shapes(W.shape[:-2], X.shape[:-2])
    blocks = np.empty(batch + (n, count * m), dtype=np.result_type(W, X))
    blocks[..., :m] = X
    power, stride, done, keeps = W, 1, 1, not tall(W)
    while done < count:
        more = min(stride, count - done) * m
        blocks[..., done * m : done * m + more] = power @ blocks[..., (done - stride) * m : (done - stride) * m + more]
        done += stride
        # A longer stride is worth another square where that is cheap beside the strides that it saves.
        if keeps and done == 2 * stride < count and count > done * (n / 36) ** 2:
            square = power @ power
            keeps = not tall(square)
            power, stride, done = (square, done, done) if keeps else (W, 1, 1)
    return blocks


def stacked(columns: np.ndarray, m: int) -> np.ndarray:
    """Blocks of m columns each, side by side, as a stack.

    Examples
    --------
    >>> stacked(np.array([[3.0, 1.0, 6.0, 2.0]]), 2)
    array([[[3., 1.]],
    <BLANKLINE>
           [[6., 2.]]])
    """
    return np.moveaxis(columns.reshape(*columns.shape[:-1], columns.shape[-1] // m, m), -2, -3)


def tall(power, limit=LIMIT):
    """Whether the Frobenius norm of one of the matrices (..., n, n) is above that of the identity times the limit.

    Examples
    --------
    >>> tall(np.eye(3)), tall(np.array([[0.0, 1e3], [0.0, 0.0]]))
    (False, True)
    """
    most = limit**2 * power.shape[-1]
    if np.vdot(power, power) <= most:  # of all at once
        return False
    return not (np.einsum("...ij,...ij->...", power, power) <= most).all()


def strides(*powers):
    """The steps of lists of powers, see :func:`squares`: the powers, and how many times as many lags they lead to.

    Examples
    --------
    >>> F, F_2 = np.array([[3.0]]), np.array([[9.0]])
    >>> [times for _, times in strides([F, F_2])], [times for _, times in strides([F, F, F_2])]
    ([2, 2], [3, 2])
    """
    steps: list[list[Any]] = []
    for at_once in zip(*powers):
        if steps and same(at_once[0], steps[-1][0]):
            steps[-1][-1] += 1
        else:
            steps.append([*at_once, 2])
    return steps


def jitter(weights):
    """The weights with their last bits changed, always in the same way.

    Examples
    --------
    >>> bool(np.abs(jitter(np.array([[0.5, 0.25]])) / [[0.5, 0.25]] - 1).max() < 1e-15)
    True
    """
    return weights * (1 + np.finfo(float).eps * np.random.default_rng(0).choice([-1.0, 1.0], weights.shape))


def each(function, *powers):
    """The list of function(power, ...) over lists of powers; one that is repeated is taken once, and repeated.

    Examples
    --------
    >>> F = np.eye(1)
    >>> first, again, other = each(np.negative, [F, F, 2 * F])
    >>> first is again, float(other[0, 0])
    (True, -2.0)
    """
    out: list[Any] = []
    before = None
    for at_once in zip(*powers):
        out.append(out[-1] if out and same(at_once[0], before) else function(*at_once))
        before = at_once[0]
    return out


def reach(powers):
    """How many lags the powers of :func:`squares` lead to.

    Examples
    --------
    >>> reach(squares(W=np.array([[0.1]]))[0])
    8
    """
    return prod(times for _, times in strides(powers))


def same(power, before):
    """Whether two entries of a list of powers, or views of them such as transposes, are one array.

    Examples
    --------
    >>> F = np.eye(2)
    >>> same(F.T, F), same(F.copy(), F)
    (True, False)
    """
    return (power if power.base is None else power.base) is (before if before.base is None else before.base)


def grown(powers):
    """Whether powers have grown far on their way, so that :func:`squares` gives the matrix itself, once a lag.

    Examples
    --------
    >>> (slow,), (steep,) = squares(W=np.array([[0.5]])), squares(W=np.array([[0.5, 1e3], [0.0, 0.5]]))
    >>> grown(slow), grown(steep)
    (False, True)
    """
    return len(powers) > 1 and same(powers[0], powers[1])


def squares(
    tolerance: float = np.sqrt(np.finfo(float).eps), lags: float = np.inf, **matrices: np.ndarray
) -> list[list[np.ndarray]]:
    r"""The powers :math:`W, W^2, W^4, W^8, \dots` of each matrix, as many as a sum over all lags needs.

    The lists end where the next powers together are sure to have a norm below `tolerance`. Since
    :math:`\rho(W)^k \le \lVert W^k \rVert`, powers that die out belong to a spectral radius below 1, and this costs no
    eigenvalues, which for a strongly non-normal matrix may be far off. The lists hold at least n lags: a chain of n units
    hands a pulse on for that long, however small its weights.

    A power whose Frobenius norm is above a hundred times that of the identity is not squared. The last one before it is the
    stride of the steps that follow, until the power reached is no larger than the identity and squaring goes on. Where this has
    happened the lists hold the matrix itself, once for every lag that is needed but the first. Of a finite number of lags
    they hold the strides, once a step: a sum over the first a lags grows by :math:`X_{a+s} = X_s + F^s X_a G^s`, and the
    stride s is a unless an entry is repeated.

    Parameters
    ----------
    tolerance : float
        Below 1. The default is enough for sums :math:`\sum_k F^k X G^k` in which both sides decay; where only one
        does, ask for the machine epsilon.
    lags : int or inf
        How many the sums need. Where it is finite, the powers need not die out.
    **matrices : (..., n, n)
        By the name that an error is to carry. Batch axes and n may differ.

    Returns
    -------
    list of lists
        One a matrix, all of the same length; entry j is the power :math:`2^j`, or what step j multiplies by.

    Raises
    ------
    ValueError
        A spectral radius of 1 or more; one so close to 1 that :math:`2^{40}` lags are not enough; powers that have not
        decayed when they leave the range of floats, or after ten thousand strides.

    Examples
    --------
    >>> (powers,) = squares(student=np.array([[0.1]]))
    >>> [round(float(power[0, 0]), 8) for power in powers]
    [0.1, 0.01, 0.0001]
    """
    powers: list[list[np.ndarray]] = [[] for _ in matrices]
    latest, stride = list(matrices.values()), None
    n, unit = max(W.shape[-1] for W in latest), sqrt(min(W.shape[-1] for W in latest))
    done, by, doublings, small, grew, peak = 1, 1, 0, True, False, 0.0  # lags that the sums hold, and those of the stride
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(MOST_STRIDES):
            norm = sqrt(sum(np.vdot(power, power) for power in latest))  # Frobenius, of all at once
            if done >= lags or (small and norm <= tolerance and done >= n):
                return [[W] * (done - 1) for W in matrices.values()] if grew and lags == np.inf else powers
            limit = SUM_LIMIT if small else RESUME
            small = norm <= limit * unit or not any(tall(power, limit) for power in latest)
            grew = grew or not small
            if small or stride is None:
                stride, by, doublings = latest, done, doublings + 1
            for of_one, power in zip(powers, stride):
                of_one.append(power)
            done += by
            if small and norm**2 <= tolerance and done >= n:  # the norm of the next power is below it, too
                return [[W] * (done - 1) for W in matrices.values()] if grew and lags == np.inf else powers
            if doublings == MOST_DOUBLINGS or not isfinite(norm):
                break
            peak = max(peak, norm)
            latest = [left @ right for left, right in zip(stride, latest)]
    if lags < np.inf:
        finite("horizon", np.inf)
    radii = {}
    for name, W in matrices.items():
        radius = np.abs(np.linalg.eigvals(W)).max(axis=-1)
        check_stable(name, radius)
        radii[name] = radius.max()
    name = max(radii, key=lambda name: radii[name])
    if radii[name] > 1 - 1e-9:
        raise ValueError(
            f"{name}: an infinite horizon needs a spectral radius below 1, got 1 - {1 - radii[name]:.2g}, which is too close "
            "to 1 for the powers to die out before rounding"
        )
    size = {name: np.nan_to_num(np.abs(power).max(), nan=np.inf) for name, power in zip(matrices, latest)}
    name = max(size, key=lambda name: size[name])
    raise too_non_normal(name, f"powers that grow to a norm of {peak:.2g} and more at a spectral radius of {radii[name]:.6g}")


def too_non_normal(name: str, got: str) -> ValueError:
    """The error that a matrix gets whose answer rounding decides.

    Examples
    --------
    >>> too_non_normal("student", "powers of 1e+20")
    ValueError('student: too non-normal: expected weights whose rounding leaves the answer six digits, got powers of 1e+20')
    """
    return ValueError(f"{name}: too non-normal: expected weights whose rounding leaves the answer six digits, got {got}")
