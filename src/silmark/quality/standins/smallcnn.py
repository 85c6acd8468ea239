"""`smallcnn`: a small convolutional network, trained in seconds on noisy digits that are drawn here."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from silmark.quality.standins.digits import digits
from silmark.quality.standins.kept import trained
from silmark.quality.subject import Subject, logits

CHANNELS = (16, 32, 64)
EPOCHS, BATCH, RATE = 8, 64, 1e-2
_TRAIN, _TEST = 4096, 1024


def network() -> nn.Sequential:
    """Three convolutions with batch norms, a mean over places, a linear layer."""
    layers, before = list[nn.Module](), 1
    for number, channels in enumerate(CHANNELS):
        layers += [nn.Conv2d(before, channels, 3, stride=1 if number == 0 else 2, padding=1, bias=False)]
        layers += [nn.BatchNorm2d(channels), nn.ReLU()]
        before = channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10))


@cache
def subject() -> Subject:
    """The network with 1,024 images that it has not seen."""
    recipe = (CHANNELS, EPOCHS, BATCH, RATE, _TRAIN, digits(4, 1)[0].tolist())
    module = trained("smallcnn", recipe, network, _train)
    images, labels = digits(_TEST, 2)
    return Subject(
        name="smallcnn",
        module=module,
        task="classifier",
        batches=[((part,), {}) for part in torch.from_numpy(images).split(256)],
        output=logits,
        items=f"{_TEST:,} images of digits that it has not seen",
        origin="trained here on images made here",
        labels=labels,
    )


def _train(module: nn.Sequential) -> None:
    """Adam over shuffled images."""
    images, labels = (torch.from_numpy(one) for one in digits(_TRAIN, 1))
    steps = EPOCHS * (_TRAIN // BATCH)
    adam = torch.optim.AdamW(module.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, max_lr=RATE, total_steps=steps)
    for _ in range(EPOCHS):
        for part in torch.randperm(_TRAIN).split(BATCH):
            loss: Tensor = functional.cross_entropy(module(images[part]), labels[part])
            adam.zero_grad()
            loss.backward()
            adam.step()
            schedule.step()
