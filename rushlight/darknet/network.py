"""From sections to a network: the plan, the modules, and `Darknet`, the module that runs them.

The three steps are apart on purpose. `plan_network` checks the whole file and computes every shape
and the number of weights without allocating anything; `create_modules` allocates; `Darknet` runs.
"""

import os
import warnings

import rushlight
from rushlight import nn
from rushlight.darknet import sections
from rushlight.darknet.cfg import Block, CfgError, UnsupportedInCfg, _nearest, _short, parse_cfg
from rushlight.darknet.layers import Layer, Place, checked
from rushlight.darknet.shipped import cfg_path, shipped_cfgs
from rushlight.darknet.weights import WeightsHeader, load_weights, save_weights

__all__ = ["Darknet", "create_modules", "plan_network", "read_blocks"]

# 2^29 floats are two gibibytes, four times VGG-16.
MAXIMUM_WEIGHTS = 1 << 29

# What [net] may hold. Only the size changes a forward pass; training reads the others.
NET_OPTIONS = frozenset(
    "batch subdivisions width height channels inputs momentum decay angle aspect saturation "
    "exposure hue learning_rate learning_rate_min burn_in power max_batches policy step scale "
    "gamma steps scales seq_scales sgdr_cycle sgdr_mult adam B1 B2 eps max_crop min_crop max_ratio "
    "min_ratio center clip flip blur gaussian_noise mixup cutmix mosaic mosaic_bound contrastive "
    "contrastive_jit_flip contrastive_color unsupervised label_smooth_eps resize_step "
    "max_chart_loss attention adversarial_lr letter_box time_steps track augment_speed "
    "sequential_subdivisions try_fix_nan loss_scale dynamic_minibatch optimized_memory "
    "workspace_size_limit_MB num_sigmas_reject_badlabels ema_alpha badlabels_rejection_percentage "
    "badlabels_reject_threshold equidistant_point weights_reject_freq show_receptive_field "
    "noadjust random notruth train_images_num max_chart_loss cls_hist objectness_smooth".split()
)


def plan_network(blocks):
    """Check all sections and return the list of `Layer`s, nothing allocated.

    Raises CfgError, naming file and line, for anything that makes no network.
    """
    if not blocks or blocks[0].get("type") not in ("net", "network"):
        raise CfgError("the first block must be [net]")
    blocks = [_as_block(block) for block in blocks]
    net = blocks[0]
    net.warn_of_unknown(NET_OPTIONS)
    shape = _input_shape(net)
    layers: list[Layer] = []
    total = 0
    for index, block in enumerate(blocks[1:]):
        layer = _builder(block)(block, Place(index, shape, layers))
        block.warn_of_unknown(sections.OPTIONS[block["type"]])
        total += sum(slot.count for slot in layer.slots)
        if total > MAXIMUM_WEIGHTS:
            raise block.error(f"{total} weights up to here, more than {MAXIMUM_WEIGHTS}")
        layers.append(layer)
        shape = layer.output
    return layers


def _as_block(block):
    """A plain dict made by hand, as a Block: its messages name the type only."""
    if isinstance(block, Block):
        return block
    made = Block(str(block.get("type")))
    made.update((key, str(value).replace(" ", "")) for key, value in block.items())
    return made


def _input_shape(net):
    height = net.integer("height", 0, 1, 1 << 16)
    width = net.integer("width", 0, 1, 1 << 16)
    channels = net.integer("channels", 0 if "inputs" in net else 3, 1, 1 << 16)
    if "inputs" in net and not (height and width):
        return checked(net, net.integer("inputs", 0, 1, 1 << 24), 1, 1)
    if not (height and width):
        raise net.error("needs width= and height=, the size of the network's input")
    return checked(net, channels, height, width)


def _builder(block):
    kind = block["type"]
    if kind in sections.SECTIONS:
        return sections.SECTIONS[kind]
    if kind in sections.UNSUPPORTED:
        raise block.error("this section is not implemented", kind=UnsupportedInCfg)
    raise block.error(f"unknown section{_nearest(_short(kind), sections.SECTIONS)}")


def _modules_of(layers):
    found = nn.ModuleList()
    for layer in layers:
        module = nn.Sequential()
        for name, make in layer.parts:
            module.add_module(name, make())
        found.append(module)
    return found


def create_modules(blocks):
    """Return (net_info, module_list) for the sections that `parse_cfg` gave.

    `net_info` is the section [net]; `module_list` an `nn.ModuleList` with one `nn.Sequential` for
    each other section, whose children are named as in conv_0, batch_norm_0, leaky_0. Those of
    route, shortcut, scale_channels and sam are called with a list of feature maps.

    Raises CfgError where a section makes no layer.

    Example:
        >>> net_info, module_list = create_modules(parse_cfg(cfg_path("yolov3")))
        >>> module_list[0]
        Sequential(
          (conv_0): Conv2d(3, 32, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)
          (batch_norm_0): BatchNorm2d(32, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)
          (leaky_0): LeakyReLU(negative_slope=0.1)
        )
    """  # noqa: E501
    return blocks[0], _modules_of(plan_network(blocks))


class Darknet(nn.Module):
    """The network of a cfg file.

    Args:
        cfg: a path, a file, a list of sections as `parse_cfg` gives, or the name of a network that
            comes with the package ("yolov3"; `shipped_cfgs()` lists them).

    Attributes:
        net_info: the section [net] (a dict of strings; net_info.integer("width", 0) converts).
        layers: one `Layer` for each other section: its output shape, sources and weights.
        module_list: the modules, one `nn.Sequential` for each layer.
        heads: the detection heads (`YoloHead`, `RegionHead`) in the order of the file, with their
            anchors, mask, classes, ignore_thresh, scale_x_y, iou_loss and so on as attributes, and
            the methods `split` and `decode`. Empty for a classifier.
        header: what the weights file that was read last said; header.seen counts pictures trained.

    Example:
        >>> model = Darknet("yolov3-tiny").eval()
        >>> model(rushlight.rand(1, 3, 416, 416)).shape
        torch.Size([1, 2535, 85])
        >>> [tuple(raw.shape) for raw in model(rushlight.rand(1, 3, 416, 416), raw=True)]
        [(1, 255, 13, 13), (1, 255, 26, 26)]
    """

    def __init__(self, cfg):
        super().__init__()
        self.blocks = read_blocks(cfg)
        self.net_info = self.blocks[0]
        self.layers = plan_network(self.blocks)
        self.module_list = _modules_of(self.layers)
        self.header = None
        self.folded = False
        # Not a ModuleList: the heads are children of module_list already.
        self._head_indices = [layer.index for layer in self.layers if layer.head]
        classes = {self.module_list[index][0].classes for index in self._head_indices}
        if len(classes) > 1:
            raise self.layers[self._head_indices[-1]].block.error(
                f"the heads have different numbers of classes: {sorted(classes)}", "classes"
            )
        self._last_use = self._find_last_uses()

    def __getstate__(self):
        """Plain containers for what only this package knows, so that whole models can be saved.

        The layers hold functions that make modules; they are planned again from the sections.
        """
        state = self.__dict__.copy()
        del state["layers"], state["net_info"]
        state["blocks"] = [
            (dict(block), block.line, dict(block.lines), block.file) for block in self.blocks
        ]
        state["header"] = None if self.header is None else tuple(self.header)
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        blocks = []
        for options, line, lines, file in state["blocks"]:
            block = Block(options["type"], line, file)
            block.update(options)
            block.lines.update(lines)
            blocks.append(block)
        self.blocks, self.net_info = blocks, blocks[0]
        self.layers = plan_network(blocks)
        self.header = None if state["header"] is None else WeightsHeader(*state["header"])

    def _find_last_uses(self):
        """For each layer, the outputs that nobody needs once it has run."""
        last = {}
        for layer in self.layers:
            for source in layer.sources or ():
                last[source] = layer.index
        freed = [[] for _ in self.layers]
        for source, index in last.items():
            freed[index].append(source)
        self._kept = frozenset(last)
        return freed

    @property
    def heads(self):
        """The detection heads, in the order of the file."""
        return [self.module_list[index][0] for index in self._head_indices]

    @property
    def input_size(self):
        """(height, width) of the input that [net] names."""
        return self.net_info.integer("height", 1), self.net_info.integer("width", 1)

    def check_input_size(self, height, width):
        """Raise CfgError, naming the layer's line, where an input of this size does not fit."""
        net = _as_block(self.net_info)
        resized = Block(net["type"], net.line, net.file)
        resized.update({**net, "height": str(height), "width": str(width)})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # given when the model was made
            plan_network([resized, *self.blocks[1:]])

    def forward(self, x, raw=False):
        """Run the network on pictures (B, C, H, W) with values in [0, 1].

        H and W may differ from those in [net] where every layer can do with that.

        Returns:
            In eval mode, detections (B, N, 5 + classes) of all heads: centre x, centre y, width and
            height in pixels of the input, objectness, class probabilities (not multiplied by it).
            In training mode, or with `raw=True`: the list of raw maps, one (B, A * (5 + classes),
            h, w) for each of `heads`.
            Without heads, in both modes: the last layer's output, (B, N) where it is 1 x 1.

        Raises:
            RuntimeError: x has not four dimensions or not the channels of [net].
        """
        self._check_input(x)
        size = tuple(x.shape[-2:])
        kept = {}
        found = []
        for layer, module, freed in zip(self.layers, self.module_list, self._last_use):
            if layer.sources is None:
                x = module(x)
            else:
                x = module([kept[source] for source in layer.sources])
            if layer.head:
                found.append(x)
            if layer.index in self._kept:
                kept[layer.index] = x
            for source in freed:
                del kept[source]
        if not found:
            return x.flatten(1) if tuple(x.shape[-2:]) == (1, 1) else x
        if self.training or raw:
            return found
        return self.decode(found, size)

    def decode(self, raw, size):
        """Detections (B, N, 5 + classes) of the list of raw maps for an input of `size` (H, W)."""
        return rushlight.cat([head.decode(x, size) for head, x in zip(self.heads, raw)], 1)

    def _check_input(self, x):
        channels = self.net_info.integer("channels", 3)
        if "inputs" in self.net_info and self.net_info.get("height") is None:
            return
        if x.ndim != 4 or x.shape[1] != channels:
            raise RuntimeError(
                f"expected pictures of shape (batch, {channels}, height, width), "
                f"got {tuple(x.shape)}"
            )

    @rushlight.no_grad()
    def fold_batch_norm(self):
        """Put every batch normalisation behind a convolution into its weights; return self.

        w' = w * gamma / sqrt(var + eps), b' = beta - mean * gamma / sqrt(var + eps). The network
        then computes the same in eval mode with one operation less per layer. It cannot be trained
        further nor written as a .weights file.
        """
        for module in self.module_list:
            children = dict(module.named_children())
            norms = [name for name in children if name.startswith("batch_norm_")]
            index = norms[0].rpartition("_")[2] if norms else ""
            if f"conv_{index}" in children:
                convolution, norm = children[f"conv_{index}"], children[norms[0]]
                factor = norm.weight / rushlight.sqrt(norm.running_var + norm.eps)
                convolution.weight.mul_(factor[:, None, None, None])
                convolution.bias = nn.Parameter(norm.bias - norm.running_mean * factor)
                delattr(module, norms[0])
        self.folded = True
        return self.eval()

    def load_weights(self, path, cutoff=None):
        """Read a Darknet weights file: see `rushlight.darknet.weights.load_weights`."""
        return load_weights(self, path, cutoff)

    def save_weights(self, path, cutoff=None, header=None):
        """Write a Darknet weights file: see `rushlight.darknet.weights.save_weights`."""
        save_weights(self, path, cutoff, header)

    def train(self, mode=True):
        """Set training mode; RuntimeError after `fold_batch_norm`, which left nothing to train."""
        if mode and getattr(self, "folded", False):
            raise RuntimeError("batch normalisation is folded into the weights: build it anew")
        return super().train(mode)


def read_blocks(cfg):
    """The sections of `cfg`: a path, a file, a list of sections, or a shipped network's name."""
    if isinstance(cfg, list):
        return [_as_block(block) for block in cfg]
    if isinstance(cfg, str) and cfg in shipped_cfgs() and not os.path.exists(cfg):
        cfg = cfg_path(cfg)
    return parse_cfg(cfg)
