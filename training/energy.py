"""Energy of a run: counters where the machine has them, else declared watts, and it always says which of the two.

NVML counts millijoules of each GPU since the driver was loaded; RAPL counts microjoules of each processor package and
wraps round, so that it is read at every step.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from capture.issues import JsonObject
from training.recipe import EnergyRecipe

_WATTS_PER_THREAD = 4.0  # what codecarbon 3 assumes of a processor it does not know
POWERCAP = Path("/sys/class/powercap")


class Counter(Protocol):
    """A sensor that counts energy."""

    @property
    def name(self) -> str:
        """What it measures, and with what."""

    def joules(self) -> float:
        """Energy since it was made."""


@dataclass(frozen=True)
class Energy:
    """What a run used."""

    joules: float
    seconds: float
    sensors: tuple[str, ...]
    measured: bool  # by a counter; else declared watts times time

    @property
    def kwh(self) -> float:
        """Kilowatt hours."""
        return self.joules / 3.6e6

    def to_json(self, recipe: EnergyRecipe) -> JsonObject:
        """The figures with where each comes from; emissions only where the recipe names the grid."""
        facts: JsonObject = {
            "kwh": self.kwh, "seconds": self.seconds, "sensors": list(self.sensors),
            "certainty": "measured by counters" if self.measured else "ESTIMATED from declared watts",
        }  # fmt: skip
        if recipe.grid_g_per_kwh:
            facts |= {
                "g_co2e": self.kwh * recipe.grid_g_per_kwh, "grid_g_per_kwh": recipe.grid_g_per_kwh,
                "grid_source": recipe.grid_source, "grid_date": str(recipe.grid_date),
            }  # fmt: skip
        return facts


class RaplCounter:
    """All processor packages that the kernel lets us read."""

    name = "RAPL, processor packages"

    def __init__(self, root: Path = POWERCAP) -> None:
        """Raises OSError when there is none, or it may be read by the administrator alone."""
        # intel-rapl:0 is a package; intel-rapl:0:0 are its cores, which it has counted already.
        self._files = sorted(p / "energy_uj" for p in root.glob("intel-rapl:*") if p.name.count(":") == 1)
        if not self._files:
            raise FileNotFoundError(f"no RAPL package in {root}")
        self._range = [int((p.parent / "max_energy_range_uj").read_text()) for p in self._files]
        self._last = [int(p.read_text()) for p in self._files]
        self._total = 0

    def joules(self) -> float:
        """Joules since the start; exact as long as it is asked more often than the counter wraps (minutes)."""
        for k, path in enumerate(self._files):
            now = int(path.read_text())
            self._total += (now - self._last[k]) % (self._range[k] + 1)
            self._last[k] = now
        return self._total / 1e6


class NvmlCounter:
    """All NVIDIA GPUs of the machine that count their energy (Volta and later)."""

    def __init__(self, library: ctypes.CDLL | None = None) -> None:
        """Raises OSError when there is no driver or no such GPU."""
        self._nvml = library or ctypes.CDLL("libnvidia-ml.so.1")
        count = ctypes.c_uint()
        if self._nvml.nvmlInit_v2() or self._nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)):
            raise OSError("NVML does not start")
        self._handles = [self._handle(k) for k in range(count.value)]
        self._start = [self._read(h) for h in self._handles]
        if not self._handles:
            raise OSError("NVML knows no GPU")
        self.name = f"NVML, {len(self._handles)} GPU"

    def joules(self) -> float:
        """Joules since the start, all GPUs together."""
        return sum(self._read(h) - s for h, s in zip(self._handles, self._start, strict=True)) / 1000

    def _handle(self, index: int) -> ctypes.c_void_p:
        handle = ctypes.c_void_p()
        if self._nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)):
            raise OSError(f"NVML does not open GPU {index}")
        return handle

    def _read(self, handle: ctypes.c_void_p) -> int:
        millijoules = ctypes.c_ulonglong()
        if self._nvml.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(millijoules)):
            raise OSError("GPU does not count its energy")
        return int(millijoules.value)


class DeclaredWatts:
    """No sensor at all: a number that a person declared, or a guess, times time."""

    def __init__(self, watts: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._start = clock, clock()
        self._watts = watts or _WATTS_PER_THREAD * (os.cpu_count() or 1)
        self.name = f"{self._watts:g} W {'declared' if watts else f'guessed at {_WATTS_PER_THREAD:g} W per thread'}"

    def joules(self) -> float:
        """Joules since the start."""
        return self._watts * (self._clock() - self._start)


class EnergyMeter:
    """The meter of one run; `before` is what the run had used when it was broken off."""

    def __init__(self, counters: Sequence[Counter], *, clock: Callable[[], float] = time.monotonic) -> None:
        self.counters, self._clock, self._start = tuple(counters), clock, clock()
        self.joules_before = self.seconds_before = 0.0

    def read(self) -> Energy:
        """What the run used so far. Call it at every step: a counter may wrap."""
        joules = self.joules_before + sum(counter.joules() for counter in self.counters)
        seconds = self.seconds_before + self._clock() - self._start
        measured = not any(isinstance(counter, DeclaredWatts) for counter in self.counters)
        return Energy(joules, seconds, tuple(counter.name for counter in self.counters), measured)


def meter_for(recipe: EnergyRecipe) -> EnergyMeter:
    """A meter with every counter that this machine lets us read, else with declared watts."""
    counters: list[Counter] = []
    for make in (NvmlCounter, RaplCounter):
        try:
            counters.append(make())
        except (OSError, AttributeError):  # no driver, an old one, or not for us to read
            continue
    return EnergyMeter(counters or [DeclaredWatts(recipe.watts)])
