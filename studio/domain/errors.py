"""The one exception that reaches a user: what is wrong and where, and what to do about it."""


class StudioError(Exception):
    """Something the user can understand and act on; the page and the command line print it without a traceback.

    `message` says what is wrong and where, `hint` what to do; `file` and `line` (counted from 1) are where, once more,
    if a file of data is wrong.
    """

    def __init__(self, message: str, hint: str = "", file: str = "", line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.file = file
        self.line = line

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()
