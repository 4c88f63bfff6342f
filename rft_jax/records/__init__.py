"""The file formats: problems, samples, the ledger and training paths."""

from rft_jax.records.fields import FORMS, PROGRAM, TEXT, to_row
from rft_jax.records.ledger import (
    LEDGER_FILE,
    VERDICTS,
    LedgerRow,
    Reason,
    Verdict,
    ledger_line,
    read_ledger,
)
from rft_jax.records.paths import PATHS_FILE, TEST_PATHS, Path, path_line, read_paths
from rft_jax.records.problems import (
    Problem,
    distinct_id,
    question_digest,
    read_problems,
)
from rft_jax.records.references import Reference, check_filled, is_only_answer, read_reference
from rft_jax.records.samples import (
    FINISH_REASONS,
    Sample,
    check_named_once,
    check_shards,
    finished_sample_files,
    folder_model,
    parse_sample,
    read_samples,
    sample_files,
)

__all__ = [
    "FINISH_REASONS",
    "FORMS",
    "LEDGER_FILE",
    "PATHS_FILE",
    "PROGRAM",
    "TEST_PATHS",
    "TEXT",
    "VERDICTS",
    "LedgerRow",
    "Path",
    "Problem",
    "Reason",
    "Reference",
    "Sample",
    "Verdict",
    "check_filled",
    "check_named_once",
    "check_shards",
    "distinct_id",
    "finished_sample_files",
    "folder_model",
    "is_only_answer",
    "ledger_line",
    "parse_sample",
    "path_line",
    "question_digest",
    "read_ledger",
    "read_paths",
    "read_problems",
    "read_reference",
    "read_samples",
    "sample_files",
    "to_row",
]
