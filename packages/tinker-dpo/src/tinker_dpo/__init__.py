"""Preference learning on the Tinker API: the DPO family, preference models, RLHF pieces."""

from tinker_core import Comparison, PreferenceModel, RewardModel
from tinker_data import read_pair
from tinker_dpo.config import Config, Evaluation
from tinker_dpo.custom_loss import Surrogate, datums_of, surrogate
from tinker_dpo.data.batches import PreferenceBatch, iterate_batches
from tinker_dpo.data.builders import (
    KNOWN,
    HubPreferences,
    PreferenceData,
    PreferenceDataBuilder,
    PreferenceFile,
)
from tinker_dpo.data.dataset import PreferenceDataset, Selection, open_dataset
from tinker_dpo.data.preference import (
    JudgedResponse,
    Preference,
    comparison_of,
    judge_both,
    read_judged,
    read_preference,
)
from tinker_dpo.data.rendering import (
    RenderedJudged,
    RenderedPair,
    RenderedPreference,
    RenderedResponse,
    ResponseRenderer,
    ScoreRenderer,
    render_judged,
    render_pair,
)
from tinker_dpo.loop import LoopData, preference_loop
from tinker_dpo.objectives import BradleyTerry, Dpo, Ipo, Kto, Orpo, SimPo
from tinker_dpo.objectives.objective import (
    JudgedObjective,
    Objective,
    PairObjective,
    RewardObjective,
)
from tinker_dpo.objectives.scores import JudgedLoss, JudgedScores, PairLoss, Sides
from tinker_dpo.objectives.token_loss import Response, TokenLoss, judged_loss, pair_loss
from tinker_dpo.reward_model.agreement import Share, agreement, judge, share, vote, win_rate
from tinker_dpo.reward_model.best_of_n import (
    BestOfN,
    BestOfNPairs,
    best_and_worst,
    best_of_n,
    pair_row,
)
from tinker_dpo.reward_model.label_model import ComparisonFile, ComparisonRenderer, LabelModel
from tinker_dpo.reward_model.score_model import ScoreModel, centred, score_model
from tinker_dpo.training import open_data, read_config, resume, train, train_on
from tinker_render import renderer_for
from tinker_train import Checkpoints, TrainResult

__all__ = [
    "KNOWN",
    "BestOfN",
    "BestOfNPairs",
    "BradleyTerry",
    "Checkpoints",
    "Comparison",
    "ComparisonFile",
    "ComparisonRenderer",
    "Config",
    "Dpo",
    "Evaluation",
    "HubPreferences",
    "Ipo",
    "JudgedLoss",
    "JudgedObjective",
    "JudgedResponse",
    "JudgedScores",
    "Kto",
    "LabelModel",
    "LoopData",
    "Objective",
    "Orpo",
    "PairLoss",
    "PairObjective",
    "Preference",
    "PreferenceBatch",
    "PreferenceData",
    "PreferenceDataBuilder",
    "PreferenceDataset",
    "PreferenceFile",
    "PreferenceModel",
    "RenderedJudged",
    "RenderedPair",
    "RenderedPreference",
    "RenderedResponse",
    "Response",
    "ResponseRenderer",
    "RewardModel",
    "RewardObjective",
    "ScoreModel",
    "ScoreRenderer",
    "Selection",
    "Share",
    "Sides",
    "SimPo",
    "Surrogate",
    "TokenLoss",
    "TrainResult",
    "agreement",
    "best_and_worst",
    "best_of_n",
    "centred",
    "comparison_of",
    "datums_of",
    "iterate_batches",
    "judge",
    "judge_both",
    "judged_loss",
    "open_data",
    "open_dataset",
    "pair_loss",
    "pair_row",
    "preference_loop",
    "read_config",
    "read_judged",
    "read_pair",
    "read_preference",
    "render_judged",
    "render_pair",
    "renderer_for",
    "resume",
    "score_model",
    "share",
    "surrogate",
    "train",
    "train_on",
    "vote",
    "win_rate",
]
