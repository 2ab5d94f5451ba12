"""Converts units of measurement."""

from __future__ import annotations

from busagents import Agent, tool
from busagents.errors import ToolArgumentsInvalid

# How many base units (metre, kilogram, litre, joule, second) one unit is; exact by definition.
UNITS: dict[str, dict[str, float]] = {
    "length": {"mm": 0.001, "cm": 0.01, "m": 1, "km": 1000, "inch": 0.0254, "foot": 0.3048, "yard": 0.9144, "mile": 1609.344},
    "mass": {"g": 0.001, "kg": 1, "t": 1000, "ounce": 0.028349523125, "pound": 0.45359237},
    "volume": {"ml": 0.001, "l": 1, "cup": 0.2365882365, "pint": 0.473176473, "gallon": 3.785411784},
    "energy": {"j": 1, "kj": 1000, "wh": 3600, "kwh": 3_600_000, "kcal": 4184},
    "time": {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800},
}
NAMES = {
    "millimetre": "mm", "millimeter": "mm", "centimetre": "cm", "centimeter": "cm", "metre": "m", "meter": "m",
    "kilometre": "km", "kilometer": "km", "in": "inch", "inche": "inch", "ft": "foot", "feet": "foot", "yd": "yard", "mi": "mile",
    "gram": "g", "kilo": "kg", "kilogram": "kg", "tonne": "t", "oz": "ounce", "lb": "pound", "lbs": "pound",
    "millilitre": "ml", "milliliter": "ml", "litre": "l", "liter": "l", "joule": "j", "calorie": "kcal", "sec": "second", "h": "hour",
}  # fmt: skip
TEMPERATURES = {"c": (1.0, 0.0), "f": (5 / 9, -32 * 5 / 9), "k": (1.0, -273.15)}  # Celsius = scale × value + offset


@tool(read_only=True)
def convert_units(value: float, from_unit: str, to_unit: str) -> str:
    """Convert a value from one unit of measurement to another.

    Args:
        value: How many of from_unit.
        from_unit: For example "km", "pound", "gallon", "kWh", "hour", "fahrenheit".
        to_unit: A unit of the same kind.
    """
    source, target = _unit(from_unit), _unit(to_unit)
    if source in TEMPERATURES and target in TEMPERATURES:
        scale, offset = TEMPERATURES[source]
        target_scale, target_offset = TEMPERATURES[target]
        return _say(value, from_unit, (value * scale + offset - target_offset) / target_scale, to_unit)
    for units in UNITS.values():
        if source in units and target in units:
            return _say(value, from_unit, value * units[source] / units[target], to_unit)
    known = "; ".join(f"{kind}: {', '.join(units)}" for kind, units in UNITS.items())
    raise ToolArgumentsInvalid(
        f"cannot convert {from_unit[:40]!r} to {to_unit[:40]!r}: use two units of one kind ({known}; temperature: C, F, K)"
    )


def _unit(name: str) -> str:
    plain = name.strip().lower().removeprefix("degrees").removeprefix("°").strip()
    singular = plain.removesuffix("s") if len(plain) > 2 and plain != "celsius" else plain
    if singular in ("celsius", "fahrenheit", "kelvin"):
        return singular[0]
    return NAMES.get(plain) or NAMES.get(singular) or (plain if any(plain in units for units in UNITS.values()) else singular)


def _say(value: float, from_unit: str, result: float, to_unit: str) -> str:
    return f"{value:g} {from_unit} = {result:.10g} {to_unit}"


unit_converter = Agent(
    "unit_converter",
    description="Converts lengths, masses, volumes, energies, times and temperatures.",
    system="You convert units with the tool and state the result with a sensible number of digits.",
    tools=[convert_units],
)
