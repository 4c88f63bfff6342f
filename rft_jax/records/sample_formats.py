"""Rows of samples as other programs write them: one reader per format, and which one a row needs.

columns      any row with a question (or an id) and a response, or a list of responses
nemo_skills  the output of NeMo-Skills: `problem`, `generation`, `expected_answer`
vllm         the output of `vllm run-batch`, which is that of OpenAI's Batch API: `custom_id`
openai       responses of an OpenAI-compatible server, each alone in a row
lm_eval      `--log_samples` of lm-evaluation-harness: `doc`, `resps`
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from rft_jax.errors import UserError
from rft_jax.records import columns
from rft_jax.records.fields import index_field

OURS = "rft"
_CUT_OFF = ("length", "max_tokens", "max_output_tokens", "incomplete")
_OBJECTS = ("chat.completion", "text_completion", "response")
Row = Mapping[str, Any]


class Generated(NamedTuple):
    """What a row says.

    Attributes:
      identity: the problem's id; None without one.
      prompt: the problem's question, or a prompt that contains it; None without one.
      texts: (response, finish_reason) of each sample; none for a request that failed.
      model: that wrote them; None where the row doesn't say.
      sample: index of the first among the problem's samples; None where the row doesn't say.
      view: of rows that repeat the same samples, which one it is.
    """

    identity: str | None
    prompt: str | None
    texts: tuple[tuple[str, str], ...]
    model: str | None = None
    sample: int | None = None
    view: str = ""


def _read_columns(row: Row, where: str) -> Generated:
    messages = columns.find(row, columns.MESSAGES)
    talk = columns.conversation(messages, where) if messages else None
    asked = columns.find(row, columns.QUESTION)
    prompt = talk.question if talk and not asked else _prompt(asked, where)
    cell = columns.find(row, columns.GENERATION)
    if cell is None and (talk is None or talk.answer is None):
        raise columns.missing(row, "response", "response", where)
    value = [talk.answer] if cell is None and talk else cell and cell.value
    values = value if isinstance(value, list) else [value]
    finish = row.get("finish_reason")
    reasons = finish if isinstance(finish, list) else [finish] * len(values)
    name = cell.name if cell else "messages"
    texts = tuple(
        _text(one, reason, f"{where}: {name}")
        for one, reason in zip(values, [*reasons, *values][: len(values)], strict=True)
    )
    model, has_index = row.get("model"), type(row.get("sample")) is int
    return Generated(
        columns.identity(row, where),
        prompt,
        texts,
        model if isinstance(model, str) else None,
        index_field(row, "sample", where) if has_index else None,
    )


def _prompt(cell: columns.Cell | None, where: str) -> str | None:
    if cell is None:
        return None
    if isinstance(cell.value, list):
        return columns.conversation(cell, where).question
    return columns.text(cell, where)


def _text(value: Any, finish: Any, where: str) -> tuple[str, str]:
    """A response, alone or in an object with its `text`, and its finish reason."""
    if isinstance(value, Mapping):
        value, finish = value.get("text"), value.get("finish_reason", finish)
    if not isinstance(value, str):
        raise UserError(f"{where} is {value!r:.60}; a string is needed")
    return value, "length" if any(finish == name for name in _CUT_OFF) else "stop"


def _read_openai(row: Row, where: str) -> Generated:
    """A row of a batch's output, or a response alone (beside its request, or with metadata)."""
    response = _mapping(row.get("response")) or row
    body = _mapping(response.get("body")) or response
    status = response.get("status_code")
    failed = bool(row.get("error")) or (isinstance(status, int) and status >= 400)
    named = (row.get("custom_id"), *map(_mapping(body.get("metadata")).get, ("custom_id", "id")))
    identity = next((name for name in named if isinstance(name, str)), None)
    if identity is None and body is not row:
        identity = columns.identity(row, where)
    request = _mapping(row.get("request")) or row
    asked = columns.find(request, (*columns.QUESTION, *columns.MESSAGES))
    model = body.get("model")
    return Generated(
        identity,
        _prompt(asked, where),
        () if failed else tuple(_openai_texts(body, where)),
        model if isinstance(model, str) else None,
    )


def _mapping(value: Any) -> Row:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: Any) -> list[Row]:
    return [_mapping(one) for one in value] if isinstance(value, list) else []


def _openai_texts(body: Row, where: str) -> Iterator[tuple[str, str]]:
    if choices := _mappings(body.get("choices")):
        ordered = [choice for _, choice in sorted(enumerate(choices), key=_choice_order)]
        for choice in ordered:
            message = _mapping(choice.get("message")) or {"content": choice.get("text")}
            yield _text(message.get("content") or "", choice.get("finish_reason"), where)
        return
    if not (output := _mappings(body.get("output"))):
        raise UserError(
            f"{where}: neither 'choices' nor 'output'; a response of an OpenAI-compatible server "
            "is needed"
        )
    items = [item for item in output if item.get("type") == "message"]
    parts = [part for item in items for part in _mappings(item.get("content"))]
    texts = [part.get("text") for part in parts if part.get("type") == "output_text"]
    text = "".join(one for one in texts if isinstance(one, str))
    yield _text(text, body.get("status"), where)


def _choice_order(numbered: tuple[int, Row]) -> int:
    place, choice = numbered
    index = choice.get("index")
    return index if isinstance(index, int) else place


def _read_lm_eval(row: Row, where: str) -> Generated:
    doc = _mapping(row.get("doc"))
    asked = columns.find(doc, columns.QUESTION)
    prompt = _prompt(asked, where) if asked else _lm_eval_prompt(row.get("arguments"), where)
    responses = [one for request in _listed(row.get("resps")) for one in _listed(request)]
    if not responses or not all(isinstance(one, str) for one in responses):
        raise UserError(
            f"{where}: resps is {row.get('resps')!r:.60}; the texts of a task with the output type "
            "generate_until are needed"
        )
    texts = tuple((one, "stop") for one in responses)
    with suppress(UserError):  # an id of the data set, of any type
        return Generated(
            columns.identity(doc, where), prompt, texts, view=str(row.get("filter", ""))
        )
    return Generated(None, prompt, texts, view=str(row.get("filter", "")))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _lm_eval_prompt(arguments: Any, where: str) -> str | None:
    """The prompt of `{"gen_args_0": {"arg_0": …}}`, or of `[[…, {…}]]`: a text, or messages."""
    for _ in range(3):
        if isinstance(arguments, Mapping):
            arguments = list(arguments.values())
        if isinstance(arguments, list) and arguments:
            arguments = arguments[0]
    if not isinstance(arguments, str):
        return None
    with suppress(ValueError, UserError, RecursionError):
        return columns.conversation(
            columns.Cell("arguments", json.loads(arguments)), where
        ).question
    return arguments


SAMPLE_FORMATS: dict[str, Callable[[Row, str], Generated]] = {
    "columns": _read_columns,
    "nemo_skills": _read_columns,
    "vllm": _read_openai,
    "openai": _read_openai,
    "lm_eval": _read_lm_eval,
}
"""Name -> what a row of the format says."""


def format_of(row: Row) -> str:
    """The format of a row, found by looking: a key of SAMPLE_FORMATS, or OURS."""
    if {"id", "sample", "response"} <= row.keys() and not isinstance(row["id"], int):
        return OURS
    if "doc" in row and ("resps" in row or "filtered_resps" in row):
        return "lm_eval"
    response = _mapping(row.get("response")) or row
    body = _mapping(response.get("body")) or response
    is_body = "choices" in body or any(body.get("object") == name for name in _OBJECTS)
    if "custom_id" in row or is_body:
        return "vllm" if "custom_id" in row else "openai"
    names = (*columns.GENERATION, *columns.MESSAGES)
    return "columns" if columns.find(row, names) else OURS
