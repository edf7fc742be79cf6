"""What a run is called: its experiment or method, then what was set, in short."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString

from unmask.every_option import option_facts
from unmask.options import Facts, Influence

MAX_NAME = 80
"""Characters of a directory's name; most file systems take 255 bytes, and pictures' paths come on top."""
LONG_NUMBER = 10
"""Characters of a number that nobody types."""
NAMED = ("experiment", "method")
"""Groups that a run's name begins with."""
PLAIN_GROUPS = ("data", "generator")
"""Groups whose choices speak for themselves."""


def run_label(method: str, experiment: str | None) -> str:
    """The first part of a run's name, ``feed_forward`` or ``study_pix2pix``."""
    return shorten(experiment or method)


def settings_label(overrides: Sequence[str]) -> str:
    """What `overrides` set that influences results, in short: ``lambda=0.2,limit=4``; "" where that is nothing.

    What the name of a run begins with anyway is left out.
    """
    parsed = [one for one in OverridesParser.create().parse_overrides(list(overrides)) if counts(one)]
    keys = [one.key_or_group for one in parsed]
    short = short_keys(keys)
    parts: dict[str, str] = {}  # of two overrides of one key Hydra takes the last
    for one in parsed:
        value = _short_value(one)
        parts[one.key_or_group] = value if one.key_or_group in PLAIN_GROUPS else f"{short[one.key_or_group]}={value}"
    return ",".join(parts.values())


def short_keys(keys: Sequence[str]) -> dict[str, str]:
    """Dotted key -> its short name among `keys`: the option's own, or the last part; whole where two are alike."""
    distinct = list(dict.fromkeys(keys))
    last = {key: option_facts().get(key, Facts()).short or key.rpartition(".")[2] for key in distinct}
    count = Counter(last.values())
    return {key: short if count[short] == 1 else key for key, short in last.items()}


def short_number(text: str) -> str:
    """A number as it was typed, with six digits where a program chose it and wrote all of them."""
    return f"{float(text):.6g}" if len(text) > LONG_NUMBER else text


def shorten(name: str) -> str:
    """`name` as a directory name of at most `MAX_NAME` characters; a hash keeps altered names apart."""
    plain = name.replace("/", "_")
    safe = re.sub(r"[^\w.=,+@-]", "_", plain, flags=re.ASCII)
    if safe == plain and len(safe) <= MAX_NAME:
        return safe
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{safe[: MAX_NAME - 9]}-{digest}"


def counts(one: Override) -> bool:
    """Whether an override belongs in a name: it influences results, and the name does not begin with it."""
    key = one.key_or_group
    if key in NAMED or key.split(".")[0] == "hydra":
        return False
    return option_facts().get(key, Facts()).influence is Influence.results


def _short_value(one: Override) -> str:
    """As it was typed, without quotes; of a path the last part."""
    if one.is_delete():
        return "none"
    value = one.value()
    text = value.text if isinstance(value, QuotedString) else one.get_value_element_as_str()
    if isinstance(value, float):
        return short_number(text)
    if option_facts().get(one.key_or_group, Facts()).path is not None:
        return text.rstrip("/").rpartition("/")[2] or text
    return text
