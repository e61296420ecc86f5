"""Problems with one answer: a question, one turn of the model, a check."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence

from attrs import field, frozen, validators

from tinker_core import Message, Reply, as_conversation
from tinker_render import Renderer
from tinker_rl.envs.env import Env, EnvGroupBuilder, StepResult
from tinker_rl.envs.message_env import Messages
from tinker_rl.stop_reason import Completed, MaxTokens, ParseFailure, StopReason
from tinker_rl.trajectory import Action, Observation, StopCondition
from tinker_rl.user_code import in_thread

_COMPLETED = Completed()


class ProblemEnv(Env):
    """One problem. A subclass states the question and the checks.

    The reward is correct + format_coefficient * (format - 1): 1 for a right answer in the right
    format, -format_coefficient for a wrong answer in the wrong format. An answer that is cut short
    or cannot be parsed counts as wrong, in the wrong format.
    """

    def __init__(
        self,
        renderer: Renderer,
        prefix: Messages = (),
        *,
        format_coefficient: float = 0.1,
    ) -> None:
        """`prefix` are messages before the question: a system prompt, worked examples."""
        self.renderer = renderer
        self.prefix = as_conversation(prefix) if prefix else ()
        self.format_coefficient = format_coefficient

    @abstractmethod
    def get_question(self) -> str:
        """The user's question."""

    @abstractmethod
    def check_answer(self, answer: str) -> bool:
        """True if the text of the answer is right. It runs in a thread, so it may block."""

    @abstractmethod
    def check_format(self, answer: str) -> bool:
        """True if the text of the answer has the requested format."""

    @abstractmethod
    def get_reference_answer(self) -> str:
        """The reference answer, for the transcript."""

    async def initial_observation(self) -> tuple[Observation, StopCondition]:
        """The prompt of the question."""
        messages = [*self.prefix, Message(role="user", content=self.get_question())]
        prompt = self.renderer.build_generation_prompt(messages)
        return prompt, self.renderer.get_stop_sequences()

    async def step(self, action: Action) -> StepResult:
        """The reward of the answer, which ends the episode."""
        outcome = self.renderer.parse_response(list(action.tokens))
        answer = outcome.message.text
        correct = has_format = False
        stop: StopReason = _COMPLETED
        match outcome:
            case Reply():
                has_format = await in_thread(self.check_format, answer)
                correct = await in_thread(self.check_answer, answer)
            case _:
                stop = MaxTokens() if action.cut_short else ParseFailure("not a complete message")
        return StepResult(
            reward=correct + self.format_coefficient * (has_format - 1),
            episode_done=True,
            stop=stop,
            metrics={"correct": float(correct), "format": float(has_format)},
            logs={
                "question": self.get_question(),
                "answer": answer,
                "reference": self.get_reference_answer(),
            },
        )


@frozen(kw_only=True)
class ProblemGroupBuilder(EnvGroupBuilder):
    """Several attempts at one problem."""

    env_thunk: Callable[[], Env]
    """Makes a new environment of the same problem."""
    num_envs: int = field(validator=validators.ge(1))
    dataset_name: str = "problems"
    """Tag of the group's metrics."""

    async def make_envs(self) -> Sequence[Env]:
        """`num_envs` new environments."""
        return [self.env_thunk() for _ in range(self.num_envs)]

    async def remake_env(self, index: int) -> Env | None:
        """A new environment: attempts are independent of each other."""
        return self.env_thunk()

    def logging_tags(self) -> Sequence[str]:
        """The data set's name."""
        return (self.dataset_name,)

    def shares_prompt(self) -> bool:
        """True: all attempts are at the same problem."""
        return True
