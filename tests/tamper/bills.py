"""Bills as files, and what a dishonest vendor does to one. Each tampering takes the honest lines and says which it touched."""
import csv
import io
import json
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal

# Per million tokens: prompt, cached, completion. The same prices stand in TARIFF.
PRICES = (Decimal("4.00"), Decimal("0.40"), Decimal("12.00"))
TARIFF = """tariff:
  prompt: 4.00 CNY per million tokens
  cached: 0.40 CNY per million tokens
  completion: 12.00 CNY per million tokens
  rounding: {digits: 6, how: half up, of: line}
"""
MICRO = Decimal("0.000001")


@dataclass
class Bill:
    lines: list
    tampered: frozenset = frozenset()    # ids; of a bill without ids {"the bill"}
    missing: frozenset = frozenset()     # ids that are in no line
    columns: tuple = ("request_id", "model", "prompt_tokens", "cached_tokens", "completion_tokens")
    form: str = "csv"
    one_sum: bool = False                # one line for all of the recording
    windows: tuple = ()                  # rows, each the sum over a window of time
    claims: str = ""
    options: tuple = ()

    @property
    def is_tampered(self):
        return bool(self.tampered or self.missing)


def price_of(line):
    cached = line.cached or 0
    exact = ((line.prompt - cached) * PRICES[0] + cached * PRICES[1] + line.completion * PRICES[2]) / 1000000
    return exact.quantize(MICRO, ROUND_HALF_UP)


def cells(line):
    return {"request_id": line.id, "model": line.model, "prompt_tokens": line.prompt, "cached_tokens": line.cached,
            "completion_tokens": line.completion, "reasoning_tokens": line.reasoning, "price": line.price,
            "currency": "CNY" if line.price is not None else None, "requests": None}


def rows(bill):
    if bill.windows:
        return list(bill.windows)
    if not bill.one_sum:
        return [cells(line) for line in bill.lines]
    total = {name: sum(getattr(line, name) for line in bill.lines) for name in ("prompt", "completion")}
    return [{"prompt_tokens": total["prompt"], "completion_tokens": total["completion"], "requests": len(bill.lines)}]


def write(bill, folder):
    """Returns the paths of the bill and of the claims, None where there are none."""
    path = folder / f"bill.{bill.form}"
    claims = folder / "claims.yaml"
    if bill.form == "json":
        data = [{name: row.get(name) for name in bill.columns if row.get(name) is not None} for row in rows(bill)]
        path.write_text(json.dumps(data, indent=1))
    else:
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(bill.columns)
        for row in rows(bill):
            writer.writerow(["" if row.get(name) is None else row[name] for name in bill.columns])
        path.write_text(text.getvalue())
    claims.write_text(bill.claims)
    return path, claims if bill.claims else None


# --------------------------------------------------------------------------------------------------------------- honest ---

def honest(rng, lines):
    del rng
    return Bill(list(lines))


def honest_json(rng, lines):
    shuffled = list(lines)
    rng.shuffle(shuffled)
    return Bill(shuffled, form="json")


def honest_without_cached(rng, lines):
    del rng
    return Bill(list(lines), columns=("request_id", "prompt_tokens", "completion_tokens"))


def honest_priced(rng, lines):
    del rng
    return Bill([replace(line, price=str(price_of(line))) for line in lines],
                columns=("request_id", "prompt_tokens", "cached_tokens", "completion_tokens", "price", "currency"),
                claims=TARIFF)


def honest_computed_apart(rng, lines):
    """`prompt_tokens` are those that were computed."""
    del rng
    return Bill([replace(line, prompt=line.prompt - line.cached) for line in lines],
                claims="bill:\n  prompt_includes_cached: no\n")


def honest_sum(rng, lines):
    del rng
    return Bill(list(lines), columns=("prompt_tokens", "completion_tokens", "requests"), one_sum=True)


@dataclass(frozen=True)
class Clock:
    """When each request began and ended, and what of that time was recorded: unix time in ns."""
    times: dict
    begin: int
    end: int


N_WINDOWS = 7
WINDOW_COLUMNS = ("time", "time_end", "prompt_tokens", "completion_tokens", "requests")


def in_windows(lines, clock, by_end):
    """One line for each window in which something began, or ended; an empty window has none."""
    width = (clock.end - clock.begin) // N_WINDOWS
    sums = {}
    for line in lines:
        at = clock.times[line.id][by_end]
        k = min((at - clock.begin) // width, N_WINDOWS - 1)
        row = sums.setdefault(k, {"time": clock.begin + k * width,
                                  "time_end": clock.end if k == N_WINDOWS - 1 else clock.begin + (k + 1) * width,
                                  "prompt_tokens": 0, "completion_tokens": 0, "requests": 0})
        row["prompt_tokens"] += line.prompt
        row["completion_tokens"] += line.completion
        row["requests"] += 1
    return Bill(list(lines), columns=WINDOW_COLUMNS, windows=tuple(sums[k] for k in sorted(sums)))


def honest_windows_by_arrival(rng, lines, clock):
    del rng
    return in_windows(lines, clock, False)


def honest_windows_by_end(rng, lines, clock):
    del rng
    return in_windows(lines, clock, True)


def windows_with_one_token_more(rng, lines, clock):
    i = rng.randrange(len(lines))
    more = [replace(line, completion=line.completion + (k == i)) for k, line in enumerate(lines)]
    return replace(in_windows(more, clock, rng.random() < 0.5), tampered=frozenset({"the bill"}))


def windows_with_a_request_twice(rng, lines, clock):
    """In the window that it began in and in the one that it ended in, where these differ."""
    width = (clock.end - clock.begin) // N_WINDOWS
    across = [line for line in lines if len({(at - clock.begin) // width for at in clock.times[line.id]}) == 2]
    if not across:
        return None
    again = rng.choice(across)
    bill, other = in_windows(lines, clock, False), in_windows([again], clock, True).windows[0]
    summed = [{**row, **{name: row[name] + other[name] for name in ("prompt_tokens", "completion_tokens", "requests")}}
              if row["time"] == other["time"] else row for row in bill.windows]
    if summed == list(bill.windows):
        summed = sorted([*summed, other], key=lambda row: row["time"])
    return replace(bill, windows=tuple(summed), tampered=frozenset({"the bill"}))


HONEST_WINDOWS = (honest_windows_by_arrival, honest_windows_by_end)
WINDOW_TAMPERINGS = (windows_with_one_token_more, windows_with_a_request_twice)
HONEST = (honest, honest_json, honest_without_cached, honest_priced, honest_computed_apart, honest_sum)


# ------------------------------------------------------------------------------------------------------------- tampered ---

def change(rng, lines, which, how, n=1, **more):
    """`how` to n of the lines that are like `which`. None: there is no such line."""
    able = [i for i, line in enumerate(lines) if which(line)]
    if not able:
        return None
    chosen = set(rng.sample(able, min(n, len(able))))
    return Bill([how(line) if i in chosen else line for i, line in enumerate(lines)],
                frozenset(lines[i].id for i in chosen), form=rng.choice(("csv", "json")), **more)


def anyone(line):
    del line
    return True


def one_token_more(rng, lines):
    return change(rng, lines, anyone, lambda line: replace(line, completion=line.completion + 1))


def some_percent_more(rng, lines):
    return change(rng, lines, lambda line: line.completion > 3,
                  lambda line: replace(line, completion=line.completion + max(1, line.completion * rng.randint(5, 60) // 100)),
                  n=rng.randint(1, 4))


def twice_as_many(rng, lines):
    """Not of two choices as long as each other: they did put out twice what the usage of one says."""
    return change(rng, lines, lambda line: not line.several, lambda line: replace(line, completion=2 * line.completion),
                  n=rng.choice((1, len(lines))))


def one_prompt_token_more(rng, lines):
    return change(rng, lines, anyone, lambda line: replace(line, prompt=line.prompt + 1))


def cached_as_computed(rng, lines):
    return change(rng, lines, lambda line: line.cached, lambda line: replace(line, cached=0), n=rng.randint(1, 3))


def one_cached_token_less(rng, lines):
    return change(rng, lines, lambda line: line.cached, lambda line: replace(line, cached=line.cached - 1))


def all_computed(rng, lines):
    """A bill that says of all of the prompt that it was computed."""
    return change(rng, lines, lambda line: line.cached, lambda line: replace(line, cached=0), n=len(lines))


def invented_id(rng, line):
    return "chatcmpl-" + "".join(rng.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(len(line.id) - 9))


def phantom(rng, lines):
    invented = [replace(line, id=invented_id(rng, line)) for line in rng.sample(lines, rng.randint(1, 2))]
    mixed = list(lines) + invented
    rng.shuffle(mixed)
    return Bill(mixed, frozenset(line.id for line in invented), form=rng.choice(("csv", "json")))


def duplicate(rng, lines):
    again = rng.choice(lines)
    return Bill([*lines, again], frozenset({again.id}))


def dropped(rng, lines):
    gone = rng.choice(lines)
    return Bill([line for line in lines if line is not gone], missing=frozenset({gone.id}))


def hidden_tokens(rng, lines):
    """Tokens that nobody sees, billed as reasoning."""
    extra = rng.randint(1, 60)
    columns = ("request_id", "model", "prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens")
    return change(rng, lines, anyone, lambda line: replace(line, completion=line.completion + extra, reasoning=extra),
                  columns=columns)


def rejected_drafts(rng, lines):
    return change(rng, lines, lambda line: line.rejected,
                  lambda line: replace(line, completion=line.completion + line.rejected), n=rng.randint(1, 3))


def another_model(rng, lines):
    return change(rng, lines, anyone, lambda line: replace(line, model="tokprof-large-f16"))


def exchanged(rng, lines):
    """Two lines with each other's figures: every sum is right."""
    a, b = next(((x, y) for x in rng.sample(lines, len(lines)) for y in lines if x.completion != y.completion), (None, None))
    if a is None:
        return None
    swapped = {a.id: b, b.id: a}
    return Bill([replace(line, completion=swapped[line.id].completion) if line.id in swapped else line for line in lines],
                frozenset(swapped))


def sum_with_one_more(rng, lines):
    i = rng.randrange(len(lines))
    more = [replace(line, completion=line.completion + (k == i)) for k, line in enumerate(lines)]
    return Bill(more, frozenset({"the bill"}), columns=("prompt_tokens", "completion_tokens", "requests"), one_sum=True)


def price_up(rng, lines):
    """By one millionth of the currency, on one line."""
    priced = honest_priced(rng, lines)
    i = rng.randrange(len(lines))
    dearer = replace(priced.lines[i], price=str(Decimal(priced.lines[i].price) + MICRO))
    return replace(priced, lines=[*priced.lines[:i], dearer, *priced.lines[i + 1:]], tampered=frozenset({dearer.id}))


def cached_at_full_price(rng, lines):
    able = [i for i, line in enumerate(lines) if line.cached]
    if not able:
        return None
    i = rng.choice(able)
    priced = honest_priced(rng, lines)
    dear = replace(priced.lines[i], price=str(price_of(replace(lines[i], cached=0))))
    return replace(priced, lines=[*priced.lines[:i], dear, *priced.lines[i + 1:]], tampered=frozenset({dear.id}))


TAMPERINGS = (one_token_more, some_percent_more, twice_as_many, one_prompt_token_more, cached_as_computed,
              one_cached_token_less, all_computed, phantom, duplicate, dropped, hidden_tokens, rejected_drafts,
              another_model, exchanged, sum_with_one_more, price_up, cached_at_full_price)
