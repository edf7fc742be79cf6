"""Fit the heads that read 128² and 256² pictures from the middle of MobileStyleGAN.

    python scripts/fit_heads.py                 # samples, fits both heads, reports held-out PSNR, writes safetensors

Two stages, both resumable: (1) render `samples` random people at 1024², shrink them, and keep a crop of the trunk's
features beside the same crop of the picture; (2) fit each head to those pairs with Adam. Some samples mix two people
across the layers, since a projection leaves W for W+. Every number derives from --seed.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from safetensors.torch import save_file
from torch import Tensor

from unmask.files import atomic_path, write_text
from unmask.generators.heads import HEAD_BLOCKS, HEADS_PATH, StyledHead, head_resolution
from unmask.generators.mobilestylegan import Mapping, Synthesis, inverse_haar, load_networks
from unmask.images import resize
from unmask.tensorfiles import read_safetensors

log = logging.getLogger(__name__)

CROP = {128: 32, 256: 64}
"""Side of the feature crop kept per sample, by the picture's resolution; the picture's crop is twice that."""
HELD_OUT_SEED = 777_777


@dataclass(frozen=True)
class Sample:
    """One random person (or mixture): w_plus (1,23,512), pictures and features at full extent."""

    w_plus: Tensor
    features: dict[int, Tensor]
    pictures: dict[int, Tensor]


class Sampler:
    """Draws people from the prior and renders them."""

    def __init__(self, mapping: Mapping, synthesis: Synthesis, *, compile_: bool) -> None:
        self.mapping = mapping
        self.synthesis = synthesis
        self.num_ws = 3 * len(synthesis.layers) + 2
        self.render_blocks = torch.compile(self._render) if compile_ else self._render
        with torch.no_grad():
            z = torch.randn(10_000, 512, generator=torch.Generator().manual_seed(0))
            self.mean_w = mapping(z).mean(0)

    def _render(self, w_plus: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        blocks = sorted(HEAD_BLOCKS.values())
        x64 = self.synthesis.features(w_plus, blocks[0])
        x128 = self.synthesis.layers[blocks[0]](x64, w_plus[:, 1 + 3 * blocks[0] : 4 + 3 * blocks[0]])
        x = x128
        for i in range(blocks[1], len(self.synthesis.layers)):
            x = self.synthesis.layers[i](x, w_plus[:, 1 + 3 * i : 4 + 3 * i])
        return x64, x128, self.synthesis.to_img(x, w_plus[:, -1])

    @torch.no_grad()
    def draw(self, seed: int, *, psi: float | None = None) -> Sample:
        """The sample of `seed`; with `psi` a plain truncated person, else ψ in [.4,1] and one in three mixed."""
        rng = torch.Generator().manual_seed(seed)
        w = self.mapping(torch.randn(2, 512, generator=rng))
        truncation = psi if psi is not None else 0.4 + 0.6 * float(torch.rand((), generator=rng))
        w = self.mean_w + truncation * (w - self.mean_w)
        w_plus = w[:1, None].repeat(1, self.num_ws, 1)
        if psi is None and float(torch.rand((), generator=rng)) < 1 / 3:
            # From the lowest head's style on there is one w: a head sees one, so the picture must follow from it.
            cut = int(torch.randint(1, min(map(head_style, HEAD_BLOCKS)) + 1, (), generator=rng))
            share = float(torch.rand((), generator=rng))
            w_plus[:, cut:] = w_plus[:, cut:].lerp(w[1], share)
        x64, x128, picture = self.render_blocks(w_plus)
        return Sample(
            w_plus,
            features={128: x64, 256: x128},
            pictures={size: resize(picture, size) for size in HEAD_BLOCKS},
        )


@dataclass(frozen=True)
class CropStore:
    """Memory-mapped crops of one resolution: features (n,C,s,s) float16, pictures (n,3,2s,2s) float16, w (n,512)."""

    features: np.memmap
    pictures: np.memmap
    styles: np.memmap

    @staticmethod
    def open(folder: Path, resolution: int, count: int, channels: int) -> CropStore:
        side = CROP[resolution]

        def mapped(name: str, shape: tuple[int, ...], dtype: type) -> np.memmap:
            path = folder / f"{name}{resolution}_{count}.npy"
            if path.exists():
                return np.lib.format.open_memmap(path, mode="r+")
            return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(count, *shape))

        return CropStore(
            mapped("features", (channels, side, side), np.float16),
            mapped("pictures", (3, 2 * side, 2 * side), np.float16),
            mapped("styles", (512,), np.float32),
        )


def collect(sampler: Sampler, stores: dict[int, CropStore], count: int, seed: int, progress: Path) -> None:
    """Stage 1: fill the stores, continuing where an earlier run stopped."""
    done = int(progress.read_text()) if progress.exists() else 0
    for i in track(range(done, count), description="render"):
        sample = sampler.draw(seed + i)
        rng = np.random.default_rng(seed + i)
        for resolution, store in stores.items():
            side = CROP[resolution]
            top, left = rng.integers(0, resolution // 2 - side + 1, 2)
            crop = sample.features[resolution][0, :, top : top + side, left : left + side]
            store.features[i] = crop.numpy().astype(np.float16)
            picture = sample.pictures[resolution][0, :, 2 * top : 2 * (top + side), 2 * left : 2 * (left + side)]
            store.pictures[i] = picture.numpy().astype(np.float16)
            store.styles[i] = sample.w_plus[0, head_style(resolution)].numpy()
        if i % 50 == 49 or i == count - 1:
            write_text(progress, str(i + 1))


def head_style(resolution: int) -> int:
    """Index in w_plus of the style a head takes: the first one the trunk before it does not use."""
    return 3 * HEAD_BLOCKS[resolution] + 1


SUBCROP = 24
"""Side of the window of a stored crop that one training step looks at."""
RIDGE = 1e-3
"""Relative ridge of the closed-form start."""


def batch_of(store: CropStore, rng: np.random.Generator, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Random windows: features (B,C,s,s), pictures (B,3,2s,2s), styles (B,512), float32."""
    picks = np.sort(rng.choice(len(store.styles), count, replace=False))
    side = min(SUBCROP, store.features.shape[-1])
    top, left = rng.integers(0, store.features.shape[-1] - side + 1, 2)
    features = store.features[picks, :, top : top + side, left : left + side]
    pictures = store.pictures[picks, :, 2 * top : 2 * (top + side), 2 * left : 2 * (left + side)]
    return (
        torch.from_numpy(features).float().contiguous(memory_format=torch.channels_last),
        torch.from_numpy(pictures).float(),
        torch.from_numpy(store.styles[picks]),
    )


@torch.no_grad()
def new_head(synthesis: Synthesis, resolution: int, store: CropStore) -> StyledHead:
    """A head that starts from what is known: the generator's own style for the same features, scaled so that styled
    features have unit variance, and the direct way solved in closed form by ridge regression."""
    up = synthesis.block(HEAD_BLOCKS[resolution]).up
    head = StyledHead(up.style.out_features)
    head.style.load_state_dict(up.style.state_dict())
    features, pictures, styles = batch_of(store, np.random.default_rng(0), min(400, len(store.styles)))
    rms = (features * head.style(styles)[:, :, None, None]).square().mean((0, 2, 3)).sqrt()
    head.style.weight.div_(rms[:, None])
    head.style.bias.div_(rms)
    inputs = (features * head.style(styles)[:, :, None, None]).permute(0, 2, 3, 1).flatten(0, 2)
    inputs = torch.cat([inputs, torch.ones(len(inputs), 1)], 1)
    wanted = forward_haar(pictures).permute(0, 2, 3, 1).flatten(0, 2)
    gram = (inputs.T @ inputs).double() / len(inputs)
    gram.diagonal().add_(RIDGE)
    solved = torch.linalg.solve(gram, (inputs.T @ wanted).double() / len(inputs)).float()
    torch.nn.init.normal_(head.reduce.weight, std=features.shape[1] ** -0.5)
    assert head.reduce.bias is not None
    torch.nn.init.zeros_(head.reduce.bias)
    head.reduce.weight[:12, :, 0, 0] = solved[:-1].T
    head.reduce.bias[:12] = solved[-1]
    torch.nn.init.normal_(head.hidden_style.weight, std=0.01)
    torch.nn.init.ones_(head.hidden_style.bias)
    torch.nn.init.normal_(head.expand.weight, std=0.01)
    return head


def forward_haar(x: Tensor) -> Tensor:
    """The transform `inverse_haar` undoes: (B,C,2H,2W) -> (B,4C,H,W)."""
    a, b, c, d = (x[..., i::2, j::2] for i in (0, 1) for j in (0, 1))
    detail = torch.stack([(a + b - c - d) / 2, (a - b + c - d) / 2, (a - b - c + d) / 2], 2).flatten(1, 2)
    return torch.cat([(a + b + c + d) / 2, detail], 1)


def fit(head: StyledHead, store: CropStore, *, steps: int, batch: int, seed: int, checkpoint: Path) -> None:
    """Stage 2: Adam on the mean squared error of the picture, cosine learning rate; resumes from `checkpoint`."""
    layers = [*head.reduce.parameters(), *head.depthwise.parameters(), *head.expand.parameters()]
    styles = [*head.style.parameters(), *head.hidden_style.parameters()]
    optimiser = torch.optim.Adam(
        [{"params": styles, "lr": 3e-4}, {"params": layers, "lr": 2e-3}], betas=(0.9, 0.99), fused=True
    )
    base = [group["lr"] for group in optimiser.param_groups]
    start = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        head.load_state_dict(state["head"])
        optimiser.load_state_dict(state["optimiser"])
        start = int(state["step"])
    for step in track(range(start, steps), description=f"fit {head_resolution(head)}"):
        features, pictures, ws = batch_of(store, np.random.default_rng((seed, step)), batch)
        for group, lr in zip(optimiser.param_groups, base, strict=True):
            group["lr"] = lr * 0.5 * (1 + math.cos(math.pi * step / steps)) * min(1.0, (step + 1) / 50)
        # The outermost pixels of a window miss their neighbours in the 3×3 convolution.
        error = (inverse_haar(head(features, ws)) - pictures)[:, :, 2:-2, 2:-2]
        loss = error.square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 500 == 499:
            log.info("step %d: %.2f dB", step + 1, float(-10 * torch.log10(loss.detach() / 4)))
            with atomic_path(checkpoint) as temporary:
                torch.save(
                    {"head": head.state_dict(), "optimiser": optimiser.state_dict(), "step": step + 1},
                    temporary,
                )


@torch.no_grad()
def held_out_psnr(head: StyledHead, sampler: Sampler, resolution: int, *, psi: float, count: int) -> float:
    """Mean PSNR in dB (range 2) over `count` unseen whole pictures."""
    values = []
    for i in range(count):
        sample = sampler.draw(HELD_OUT_SEED + i, psi=psi)
        guess = inverse_haar(head(sample.features[resolution], sample.w_plus[:, head_style(resolution)]))
        values.append(float(-10 * torch.log10((guess - sample.pictures[resolution]).square().mean() / 4)))
    return sum(values) / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1050)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--held-out", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("outputs/fit_heads"), help="crops and checkpoints")
    parser.add_argument("--out", type=Path, default=HEADS_PATH)
    parser.add_argument("--no-compile", action="store_true")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    arguments.work.mkdir(parents=True, exist_ok=True)

    mapping, synthesis = load_networks(None)
    sampler = Sampler(mapping, synthesis, compile_=not arguments.no_compile)
    stores = {
        resolution: CropStore.open(
            arguments.work, resolution, arguments.samples, synthesis.block(blocks).up.style.out_features
        )
        for resolution, blocks in HEAD_BLOCKS.items()
    }
    progress = arguments.work / f"progress_{arguments.samples}_{arguments.seed}.txt"
    collect(sampler, stores, arguments.samples, arguments.seed, progress)

    tensors: dict[str, Tensor] = {}
    report: dict[str, float] = {}
    for resolution, store in stores.items():
        torch.manual_seed(arguments.seed)
        head = new_head(synthesis, resolution, store)
        checkpoint = arguments.work / f"head{resolution}.pt"
        fit(
            head,
            store,
            steps=arguments.steps,
            batch=arguments.batch,
            seed=arguments.seed,
            checkpoint=checkpoint,
        )
        for psi in (0.5, 0.7, 1.0):
            psnr = held_out_psnr(head, sampler, resolution, psi=psi, count=arguments.held_out)
            report[f"psnr_{resolution}_psi{psi}"] = round(psnr, 2)
        tensors |= {f"{resolution}.{name}": value.half().contiguous() for name, value in head.state_dict().items()}
    with atomic_path(arguments.out) as temporary:
        save_file(tensors, temporary, metadata={"report": json.dumps(report)})
    write_text(arguments.work / "report.json", json.dumps(report, indent=2) + "\n")
    assert read_safetensors(arguments.out)[0].keys() == tensors.keys()


if __name__ == "__main__":
    main()
