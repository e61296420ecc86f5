"""The interface of a preference loss. A new one is a subclass in a file of its own.

The base class says what it learns from and how that is rendered:

    PairObjective     a chosen and a rejected response
    RewardObjective   the same, but a label that judges each response is scored in its place
    JudgedObjective   single responses, each desirable or not

`tinker_dpo.objectives` has the ones that the command line offers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from tinker_dpo.objectives.scores import JudgedLoss, JudgedScores, PairLoss, Sides


class _Objective(ABC):
    """A preference loss with its settings; subclasses are frozen attrs classes."""

    @property
    @abstractmethod
    def needs_reference(self) -> bool:
        """True if the loss compares the policy with a frozen reference model."""

    @property
    @abstractmethod
    def length_normalised(self) -> bool:
        """True if the score of a response is the mean over its tokens instead of their sum."""


class PairObjective(_Objective):
    """A loss of pairs of responses to one prompt."""

    @abstractmethod
    def loss(self, policy: Sides, reference: Sides) -> PairLoss:
        """Value and derivatives; the reference is zero unless `needs_reference`."""


class RewardObjective(PairObjective):
    """The loss of a reward model: the scores are those of a label that judges each response."""

    @property
    @abstractmethod
    def question(self) -> str:
        """The user's message after the response."""

    @property
    @abstractmethod
    def label(self) -> str:
        """The reply of the model to a good response."""


class JudgedObjective(_Objective):
    """A loss of single responses that are judged as desirable or not."""

    @abstractmethod
    def loss(self, scores: JudgedScores) -> JudgedLoss:
        """Value and derivatives; scores of the reference are zero unless `needs_reference`."""


Objective = PairObjective | JudgedObjective
