"""Does a JSONL file of a million rows stream in constant memory, and how fast?

Writes such a file, indexes it, and reads shuffled batches of 128 rows from it without rendering;
then the same from its gzip, block by block. Memory is the peak of the process so far.

    python stream_jsonl.py [rows]
"""

from __future__ import annotations

import gzip
import json
import resource
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

from tinker_core import next_token_datum
from tinker_data import BatchedRows, Batching, JsonlStream, RenderedRow, StreamedRows, open_jsonl
from tinker_data.batches.batch import SupervisedDataset
from tinker_data.layouts.conversation import read_conversation
from tinker_data.rows import RawRow

DATUM = next_token_datum([1, 2], weights=[0, 1])


def parse(row: RawRow) -> RenderedRow:
    """Everything but rendering."""
    read_conversation(row)
    return RenderedRow(datums=(DATUM,))


def peak_mb() -> float:
    """Most memory that this process had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def write(path: Path, rows: int) -> None:
    """Conversations of some 500 bytes, in plain and compressed."""
    with path.open("w") as plain, gzip.open(f"{path}.gz", "wt", compresslevel=1) as packed:
        for i in range(rows):
            messages = [
                {"role": "user", "content": f"question {i} " + "words and more words " * 8},
                {"role": "assistant", "content": f"answer {i} " + "and why that is so " * 12},
            ]
            line = json.dumps({"messages": messages}) + "\n"
            plain.write(line)
            packed.write(line)


def measure(name: str, dataset: SupervisedDataset, batches: int) -> None:
    """Read batches; rows a second, and memory."""
    began = time.perf_counter()
    count = sum(len(batch.datums) for batch in islice(dataset.batches(), batches))
    seconds = time.perf_counter() - began
    print(f"{name:24} {count:8} rows  {count / seconds:9.0f} rows/s  peak {peak_mb():6.0f} MB")


def main(rows: int) -> None:
    """Measure both ways through."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        write(path, rows)
        print(f"{rows} rows, {path.stat().st_size / 1e6:.0f} MB; at the start {peak_mb():.0f} MB")
        began = time.perf_counter()
        indexed = open_jsonl(path)
        print(f"{'index':24} {time.perf_counter() - began:.1f} s, peak {peak_mb():.0f} MB")
        batching = Batching(batch_size=128)
        few = min(rows // 128, 800)
        measure("shuffled in full", BatchedRows(rows=indexed, render=parse, batching=batching), few)
        stream = JsonlStream(Path(f"{path}.gz"))
        measure(
            "gzip, block by block",
            StreamedRows(stream=stream, render=parse, batching=batching),
            rows // 128,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
