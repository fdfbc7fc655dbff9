from __future__ import annotations

import pytest
import torch

from ctsm_socnn.errors import NetworkError
from ctsm_socnn.network.encoders import build_encoder, encoder_names
from ctsm_socnn.network.settings import EncoderSettings
from ctsm_socnn.network.training import seeded

NUMERIC = torch.randn(7, 3, dtype=torch.float64)
CLASSES = torch.tensor([[0, 1], [1, 2], [2, 0], [0, 1], [1, 1], [2, 2], [0, 0]])


def encoder(name: str) -> torch.nn.Module:
    return build_encoder(3, (3, 3), 5, EncoderSettings(name=name, widths=(8,))).double().eval()


def test_every_encoder_is_found() -> None:
    assert encoder_names() == ["additive", "linear", "mlp"]


@pytest.mark.parametrize("name", encoder_names())
def test_numbers_and_classes_both_matter(name: str) -> None:
    network = encoder(name)
    scores = network(NUMERIC, CLASSES)
    assert scores.shape == (7, 5)
    assert not torch.equal(scores, network(NUMERIC + 1.0, CLASSES))
    assert not torch.equal(scores, network(NUMERIC, (CLASSES + 1) % 3))


@pytest.mark.parametrize("name", encoder_names())
def test_no_classes_will_do(name: str) -> None:
    network = build_encoder(3, (), 5, EncoderSettings(name=name, widths=(8,))).double()
    assert network(NUMERIC, CLASSES[:, :0]).shape == (7, 5)


@pytest.mark.parametrize("name", encoder_names())
def test_first_scores_are_small_however_many_inputs_there_are(name: str) -> None:
    """Members then start at the parameters that suit all sites best: a score of 1 would be far off."""
    with seeded(0):
        network = build_encoder(50, (9,) * 10, 21, EncoderSettings(name=name)).double().eval()
        numeric = torch.randn(200, 50, dtype=torch.float64)
        scores = network(numeric, torch.randint(0, 9, (200, 10)))
    assert float(scores.detach().abs().max()) < 1.0


def test_linear_is_linear() -> None:
    network = encoder("linear")
    same = CLASSES[:1].expand(7, 2)
    middle = network(0.5 * (NUMERIC + NUMERIC.flip(0)), same)
    torch.testing.assert_close(
        middle, 0.5 * (network(NUMERIC, same) + network(NUMERIC.flip(0), same))
    )


def test_additive_inputs_do_not_meet() -> None:
    network = encoder("additive")
    step = torch.zeros(1, 3, dtype=torch.float64)
    step[0, 0] = 0.7
    effect = network(NUMERIC + step, CLASSES) - network(NUMERIC, CLASSES)
    moved = NUMERIC.clone()
    moved[:, 1:] += 3.0
    elsewhere = network(moved + step, CLASSES) - network(moved, CLASSES)
    torch.testing.assert_close(effect, elsewhere)


@pytest.mark.parametrize(("activation", "kinks"), [("relu", True), ("silu", False)])
@pytest.mark.parametrize("name", ["additive", "mlp"])
def test_only_relu_has_kinks(name: str, activation: str, kinks: bool) -> None:
    settings = EncoderSettings(name=name, widths=(8, 8), activation=activation)
    with seeded(0):
        network = build_encoder(3, (), 5, settings).double().eval()

    def bend(step: float) -> float:
        """Largest second difference along a line: as large as the step at a kink, else its square."""
        line = torch.arange(-2.0, 2.0, step, dtype=torch.float64)[:, None] * NUMERIC[:1]
        scores = network(line, CLASSES[:1, :0].expand(len(line), 0))
        return float(scores.detach().diff(n=2, dim=0).abs().max())

    ratio = bend(1e-2) / bend(1e-4)
    assert 50.0 <= ratio <= 200.0 if kinks else ratio == pytest.approx(1e4, rel=0.1)


def test_an_unknown_encoder_is_named() -> None:
    with pytest.raises(NetworkError, match="unknown encoder 'cnn'; choose from additive"):
        encoder("cnn")
