"""Environments on messages: prompts that grow, turns that cannot be read, problems with answers."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from attrs import define, evolve, field

from tinker_core import ImagePart, Message, ToolSpec
from tinker_render import get_renderer
from tinker_render.rendered import Rendered
from tinker_render.tokenizer.codec import Codec
from tinker_rl import (
    Action,
    Advantage,
    Completed,
    MaxTokens,
    MessageEnv,
    MessageRules,
    MessageStep,
    ParseFailure,
    as_token_env,
    training_batch,
)
from tinker_rl.envs.message_env import Messages


@define
class Parrot(MessageEnv):
    """Asks for so many words, and repeats each."""

    turns: int = 2
    heard: list[str] = field(factory=list)

    async def initial_messages(self) -> Messages:
        return [{"role": "user", "content": "Say a word."}]

    async def step(self, message: Message) -> MessageStep:
        self.heard.append(message.text)
        done = len(self.heard) == self.turns
        said = {"role": "user", "content": f"You said {message.text}."}
        return MessageStep(reward=1.0, episode_done=done, messages=[said])


class Over(MessageEnv):
    """Is over before it begins."""

    async def initial_messages(self) -> MessageStep:
        return MessageStep(reward=0.25, episode_done=True, metrics={"early": 1.0})

    async def step(self, message: Message) -> MessageStep:
        raise AssertionError("there is no turn")


def test_a_conversation_that_grows_is_one_sequence(renderer: Any, speak: Any, play: Any) -> None:
    sampler = speak(["ay", "bee"])
    group = play(lambda: as_token_env(Parrot(), renderer), sampler)
    first, second = group.trajectories[0].transitions
    messages: list[Any] = [
        {"role": "user", "content": "Say a word."},
        {"role": "assistant", "content": "ay"},
        {"role": "user", "content": "You said ay."},
    ]
    assert first.observation == renderer.build_generation_prompt(messages[:1])
    expected = renderer.build_generation_prompt(messages)
    assert second.observation.to_ints() == expected.to_ints()
    (sequence,) = training_batch([group], Advantage()).sequences
    sampled = renderer.tokenizer.decode(sequence.tokens[sequence.sampled])
    assert sampled == "ay<|im_end|>bee<|im_end|>"


def test_tokens_that_the_renderer_would_not_have_chosen_stay_as_they_were_sampled(
    renderer: Any, scripted: Any, play: Any
) -> None:
    # "th" is one token of the vocabulary; this model spells it in two
    vocabulary = renderer.tokenizer.get_vocab()
    spelt = [vocabulary["t"], vocabulary["h"], *renderer.get_stop_sequences()]
    assert renderer.tokenizer.encode("th", add_special_tokens=False) == [vocabulary["th"]]
    sampler = scripted(lambda prompt, sample: spelt)
    group = play(lambda: as_token_env(Parrot(), renderer), sampler)
    first, second = group.trajectories[0].transitions
    so_far = first.observation.to_ints() + spelt
    assert second.observation.to_ints()[: len(so_far)] == so_far
    rest = renderer.tokenizer.decode(second.observation.to_ints()[len(so_far) :])
    assert rest == "\n<|im_start|>user\nYou said th.<|im_end|>\n<|im_start|>assistant\n"
    assert len(training_batch([group], Advantage()).sequences) == 1


@pytest.fixture
def rendered_tokens(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the tokens of each call that renders text."""
    counts: list[int] = []
    render = Codec.render

    def counting(codec: Codec, segments: Any) -> Rendered:
        rendered = render(codec, segments)
        counts.append(len(rendered.tokens))
        return rendered

    monkeypatch.setattr(Codec, "render", counting)
    return counts


def test_each_token_of_twenty_turns_is_rendered_at_most_once(
    renderer: Any, speak: Any, rendered_tokens: list[int], play: Any
) -> None:
    sampler = speak([f"word {i}" for i in range(20)])
    group = play(lambda: as_token_env(Parrot(turns=20), renderer), sampler)
    turns = group.trajectories[0].transitions
    emitted = sum(len(turn.action.tokens) for turn in turns[:-1])
    assert len(turns) == 20
    assert sum(rendered_tokens) == turns[-1].observation.length - emitted


def test_a_format_that_rewrites_earlier_turns_is_rendered_as_a_whole(
    thinking_renderer: Any, speak: Any, play: Any
) -> None:
    """Qwen3 drops the reasoning of the first turn; the other turns have none."""
    sampler = speak(["<think>\nhm\n</think>\n\nay", "bee", "sea"])
    group = play(lambda: as_token_env(Parrot(turns=3), thinking_renderer), sampler)
    messages = [{"role": "user", "content": "Say a word."}]
    for turn, word in zip(group.trajectories[0].transitions, ["ay", "bee", "sea"], strict=True):
        expected = thinking_renderer.build_generation_prompt(messages)
        assert turn.observation.to_ints() == expected.to_ints()
        messages += [
            {"role": "assistant", "content": word},
            {"role": "user", "content": f"You said {word}."},
        ]
    assert "hm" not in thinking_renderer.tokenizer.decode(turn.observation.to_ints())
    assert len(training_batch([group], Advantage()).sequences) == 2


@define
class NewTools(Parrot):
    """Has another tool at each turn."""

    def tools(self) -> Sequence[ToolSpec]:
        return [ToolSpec(name=f"tool{len(self.heard)}")]


def test_a_prompt_names_the_tools_of_its_own_turn(
    vision_renderer: Any, speak: Any, play: Any
) -> None:
    group = play(lambda: as_token_env(NewTools(), vision_renderer), speak(["ay", "bee"]))
    decode = vision_renderer.tokenizer.decode
    prompts = [decode(t.observation.to_ints()) for t in group.trajectories[0].transitions]
    assert [[name in prompt for name in ("tool0", "tool1")] for prompt in prompts] == [
        [True, False],
        [False, True],
    ]


@define
class Silent(Parrot):
    """Says nothing between two turns of the model."""

    async def step(self, message: Message) -> MessageStep:
        return evolve(await super().step(message), messages=[])


def test_an_environment_need_not_say_anything_between_two_turns(
    renderer: Any, speak: Any, play: Any
) -> None:
    group = play(lambda: as_token_env(Silent(), renderer), speak(["ay", "bee"]))
    messages = [{"role": "user", "content": "Say a word."}, {"role": "assistant", "content": "ay"}]
    second = group.trajectories[0].transitions[1].observation
    assert second.to_ints() == renderer.build_generation_prompt(messages).to_ints()


@define
class ShowsAnImage(Parrot):
    """Answers with an image."""

    image: bytes = b""

    async def step(self, message: Message) -> MessageStep:
        shown = Message(role="user", content=ImagePart(self.image))
        return evolve(await super().step(message), messages=[shown])


def test_an_image_between_two_turns_is_in_the_next_prompt(
    vision_renderer: Any, image: bytes
) -> None:
    env = as_token_env(ShowsAnImage(image=image), vision_renderer)
    said = [*vision_renderer.tokenizer.encode("ay"), *vision_renderer.get_stop_sequences()]

    async def second_prompt() -> Any:
        await env.initial_observation()
        step = await env.step(Action(tokens=said, logprobs=[-1.0] * len(said)))
        return step.next_observation

    chunks = asyncio.run(second_prompt()).chunks
    assert [chunk.type for chunk in chunks].count("image") == 1


def test_an_answer_that_is_cut_short_ends_the_episode_by_the_rules(
    renderer: Any, speak: Any, play: Any
) -> None:
    rules = MessageRules(cut_short_reward=-0.5)
    group = play(lambda: as_token_env(Parrot(), renderer, rules), speak(["x" * 50]))
    assert group.trajectories[0].stop == MaxTokens()
    assert group.rewards.tolist() == [-0.5]
    assert group.trajectories[0].transitions[0].metrics["cut_short"] == 1.0


def test_a_turn_that_cannot_be_read_is_answered_and_too_many_end_the_episode(
    renderer: Any, speak: Any, play: Any
) -> None:
    forged = "<|im_start|>"  # a control token inside a turn
    vocabulary = renderer.tokenizer.get_vocab()

    def say(texts: list[str]) -> Any:
        sampler = speak(texts)
        plain = sampler.script
        sampler.script = lambda prompt, sample: [
            vocabulary[forged] if token == vocabulary["?"] else token
            for token in plain(prompt, sample)
        ]
        return sampler

    rules = MessageRules(malformed_reward=-1.0, malformed_retries=1)
    group = play(lambda: as_token_env(Parrot(turns=1), renderer, rules), say(["a?b", "good"]))
    assert group.trajectories[0].stop == Completed()
    assert group.rewards.tolist() == [0.0]  # -1 and 1
    told = renderer.tokenizer.decode(
        group.trajectories[0].transitions[1].observation.to_ints(), skip_special_tokens=True
    )
    assert "could not be parsed" in told
    group = play(
        lambda: as_token_env(Parrot(), renderer, rules), say(["a?b", "good", "c?d", "fine"])
    )
    assert group.trajectories[0].stop == Completed()  # never two in a row
    group = play(lambda: as_token_env(Parrot(), renderer, rules), say(["a?b", "c?d"]))
    assert isinstance(group.trajectories[0].stop, ParseFailure)
    assert group.rewards.tolist() == [-2.0]


def test_an_episode_may_be_over_before_it_begins(renderer: Any, speak: Any, play: Any) -> None:
    group = play(lambda: as_token_env(Over(), renderer), speak([]))
    assert group.trajectories[0].transitions == ()
    assert group.rewards.tolist() == [0.25]
    assert group.trajectories[0].metrics == {"early": 1.0}


@define
class LooksUp(Parrot):
    """Has a tool whose argument is text, and keeps the calls."""

    called: list[str] = field(factory=list)

    def tools(self) -> Sequence[ToolSpec]:
        code = {"type": "object", "properties": {"code": {"type": "string"}}}
        return [ToolSpec(name="look_up", parameters=code)]

    async def step(self, message: Message) -> MessageStep:
        self.called += [call.arguments for call in message.tool_calls]
        return MessageStep(episode_done=True)


def test_calls_are_parsed_with_the_tools_of_the_prompt(
    renderer: Any, speak: Any, play: Any
) -> None:
    """Qwen3.5 writes arguments without their types: 7 is text, because the tool declares it."""
    call = "<function=look_up>\n<parameter=code>\n7\n</parameter>\n</function>"
    said = f"</think>\n\n<tool_call>\n{call}\n</tool_call>"
    env = LooksUp()
    qwen3_5 = get_renderer("qwen3_5", renderer.tokenizer)
    play(lambda: as_token_env(env, qwen3_5), speak([said]), max_tokens=200)
    assert env.called == ['{"code": "7"}']
