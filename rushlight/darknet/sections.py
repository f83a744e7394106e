"""One small builder per section type: options in, a `Layer` out. The table is `SECTIONS`.

A builder has the arguments (block, place), checks every option, and allocates nothing: modules are
made by the functions in `Layer.parts`. To add a section type, write its builder and register it
with `@section(names, options)`; options that are not listed make a warning, as in Darknet.

Source of options and defaults: src/parser.c of Darknet.
"""

from rushlight import nn
from rushlight.darknet import modules
from rushlight.darknet.heads import RegionHead, YoloHead
from rushlight.darknet.layers import Layer, Parts, Slot, checked

__all__ = ["SECTIONS"]

SECTIONS = {}
OPTIONS = {}

# What any layer may have; none of it changes what a forward pass computes.
_COMMON = (
    "truth onlyforward dont_update burnin_update stopbackward train_only_bn dontload "
    "dontloadscales learning_rate stream wait_stream"
).split()

# Sections that Darknet has and this package does not.
UNSUPPORTED = (
    "Gaussian_yolo detection local crnn rnn gru lstm conv_lstm history contrastive implicit lrn "
    "normalization empty silence iseg deconvolutional deconv batchnorm3d"
).split()

# Sides, filters and the like beyond this are mistakes; products of them stay exact.
_LIMIT = 1 << 24


def section(names, options):
    """Register a builder for the section types in `names`, knowing `options`."""

    def register(build):
        for name in names.split():
            SECTIONS[name] = build
            OPTIONS[name] = frozenset((*options.split(), *_COMMON))
        return build

    return register


def _activation(block, index, default):
    """The parts (none for "linear") of the section's activation."""
    for name in ("norm_chan_softmax", "norm_chan_softmax_maxval"):
        if block.get("activation") == name:
            block.unsupported("activation")
    name = block.choice("activation", default, modules.ACTIVATIONS)
    if name == "linear":
        return []
    return [(f"{name}_{index}", lambda: modules.activation(name))]


def _norm_slots(name, channels):
    """A batch normalisation's slots: its bias stands first wherever it is written."""
    shape = (channels,)
    bias = Slot(f"{name}.bias", shape)
    others = ("weight", "running_mean", "running_var")
    return bias, tuple(Slot(f"{name}.{part}", shape) for part in others)


def _strides(block):
    stride = block.integer("stride", 1, 1, _LIMIT)
    return (
        block.integer("stride_y", stride, 1, _LIMIT),
        block.integer("stride_x", stride, 1, _LIMIT),
    )


@section(
    "convolutional conv",
    "filters groups size stride stride_x stride_y dilation pad padding activation batch_normalize "
    "flipped antialiasing share_index assisted_excitation cbn binary xnor bin_output sway rotate "
    "stretch stretch_sway angle grad_centr reverse coordconv dot",
)
def _convolutional(block, place):
    for option in ("antialiasing", "assisted_excitation", "binary", "xnor", "bin_output", "sway",
                   "rotate", "stretch", "stretch_sway", "coordconv"):  # fmt: skip
        block.unsupported(option)
    block.unsupported("share_index", ())
    given = place.input
    filters = block.integer("filters", 1, 1, _LIMIT)
    size = block.integer("size", 1, 1, _LIMIT)
    groups = block.integer("groups", 1, 1, _LIMIT)
    stride = _strides(block)
    dilation = block.integer("dilation", 1, 1, _LIMIT) if size > 1 else 1
    padding = block.integer("padding", 0, 0, _LIMIT)
    if block.integer("pad", 0):
        padding = size // 2
    padding *= dilation
    if given.channels % groups or filters % groups:
        raise block.error(
            f"groups={groups} divides not both the {given.channels} channels that come in and "
            f"filters={filters}",
            "groups",
        )
    reach = dilation * (size - 1) + 1
    output = checked(
        block,
        filters,
        (given.height + 2 * padding - reach) // stride[0] + 1,
        (given.width + 2 * padding - reach) // stride[1] + 1,
    )
    index, normalized = place.index, bool(block.integer("batch_normalize", 0))
    normalized = normalized or bool(block.integer("cbn", 0))
    name, norm = f"conv_{index}", f"batch_norm_{index}"
    parts: Parts = [(name, lambda: nn.Conv2d(given.channels, filters, size, stride, padding,
                                             dilation, groups, bias=not normalized))]  # fmt: skip
    kernel = Slot(
        f"{name}.weight",
        (filters, given.channels // groups, size, size),
        "always" if block.integer("flipped", 0) else "",
    )
    if normalized:
        parts.append((norm, lambda: nn.BatchNorm2d(filters)))
        bias, rest = _norm_slots(norm, filters)
        rest = () if block.integer("dontloadscales", 0) else rest
        slots = (bias, *rest, kernel)
    else:
        slots = (Slot(f"{name}.bias", (filters,)), kernel)
    parts += _activation(block, index, "logistic")
    return Layer(index, block, output, parts, slots=slots)


@section("connected conn", "output activation batch_normalize")
def _connected(block, place):
    given, index = place.input, place.index
    inputs = given.channels * given.height * given.width
    outputs = block.integer("output", 1, 1, _LIMIT)
    normalized = bool(block.integer("batch_normalize", 0))
    name, norm = f"connected_{index}", f"batch_norm_{index}"
    parts: Parts = [
        (f"flatten_{index}", modules.Flatten),
        (name, lambda: nn.Linear(inputs, outputs, bias=not normalized)),
    ]
    weight = Slot(f"{name}.weight", (outputs, inputs), "by header")
    if normalized:
        parts.append((norm, lambda: nn.BatchNorm1d(outputs)))
        bias, rest = _norm_slots(norm, outputs)
        rest = () if block.integer("dontloadscales", 0) else rest
        slots = (bias, weight, *rest)
    else:
        slots = (Slot(f"{name}.bias", (outputs,)), weight)
    parts += _activation(block, index, "logistic")
    parts.append((f"map_{index}", modules.AsMap))
    return Layer(index, block, checked(block, outputs, 1, 1), parts, slots=slots)


@section("batchnorm", "")
def _batchnorm(block, place):
    name = f"batch_norm_{place.index}"
    bias, rest = _norm_slots(name, place.input.channels)
    parts = [(name, lambda: nn.BatchNorm2d(place.input.channels))]
    return Layer(place.index, block, place.input, parts, slots=(bias, *rest))


@section("activation", "activation")
def _activate(block, place):
    return Layer(place.index, block, place.input, _activation(block, place.index, "linear"))


@section("upsample", "stride scale")
def _upsample(block, place):
    stride = block.integer("stride", 2, 1, _LIMIT)
    scale = block.number("scale", 1.0)
    channels, height, width = place.input
    output = checked(block, channels, height * stride, width * stride)
    parts = [(f"upsample_{place.index}", lambda: modules.Upsample(stride, scale))]
    return Layer(place.index, block, output, parts)


def _pool(block, place, name, mean):
    stride = _strides(block)
    size = block.integer("size", block.integer("stride", 1), 1, _LIMIT)
    padding = block.integer("padding", size - 1, 0, _LIMIT)
    if padding // 2 >= size:
        raise block.error(
            f"padding={padding}: a window of size={size} would lie outside the map", "padding"
        )
    channels, height, width = place.input
    output = checked(
        block,
        channels,
        (height + padding - size) // stride[0] + 1,
        (width + padding - size) // stride[1] + 1,
    )
    parts = [(f"{name}_{place.index}", lambda: modules.Pool(size, stride, padding, mean))]
    return Layer(place.index, block, output, parts)


@section(
    "maxpool max",
    "stride stride_x stride_y size padding maxpool_depth out_channels antialiasing "
    "maxpool_zero_nonmax",
)
def _maxpool(block, place):
    for option in ("maxpool_depth", "antialiasing", "maxpool_zero_nonmax"):
        block.unsupported(option)
    return _pool(block, place, "maxpool", False)


@section("local_avgpool local_avg", "stride stride_x stride_y size padding")
def _local_avgpool(block, place):
    return _pool(block, place, "local_avgpool", True)


@section("avgpool avg", "")
def _avgpool(block, place):
    output = checked(block, place.input.channels, 1, 1)
    return Layer(
        place.index, block, output, [(f"avgpool_{place.index}", modules.GlobalAverage)]
    )


@section("dropout", "probability dropblock dropblock_size_rel dropblock_size_abs")
def _dropout(block, place):
    probability = block.number("probability", 0.2, 0.0, 1.0)
    if block.integer("dropblock", 0):
        part = (f"dropblock_{place.index}", modules.DropBlock)
    else:
        part = (f"dropout_{place.index}", lambda: nn.Dropout(probability))
    return Layer(place.index, block, place.input, [part])


@section("softmax soft", "groups temperature tree spatial noloss")
def _softmax(block, place):
    block.unsupported("tree", ())
    groups = block.integer("groups", 1, 1, _LIMIT)
    temperature = block.number("temperature", 1.0)
    spatial = bool(block.number("spatial", 0.0))
    channels, height, width = place.input
    if temperature == 0:
        raise block.error("temperature=0: the values are divided by it", "temperature")
    if channels * height * width % groups:
        raise block.error(
            f"groups={groups} does not divide the {channels * height * width} values that come in",
            "groups",
        )
    part = (f"softmax_{place.index}", lambda: modules.Softmax(groups, temperature, spatial))
    return Layer(place.index, block, place.input, [part])


@section("cost", "cost_type scale ratio")
def _cost(block, place):
    block.choice(
        "cost_type", "sse", ("sse", "masked", "smooth", "seg", "L1", "l1", "wgan", "L2", "l2")
    )
    return Layer(place.index, block, place.input, [])


@section("crop", "crop_height crop_width flip angle saturation exposure noadjust shift")
def _crop(block, place):
    height = block.integer("crop_height", 1, 1, _LIMIT)
    width = block.integer("crop_width", 1, 1, _LIMIT)
    given = place.input
    if height > given.height or width > given.width:
        raise block.error(
            f"a part of {height} x {width} of a map of {given.height} x {given.width}",
            "crop_height",
        )
    flip, noadjust = bool(block.integer("flip", 0)), bool(block.integer("noadjust", 0))
    parts = [(f"crop_{place.index}", lambda: modules.Crop(height, width, flip, noadjust))]
    return Layer(place.index, block, checked(block, given.channels, height, width), parts)


@section("reorg reorg3d", "stride reverse")
def _reorg(block, place):
    stride = block.integer("stride", 1, 1, _LIMIT)
    reverse = bool(block.integer("reverse", 0))
    classic = block["type"] == "reorg"
    channels, height, width = place.input
    if reverse and not classic:
        block.unsupported("reverse")
    if (reverse or classic) and channels % stride**2:
        raise block.error(f"stride={stride}: {channels} channels are no multiple of {stride**2}")
    if reverse:
        output = checked(block, channels // stride**2, height * stride, width * stride)
    else:
        if height % stride or width % stride:
            raise block.error(f"stride={stride} does not divide the map of {height} x {width}")
        output = checked(block, channels * stride**2, height // stride, width // stride)
    parts = [(f"reorg_{place.index}", lambda: modules.Reorg(stride, reverse, classic))]
    return Layer(place.index, block, output, parts)


@section("route", "layers groups group_id")
def _route(block, place):
    numbers = block.integers("layers", -_LIMIT, _LIMIT)
    if not numbers:
        raise block.error("needs layers=, the layers to join")
    sources = place.sources(block, "layers", numbers)
    groups = block.integer("groups", 1, 1, _LIMIT)
    group = block.integer("group_id", 0, 0, groups - 1)
    shapes = [place.layers[source].output for source in sources]
    for source, shape in zip(sources, shapes):
        if shape[1:] != shapes[0][1:]:
            raise block.error(
                f"layer {source} is {shape} and layer {sources[0]} is {shapes[0]}: maps of "
                "different sizes cannot be joined",
                "layers",
            )
        if shape.channels % groups:
            raise block.error(
                f"groups={groups} does not divide the {shape.channels} channels of layer {source}",
                "groups",
            )
    channels = sum(shape.channels // groups for shape in shapes)
    parts = [(f"route_{place.index}", lambda: modules.Route(groups, group))]
    output = checked(block, channels, *shapes[0][1:])
    return Layer(place.index, block, output, parts, sources)


def _previous(block, place):
    if place.index == 0:
        raise block.error("cannot be the first layer")
    return place.index - 1


@section("shortcut", "from activation weights_type weights_normalization")
def _shortcut(block, place):
    numbers = block.integers("from", -_LIMIT, _LIMIT)
    if not numbers:
        raise block.error("needs from=, the layers to add")
    sources = (_previous(block, place), *place.sources(block, "from", numbers))
    given = place.input
    for source in sources[1:]:
        shape = place.layers[source].output
        if shape[1:] != given[1:]:
            raise block.error(
                f"layer {source} is {shape} and the map to add it to {given}", "from"
            )
    kinds = ("none", "per_feature", "per_layer", "per_channel")
    weights = block.choice("weights_type", "none", kinds)
    kinds = ("none", "relu", "avg_relu", "softmax")
    normalization = block.choice("weights_normalization", "none", kinds).removeprefix("avg_")
    name, count = f"shortcut_{place.index}", len(sources)
    width = given.channels if weights == "per_channel" else 1
    slots = () if weights == "none" else (Slot(f"{name}.weights", (count, width)),)
    parts = [(name, lambda: modules.Shortcut(count, weights, normalization, width))]
    parts += _activation(block, place.index, "linear")
    return Layer(place.index, block, given, parts, sources, slots)


def _pair(block, place):
    """The sources (layer before, layer of from=) and the latter's Shape."""
    numbers = block.integers("from", -_LIMIT, _LIMIT)
    if len(numbers) != 1:
        raise block.error("needs from=, one layer", "from")
    sources = (_previous(block, place), *place.sources(block, "from", numbers))
    return sources, place.layers[sources[1]].output


@section("scale_channels", "from activation scale_wh")
def _scale_channels(block, place):
    sources, shape = _pair(block, place)
    given = place.input
    places = bool(block.integer("scale_wh", 0))
    fits = given[1:] == shape[1:] and given.channels == 1 if places else (
        given == (shape.channels, 1, 1))  # fmt: skip
    if not fits:
        raise block.error(f"factors of {given} do not fit layer {sources[1]}, {shape}", "from")
    parts = [(f"scale_channels_{place.index}", modules.ScaleChannels)]
    parts += _activation(block, place.index, "linear")
    return Layer(place.index, block, shape, parts, sources)


@section("sam", "from activation")
def _sam(block, place):
    sources, shape = _pair(block, place)
    if shape != place.input:
        raise block.error(f"layer {sources[1]} is {shape}, its factors {place.input}", "from")
    parts = [(f"sam_{place.index}", modules.Sam)]
    parts += _activation(block, place.index, "linear")
    return Layer(place.index, block, shape, parts, sources)


def _head(block, place, make, mask, total, options):
    """The Layer of a detection head; `mask` are the numbers of its anchors, of `total` in all."""
    classes = block.integer("classes", 20, 1, _LIMIT)
    given = place.input
    if given.channels != len(mask) * (5 + classes):
        raise block.error(
            f"{given.channels} channels come in, and {len(mask)} anchors with {classes} classes "
            f"need filters={len(mask) * (5 + classes)} in the layer before"
        )
    numbers = block.numbers("anchors", 0.0)
    if len(numbers) < 2 * total:
        raise block.error(
            f"{len(numbers)} numbers in anchors=, and num={total} needs {2 * total}", "anchors"
        )
    anchors = list(zip(numbers[0 : 2 * total : 2], numbers[1 : 2 * total : 2]))
    part = (f"detection_{place.index}", lambda: make(anchors, mask, classes, options))
    return Layer(place.index, block, given, [part], head=True)


@section(
    "yolo",
    "classes num mask anchors max show_details max_delta counters_per_class label_smooth_eps "
    "scale_x_y objectness_smooth new_coords iou_normalizer obj_normalizer cls_normalizer "
    "delta_normalizer iou_loss iou_thresh_kind beta_nms nms_kind jitter resize focal_loss "
    "ignore_thresh truth_thresh iou_thresh random track_history_size sim_thresh dets_for_track "
    "dets_for_show track_ciou_norm embedding_layer map",
)
def _yolo(block, place):
    total = block.integer("num", 1, 1, 1024)
    mask = block.integers("mask", 0, total - 1) or tuple(range(total))
    overlaps = ("iou", "giou", "diou", "ciou")
    counters = block.integers("counters_per_class", 0)
    if counters and len(counters) != block.integer("classes", 20):
        raise block.error(f"{len(counters)} values, one per class needed", "counters_per_class")
    options = {
        "max_boxes": block.integer("max", 200, 1, _LIMIT),
        "max_delta": block.number("max_delta", float("inf"), 0.0),
        "counters_per_class": counters,
        "label_smooth_eps": block.number("label_smooth_eps", 0.0),
        "scale_x_y": block.number("scale_x_y", 1.0),
        "objectness_smooth": bool(block.integer("objectness_smooth", 0)),
        "new_coords": bool(block.integer("new_coords", 0)),
        "iou_normalizer": block.number("iou_normalizer", 0.75),
        "obj_normalizer": block.number("obj_normalizer", 1.0),
        "cls_normalizer": block.number("cls_normalizer", 1.0),
        "delta_normalizer": block.number("delta_normalizer", 1.0),
        "iou_loss": block.choice("iou_loss", "mse", ("mse", *overlaps)),
        "iou_thresh_kind": block.choice("iou_thresh_kind", "iou", overlaps),
        "beta_nms": block.number("beta_nms", 0.6),
        "nms_kind": block.choice("nms_kind", "default", ("default", "greedynms", "diounms")),
        "jitter": block.number("jitter", 0.2),
        "resize": block.number("resize", 1.0),
        "focal_loss": bool(block.integer("focal_loss", 0)),
        "ignore_thresh": block.number("ignore_thresh", 0.5),
        "truth_thresh": block.number("truth_thresh", 1.0),
        "iou_thresh": block.number("iou_thresh", 1.0),
        "random": block.number("random", 0.0),
    }
    return _head(block, place, YoloHead, mask, total, options)


@section(
    "region",
    "coords classes num max anchors log sqrt softmax focal_loss jitter resize rescore thresh "
    "classfix absolute random coord_scale object_scale noobject_scale mask_scale class_scale "
    "bias_match tree map background",
)
def _region(block, place):
    block.unsupported("coords", ("4",))
    for option in ("tree", "background"):
        block.unsupported(option)
    total = block.integer("num", 1, 1, 1024)
    options = {
        "max_boxes": block.integer("max", 200, 1, _LIMIT),
        "softmax": bool(block.integer("softmax", 0)),
        "rescore": bool(block.integer("rescore", 0)),
        "thresh": block.number("thresh", 0.5),
        "absolute": bool(block.integer("absolute", 0)),
        "bias_match": bool(block.integer("bias_match", 0)),
        "jitter": block.number("jitter", 0.2),
        "resize": block.number("resize", 1.0),
        "random": block.number("random", 0.0),
        "coord_scale": block.number("coord_scale", 1.0),
        "object_scale": block.number("object_scale", 1.0),
        "noobject_scale": block.number("noobject_scale", 1.0),
        "class_scale": block.number("class_scale", 1.0),
    }
    return _head(block, place, RegionHead, tuple(range(total)), total, options)
