"""How the tutorial shows its steps: numbered on any output, with a live line on a terminal."""

import sys
import time


class Display:
    def __init__(self):
        self._terminal = sys.stdout.isatty()
        self._began = time.monotonic()
        self._step = 0
        self._live = False
        self._next_line = 0.0

    def step(self, title: str) -> None:
        self._step += 1
        self._clear()
        self._next_line = time.monotonic() + 5
        print(f"\n{self._bold(f'{self._step:2}  {title}')}", flush=True)

    def say(self, text: str) -> None:
        self._clear()
        for line in text.splitlines() or [""]:
            print(f"    {line}", flush=True)

    def command(self, words: list) -> None:
        """A command as a person would type it, broken before its flags."""
        parts: list[str] = []
        for word in map(str, words):
            if parts and parts[-1].startswith("--") and not word.startswith("--"):
                parts[-1] += f" {word}"
            else:
                parts.append(word)
        line, lines = "$", []
        for part in parts:
            if len(line) + len(part) > 86:
                lines.append(line + " \\")
                line = "     "
            line += f" {part}"
        self.say("\n".join([*lines, line]))

    def live(self, text: str) -> None:
        """What happens now: one line that changes; elsewhere a line every five seconds."""
        if self._terminal:
            print(f"\r\033[K    {text}", end="", flush=True)
            self._live = True
        elif time.monotonic() >= self._next_line:
            self.say(text)
            self._next_line = time.monotonic() + 5

    def table(self, rows: list[tuple[str, str]]) -> None:
        width = max(len(name) for name, _ in rows)
        for name, value in rows:
            self.say(f"{name:{width}}  {value}")

    def verdict(self, good: bool, text: str) -> None:
        self._clear()
        colour = "32" if good else "31"
        print(f"\n{self._colour(colour, text)}", flush=True)

    def elapsed_s(self) -> float:
        return time.monotonic() - self._began

    def _clear(self) -> None:
        if self._live:
            print("\r\033[K", end="")
        self._live = False

    def _bold(self, text: str) -> str:
        return self._colour("1", text)

    def _colour(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._terminal else text
