"""What a trainer's log says went wrong: every exception with its line, place and rank, the likeliest cause first."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_RANK = r"(?:\[(?:rank)?(\d+)\]: ?)?"
_PREFIX = re.compile(rf"^{_RANK}(?:\(?[\w-]+ pid=\d+\)? )?(?:ERROR \d\d-\d\d [\d:]+ \[[^\]]*\] ?)?")
_RAISED = re.compile(
    r"(?P<type>(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit|NotFound|Timeout|Warning))(?P<said>:.*)?$"
)
_FRAME = re.compile(r'^\s*File "([^"]+)", line (\d+)(?:, in (.*))?$')
_CHAINED = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)
_ASIDE = re.compile(r"^(Exception in thread|Exception ignored in)\b")
_ROOT_RANK = re.compile(r"^\s*rank\s*: (\d+) \(local_rank: \d+\)")
_REPORT_SAID = re.compile(r"^\s*traceback : ((?:\w+\.)*\w*(?:Error|Exception)\b.*)")
# A launcher's exceptions say nothing of why the trainer below it failed, nor that data could not be made; that a rank
# lost the others says little.
_WRAPPED = re.compile(r"(?:\w+\.)*(CalledProcessError|ChildFailedError|SystemExit|DatasetGenerationError)$")
_ECHO = re.compile(
    r"DistBackendError|DistNetworkError|gloo|[Cc]onnection closed by peer|Connection reset by peer|Broken pipe"
    r"|SIGTERM|SignalException|Watchdog caught"
)
_LIBRARY = re.compile(r"site-packages|dist-packages|/lib/python3|<frozen|\.pyx|/bin/(trl|accelerate|torchrun)")
_LONGEST = 40  # lines of a message


@dataclass(frozen=True)
class Raised:
    """An exception in a log: `line` counts the text's lines from 0, `place` is its innermost `file:line`.

    `own` is the innermost place outside the libraries, `rank` the process that says so where several do. `aside` are
    those of threads and finalizers, `chained` those that another one was raised upon.
    """

    type: str
    message: str
    line: int
    place: str = ""
    own: str = ""
    rank: int | None = None
    aside: bool = False
    chained: bool = False

    @property
    def text(self) -> str:
        """Type and message as the log has them."""
        return f"{self.type}: {self.message}" if self.message else self.type

    @property
    def wrapped(self) -> bool:
        return _WRAPPED.match(self.type) is not None

    @property
    def echo(self) -> bool:
        """Whether it may only tell of another process that died."""
        return _ECHO.search(self.text) is not None


@dataclass
class _Reader:
    """Walks over the lines of one rank, and gathers the exceptions of its tracebacks."""

    rank: int | None
    found: list[Raised] = field(default_factory=list)
    place: str = ""
    own: str = ""
    inside: bool = False
    aside: bool = False
    open: bool = False  # whether the last exception's message may go on

    def take(self, number: int, line: str) -> None:
        if line.startswith("Traceback (most recent call last)"):
            self.place = self.own = ""
            self.inside, self.open = True, False
        elif _ASIDE.match(line):
            self.aside, self.open = True, False
        elif line.strip() in _CHAINED:
            self.open = False
            if self.found:
                self.found[-1] = _but(self.found[-1], chained=True)
        elif frame := _FRAME.match(line):
            self.place = f"{frame[1]}:{frame[2]}"
            if not _LIBRARY.search(frame[1]):
                self.own = self.place
        elif (raised := _RAISED.match(line)) and not raised["type"].endswith("Warning"):
            self._note(number, raised)
        elif self.open and self.found:
            self._go_on(number, line)

    def _note(self, number: int, raised: re.Match[str]) -> None:
        said = (raised["said"] or "").removeprefix(":").strip()
        if not self.inside and not said:
            return  # a word that ends like an exception's name
        self.found.append(
            Raised(raised["type"], said, number, self.place, self.own, self.rank, self.aside and self.inside)
        )
        self.inside, self.aside, self.open = False, False, True

    def _go_on(self, number: int, line: str) -> None:
        last = self.found[-1]
        blank = not line.strip()
        if number - last.line > _LONGEST or re.match(r"\s*\d+%\|", line) or line.startswith("{'"):
            self.open = False
        elif not blank:
            self.found[-1] = _but(last, message=f"{last.message}\n{line}".strip())


def _but(raised: Raised, **changes: object) -> Raised:
    return Raised(**{**vars(raised), **changes})


def raised_in(lines: list[str]) -> list[Raised]:
    """Every exception of a log, as they come; those of several ranks are told apart by the marks of their lines."""
    readers: dict[int | None, _Reader] = {}
    for number, line in enumerate(lines):
        mark = _PREFIX.match(line)
        rank = int(mark[1]) if mark and mark[1] else None
        bare = line[mark.end() :] if mark else line
        # A progress bar ends without a line break, and what is raised next stands behind it.
        cut = bare.find("Traceback (most recent call last)")
        if (cut > 0 and "it/s]" in bare) or (cut > 0 and "examples" in bare):
            bare = bare[cut:]
        readers.setdefault(rank, _Reader(rank)).take(number, bare)
        report = _REPORT_SAID.match(line)
        if report and not report[1].startswith("Signal"):
            readers[rank].found.append(Raised(report[1].partition(":")[0], report[1].partition(":")[2].strip(), number))
    return sorted((one for reader in readers.values() for one in reader.found), key=lambda one: one.line)


def root_rank(lines: list[str]) -> int | None:
    """The rank that failed first, as the launcher of several reports it."""
    at = next(
        (number for number, line in enumerate(lines) if line.startswith("Root Cause (first observed failure)")), None
    )
    found = next((match for line in lines[at or 0 :] if (match := _ROOT_RANK.match(line))), None) if at else None
    return int(found[1]) if found else None


def likeliest(lines: list[str]) -> list[Raised]:
    """The exceptions of a log that may say why it ended, likeliest first; a launcher's own are left out.

    What surfaced last counts before what it was raised upon, the rank that failed first before the others, and what
    only tells that another process went away comes at the end.
    """
    first = root_rank(lines)
    found = [one for one in raised_in(lines) if not one.wrapped]

    def order(one: Raised) -> tuple[bool, bool, bool, bool, int]:
        other = first is not None and one.rank is not None and one.rank != first
        return one.aside, one.echo, other, one.chained, -one.line

    return sorted(found, key=order)
