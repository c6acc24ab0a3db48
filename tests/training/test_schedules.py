"""Learning-rate schedules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from normnex_pl.training.schedules import ExponentialDecay, Schedule, StepDecay
from support.small import few


@pytest.mark.parametrize(
    ("progress", "factor"),
    [(0.0, 1), (0.333, 1), (0.334, 0.1), (0.666, 0.1), (0.667, 0.01), (0.999, 0.01), (1.0, 0.01)],
)
def test_the_papers_rate_falls_to_a_tenth_each_third(progress: float, factor: float) -> None:
    assert StepDecay()(progress) == pytest.approx(factor)


@few
@given(st.integers(1, 5), st.floats(0.1, 0.9))
def test_step_decay_has_as_many_values_as_stages(stages: int, factor: float) -> None:
    values = {StepDecay(factor, stages)(step / 1000) for step in range(1001)}
    assert sorted(values, reverse=True) == pytest.approx([factor**stage for stage in range(stages)])


@few
@given(st.floats(1e-4, 0.5))
def test_exponential_decay_falls_by_equal_ratios_to_its_final_value(final: float) -> None:
    schedule = ExponentialDecay(final)
    assert schedule(0.0) == 1
    assert schedule(1.0) == pytest.approx(final)
    assert schedule(0.25) ** 2 == pytest.approx(schedule(0.5))
    assert schedule(0.5) ** 2 == pytest.approx(final)


@pytest.mark.parametrize("schedule", [StepDecay(), ExponentialDecay()])
def test_rates_never_rise(schedule: Schedule) -> None:
    values = [schedule(step / 200) for step in range(201)]
    assert values == sorted(values, reverse=True)
