"""How linear recurrent networks learn when they cannot backpropagate through time.

The names below are the package; the book derives what each of them computes.
"""

from .claims import claim
from .forms import Rule, Update
from .flow import Trajectory, integrate
from .modes import Alignment, Mode, aligned_network, alignment, mode_loss, read_modes
from .networks import LinearRNN, loss, simulate
from .plotting import RULES, TARGET, use_style
from .rules import BPTT, RFLO, EProp, TruncatedBPTT
from .spectra import change_rank, effective_rank
from .stability import decay_rates, jacobian, optimal_mode
from .training import History, train, train_flow

__all__ = [
    "LinearRNN",
    "loss",
    "simulate",
    "Mode",
    "mode_loss",
    "aligned_network",
    "read_modes",
    "Alignment",
    "alignment",
    "Rule",
    "Update",
    "BPTT",
    "TruncatedBPTT",
    "RFLO",
    "EProp",
    "Trajectory",
    "integrate",
    "optimal_mode",
    "jacobian",
    "decay_rates",
    "train",
    "train_flow",
    "History",
    "change_rank",
    "effective_rank",
    "claim",
    "RULES",
    "TARGET",
    "use_style",
]
