"""Read pages of documentation: commands with the output that they show, and Python examples."""

import re
from dataclasses import dataclass, field

# a line of a block that begins with one of these, or with `$ ` before it, is a command
PROGRAMS = "gpu-fdm|make|mpirun|mpiexec|srun|sbatch|pip|python|git|source|export|eval"
SHELLS = ("", "console", "sh", "bash")  # languages of blocks that may hold commands
COMMAND = re.compile(rf"(?:\$ )?((?:{PROGRAMS}) .*)")
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
ANY = "..."  # in a shown line: any text; alone on a line: any lines


@dataclass(frozen=True)
class Command:
    """A command without its comment, and the lines of output that the page shows below it."""

    text: str
    output: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Example:
    """Python code, and the line of the page where it begins."""

    code: str
    line: int


def blocks(page: str):
    """Yield (language, first line, lines) of every block of code, fenced or indented."""
    lines, at = page.splitlines(), 0
    while at < len(lines):
        if lines[at].startswith("```"):
            end = next(i for i in range(at + 1, len(lines)) if lines[i].startswith("```"))
            yield lines[at][3:].strip(), at + 1, lines[at + 1 : end]
            at = end + 1
        elif lines[at].startswith("    ") and (at == 0 or not lines[at - 1].strip()):
            end = at
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            yield "", at, [line[4:] for line in lines[at:end]]
            at = end
        else:
            at += 1


def steps(page: str) -> list[Command | Example]:
    """Commands and examples in the order of the page."""
    found = []
    for language, at, lines in blocks(page):
        if language == "python" or re.match(r"(import|from) \w", lines[0]):
            found.append(Example("\n".join(lines), at))
            continue
        if language not in SHELLS:
            continue
        joined = "\n".join(lines).replace("\\\n", " ").splitlines()
        last = None
        for line in joined:
            match = COMMAND.fullmatch(line)
            if match:
                last = Command(" ".join(re.sub(r"\s#\s.*$", "", match[1]).split()))
                found.append(last)
            elif last is not None and language == "console":
                last.output.append(line)
    return found


def inline_commands(page: str) -> list[str]:
    """Commands between backticks inside text."""
    text = re.sub(r"```.*?```", "", page, flags=re.DOTALL)
    return [" ".join(found.split()) for found in re.findall(r"`(gpu-fdm [^`]+)`", text)]


def differs(shown: list[str], printed: list[str], exact: bool) -> str | None:
    """The first shown line that was not printed, or None.

    exact   whether lines must follow each other as shown, except at ANY, and numbers agree to 2 % or half of their
            last digit; otherwise the lines may be among others, with any numbers
    """
    # positions in `printed` up to which all lines so far were found
    ends, free = {0}, not exact
    for line in shown:
        if line.strip() == ANY:
            free = True
            continue
        starts = range(min(ends), len(printed)) if free else ends
        found = {at + 1 for at in starts if at < len(printed) and agrees(line, printed[at], exact)}
        if not found:
            return line
        ends, free = found, not exact
    return None if free or len(printed) in ends else f"(nothing after: {shown[-1]})"


def agrees(shown: str, printed: str, exact: bool) -> bool:
    """Whether a printed line agrees with the shown one."""
    pattern, numbers = "", []
    for piece in re.split(rf"({re.escape(ANY)}|{NUMBER.pattern})", shown):
        if piece == ANY:
            pattern += ".*"
        elif NUMBER.fullmatch(piece):
            pattern += f"({NUMBER.pattern})"
            numbers.append(piece)
        else:
            pattern += re.escape(piece)
    match = re.fullmatch(pattern, printed)
    return match is not None and (not exact or all(map(near, numbers, match.groups())))


def near(shown: str, printed: str) -> bool:
    """Whether a number agrees with the shown one to 2 % or half of its last digit."""
    digits = len(shown.lower().partition("e")[0].partition(".")[2])
    exponent = int(shown.lower().partition("e")[2] or 0)
    return abs(float(shown) - float(printed)) <= max(0.02 * abs(float(shown)), 0.5 * 10.0 ** (exponent - digits))
