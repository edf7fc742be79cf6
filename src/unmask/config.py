"""Typed configuration: a dataclass per config group, registered with Hydra.

Every YAML file under configs/ names its schema first in its defaults list, so a misspelt key or a wrong type fails
while the command line is composed, before any work is done. Field docstrings are the reference of the options.

An enum of code that knows no settings lives beside that code (`unmask.kinds`, `unmask.networks.kinds`), the others
beside their options.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from unmask.kinds import AdversarialLoss, Blend, PixelLoss, Shrink
from unmask.networks.kinds import Discriminator, Norm
from unmask.options import Influence, Place, Settings, option

MAX_SEED = 2**63 - 1
"""The largest that PyTorch's generators accept."""
MAX_STEPS = 1_000_000
MAX_RATE = 10.0
"""Of a learning rate; Adam changes every number by about that much per step."""
MAX_WEIGHT = 1e9
"""Of a term of a loss: far more than anybody wants, and far from where float32 overflows."""


class OcclusionSource(Enum):
    """Where the occlusion of a picture comes from."""

    auto = "auto"
    painted = "painted"
    difference = "difference"
    landmarks = "landmarks"


class Split(Enum):
    """Which part of the pairs to use; the split is by id with a fixed seed."""

    auto = "auto"
    all = "all"
    train = "train"
    val = "val"
    test = "test"


@dataclass
class DataConfig(Settings, group="data"):
    """Pairs of clean and masked pictures on disk, in the layout of FFHQ and MaskedFace-Net or in any other."""

    root: str | None = option(None, path=Place.here)
    """Folder that holds the folders of pictures below; null with a manifest."""
    manifest: str | None = option(None, path=Place.here, before=None)
    """Instead of folders: a CSV file with the columns id, masked, clean and occlusion, which names the files of each
    id, relative to its own folder. clean and occlusion may be empty or missing."""
    attributes: str | None = option(None, path=Place.here, influence=Influence.report, before=None)
    """CSV file with the column id and one for each attribute, such as age: results are also told apart by them."""
    clean_dir: str | None = option(None, path=Place.below_root)
    """Folder of clean pictures (FFHQ), absolute or below `root`; null tries the usual names (ffhq, ...)."""
    masked_dir: str | None = option(None, path=Place.below_root)
    """Folder of masked pictures (CMFD), absolute or below `root`; null tries the usual names (cmfd, ...)."""
    resolution: int = option(256, minimum=16, maximum=4096)
    """Height and width to which pictures are resized, in pixels. stylegan_proj takes what its generator does:
    MobileStyleGAN 128, 256 and 1024, StyleGAN2 its checkpoint's size and whole fractions of it. pix2pix and cyclegan
    take multiples of their networks' stride; copy, inpaint and onnx take any."""
    limit: int | None = option(None, minimum=1, column=True)
    """Use only the first `limit` ids (in ascending order, after the split)."""
    ids: list[str] | None = None
    """Use only these ids."""
    split: Split = Split.auto
    """all, train, val or test; auto: all, or for a method that trains on these very pictures, the test part."""
    val_fraction: float = option(0.1, minimum=0, maximum=1)
    """Fraction of the ids in the val part."""
    test_fraction: float = option(0.1, minimum=0, maximum=1)
    """Fraction of the ids in the test part."""
    split_seed: int = option(0, minimum=0, maximum=MAX_SEED)
    """Seed of the split; the same ids always land in the same part."""
    batch_size: int = option(1, minimum=1, maximum=1024, influence=Influence.nothing)
    """Pictures per batch; a picture's result does not depend on it."""
    num_workers: int = option(0, minimum=0, maximum=256, influence=Influence.nothing)
    """Processes that decode pictures."""
    align: bool = option(False, before=False)
    """The pictures are photos as they come: the largest face of each is found and brought into FFHQ's frame under its
    mask, and what is generated is pasted back, at the photo's size, into photos/ID.png. Clean pictures and painted maps
    must be as large as their photos. Methods that can render faces at full resolution do so."""
    references: str | None = option(None, path=Place.here, before=None)
    """Other photographs of the people, without face masks, of any size and pose: a folder with a folder per id or a
    picture per id, or one picture, which is then of the person in every picture. Only stylegan_proj uses them."""
    references_aligned: bool = option(False, before=False)
    """These photographs are in FFHQ's frame already; false: the face of each is found and brought there."""
    strict: bool = False
    """Stop at the first picture that cannot be read or paired, instead of naming and counting it and going on."""


@dataclass
class HoleConfig(Settings, group="occlusion"):
    """Where the face mask is, and with it what is to be filled."""

    source: OcclusionSource = option(column=True)
    """auto: found in the picture by the project's own network, and checked against the face's landmarks; painted: a map
    per picture; difference: where the clean and the masked picture differ; landmarks: where a correctly worn mask would
    be."""
    prefer_painted: bool = True
    """auto: use the painted map of each picture that has one, and the network only for the others."""
    painted_dir: str | None = option(None, path=Place.below_root)
    """Folder of painted maps, absolute or below `data.root`; null tries the usual names (occlusion, ...)."""
    invert: bool = option(False, before=False)
    """Painted maps are white (or opaque) where the face is visible, not where the face mask is."""
    grow: bool = option(True, before=False)
    """Also fill remains of the face mask just beyond its map, such as a light bar above the nose. Metrics keep to the
    map."""
    dilate: float = option(4.0, minimum=0, maximum=128)
    """Grow the occlusion by this many pixels before filling it (at 256; scaled with the resolution)."""

    @property
    def takes_painted(self) -> bool:
        """Whether painted maps are used where there are any."""
        automatic = self.source is OcclusionSource.auto
        return self.source is OcclusionSource.painted or (automatic and self.prefer_painted)


@dataclass
class JoinConfig(Settings, group="occlusion"):
    """How the fill is joined to the rest."""

    seam: float = option(3.5, minimum=0, maximum=128)
    """Paste the generated part into the occlusion grown by this many pixels (at 256): a little less than `dilate`,
    since most of the outermost pixels, which a method had better not look at, still show the face itself."""
    feather: float = option(2.0, minimum=0, maximum=128)
    """Width of the soft edge inside the seam, in pixels at 256. Nothing outside the seam ever changes."""
    blend: Blend = Blend.membrane
    """feather: plain alpha blending; membrane: also shift the generated colours so that they meet the input's at the
    seam."""


@dataclass
class OcclusionConfig(JoinConfig, HoleConfig):
    """Where the face mask is, and how the fill is joined to the rest."""


@dataclass
class GeneratorConfig(Settings, group="generator"):
    """A face prior."""

    _target_: str = MISSING
    """The `unmask.generators.base.Generator` subclass to build."""
    checkpoint: str | None = option(None, path=Place.here)
    """Path of the generator's weights; null uses those that `unmask.weights` fetches, if there are any. With
    generator=stylegan2 there is no default, and a URL is accepted too, fetched once into the cache; no code in a
    checkpoint is ever run."""


@dataclass
class MobileStyleGANConfig(GeneratorConfig):
    """MobileStyleGAN, FFHQ, with heads for low resolutions."""

    heads: str | None = option(None, path=Place.here)
    """Path of the low-resolution heads; null uses the shipped ones."""


class GeneratorNetwork(Enum):
    """Which of a checkpoint's generators to use."""

    g_ema = "g_ema"
    g = "g"


class NoiseMode(Enum):
    """Where the noise of StyleGAN2's layers comes from."""

    const = "const"
    random = "random"
    none = "none"


@dataclass
class StyleGAN2Config(GeneratorConfig):
    """StyleGAN2 from a checkpoint: NVlabs .pkl, rosinality .pt, or one of `python -m unmask.convert`; path or URL."""

    network: GeneratorNetwork = GeneratorNetwork.g_ema
    """g_ema: the average over training, the usual choice; g: the last state."""
    noise_mode: NoiseMode = NoiseMode.const
    """const: the checkpoint's own noise maps; random: fresh ones at every call; none: no noise. Maps that a projection
    optimises replace them."""
    class_index: int | None = option(None, minimum=0)
    """The class of a conditional generator."""


@dataclass
class EvaluationConfig(Settings, group="evaluation"):
    """Metrics and reports, the same for every method."""

    bootstrap_samples: int = option(2000, minimum=1, maximum=100_000, influence=Influence.report)
    """Bootstrap resamples of the pictures for the 95 % intervals."""
    identity: bool = True
    """Compute identity/arcface (needs the ArcFace and detector weights)."""
    expression: bool = option(True, before=False)
    """Compute expression/* (needs the landmark and detector weights)."""
    grid_rows: int = option(16, minimum=0, maximum=1000, influence=Influence.report)
    """At most this many pictures in grid.png."""
    objective: str = option("hole/lpips", influence=Influence.nothing)
    """The metric that a job of a sweep returns, by which sweepers such as hydra/sweeper=optuna choose the next."""
    emerge_every: int | None = option(None, minimum=0, influence=Influence.report, counted_as=25)
    """Log the first pictures to TensorBoard as they emerge, with hole/psnr and hole/lpips, every this many steps; null:
    some eight times from the start to the end, however many steps there are; 0: never."""


@dataclass
class MethodConfig(Settings, group="method"):
    """What every method's schema begins with."""

    floor: ClassVar[bool] = False
    """Whether the method is there to be beaten: tables never call its numbers the best."""
    _target_: str = MISSING
    """The `unmask.methods.base.Method` subclass to build."""
    name: str = MISSING
    """The method's name in tables, files and TensorBoard."""

    @property
    def takes_references(self) -> bool:
        """Whether other photographs of the person (`data.references`) make a difference."""
        return False


@dataclass
class CopyConfig(MethodConfig):
    """Leave the masked picture as it is: a floor for every table."""

    floor = True


@dataclass
class InpaintConfig(MethodConfig):
    """Fill the hole from its border, without learning (Telea 2004, OpenCV)."""

    floor = True
    radius: float = option(5.0, above=0, maximum=128)
    """Radius of the neighbourhood that each filled pixel looks at, in pixels at 256."""


class OnnxPreset(Enum):
    """Programs whose ONNX files are read in a way that is known."""

    auto = "auto"
    migan = "migan"
    lama = "lama"


class OnnxLayout(Enum):
    """The order of a picture's axes."""

    nchw = "nchw"
    nhwc = "nhwc"


class OnnxRange(Enum):
    """Numbers of black and white."""

    unit = "unit"
    signed = "signed"
    byte = "byte"


class OnnxHoleRange(Enum):
    """The lower and the upper number in a map of the hole."""

    unit = "unit"
    byte = "byte"
    signed = "signed"
    centred = "centred"


class OnnxMarks(Enum):
    """What the upper number in a map of the hole stands for."""

    hole = "hole"
    known = "known"


class OnnxHidden(Enum):
    """What a model is shown where the face is hidden."""

    shown = "shown"
    zero = "zero"
    nearest = "nearest"


@dataclass
class OnnxConfig(MethodConfig):
    """Any model in an ONNX file that makes a picture of a picture and its hole.

    Where an option is null, what it says is taken from the file as far as it tells, or from the preset.
    """

    model: str | None = option(None, path=Place.here)
    """Path of the ONNX file."""
    preset: OnnxPreset = OnnxPreset.auto
    """migan: the pipeline of MI-GAN; lama: Carve/LaMa-ONNX; auto: a file of `python -m unmask.export`, or one of the
    two if inputs and outputs are called and typed as theirs, or else what the other options say."""
    picture_input: str | None = None
    """Name of the input for the picture."""
    hole_input: str | None = None
    """Name of the input for the hole, where it is one of its own."""
    output: str | None = None
    """Name of the output with the picture."""
    layout: OnnxLayout | None = None
    """nchw: batch, channels, height, width; nhwc: channels last."""
    size: int | None = option(None, minimum=16, maximum=8192)
    """Height and width to which pictures are resized for a model that works at one size without saying so."""
    picture_range: OnnxRange | None = None
    """Numbers of the input picture. unit: 0 to 1; signed: -1 to 1; byte: 0 to 255."""
    output_range: OnnxRange | None = None
    """Numbers of the output picture; null, and nothing else tells: as those of the input."""
    bgr: bool | None = None
    """Channels are blue, green and red, in and out."""
    hole_marks: OnnxMarks | None = None
    """What the upper number in the map of the hole stands for: hole: what is to be filled; known: what is visible."""
    hole_range: OnnxHoleRange | None = None
    """Numbers in the map of the hole. unit: 0 and 1; byte: 0 and 255; signed: -1 and 1; centred: -0.5 and 0.5."""
    hole_first: bool | None = None
    """In a single input of four channels, the hole comes before the picture."""
    hidden: OnnxHidden | None = None
    """What the model is shown in the hole. zero: the number 0; nearest: the colour of the nearest visible pixel, for
    models that shrink pictures before they blank them; shown: the face mask. null: zero, and shown if the model is not
    told of the hole."""


@dataclass
class PicturesConfig(MethodConfig):
    """Pictures that another program made of the same masked faces, one per id."""

    root: str | None = option(None, path=Place.here)
    """Folder of the pictures; folders below count too. They must be as large as `data.resolution` says."""
    pattern: str = "{id}"
    """Name of a file without its suffix, e.g. "{id}_fake_B"; any suffix of pictures will do."""
    whole: bool = True
    """true: the pictures count as they are, and what they change outside the hole too (visible/max_abs_change). false:
    only what they show inside the hole is joined to the input, as for every other method."""


class Init(Enum):
    """Where a projection starts."""

    auto = "auto"
    mean = "mean"
    random = "random"
    search = "search"
    regression = "regression"
    encoder = "encoder"


class LatentSpaceName(Enum):
    """Coordinates of w in which a projection moves."""

    w = "w"
    pn = "pn"


@dataclass
class StyleGANProjConfig(MethodConfig):
    """Project the visible face into the latent space of a frozen generator; the generator fills the rest."""

    init: Init = Init.auto
    """auto: encoder if one ships for the generator, else regression; mean: the average w; random: a random face (the
    study); search: the mean of those of many random faces that match the visible pixels best; regression: the w to
    expect from the visible pixels under a linear model of the generator's pictures; encoder: a w for each layer,
    predicted by a network from the visible part."""
    candidates: int = option(300, minimum=1, maximum=100_000)
    """Random faces rendered once per run for init=search (and for init=regression if no model ships)."""
    candidates_psi: float = option(0.7, minimum=0, maximum=2)
    """Truncation ψ of these faces towards the average face; 1: none."""
    search_best: int = option(8, minimum=1, maximum=100_000)
    """init=search starts from the mean w of this many of them, those that match best."""
    regression_ridge: float = option(1.5e-4, above=0, maximum=1e6)
    """init=regression: how far real pictures are from the model; with a larger value the start is closer to the mean
    face."""
    encoder: str | None = option(None, path=Place.here, before=None)
    """Path of the network of init=encoder (scripts/train_encoder.py makes one); null uses the generator's own."""
    latent_space: LatentSpaceName = option(LatentSpaceName.pn, column=True)
    """w: steps and penalties in w itself (the study); pn: in the whitened space P_N, where all directions are equally
    likely, which keeps the result close to the generator's faces."""
    w_steps: int = option(16, minimum=0, maximum=MAX_STEPS, column=True)
    """Steps in W, one w for all layers, before those in W+."""
    w_lr: float = option(0.05, minimum=0, maximum=MAX_RATE, column=True)
    """Adam's learning rate in W."""
    steps: int = option(8, minimum=0, maximum=MAX_STEPS, column=True)
    """Steps in W+, a w for each layer; 0 leaves the result in W."""
    lr: float = option(0.05, minimum=0, maximum=MAX_RATE, column=True)
    """Adam's learning rate in W+."""
    rampup: float = option(0.05, minimum=0, maximum=1)
    """Fraction of a stage over which the learning rate rises linearly from zero."""
    rampdown: float = option(0.5, minimum=0, maximum=1)
    """Fraction of a stage over which it falls to zero along a cosine."""
    pixel_loss: PixelLoss = option(PixelLoss.mse, column=True)
    """mse or l1 (pixels in [-1,1]), or bce (pixels in [0,1])."""
    use_occlusion: bool = option(True, column=True)
    """Leave the hidden pixels out of every loss; false fits the face mask too, as the study's first trials did."""
    lambda_pixel: float = option(8.0, minimum=0, maximum=MAX_WEIGHT, column=True)
    """Weight of the pixel loss."""
    lambda_perceptual: float = option(1.0, minimum=0, maximum=MAX_WEIGHT, short="lambda", column=True)
    """Weight λ of the VGG-16 feature distance."""
    perceptual_layers: list[str] = field(default_factory=lambda: ["relu1_2", "relu2_2", "relu3_3", "relu4_3"])
    """VGG-16 layers compared, relu1_1 to relu5_3; the study's conv2 is relu2_2."""
    perceptual_resolution: int = option(128, minimum=16, maximum=1024)
    """Pictures are shrunk to this many pixels before VGG-16 sees them."""
    perceptual_window: float = option(0.75, above=0, maximum=1, before=1.0)
    """VGG-16 sees a square window around the hole, this fraction of the picture's side; 1: the whole picture (the
    study)."""
    perceptual_shrink: Shrink = Shrink.bicubic
    """bicubic: with antialiasing; area: means over pixels, as in the reference projectors."""
    normalise_features: bool = True
    """Scale feature vectors to unit length before comparing them, as LPIPS does; false compares them as they are."""
    lpips_weights: bool = False
    """Weight the channels of relu1_2, relu2_2, relu3_3, relu4_3 and relu5_3 as LPIPS for VGG-16 does; with exactly
    these five layers the distance is LPIPS itself."""
    perceptual_margin: float = option(0.3, minimum=0, maximum=10)
    """Leave out features closer to the hole than this fraction of their receptive field's radius, since they see into
    it."""
    focus: float = option(50.0, minimum=0, maximum=1e6, column=True)
    """Pixels and features count less the farther they are from the hole, over this distance in pixels at 256, since
    what surrounds the hole says more about it than hair and background do. 0: all count the same (the study)."""
    lambda_prior: float = option(0.0, minimum=0, maximum=MAX_WEIGHT)
    """Weight of the latents' squared deviation from their mean, in standard deviations of `latent_space`."""
    lambda_spread: float = option(0.0, minimum=0, maximum=MAX_WEIGHT)
    """Weight of the squared disagreement between layers, in the same units."""
    lambda_anchor: float = option(0.2, minimum=0, maximum=MAX_WEIGHT, column=True)
    """Weight of the squared distance from the start, in the same units."""
    lambda_identity: float = option(2.0, minimum=0, maximum=MAX_WEIGHT, before=0.0, column=True)
    """Weight of the identity term: the squared distance between the face embedding of the picture with its hole filled
    and the embedding that a network predicts for the whole face from its visible part. The embedding is not the one
    that evaluates. 0 leaves the term out."""
    lambda_identity_references: float | None = option(5.0, minimum=0, maximum=MAX_WEIGHT, before=5.0)
    """The same weight for pictures whose person is known from other photographs (`data.references`), where the
    embedding is known better; null: `lambda_identity`. Without that term there is no such one either."""
    references_prior: float = option(1.0, minimum=0, maximum=1000, before=1.0)
    """What the identity term aims at is the mean of the references' embeddings and of the one that is expected from the
    visible part, which counts as so many references; 0: those of the references alone."""
    layer_shrinkage: float = option(0.5, minimum=0, maximum=1, column=True)
    """At the end, pull the layers' latents this fraction of the way to their mean, from 0 (not at all, the study) to 1
    (back to W). What the layers disagree on fits the visible pixels and does the hidden ones no good."""
    w_noise: float = option(0.0, minimum=0, maximum=10)
    """Explore: before every step, add normal noise to the latents, this fraction of their total deviation, falling to
    zero over `w_noise_ramp` of the stage. The reference projectors use 0.05."""
    w_noise_ramp: float = option(0.75, above=0, maximum=1)
    """Fraction of a stage over which `w_noise` falls to zero."""
    optimise_noise: bool = True
    """Optimise the noise maps too, starting from random ones, if the generator has any (MobileStyleGAN has none)."""
    lambda_noise: float = option(1e5, minimum=0, maximum=MAX_WEIGHT)
    """Weight of the noise maps' autocorrelation, which keeps them noise; 1e5 is the reference projector's value."""
    tune_steps: int = option(0, minimum=0, maximum=MAX_STEPS, before=0, column=True)
    """Steps of pivotal tuning after the projection: the generator's weights are bent, for this picture alone, until it
    reproduces the visible part."""
    tune_lr: float = option(3e-5, minimum=0, maximum=MAX_RATE, before=3e-5)
    """Adam's learning rate for the tuning. PTI's is ten times as large, and tears MobileStyleGAN's mouths."""
    tune_locality: float = option(1.0, minimum=0, maximum=MAX_WEIGHT, before=1.0)
    """Weight of keeping nearby faces as they were."""
    tune_reach: float = option(0.3, minimum=0, maximum=1, before=0.3)
    """How far away those nearby faces are: this fraction of the way from the picture's latents to random faces."""
    num_samples: int = option(1, minimum=1, maximum=1000, before=1, column=True)
    """Answers per picture. Above 1: so many plausible faces, alike where the face is visible and different where it is
    hidden. The first is what num_samples=1 gives, and each of the others takes as long."""
    sample_spread: float = option(1.0, minimum=0, maximum=100, before=1.0)
    """The other answers start from random draws of what the visible pixels leave open, and `lambda_anchor` holds them
    there; this multiplies how far the draws are from the first answer. 0: all alike."""
    mouth_open: float | None = option(None, minimum=0, maximum=0.6, before=None)
    """How far the mouth is to be open: the gap between the lips as a share of the distance between the eyes. 0 is
    closed, 0.1 is usual, 0.25 laughs. null: as expected."""
    smile: float | None = option(None, minimum=-0.2, maximum=0.3, before=None)
    """How far the middle of the mouth is to be below its corners, in the same unit: negative where the corners hang,
    0.07 is usual, 0.17 a broad smile. null: as expected."""
    beard: float | None = option(None, minimum=0, maximum=1, before=None)
    """How much of a beard there is to be, from 0, shaven, to 1, a full one. null: as expected."""
    age: float | None = option(None, minimum=0, maximum=100, before=None)
    """How old the person is to look, in years. null: as expected."""
    controls: str | None = option(None, path=Place.here, before=None)
    """Path of the generator's directions for mouth_open, smile, beard and age (scripts/fit_controls.py makes one); null
    uses the generator's own, and fits them to random faces at the start of the run where none ship."""
    controls_faces: int = option(500, minimum=100, maximum=100_000, before=500)
    """Random faces rendered and measured once per run for that."""
    shrink_full: bool = True
    """Take the detail from the full-resolution render, shrunk, which is sharper. Colours and everything else coarser
    than a pixel or two stay those of the low-resolution head, which is what was fitted. false: the head's picture as it
    is."""
    render_full: bool = False
    """Also save the full-resolution render of the same w_plus as full/ID.png."""
    precision: str = "auto"
    """32-true; bf16-mixed: the convolutions of generator and VGG in bf16, latents and losses in fp32; auto: bf16-mixed
    where the hardware computes in bf16, else 32-true. (With 32-true, PyTorch still uses TF32 for convolutions on GPUs
    that have it, unless torch.backends.cudnn.allow_tf32 is false.)"""
    compile: bool | str = option("auto", choices=("auto",), influence=Influence.nothing, counted_as=True)
    """true: compile the step with torch.compile if that works here, which takes one to three minutes the first time;
    false: do not; auto: compile if enough steps lie ahead to make up for it, 2000 on a CPU or 4000 on a GPU. Results
    differ only by rounding."""

    @property
    def takes_references(self) -> bool:
        """See `MethodConfig.takes_references`: by the start, if it is told from the picture, and by the identity."""
        told = self.init in (Init.auto, Init.regression, Init.encoder)
        return self.use_occlusion and (told or self.lambda_identity > 0)


class Pix2PixInput(Enum):
    """What the generator of pix2pix is shown."""

    masked = "masked"
    visible = "visible"


@dataclass
class TrainedMethodConfig(MethodConfig):
    """What methods with weights of their own share."""

    checkpoint: str | None = option(None, path=Place.here)
    """Evaluate these weights instead of training: "pretrained" (those that ship, if there are any), the file or run
    directory of a training, or a checkpoint of junyanz/pytorch-CycleGAN-and-pix2pix (.pth). null trains."""


@dataclass
class GANConfig(TrainedMethodConfig):
    """What methods that learn against a discriminator share."""

    ngf: int = option(64, minimum=1, maximum=1024)
    """Channels of the generator's first convolution."""
    ndf: int = option(64, minimum=1, maximum=1024)
    """Channels of the discriminator's first convolution."""
    norm: Norm = Norm.instance
    """Normalisation in all networks."""
    discriminator: Discriminator = Discriminator.patch
    """patch: judge patches; pixel: judge single pixels."""
    discriminator_layers: int = option(3, minimum=1, maximum=8)
    """Convolutions of stride 2 in the patch discriminator; with 3, patches have 70 pixels."""
    adversarial_loss: AdversarialLoss = AdversarialLoss.lsgan
    """lsgan, vanilla, or wgangp (with gradient penalty)."""


@dataclass
class Pix2PixConfig(GANConfig):
    """A conditional GAN with an L1 term, trained on pairs (Isola et al. 2017)."""

    norm: Norm = Norm.batch
    """Normalisation in all networks."""
    adversarial_loss: AdversarialLoss = AdversarialLoss.vanilla
    """lsgan, vanilla, or wgangp (with gradient penalty)."""
    depth: int = option(8, minimum=5, maximum=12)
    """How often the U-Net halves the picture; 8 takes 256 pixels to 1. Sides must be multiples of 2^depth."""
    dropout: bool = True
    """Use dropout in the U-Net's inner levels during training."""
    lambda_l1: float = option(100.0, minimum=0, maximum=MAX_WEIGHT, column=True)
    """Weight of the L1 distance to the clean picture."""
    lambda_perceptual: float = option(0.0, minimum=0, maximum=MAX_WEIGHT, short="lambda")
    """Weight of the distance between VGG-16 features and those of the clean picture, around the hole; the paper has no
    such term. It gives sharper mouths in fewer steps (Johnson et al. 2016; Wang et al. 2018, pix2pixHD)."""
    lambda_identity: float = option(0.0, minimum=0, maximum=MAX_WEIGHT, before=0.0)
    """Weight of the squared distance between face embeddings and those of the clean picture; the paper has no such
    term. The embedding is not the one that evaluates."""
    window: bool = False
    """Let the discriminator judge only a window around the hole, half the picture high and five eighths wide, for a
    third of the work. Only with input=visible, where everything that is generated lies in it (Iizuka et al. 2017, local
    discriminator)."""
    input: Pix2PixInput = Pix2PixInput.visible
    """masked: the picture as it is, folds of the mask and all, from which the generator makes a whole picture (the
    study); visible: the picture with the hole blanked, and the hole as a fourth channel, so that no kind of face mask
    is unfamiliar. The generator then only fills the hole: discriminator and L1 see its picture with the visible part
    put back."""
    picture_statistics: bool = False
    """norm=batch: normalise with each picture's own statistics when unmasking, as the paper does at batch size 1,
    instead of with the averages gathered in training."""


@dataclass
class CycleGANConfig(GANConfig):
    """Two generators and two discriminators, trained without pairs (Zhu et al. 2017)."""

    blocks: int = option(9, minimum=1, maximum=100)
    """Residual blocks in each generator."""
    lambda_unmask: float = option(10.0, minimum=0, maximum=MAX_WEIGHT)
    """Weight of the cycle masked -> clean -> masked."""
    lambda_mask: float = option(10.0, minimum=0, maximum=MAX_WEIGHT)
    """Weight of the cycle clean -> masked -> clean."""
    lambda_identity: float = option(0.5, minimum=0, maximum=MAX_WEIGHT)
    """Weight, relative to that of the cycles, of leaving a picture alone that is already in the target domain; 0:
    none."""
    pool_size: int = option(50, minimum=0, maximum=100_000)
    """Generated pictures kept to show to the discriminators again (Shrivastava et al. 2017); 0: none."""


class Checkpoint(Enum):
    """Which state of a training to use."""

    best = "best"
    last = "last"


class LearningRatePolicy(Enum):
    """How the learning rate changes over training."""

    constant = "constant"
    linear = "linear"
    cosine = "cosine"
    step = "step"


@dataclass
class TrainingConfig(Settings, group="training"):
    """How methods with weights of their own are trained; the others ignore it."""

    root: str | None = option(None, path=Place.here)
    """Folder of aligned clean faces to draw face masks on; null trains on the pairs of `data`."""
    limit: int | None = option(None, minimum=1)
    """Train on only the first `limit` faces (in ascending order of id)."""
    resize: int | None = option(None, minimum=16, maximum=4096)
    """Resize pictures to this many pixels before cropping them; null: 286/256 of the crop."""
    crop: int | None = option(None, minimum=16, maximum=4096)
    """Side of the random crops, in pixels; null: `data.resolution`."""
    flip: bool = True
    """Mirror pictures at random, half of the time."""
    num_workers: int = option(1, minimum=0, maximum=256, influence=Influence.nothing)
    """Processes that decode, draw and augment; 0: the training process does it itself."""
    epochs: int = option(100, minimum=0, maximum=1_000_000)
    """Epochs at the full learning rate."""
    decay_epochs: int = option(100, minimum=0, maximum=1_000_000)
    """Epochs over which it then falls, with `lr_policy=linear`."""
    max_steps: int | None = option(None, minimum=1, maximum=1_000_000_000)
    """Take this many steps instead of whole epochs; the learning rate's schedule is fitted to them."""
    batch_size: int = option(1, minimum=1, maximum=65_536, column=True)
    """Pictures per step, over all processes together."""
    lr: float = option(2e-4, minimum=0, maximum=MAX_RATE, column=True)
    """Adam's learning rate."""
    lr_policy: LearningRatePolicy = LearningRatePolicy.linear
    """constant; linear: constant, then linearly to zero; cosine: to zero over all epochs; step: times 0.1
    every `lr_step_epochs`."""
    lr_step_epochs: int = option(50, minimum=1, maximum=1_000_000)
    """Epochs between two drops, with `lr_policy=step`."""
    beta1: float = option(0.5, minimum=0, below=1)
    """Adam's decay of the first moment."""
    beta2: float = option(0.999, minimum=0, below=1)
    """Adam's decay of the second moment."""
    clip_gradients: float | None = option(None, above=0, maximum=1e9)
    """Scale each network's gradients down to this norm if they exceed it; null: never."""
    ema_decay: float | None = option(None, minimum=0, below=1)
    """Evaluate a moving average of the generator instead of its last state, with this decay per step (less in the first
    steps); null: its last state."""
    precision: str = "auto"
    """32-true, bf16-mixed, 64-true; auto: bf16-mixed where the hardware computes in bf16, else 32-true."""
    compile: bool = False
    """Compile the networks with torch.compile if there is a C++ compiler; pays off in trainings of many minutes."""
    log_every: int = option(20, minimum=1, influence=Influence.nothing)
    """Steps between two points of a loss curve."""
    validate_every: int = option(500, minimum=1)
    """Steps between two validations."""
    validation_pictures: int = option(12, minimum=0)
    """Pictures per validation, from the val part; 0: no validation."""
    monitor: str = "hole/lpips"
    """The validation metric that decides which checkpoint is best."""
    checkpoint_every: int = option(500, minimum=1, influence=Influence.nothing)
    """Steps between two checkpoints; a killed run resumes from the last."""
    keep: Checkpoint = Checkpoint.best
    """best or last: which checkpoint the run evaluates at the end."""


@dataclass
class SubmititConfig(Settings, group="hydra.launcher"):
    """Jobs of a sweep through submitit; hydra/launcher=unmask_local."""

    _target_: str = MISSING
    """The launcher, one of `hydra_plugins.unmask_launchers`."""
    submitit_folder: str = "${hydra.sweep.dir}/.submitit/%j"
    """Folder of each job's log; %j is the job's id."""
    name: str = "unmask"
    """Name of the jobs."""
    timeout_min: int = option(240, minimum=1, maximum=525_600)
    """Minutes a job may take."""
    max_num_timeout: int = option(3, minimum=0, maximum=10_000)
    """A job that runs out of time is restarted up to this many times, and goes on with the pictures it did not
    finish."""
    gpus_per_node: int | None = option(1, minimum=0, maximum=64)
    """GPUs per job; null: none. With unmask_local all jobs see the same ones."""


@dataclass
class SlurmConfig(SubmititConfig):
    """Jobs of a sweep as an array of Slurm jobs; hydra/launcher=unmask_slurm."""

    partition: str | None = None
    """null: the cluster's default."""
    cpus_per_task: int = option(4, minimum=1, maximum=4096)
    """CPU cores per job."""
    mem_gb: float = option(16, above=0, maximum=1e6)
    """Memory per job, in GB."""
    array_parallelism: int = option(16, minimum=1, maximum=100_000)
    """At most this many jobs run at the same time."""
    account: str | None = None
    """The account to charge, if the cluster asks for one."""
    qos: str | None = None
    """Quality of service."""
    constraint: str | None = None
    """Features that the nodes must have."""
    signal_delay_s: int = option(120, minimum=1, maximum=86_400)
    """Seconds between the warning that time is running out and the end."""
    setup: list[str] | None = None
    """Shell commands to run before each job, such as `module load`."""
    additional_parameters: dict[str, Any] = field(default_factory=dict)
    """Any other option of sbatch."""


@dataclass
class JoblibConfig(Settings, group="hydra.launcher"):
    """Jobs of a sweep in a pool of processes; hydra/launcher=unmask_joblib."""

    _target_: str = MISSING
    """The launcher, one of `hydra_plugins.unmask_launchers`."""
    n_jobs: int = option(2, minimum=-1, maximum=4096)
    """Jobs at the same time; -1: one per CPU core. They share memory and GPU."""
    verbose: int = option(0, minimum=0, maximum=1000)
    """joblib's own progress messages, if greater than zero."""


@dataclass
class RunConfig(Settings, group=""):
    """Everything a run needs; `python -m unmask.run --help` lists the groups."""

    method: MethodConfig = MISSING
    generator: GeneratorConfig = MISSING
    data: DataConfig = MISSING
    occlusion: OcclusionConfig = MISSING
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    experiment: str | None = None
    """Name of the experiment this run belongs to, set by the files in configs/experiment."""
    seed: int = option(0, minimum=0, maximum=MAX_SEED)
    """Every random choice derives from it; the same seed gives the same result."""
    device: str = option("auto", influence=Influence.nothing)
    """auto (cuda, then mps, then cpu), cpu, cuda, cuda:1, mps."""
    devices: int = option(1, minimum=1, maximum=1024, influence=Influence.processes)
    """Processes on each machine, each with a device of its own (on a CPU, with part of the cores). They divide the
    batches of a training and the pictures of an evaluation among them; the results are those of a single process."""
    num_nodes: int = option(1, minimum=1, maximum=4096, influence=Influence.processes)
    """Machines, which must share a disk; start the command on each with torchrun or srun, and give `hydra.run.dir`."""
    progress: bool = option(True, influence=Influence.nothing)
    """Show progress bars."""
    wait: bool = option(False, influence=Influence.nothing)
    """Wait for another program that is working in the same directory, instead of stopping."""


def floors() -> frozenset[str]:
    """The names of the methods that are floors."""
    return frozenset(name for group, name, node in SCHEMAS if group == "method" and node.floor)


def register() -> None:
    """Put every schema into Hydra's ConfigStore; called once, by the programs, before composing."""
    store = ConfigStore.instance()
    store.store(name="run_schema", node=RunConfig)
    for group, name, node in SCHEMAS:
        store.store(group=group, name=f"{name}_schema", node=node)


SCHEMAS: tuple[tuple[str, str, Any], ...] = (
    ("method", "copy", CopyConfig),
    ("method", "inpaint", InpaintConfig),
    ("method", "pictures", PicturesConfig),
    ("method", "onnx", OnnxConfig),
    ("method", "stylegan_proj", StyleGANProjConfig),
    ("method", "pix2pix", Pix2PixConfig),
    ("method", "cyclegan", CycleGANConfig),
    ("generator", "mobilestylegan", MobileStyleGANConfig),
    ("generator", "stylegan2", StyleGAN2Config),
    ("data", "data", DataConfig),
    ("occlusion", "occlusion", OcclusionConfig),
    ("evaluation", "evaluation", EvaluationConfig),
    ("training", "training", TrainingConfig),
    ("hydra/launcher", "unmask_local", SubmititConfig),
    ("hydra/launcher", "unmask_slurm", SlurmConfig),
    ("hydra/launcher", "unmask_joblib", JoblibConfig),
)
