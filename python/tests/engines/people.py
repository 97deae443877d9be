"""The other forms of a number that a no reaches, written anew from the plans.

The classes and their sources stand in `src/consent/aliases.rs`; nothing is taken from there but the
table in its head, so that a fault in one is not a fault in both.
"""

import re

# What stands behind the calling code in one form, and how the other form writes it.
_RULES = [
    ("52", r"(\d{10})", ["1{0}"]),
    ("52", r"1(\d{10})", ["{0}"]),
    ("54", r"(\d{10})", ["9{0}"]),
    ("54", r"9(\d{10})", ["{0}"]),
    ("55", r"(\d\d)(\d{8})", ["{0}9{1}"]),
    ("55", r"(\d\d)9(\d{8})", ["{0}{1}"]),
    ("225", r"([23]\d{7})", ["21{0}", "25{0}", "27{0}"]),
    ("225", r"([^23][0-3]\d{6})", ["01{0}"]),
    ("225", r"([^23][4-6]\d{6})", ["05{0}"]),
    ("225", r"([^23][7-9]\d{6})", ["07{0}"]),
    ("225", r"[02][157](\d{8})", ["{0}"]),
    ("229", r"(\d{8})", ["01{0}"]),
    ("229", r"01(\d{8})", ["{0}"]),
    ("39", r"0(\d+)", ["{0}"]),
    ("39", r"([^0]\d*)", ["0{0}"]),
]
RULES = [(code, re.compile(form), others) for code, form, others in _RULES]


def aliases(digits):
    """Every number of the class of `digits` (calling code and national digits), itself first."""
    found = [digits]
    # An alias of an alias is in the class.
    for known in found:
        for code, form, others in RULES:
            if not known.startswith(code):
                continue
            if parts := form.fullmatch(known[len(code) :]):
                other = [code + other.format(*parts.groups()) for other in others]
                found += [number for number in other if number not in found]
    return found
