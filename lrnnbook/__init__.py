"""How linear recurrent networks learn when they cannot backpropagate through time.

The names below are the package; the book derives what each of them computes.
"""

from importlib.metadata import PackageNotFoundError, version

from .book.claims import claim
from .book.questions import Question, question
from .book.style import STYLES, TARGET, use_style
from .flow import Trajectory, integrate
from .forms import Rule
from .history import History
from .identify import Identified, identify_rule
from .losses import loss
from .modes import Alignment, Mode, aligned_network, alignment, mode_loss, read_modes
from .networks import LinearRNN, leaky_network, random_network, simulate
from .rules import BPTT, RFLO, EProp, KolenPollack, TruncatedBPTT
from .spectra import change_rank, effective_rank
from .stability import decay_rates, jacobian, optimal_mode
from .tanh import tanh_simulate, tanh_update
from .training import train
from .training_flow import train_flow
from .updates import Update

try:
    __version__ = version("lrnnbook")
except PackageNotFoundError:  # a tree that nobody installed
    __version__ = "0+unknown"

__all__ = [
    "LinearRNN",
    "loss",
    "leaky_network",
    "random_network",
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
    "KolenPollack",
    "Trajectory",
    "integrate",
    "optimal_mode",
    "jacobian",
    "decay_rates",
    "train",
    "train_flow",
    "History",
    "tanh_simulate",
    "tanh_update",
    "identify_rule",
    "Identified",
    "change_rank",
    "effective_rank",
    "claim",
    "question",
    "Question",
    "STYLES",
    "TARGET",
    "use_style",
]
