"""Why a run failed, and the cure: Findings from its log, exit and recipe, the most likely cause first."""

from __future__ import annotations

import re
from collections.abc import Iterator

from studio.domain.causes_of_data import DATA
from studio.domain.causes_of_hub import HUB
from studio.domain.causes_of_machine import MACHINE
from studio.domain.causes_of_options import OPTIONS
from studio.domain.causes_of_packages import PACKAGES
from studio.domain.causes_of_values import REWARDS, VALUES
from studio.domain.evidence import LOG, Cause, Clue, Evidence, quoted
from studio.domain.findings import Finding, Where
from studio.domain.log_errors import Raised, likeliest
from studio.domain.memory_cures import KILLED, MEMORY, killed

# Of two causes that an exception's words could tell, the one that stands first counts.
CAUSES: tuple[Cause, ...] = (*MEMORY, *REWARDS, *MACHINE, *HUB, *OPTIONS, *VALUES, *PACKAGES, *DATA)
_ABOVE = 80  # lines before an exception that say where it was raised
_TAIL = 4  # lines of the end, where nothing else is known
_TOLD = 3  # causes of one failure, at most
_SIGNALS = {
    4: "SIGILL: an instruction that this processor does not know",
    6: "SIGABRT: it gave up by itself, mostly in a library's native code",
    7: "SIGBUS: memory that is not there, in a container mostly too little shared memory (--shm-size)",
    8: "SIGFPE: a division by zero in native code",
    11: "SIGSEGV: a fault in native code, of a library or a driver",
    15: "SIGTERM: somebody or the system asked it to end",
    1: "SIGHUP: the terminal that it belonged to was closed",
    2: "SIGINT: Ctrl+C",
}


def diagnose(evidence: Evidence) -> tuple[Finding, ...]:
    """All that the evidence tells of why the run failed; never empty."""
    return tuple(finding for _, finding in diagnosed(evidence))


def diagnosed(evidence: Evidence) -> list[tuple[str, Finding]]:
    """The same, each with the name of its cause."""
    lines = evidence.log.split("\n")
    raised = likeliest(lines)
    real = [one for one in raised if not one.aside and not one.echo]
    found: list[tuple[str, Finding]] = []
    told: set[str] = set()
    for one in real:
        if not (one.chained and found):  # what was raised upon it has told the same
            _tell(evidence, lines, one, found, told)
    if not found:
        _search(evidence, lines, CAUSES, found, told)
        _search(evidence, lines, KILLED, found, told)
    if not found and not real:
        for one in raised:
            _tell(evidence, lines, one, found, told)
    if not found:
        found = [("unforeseen", finding) for finding in _unforeseen(evidence, lines, raised)]
    return found


def _tell(evidence: Evidence, lines: list[str], one: Raised, found: list[tuple[str, Finding]], told: set[str]) -> None:
    """Adds what an exception tells, unless its cause is told already or there is enough."""
    if len(told) >= _TOLD:
        return
    for cause in CAUSES:
        if cause.anywhere:
            continue
        match = cause.pattern.search(one.text)
        if match is None:
            continue
        if cause.name in told:
            return
        clue = _clue(evidence, lines, one, match)
        said = [(cause.name, finding) for finding in cause.tell(match, clue)]
        if said:
            told.add(cause.name)
            found += said
            return


def _clue(evidence: Evidence, lines: list[str], one: Raised, match: re.Match[str]) -> Clue:
    """The clue at the very line of the exception's message that shows its cause."""
    offset = one.text.count("\n", 0, match.start())
    number = _line_of(lines, one, one.text.split("\n")[offset])
    above = tuple(lines[max(0, one.line - _ABOVE) : one.line])
    start = max((at for at, line in enumerate(above) if "Traceback (most recent call last)" in line), default=0)
    return Clue(evidence, number, lines[number], one, above[start:] if above else ())


def _line_of(lines: list[str], one: Raised, text: str) -> int:
    """Where a line of the message stands in the log; blank lines in it are not counted by the message."""
    reach = range(one.line, min(len(lines), one.line + 60))
    return next((at for at in reach if text and text in lines[at]), one.line)


def _search(
    evidence: Evidence, lines: list[str], causes: tuple[Cause, ...], found: list[tuple[str, Finding]], told: set[str]
) -> None:
    """Adds what lines that are no exceptions tell, the last that shows a cause first."""
    for cause in causes:
        if not cause.anywhere or cause.name in told:
            continue
        for number in range(len(lines) - 1, -1, -1):
            match = cause.pattern.search(lines[number])
            if match is None:
                continue
            above = tuple(lines[max(0, number - _ABOVE) : number])
            found += [
                (cause.name, finding)
                for finding in cause.tell(match, Clue(evidence, number, lines[number], None, above))
            ]
            told.add(cause.name)
            break


def _unforeseen(evidence: Evidence, lines: list[str], raised: list[Raised]) -> Iterator[Finding]:
    """A failure that no cause is known for: its exception with place and message, else its exit and the log's end."""
    if raised:
        one = raised[0]
        clue = Clue(evidence, one.line, lines[one.line], one)
        short = one.own or one.place
        said = f"It stopped at {_short(short)}" if short else "It stopped"
        rank = f" in process {one.rank}" if one.rank is not None else ""
        more = " ".join(one.message.split("\n")[1:4]).strip()
        why = f"{more} " if more else ""
        yield clue.finding(
            said + rank, f"{why}The studio does not know this error; the log below has all of it.".strip()
        )
        return
    last = next((number for number in range(len(lines) - 1, -1, -1) if lines[number].strip()), None)
    exit = evidence.exit
    number = (
        exit.signal if exit and exit.signal else (exit.code or 0) - 128 if exit and (exit.code or 0) > 128 else None
    )
    if number == 9 and evidence.stop is None:
        yield from killed(Clue(evidence, last or 0, lines[last] if last is not None else ""))
        return
    if exit is None and last is not None:
        why = "The machine was restarted, or they were killed. Its checkpoints, if any, lie in its folder output."
        yield Clue(evidence, last, lines[last]).finding("Its processes vanished without a word, after", why)
        return
    how = _SIGNALS.get(number, f"signal {number}") if number else f"exit code {exit.code}" if exit else "no exit code"
    if last is None:
        why = "Not even the libraries were loaded: the command could not be started, or was ended at once."
        yield Finding("error", Where("log", LOG), f"The trainer ended ({how}) and the log is empty.", why)
        return
    tail = [quoted(line) for line in lines[max(0, last - _TAIL + 1) : last] if line.strip()]
    why = f"Before it: {' / '.join(tail)}" if tail else ""
    clue = Clue(evidence, last, lines[last])
    yield clue.finding(f"The trainer ended ({how}) without an error of its own. Its last words", why)


def _short(place: str) -> str:
    """A place by its last two folders."""
    path, _, line = place.rpartition(":")
    return "/".join(path.replace("\\", "/").split("/")[-3:]) + f":{line}"
