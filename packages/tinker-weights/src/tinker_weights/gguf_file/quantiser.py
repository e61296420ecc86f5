"""llama.cpp's quantiser: the library of llama-cpp-python, or the program llama-quantize."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

from tinker_core import ConfigError

CONVERTED = ("auto", "f32", "f16", "bf16", "q8_0")
"""Types that the converter writes."""
QUANTISED = (
    *("q2_k", "q3_k_s", "q3_k_m", "q3_k_l", "q4_0", "q4_1", "q4_k_s", "q4_k_m", "q5_0", "q5_1"),
    *("q5_k_s", "q5_k_m", "q6_k", "iq4_nl", "iq4_xs"),
)
"""Types that the quantiser makes of them, without an importance matrix."""

# In a process of its own: an error in the library ends that one alone.
_PROGRAM = """
import ctypes, os, sys
import llama_cpp
source, target, name = sys.argv[1:]
params = llama_cpp.llama_model_quantize_default_params()
params.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{name.upper()}")
params.nthread = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
sys.exit(llama_cpp.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(params)))
"""


def quantise(source: Path, target: Path, outtype: str) -> None:
    """Quantise a GGUF file. Raises ConfigError."""
    program = shutil.which("llama-quantize")
    if importlib.util.find_spec("llama_cpp") is not None:
        command = [sys.executable, "-c", _PROGRAM, str(source), str(target), outtype]
    elif program is not None:
        command = [program, str(source), str(target), outtype.upper()]
    else:
        raise ConfigError(
            f"{outtype} needs llama.cpp's quantiser: pip install 'tinker-weights[gguf]', which "
            "compiles llama-cpp-python, or put llama-quantize on the PATH"
        )
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode != 0 or not target.is_file():
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        reason = lines[-1].strip() if lines else f"status {done.returncode}"
        raise ConfigError(f"llama.cpp cannot quantise {source.name} to {outtype}: {reason:.400}")
