"""A question that a reader checks: on the book's page without a server, in a notebook with `check`."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, SupportsFloat

from .claims import as_finite, as_markdown

MIME = "application/vnd.lrnnbook.question+json"


@dataclass(frozen=True)
class Question:
    """A question, what is right, and what is said to those who answer otherwise; :func:`question` makes one."""

    text: str
    answer: float | str
    within: float
    why: str
    wrong: Mapping[Any, str]

    def check(self, answer: SupportsFloat | str) -> None:
        """Say whether an answer is right, and why, or what may have led to a wrong one.

        Parameters
        ----------
        answer : float or str
            A number; or of one of several the words, or its letter, ``"a"`` for the first.

        Raises
        ------
        ValueError
            No finite number where one is asked for; none of the choices.
        """
        print(self.verdict(answer))

    def verdict(self, answer: SupportsFloat | str) -> str:
        if isinstance(self.answer, str):
            given = self.choice(answer)
            right = given == self.answer
            said = self.wrong.get(given, "")
        else:
            number = as_finite("answer", answer)  # type: ignore[arg-type]  # which refuses a text that is no number
            right = self.near(number, self.answer)
            said = next((why for value, why in self.wrong.items() if self.near(number, value)), "")
        return f"Right. {self.why}" if right else f"Not yet. {said}".rstrip()

    def near(self, number: float, value: float) -> bool:
        return abs(number - value) <= self.within * (abs(value) or 1.0)

    def choices(self) -> list[str]:
        """What there is to choose from, the right one among them, in the order of the alphabet; empty for a number."""
        return sorted([self.answer, *self.wrong]) if isinstance(self.answer, str) else []

    def choice(self, answer: Any) -> str:
        """The words behind a letter, with brackets or a point or without.

        >>> Question("Which?", "two", 0.0, "It is even.", {"one": "It is odd."}).choice("(B).")
        'two'
        """
        choices = self.choices()
        letters = dict(zip("abcdefgh", choices))
        given = str(answer).strip()
        given = letters.get(given.lower().strip("()."), given)
        if given not in choices:
            raise ValueError(f"answer: expected one of the letters {', '.join(letters)} or the words behind them, got {answer!r}")
        return given

    def as_text(self) -> str:
        return "\n".join([self.text, *(f"({letter}) {choice}" for letter, choice in zip("abcdefgh", self.choices()))])

    def as_json(self) -> dict[str, Any]:
        """What the book's page needs to check an answer."""
        wrong = [[value, why] for value, why in self.wrong.items()]
        entry = {"text": self.text, "answer": self.answer, "within": self.within, "why": self.why, "wrong": wrong}
        return entry | {"choices": self.choices()}


def question(
    text: str,
    answer: SupportsFloat | str,
    why: str,
    wrong: Mapping[Any, str],
    within: float = 0.02,
) -> Question:
    r"""Ask the reader something, and show it.

    The answer is a number, right to a relative error `within`, or, if it is a text, one of several: it and the keys of
    `wrong`, in alphabetical order. Compute it; what is typed can be wrong.

    Parameters
    ----------
    text, why : str
        The question, and why the answer is the answer; formulas between dollars.
    answer : float or str
    wrong : mapping
        Wrong answers, and what is said to a reader who gives them: where they come from, and what they leave out.
        At least one; for one of several at most seven.
    within : float
        The relative error that still counts as right; absolute where the answer is 0.

    Returns
    -------
    Question
        Its method `check` takes an answer.

    Raises
    ------
    ValueError
        No text, an answer that is not finite, no wrong answer, a wrong one that is right, or one without an explanation.

    Examples
    --------
    >>> memory = question("For how many steps does $w = 0.9$ keep more than half?", 6, "$0.9^6 = 0.53$.", {7: "$0.9^7 = 0.48$."})
    For how many steps does $w = 0.9$ keep more than half?
    >>> memory.check(6)
    Right. $0.9^6 = 0.53$.
    >>> memory.check(7)
    Not yet. $0.9^7 = 0.48$.
    """
    for name, words in (("text", text), ("why", why)):
        if not isinstance(words, str) or not words.strip():
            raise ValueError(f"{name}: expected words, got {words!r}")
    if not isinstance(wrong, Mapping) or not wrong or not all(isinstance(said, str) and said.strip() for said in wrong.values()):
        raise ValueError(f"wrong: expected wrong answers, each with an explanation, got {wrong!r}")
    if isinstance(answer, str):
        if len(wrong) > 7 or not all(isinstance(choice, str) for choice in wrong) or answer in wrong:
            raise ValueError(f"wrong: expected at most seven other texts than {answer!r}, got {list(wrong)}")
        asked = Question(text, answer, 0.0, why, dict(wrong))
    else:
        number, within = as_finite("answer", answer), as_finite("within", within)
        if within < 0:
            raise ValueError(f"within: expected a relative error of at least 0, got {within}")
        asked = Question(text, number, within, why, {as_finite("wrong", value): said for value, said in wrong.items()})
        right = [value for value in asked.wrong if asked.near(value, number)]
        if right:
            raise ValueError(f"wrong: {right[0]:g} is within {within:g} of the answer, {number:g}")
    show(asked)
    return asked


def show(asked: Question) -> None:
    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None:
        from IPython.display import display

        words = as_markdown(asked.as_text()).replace("\n", "\n\n")
        display({"text/plain": asked.as_text(), "text/markdown": words, MIME: asked.as_json()}, raw=True)
    else:
        print(asked.as_text())
