"""Where learning stops and how it arrives: the optimal manifold, the Jacobian of the flow, and its rates."""

import numpy as np

from .checks import as_array, broadcast_batch
from .modes import Mode, as_mode
from .rules import as_rule


def optimal_mode(s, target):
    r"""The point :math:`(a, b, w) = (s, a^* b^*/s, w^*)` of the optimal manifold.

    Parameters
    ----------
    s : array (...)
        Not 0; broadcasts with the target.
    target : Mode

    Returns
    -------
    Mode

    Raises
    ------
    ValueError
        s is 0 or not finite, or so small that b is not, or the shapes do not broadcast.

    Examples
    --------
    >>> a, b, w = optimal_mode(2.0, Mode(1.0, 1.0, 0.5))
    >>> float(a), float(b), float(w)
    (2.0, 0.5, 0.5)
    """
    s = as_array("s", s, "", {})
    if np.any(s == 0):
        raise ValueError("s: expected numbers other than 0, which no point of the optimal manifold has")
    broadcast_batch(s=s.shape, target=as_mode("target", target).shape)
    with np.errstate(over="ignore"):
        b = target.a * target.b / s
    if not np.isfinite(b).all():
        raise ValueError(f"s: expected numbers at which a* b* / s is within the range of floats, got {s}")
    return Mode(a=s, b=b, w=target.w)


def jacobian(rule, mode, target):
    r"""The Jacobian of the flow :math:`\frac{d}{dt}(a, b, w) = -\Delta(a, b, w)`.

    Every rule has the form

    .. math::

        \Delta a &= b\,Z, & Z &= ab\,\varphi - a^*b^*\varphi_*, \\
        \Delta b &= f S, & S &= ab\,\psi - a^*b^*\psi_*, \\
        \Delta w &= f b\,Q, & Q &= ab\,w\,\varphi\psi - a^*b^*w^*\varphi_*\psi_*

    with :math:`\varphi = 1/(1-w^2)`, :math:`\varphi_* = 1/(1-ww^*)`, feedback f (a or r) and
    :math:`\psi = \sum_l (\mu w)^l`, :math:`\psi_* = \sum_l (\mu w^*)^l` over the lags that the rule keeps, with decay
    :math:`\mu` (w or :math:`\hat w`). The derivatives are closed forms of these.

    Parameters
    ----------
    rule : BPTT, TruncatedBPTT, RFLO or EProp
        As for modes.
    mode, target : Mode
        Of shapes that broadcast together and with the rule.

    Returns
    -------
    array (..., 3, 3)
        Entry ``[..., i, j]`` is the derivative of the velocity of the i-th of (a, b, w) by the j-th.

    Raises
    ------
    ValueError
        Shapes that do not broadcast, or :math:`|w| \ge 1` or :math:`|w^*| \ge 1`.

    Examples
    --------
    >>> from lrnnbook import BPTT
    >>> jacobian(BPTT(), Mode(1.0, 1.0, 0.0), Mode(1.0, 1.0, 0.0)).tolist()
    [[-1.0, -1.0, 0.0], [-1.0, -1.0, 0.0], [0.0, 0.0, -1.0]]
    """
    shape = as_rule(rule).check_modes(mode=mode, target=target)
    (a, b, w), (a_, b_, w_) = mode, target
    p, p_ = a * b, a_ * b_
    f, mu, f_a, mu_w = rule.mode_sent(a, w)
    phi, phi_ = 1 / (1 - w**2), 1 / (1 - w * w_)
    psi, psi_ = rule.mode_sum(mu * w), rule.mode_sum(mu * w_)
    psi_w, psi__w = rule.mode_sum_slope(mu * w) * (mu + mu_w * w), rule.mode_sum_slope(mu * w_) * mu_w * w_

    Z, Z_p, Z_w = p * phi - p_ * phi_, phi, 2 * p * w * phi**2 - p_ * w_ * phi_**2
    S, S_p, S_w = p * psi - p_ * psi_, psi, p * psi_w - p_ * psi__w
    Q, Q_p = p * w * phi * psi - p_ * w_ * phi_ * psi_, w * phi * psi
    Q_w = p * phi * ((1 + 2 * w**2 * phi) * psi + w * psi_w) - p_ * w_ * phi_ * (w_ * phi_ * psi_ + psi__w)
    rows = (
        (b * Z_p * b, Z + b * Z_p * a, b * Z_w),
        (f_a * S + f * S_p * b, f * S_p * a, f * S_w),
        (b * (f_a * Q + f * Q_p * b), f * (Q + b * Q_p * a), f * b * Q_w),
    )
    return 0.0 - np.stack([np.stack([np.broadcast_to(entry, shape) for entry in row], axis=-1) for row in rows], axis=-2)


def decay_rates(rule, s, target):
    r"""The two eigenvalues of the flow across the optimal manifold, at :math:`(s, a^*b^*/s, w^*)`.

    The third eigenvalue is 0, along the manifold. In the coordinates :math:`(ab, w)`, which do not change along it,
    the flow has a 2 by 2 Jacobian with, in the symbols of :func:`lrnnbook.jacobian` at :math:`w = w^*`,
    :math:`\varphi = 1/(1-w^{*2})`, :math:`b = a^*b^*/s` and :math:`d = \partial_w(\psi - \psi_*)`,

    .. math::

        -\operatorname{tr} &= b^2\varphi + fs\,\psi + f b\,a^*b^*\varphi\,(\varphi\psi + w^* d), \\
        \det &= f b\,a^*b^*\varphi^2 \left[b^2 (\psi + w^* d) + fs\,\psi^2\right].

    For RFLO :math:`\psi + w^*d = \psi^2 = (1-\hat w w^*)^{-2}`, so that the determinant has the sign of
    :math:`rs\,(rs + (a^*b^*/s)^2)`.

    Parameters
    ----------
    rule : BPTT, TruncatedBPTT, RFLO or EProp
        As for modes.
    s : array (...)
        Not 0; broadcasts with target and rule.
    target : Mode

    Returns
    -------
    array (..., 2)
        The one with the larger real part first, and of a complex pair the one above the axis. Complex if any is.

    Raises
    ------
    ValueError
        As :func:`lrnnbook.optimal_mode` and :func:`lrnnbook.jacobian`.

    Examples
    --------
    >>> from lrnnbook import BPTT
    >>> decay_rates(BPTT(), 1.0, Mode(1.0, 1.0, 0.0))
    array([-1., -2.])
    """
    mode = optimal_mode(s, target)
    as_rule(rule).check_modes(target=target, mode=mode)
    (s, b, w), p = mode, target.a * target.b
    f, mu, *_ = rule.mode_sent(s, w)
    phi, psi, d = 1 / (1 - w**2), rule.mode_sum(mu * w), rule.mode_sum_slope(mu * w) * mu
    trace = -(b**2 * phi + f * s * psi + f * b * p * phi * (phi * psi + w * d))
    det = f * b * p * phi**2 * (b**2 * (psi + w * d) + f * s * psi**2)
    root = np.emath.sqrt(trace**2 - 4 * det)
    # The root of larger modulus has no cancellation; the other follows from the product of the two.
    far = (trace + np.where(trace < 0, -1, 1) * root) / 2
    near = np.divide(det, far, out=np.zeros_like(far), where=far != 0)
    near = np.where(np.imag(root) == 0, near, np.conj(far))
    pair = np.stack([near, far], axis=-1)
    order = np.lexsort((-pair.imag, -pair.real), axis=-1)
    return np.take_along_axis(pair, order, axis=-1)
