"""The public names of tinker-dpo, and what importing it does not cost."""

import subprocess
import sys

import tinker_dpo

NAMES = """
BestOfN BestOfNPairs BradleyTerry Checkpoints Comparison ComparisonFile ComparisonRenderer
Config Dpo Evaluation HubPreferences Ipo JudgedLoss JudgedObjective JudgedResponse JudgedScores
KNOWN Kto LabelModel LoopData Objective Orpo PairLoss PairObjective Preference PreferenceBatch
PreferenceData PreferenceDataBuilder PreferenceDataset PreferenceFile PreferenceModel
RenderedJudged RenderedPair RenderedPreference RenderedResponse Response ResponseRenderer
RewardModel RewardObjective ScoreModel ScoreRenderer Selection Share Sides SimPo Surrogate
TokenLoss TrainResult agreement best_and_worst best_of_n centred comparison_of datums_of
iterate_batches judge judge_both judged_loss open_data open_dataset pair_loss pair_row
preference_loop read_config read_judged read_pair read_preference render_judged render_pair
renderer_for resume score_model share surrogate train train_on vote win_rate
"""


def test_the_public_names_are_these() -> None:
    assert sorted(tinker_dpo.__all__) == sorted(NAMES.split())
    assert all(hasattr(tinker_dpo, name) for name in tinker_dpo.__all__)


def test_a_whole_run_needs_no_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; import tinker_dpo, tinker_dpo.cli;"
        " print('transformers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "False", done.stderr
