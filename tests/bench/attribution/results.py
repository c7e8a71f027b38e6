# SPDX-License-Identifier: Apache-2.0
"""What was measured so far: one JSON line each, written at once, so that a killed bench goes on where it stopped."""
import json
import os


class Results:
    """The lines of one file that were made with these settings. Lines made with others are set aside, in words."""

    def __init__(self, path, settings, say=print):
        self.path = path
        self.settings = json.loads(json.dumps(settings))   # as it reads back: tuples are lists
        self.lines = []
        path.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_bytes() if path.exists() else b""
        whole = text[:text.rfind(b"\n") + 1]
        if len(whole) < len(text):
            say(f"{path.name}: the last line was cut by a kill and is measured again")
            os.truncate(path, len(whole))
        lines = [json.loads(line) for line in whole.splitlines()]
        other = next((line["settings"] for line in lines if line["settings"] != self.settings), None)
        if other is not None:
            differs = [k for k in {**other, **self.settings} if other.get(k) != self.settings.get(k)]
            aside = path.with_suffix(".old")
            path.rename(aside)
            say(f"{path.name} was made with other settings ({', '.join(differs)}): kept as {aside.name}, starting afresh")
        else:
            self.lines = lines
            if lines:
                say(f"{path.name}: going on after {len(lines)} lines")

    def add(self, kind, **facts):
        line = {"settings": self.settings, "kind": kind, **facts}
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.lines.append(line)

    def of(self, kind):
        return [line for line in self.lines if line["kind"] == kind]

    def game(self):
        """subset -> measured totals, in the order of their rounds."""
        game = {}
        for run in sorted(self.of("run"), key=lambda run: run["round"]):
            game.setdefault(tuple(run["subset"]), []).append(run["cost_ns"])
        return game

    def done(self):
        return {(run["round"], tuple(run["subset"])) for run in self.of("run")}
