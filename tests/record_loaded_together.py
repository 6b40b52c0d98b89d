"""Runs TRL's own scripts over data that is loaded together, and records which they take (loaded_together_truth.json).

`python tests/record_loaded_together.py [CASE ...]` takes some seconds a case.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TRUTH = Path(__file__).with_name("loaded_together_truth.json")


def record(wanted: list[str]) -> dict[str, str]:
    """The verdicts on these cases, of this process."""
    import datasets
    import torch
    import transformers
    from loaded_together import cases
    from record_dataset_truth import build_model, loading_verdict

    datasets.disable_progress_bars()
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = build_model(folder / "model")
        for case, (method, values) in cases(folder / "data").items():
            if not wanted or case in wanted:
                # What was made of another case's files must not be taken for these.
                datasets.config.HF_DATASETS_CACHE = folder / "cache" / case
                found[case] = loading_verdict(method, model, values, folder)
                print(case, found[case], file=sys.stderr, flush=True)
    return found


def main(wanted: list[str]) -> None:
    """One process with a hash seed of its own, since TRL picks a column out of a set."""
    environment = {**os.environ, "PYTHONHASHSEED": "0", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        line = [sys.executable, __file__, "--one-process", str(out), *wanted]
        subprocess.run(line, env=environment, check=True)
        known = json.loads(TRUTH.read_text()) if wanted and TRUTH.exists() else {}
        TRUTH.write_text(json.dumps(known | json.loads(out.read_text()), indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one-process"]:
        Path(sys.argv[2]).write_text(json.dumps(record(sys.argv[3:])))
    else:
        main(sys.argv[1:])
