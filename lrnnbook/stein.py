"""Sums over all lags by doubling: each step squares the matrix and doubles the number of lags.

A power that has grown far loses its digits when it is squared: what is to cancel in its square is as large as the
square of its norm. Where a stable but strongly non-normal matrix takes the powers there, sums are taken lag by lag: a
vector that is multiplied by the matrix once a lag is what slightly other weights would give exactly.
"""

from math import prod

import numpy as np

from .checks import check_stable, finite

# Norms, as multiples of the identity's: above which powers are not squared, for a vector and for a sum whose own square they
# enter, and below which they are again.
LIMIT, SUM_LIMIT, RESUME = 10, 100, 1
MOST_DOUBLINGS, MOST_STRIDES = 40, 10_000


def krylov(W, X, count):
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
    batch = np.broadcast_shapes(W.shape[:-2], X.shape[:-2])
    blocks, power = np.broadcast_to(X, batch + X.shape[-2:])[..., None, :, :], W[..., None, :, :]
    bound, most = float(np.vdot(W, W)), LIMIT**2 * W.shape[-1]  # the square of the norm of the power is at most this
    while blocks.shape[-3] < count and (bound <= most or not tall(power)):
        later = power @ blocks[..., : count - blocks.shape[-3], :, :]
        blocks, power, bound = np.concatenate([blocks, later], axis=-3), power @ power, min(bound * bound, most + 1)
    if blocks.shape[-3] < count:
        parts = [blocks[..., 0, :, :]]
        for _ in range(count - 1):
            parts.append(W @ parts[-1])
        blocks = np.stack(parts, axis=-3)
    return blocks


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
    steps = []
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
    return weights * (1 + np.finfo(float).eps * np.random.default_rng(0).uniform(-0.5, 0.5, weights.shape))


def each(function, *powers):
    """The list of function(power, ...) over lists of powers; one that is repeated is taken once, and repeated.

    Examples
    --------
    >>> F = np.eye(1)
    >>> first, again = each(np.negative, [F, F])
    >>> first is again
    True
    """
    out = []
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


def gramian_factor(F, C):
    r"""Return a factor :math:`R` of the observability Gramian, :math:`R^\top R = \sum_k (F^k)^\top C^\top C F^k`.

    The Gramian :math:`Q` solves the Stein equation :math:`Q = F^\top Q F + C^\top C`. With :math:`R_j` for the
    first :math:`2^j` lags, :math:`R_{j+1}` is :math:`R_j` on top of :math:`R_j F^{2^j}`, and where this gets tall its
    triangular factor, which is of the same square. Keeping the factor instead of the Gramian means that no difference of large
    numbers is ever taken.

    Parameters
    ----------
    F : list of (..., n, n)
        The powers 1, 2, 4, ..., see :func:`squares`, to the machine epsilon.
    C : array (..., o, n)

    Returns
    -------
    array (..., r, n)
        With r at most 4n, or o where that is larger and there are no powers.

    Examples
    --------
    >>> (F,) = squares(np.finfo(float).eps, student=np.array([[0.6]]))
    >>> round(float((gramian_factor(F, np.array([[0.8]])) ** 2).sum()), 12)
    1.0
    """
    if grown(F):
        rows = krylov(np.swapaxes(F[0], -1, -2), np.swapaxes(C, -1, -2), reach(F))
        return np.linalg.qr(np.concatenate(list(np.moveaxis(np.swapaxes(rows, -1, -2), -3, 0)), axis=-2), mode="r")
    R = C
    for F_a in F:
        if R.shape[-2] > 2 * R.shape[-1]:
            R = np.linalg.qr(R, mode="r")
        R = np.concatenate([R, R @ F_a], axis=-2)
    return R


def gramian_factor_partial(F, C, lags, fading=False):
    r"""The same over the first lags only, of weight 1 each, or of the weight 1 - k/lags at lag k.

    With :math:`S_a` the square of the one and :math:`V_a = \sum_{k<a} (a - k)\, (F^k)^\top C^\top C F^k`, which is `lags` times
    that of the other,

    .. math:: S_{a+b} = S_a + (F^a)^\top S_b F^a, \qquad V_{a+b} = V_a + b\, S_a + (F^a)^\top V_b F^a,

    and the digits of `lags` are put together as in :func:`stein_partial`.

    Parameters
    ----------
    F : list of (..., n, n)
        The powers of :func:`squares`, to the machine epsilon or to `lags`.
    C : array (..., o, n)
    lags : int
    fading : bool

    Returns
    -------
    array (..., r, n)

    Examples
    --------
    >>> (F,) = squares(lags=3, student=np.array([[2.0]]))
    >>> R = gramian_factor_partial(F, np.array([[1.0]]), 3)
    >>> round(float((R**2).sum()), 12) == 1 + 4 + 16
    True
    """

    def stack(*parts):
        R = np.concatenate(parts, axis=-2)
        return np.linalg.qr(R, mode="r") if R.shape[-2] > 2 * R.shape[-1] else R

    def then(first, later, F_a):
        (S, V, a), (S_b, V_b, b) = first, later
        return stack(S, S_b @ F_a), stack(V, np.sqrt(b) * S, V_b @ F_a) if fading else S, a + b

    all_, left, some = (C, C, 1), lags, None
    for F_a, times in strides(F):
        left, digit = divmod(left, times)
        for _ in range(digit):
            some = all_ if some is None else then(all_, some, F_a)
        if not left:
            break
        first = all_
        for _ in range(times - 1):
            all_ = then(first, all_, F_a)
    else:  # at the end of the powers, or beyond it, where every further lag is zero
        S, V, a = all_
        some = S, stack(V, np.sqrt(lags - a) * S), lags
    return some[1] / np.sqrt(lags) if fading else some[0]


def squares(tolerance=np.sqrt(np.finfo(float).eps), lags=np.inf, **matrices):
    r"""The powers :math:`W, W^2, W^4, W^8, \dots` of each matrix, as many as a sum over all lags needs.

    The lists end where the next powers together are sure to have a norm below `tolerance`. Since
    :math:`\rho(W)^k \le \lVert W^k \rVert`, powers that die out belong to a spectral radius below 1, and this costs no
    eigenvalues, which for a strongly non-normal matrix may be far off. The lists hold at least n lags: a chain of n units
    hands a pulse on for that long, however small its weights.

    A power whose Frobenius norm is above a hundred times that of the identity is not squared. The last one before it is the stride
    of the steps that follow, until the power reached is no larger than the identity and squaring goes on. Where this has
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
    powers, latest, stride = [[] for _ in matrices], list(matrices.values()), None
    n, unit = max(W.shape[-1] for W in latest), np.sqrt(min(W.shape[-1] for W in latest))
    done, by, doublings, small, grew, peak = 1, 1, 0, True, False, 0.0  # lags that the sums hold, and those of the stride
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(MOST_STRIDES):
            norm = np.sqrt(sum(np.vdot(power, power) for power in latest))  # Frobenius, of all at once
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
            if doublings == MOST_DOUBLINGS or not np.isfinite(norm):
                break
            peak = max(peak, norm)
            latest = [left @ right for left, right in zip(stride, latest)]
    if lags < np.inf:
        finite("horizon", np.inf)
    radii = {name: np.abs(np.linalg.eigvals(W)).max() for name, W in matrices.items()}
    for name, radius in radii.items():
        check_stable(name, radius)
    name = max(radii, key=radii.get)
    if radii[name] > 1 - 1e-9:
        raise ValueError(
            f"{name}: an infinite horizon needs a spectral radius below 1, got 1 - {1 - radii[name]:.2g}, which is too close "
            "to 1 for the powers to die out before rounding"
        )
    size = {name: np.nan_to_num(np.abs(power).max(), nan=np.inf) for name, power in zip(matrices, latest)}
    name = max(size, key=size.get)
    raise too_non_normal(name, f"powers that grow to a norm of {peak:.2g} and more at a spectral radius of {radii[name]:.6g}")


def too_non_normal(name, got):
    """The error that a matrix gets whose answer rounding decides.

    Examples
    --------
    >>> too_non_normal("student", "powers of 1e+20")
    ValueError('student: too non-normal: expected weights whose rounding leaves the answer six digits, got powers of 1e+20')
    """
    return ValueError(f"{name}: too non-normal: expected weights whose rounding leaves the answer six digits, got {got}")


def stein(F, X, G):
    r"""The sum over all lags :math:`\sum_k F^k X G^k`, the solution of :math:`S = F S G + X`.

    With :math:`X_a` for the first a lags, :math:`X_{2a} = X_a + F^a X_a G^a`.

    Parameters
    ----------
    F, G : list of (..., p, p) and of (..., q, q)
        The powers 1, 2, 4, ..., see :func:`squares`.
    X : array (..., p, q)

    Returns
    -------
    array (..., p, q)

    Examples
    --------
    >>> F, G = squares(student=np.array([[0.5]]), teacher=np.array([[0.2]]))
    >>> stein(F, np.array([[0.9]]), G).round(12)
    array([[1.]])
    """
    if grown(F):
        return lag_by_lag(F, X, G, reach(F))
    for F_a, G_a in zip(F, G):
        X = X + F_a @ X @ G_a
    return X


def lag_by_lag(F, X, G, lags):
    r"""The sum over the first lags, :math:`\sum_k F^k X G^k`, without squaring.

    Examples
    --------
    >>> lag_by_lag([np.array([[0.5]])], np.array([[1.0]]), [np.array([[2.0]])], 3)
    array([[3.]])
    """
    left, right = krylov(F[0], X, lags), krylov(np.swapaxes(G[0], -1, -2), np.eye(X.shape[-1]), lags)
    return np.einsum("...kpq,...krq->...pr", left, right, optimize=True)


def stein_partial(F, X, G, lags):
    r"""The sum over the first lags only, :math:`\sum_{k < \text{lags}} F^k X G^k`.

    The binary digits of `lags`, lowest first, are put together by :math:`X_{a+b} = X_a + F^a X_b G^a`, with a the
    power of two. Nothing is subtracted, so that a few lags keep all their digits.

    Parameters
    ----------
    F, G : list of (..., p, p) and of (..., q, q)
        The powers 1, 2, 4, ..., see :func:`squares`. Where `lags` is beyond them, the sum over all lags is returned,
        which is the same number.
    X : array (..., p, q)
    lags : int
        At least 1.

    Returns
    -------
    array (..., p, q)

    Examples
    --------
    >>> F, G = squares(student=np.array([[0.5]]), teacher=np.array([[0.5]]))
    >>> float(stein_partial(F, np.array([[1.0]]), G, 3)[0, 0]) == 1 + 1 / 4 + 1 / 16
    True
    """
    if grown(F):
        return lag_by_lag(F, X, G, min(lags, reach(F)))
    total = np.zeros(X.shape[-2:])
    for F_a, G_a in zip(F, G):
        lags, odd = divmod(lags, 2)
        if odd:
            total = X + F_a @ total @ G_a
        if not lags:
            return total
        X = X + F_a @ X @ G_a
    return X


def gramians(F, L, F_, L_):
    r"""A Gramian :math:`\sum_k F^k L L^\top F^{k\top}` and a cross Gramian :math:`\sum_k F_*^k L_* L^\top F^{k\top}`.

    As long as it is thin, the block of columns :math:`[L, FL, \dots, F^{a-1}L]` is doubled instead of its square.

    Parameters
    ----------
    F, F_ : list of (..., n, n) and of (..., n_, n_)
        The powers 1, 2, 4, ..., see :func:`squares`.
    L, L_ : array (..., n, m) and (..., n_, m)

    Returns
    -------
    array (..., n, n) and (..., n_, n)

    Examples
    --------
    >>> F, F_ = squares(student=np.array([[0.6]]), teacher=np.array([[0.5]]))
    >>> gramian, cross = gramians(F, np.array([[0.8]]), F_, np.array([[0.7]]))
    >>> gramian.round(12), cross.round(12)
    (array([[1.]]), array([[0.8]]))
    """
    if grown(F):
        lags = reach(F)
        L, L_ = (np.concatenate(list(np.moveaxis(krylov(X[0], X_L, lags), -3, 0)), axis=-1) for X, X_L in ((F, L), (F_, L_)))
        LT = np.swapaxes(L, -1, -2)
        return L @ LT, L_ @ LT
    thin = thin_doublings(F, L)
    L, L_ = columns(F[:thin], L), columns(F_[:thin], L_)
    LT, FT = np.swapaxes(L, -1, -2), [np.swapaxes(F_a, -1, -2) for F_a in F[thin:]]
    return stein(F[thin:], L @ LT, FT), stein(F_[thin:], L_ @ LT, FT)


def thin_doublings(F, L):
    """How many of the powers F double the columns of L (..., n, m) before these are more than 2n.

    Examples
    --------
    >>> thin_doublings([np.eye(4)] * 9, np.ones((4, 1)))
    3
    """
    thin = 0
    while thin < len(F) and 2 ** (thin + 1) * L.shape[-1] <= 2 * L.shape[-2]:
        thin += 1
    return thin


def columns(F, L):
    """The first columns [L, F L, F^2 L, ...], twice as many with every power in F.

    Examples
    --------
    >>> columns([np.array([[0.5]]), np.array([[0.25]])], np.array([[1.0]]))
    array([[1.   , 0.5  , 0.25 , 0.125]])
    """
    if not F:
        return L
    done = L.shape[-1]
    columns = np.empty(np.broadcast_shapes(F[0].shape[:-2], L.shape[:-2]) + (L.shape[-2], done << len(F)))
    columns[..., :done] = L
    for F_a in F:
        columns[..., done : 2 * done] = F_a @ columns[..., :done]
        done *= 2
    return columns
