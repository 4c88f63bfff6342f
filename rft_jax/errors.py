"""The exceptions that end a command, each with its exit code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class UserError(ValueError):
    """A user's mistake, in one clear line: what, where, both values and the fix."""

    exit_code = 2

    def lines(self) -> list[str]:
        """The message as a terminal shows it."""
        return [" ".join(str(self).split())]


class Mistakes(UserError):
    """All mistakes of an input at once, a line each."""

    def lines(self) -> list[str]:
        return [" ".join(line.split()) for line in str(self).splitlines()]


class MistakeList:
    """Collects the mistakes of an input, so that a user learns all of them at once.

    Attributes:
      total: number of mistakes; the messages of the first `SHOWN` are kept.
    """

    SHOWN = 10

    def __init__(self) -> None:
        self.total = 0
        self._messages: list[str] = []

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Notes a UserError that ends the block."""
        try:
            yield
        except UserError as error:
            self.total += 1
            if self.total <= self.SHOWN:
                self._messages.append(" ".join(error.lines()))

    def raise_any(self, name: str) -> None:
        """Reports what was collected; does nothing if that is nothing.

        Args:
          name: of the input.

        Raises:
          UserError: there is one mistake, with its message.
          Mistakes: there are several.
        """
        if self.total == 1:
            raise UserError(self._messages[0])
        if self.total:
            head = f"{name}: {self.total:,} mistakes"
            more = self.total - len(self._messages)
            rest = [f"… and {more:,} more"] if more else []
            raise Mistakes("\n  ".join([head, *self._messages, *rest]))


@contextmanager
def names_as_given(copies: Mapping[str, str]) -> Iterator[None]:
    """Within the block, errors name files as the user did.

    Args:
      copies: path of a copy -> the file's name; may change in the block.
    """
    try:
        yield
    except UserError as error:
        message = str(error)
        for copy, given in copies.items():
            message = message.replace(copy, given)
        raise type(error)(message) from error


class Preempted(Exception):
    """Stopped by SIGTERM or Ctrl-C with all state saved; the same command resumes the work."""

    exit_code = 75


class StageFailed(Exception):
    """A process that this command started failed, and not by a user's mistake.

    Args:
      message: what failed, with the end of its log.
      exit_code: the command's own.
    """

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def error_with(exit_code: int, message: str) -> Exception:
    """The exception that ends a command with this exit code."""
    for kind in (UserError, Preempted):
        if kind.exit_code == exit_code:
            return kind(message)
    return StageFailed(message, exit_code)
