"""`rft sample --server URL`: samples of an OpenAI-compatible server, in the same files.

Every sample is a request of its own with a seed made of the run's seed, the problem's id and the
sample's index, so an interrupted run resumes with other draws than it has. What the server makes of
a seed is its own affair: samples are not the same for any batch or version, as those of this
package's sampler are, and they have neither tokens nor log-probabilities.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import fields
from pathlib import Path
from typing import Any

from rft_jax.data.sources import load_problems, problems_identity
from rft_jax.errors import UserError
from rft_jax.files.identity import settings_identity
from rft_jax.files.jsonl import read_json, write_json
from rft_jax.files.names import TIMING_FILE
from rft_jax.files.outputs import RUN, SETTINGS, open_output
from rft_jax.installation import versions
from rft_jax.prompts import QUESTION, Template, get_template, plain_name, shown
from rft_jax.records import Problem, Sample
from rft_jax.sampling.budget import MakeBudget
from rft_jax.sampling.openai_client import Client, Completion, Refused
from rft_jax.sampling.requests import Counters, Further, Request
from rft_jax.sampling.segments import remove_segments
from rft_jax.sampling.settings import SampleSettings
from rft_jax.sampling.shard import Shard
from rft_jax.sampling.shares import Share
from rft_jax.sampling.work import SamplingRun
from rft_jax.signals import sigterm_flag

_SLOTS = 32
_SEEDS = 2**31
_SECONDS_BETWEEN_LOOKS = 0.5
# Settings that requests are made by; all others are about a sampler of our own.
_USED = (
    *("num_samples", "temperature", "top_p", "top_k", "max_new_tokens", "seed", "stop", "template"),
    *("slots", "limit", "budget", "enough", "round_size", "average", "answers"),
)
NOT_GUARANTEED = (
    "samples of a server depend on its version, hardware and load, whatever the seed; they have no "
    "tokens and no log-probabilities"
)


def sample_from_server(
    url: str,
    model: str,
    problems: str,
    output: str,
    name: str | None,
    settings: SampleSettings,
    make_budget: MakeBudget | None = None,
    config_text: str = "",
    shard: Shard = Shard(),  # noqa: B008  (frozen)
) -> None:
    """Samples every problem from a server.

    Args:
      url: the server's.
      model: the model's name there.
      problems, output, name, settings, make_budget, config_text, shard: as `sample` takes them;
        `settings.slots` are requests at a time, and without a template the server's chat template
        makes the prompts.

    Raises:
      UserError: the settings, the folder or the server's answers don't fit.
      Preempted: SIGTERM came; what was sampled is saved.
    """
    _check(settings)
    name = name or model.rstrip("/").rpartition("/")[2]
    made_with = _made_with(model, problems, output, name, settings, shard)
    target = shard.folder(Path(output))
    with open_output(target, made_with, config_text) as folder, sigterm_flag() as stopped:
        if folder.is_complete:
            remove_segments(folder.path)  # left if the process was killed just after the end
            print(f"sample: {target} is finished already")
        else:
            chosen = shard.select(load_problems(problems)[: settings.limit or None])
            template = get_template(settings.template, Template("the server's", QUESTION))
            server = ServerSampler(Client(url), model, settings, template, chosen)
            server.introduce()
            _record(folder.path, url, model)
            run = SamplingRun(
                folder.path,
                name,
                template.form,
                server,
                server.run,
                Share(),
                [(problem, ()) for problem in chosen],
                f"sample{shard.suffix}",
                stopped,
                lambda _what: None,
            )
            run.sample(make_budget)
            write_json(folder.path / TIMING_FILE, server.timing())
            folder.commit()
            remove_segments(folder.path)
    shard.join(Path(output))


def _check(settings: SampleSettings) -> None:
    for field in fields(settings):
        if field.name not in _USED and getattr(settings, field.name) != field.default:
            raise UserError(
                f"sample.{field.name} has no effect with --server, whose own settings decide; "
                "leave it out"
            )


def _made_with(
    model: str, problems: str, output: str, name: str, settings: SampleSettings, shard: Shard
) -> dict[str, Any]:
    """Everything that decides the samples here; the server may move."""
    inputs = {"served_model": model, "problems": problems_identity(problems), "name": name}
    identity = inputs | settings_identity(settings) | shard.settings
    del identity["slots"]
    shard.check(Path(output), identity)
    return identity


def _record(folder: Path, url: str, model: str) -> None:
    record = {
        "settings": read_json(folder / SETTINGS),
        "server": {"url": url, "model": model, "not_guaranteed": NOT_GUARANTEED},
        "versions": versions(),
    }
    write_json(folder / RUN, record)


class ServerSampler:
    """Samples from a model behind a server, several requests at a time.

    Args:
      client: of the server.
      model: the model's name there.
      settings: how to sample.
      template: makes prompts of questions.
      problems: requests go by their index.

    Attributes:
      counters: what it has done so far.
    """

    def __init__(
        self,
        client: Client,
        model: str,
        settings: SampleSettings,
        template: Template,
        problems: Sequence[Problem],
    ) -> None:
        self.settings = settings
        self.counters = Counters()
        self._client, self._model, self._template = client, model, template
        self._problems = problems
        self._is_chat = not plain_name(settings.template)
        self._begin = time.monotonic()

    def introduce(self) -> None:
        """Says what is not guaranteed, and shows the first prompt."""
        print(f"sample: from a server: {NOT_GUARANTEED}", flush=True)
        if self._problems:
            kind = "question, for the chat template" if self._is_chat else "prompt"
            text = self._template.render(self._problems[0].question)
            print(f"sample: the first {kind}:\n{shown(text)}", flush=True)

    def run(
        self, requests: Sequence[Request], further: Further
    ) -> Iterator[list[tuple[Request, list[Completion]]]]:
        """Finished requests, as `Scheduler.run`; none now and then, so that a stop is noticed."""
        slots = self.settings.slots or _SLOTS
        waiting: deque[tuple[Request, int]] = deque()
        running: dict[Future[Completion], tuple[Request, int]] = {}
        parts: dict[int, dict[int, Completion]] = defaultdict(dict)  # by problem, then sample
        new: Sequence[Request] = requests
        pool = ThreadPoolExecutor(slots)
        try:
            while True:
                waiting += [(one, one.first + i) for one in new for i in range(one.num_samples)]
                while waiting and len(running) < slots:
                    request, sample = waiting.popleft()
                    running[pool.submit(self._complete, request, sample)] = request, sample
                finished = []
                for future in wait(running, _SECONDS_BETWEEN_LOOKS, FIRST_COMPLETED)[0]:
                    request, sample = running.pop(future)
                    parts[request.index][sample] = future.result()
                    if len(parts[request.index]) == request.num_samples:
                        finished.append(self._counted(request, parts.pop(request.index)))
                yield finished
                new = further(not waiting and not running)
                if not (new or waiting or running):
                    return
        finally:  # a stop or an error waits for no answer
            pool.shutdown(wait=False, cancel_futures=True)
            self._client.close()

    def _counted(
        self, request: Request, found: dict[int, Completion]
    ) -> tuple[Request, list[Completion]]:
        self.counters.requests += 1
        self.counters.samples += len(found)
        self.counters.tokens += sum(one.tokens for one in found.values())
        self.counters.seconds = time.monotonic() - self._begin
        return request, [found[sample] for sample in sorted(found)]

    def _complete(self, request: Request, sample: int) -> Completion:
        problem = self._problems[request.index]
        prompt = self._template.render(problem.question)
        try:
            return self._client.complete(prompt, self._is_chat, self._options(problem.id, sample))
        except Refused as error:
            raise UserError(f"problem {problem.id!r:.60}, sample {sample}: {error}") from error

    def _options(self, identity: str, sample: int) -> dict[str, Any]:
        settings = self.settings
        text = json.dumps([settings.seed, identity, sample]).encode()
        options: dict[str, Any] = {
            "model": self._model,
            "max_tokens": settings.max_new_tokens,
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "seed": int.from_bytes(hashlib.sha256(text).digest()[:8], "little") % _SEEDS,
        }
        options |= {"top_k": settings.top_k} if settings.top_k else {}
        return options | ({"stop": list(settings.stop)} if settings.stop else {})

    def to_samples(
        self, sampled: Sequence[Completion], identity: str, model: str = "", first: int = 0
    ) -> list[Sample]:
        """Records of one problem's samples, from index `first` on."""
        return [
            Sample(
                id=identity,
                sample=number,
                model=model,
                seed=self.settings.seed,
                response=one.text,
                tokens=None,
                finish_reason="stop" if one.stopped else "length",
                logprob=None,
            )
            for number, one in enumerate(sampled, start=first)
        ]

    def timing(self) -> dict[str, float]:
        """For `timing.json`."""
        return {
            name: value
            for name, value in self.counters.to_json().items()
            if "slot" not in name and name not in ("prefills", "steps")
        }
