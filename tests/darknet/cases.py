"""Small networks, each section type and option in at least one, with their weights and pictures."""

import struct

import numpy as np

from rushlight import darknet
from rushlight.darknet.modules import ACTIVATIONS

NET = "[net]\nwidth={w}\nheight={h}\nchannels=3\n"
CONV = "[convolutional]\nfilters={f}\nsize={s}\nstride=1\npad=1\nactivation={a}\n"


def net(width=9, height=7):
    return NET.format(w=width, h=height)


def conv(filters=4, size=3, activation="leaky", more=""):
    return CONV.format(f=filters, s=size, a=activation) + more + "\n"


YOLO = "[yolo]\nclasses=3\nnum=3\nmask=0,2\nanchors=3,4, 5,6, 8,7\n"

CASES = {
    "convolution": net() + conv(5) + conv(4, 1, "linear"),
    "default activation is logistic": net() + "[conv]\nfilters=3\nsize=3\n",
    "batch norm": net() + conv(6, 3, "mish", "batch_normalize=1") + conv(4, 1, "swish"),
    "groups": net() + conv(4) + conv(6, 3, "leaky", "groups=2\nbatch_normalize=1"),
    "stride and padding": net() + "[convolutional]\nfilters=2\nsize=5\nstride=2\npadding=3\n"
    "activation=relu\n[convolutional]\nfilters=2\nsize=4\nstride_x=1\nstride_y=2\npad=1\n",
    "dilation": net() + conv(3, 3, "relu", "dilation=2") + conv(2, 1, "linear", "dilation=3"),
    "flipped": net() + conv(3, 3, "leaky", "flipped=1"),
    "connected": net() + conv(2) + "[connected]\noutput=5\nactivation=relu\n"
    "[connected]\noutput=4\nbatch_normalize=1\nactivation=tanh\n[conn]\noutput=3\n",
    "batchnorm and activation": net() + "[batchnorm]\n[activation]\nactivation=elu\n",
    "pools": net() + "[maxpool]\nsize=2\nstride=2\n[maxpool]\nsize=2\nstride=1\n"
    "[maxpool]\nsize=5\nstride=1\n[max]\nsize=3\nstride=2\npadding=1\n",
    "pool without padding": net() + "[maxpool]\nsize=2\nstride=2\npadding=0\n",
    "mean pools": net() + "[local_avgpool]\nsize=3\nstride=1\n[local_avgpool]\nsize=2\nstride=2\n"
    "[avgpool]\n",
    "upsample": net() + conv(2) + "[upsample]\nstride=3\nscale=0.5\n",
    "route": net() + conv(4) + conv(6) + "[route]\nlayers=-1,0\n" + conv(2)
    + "[route]\nlayers=1,2,-1\ngroups=2\ngroup_id=1\n",
    "shortcut": net() + conv(4) + conv(3) + conv(4)
    + "[shortcut]\nfrom=-3,1\nactivation=leaky\n" + conv(6) + "[shortcut]\nfrom=0\n",
    "shortcut with a weight per map": net() + conv(4) + conv(4)
    + "[shortcut]\nfrom=-2\nweights_type=per_feature\nweights_normalization=relu\n",
    "shortcut with a weight per channel": net() + conv(4) + conv(4) + conv(4)
    + "[shortcut]\nfrom=-2,-3\nweights_type=per_channel\nweights_normalization=softmax\n",
    "scale_channels": net() + conv(4) + "[avgpool]\n" + conv(4, 1, "logistic")
    + "[scale_channels]\nfrom=0\nactivation=relu\n",
    "scale_channels by place": net() + conv(4) + conv(1, 1, "logistic")
    + "[scale_channels]\nfrom=0\nscale_wh=1\n",
    "sam": net() + conv(4) + conv(4, 1, "logistic") + "[sam]\nfrom=-2\n",
    "softmax": net() + conv(4, 3, "linear") + "[softmax]\ngroups=4\ntemperature=2\n[cost]\n",
    "softmax of places": net() + conv(4, 3, "linear") + "[softmax]\nspatial=1\n",
    "crop and dropout": net() + "[crop]\ncrop_height=5\ncrop_width=6\nflip=1\n"
    "[dropout]\nprobability=.5\n[crop]\ncrop_height=4\ncrop_width=4\nnoadjust=1\n",
    "reorg": net(8, 6) + conv(8) + "[reorg]\nstride=2\n" + "[reorg]\nstride=2\nreverse=1\n",
    "reorg3d": net(8, 6) + conv(3) + "[reorg3d]\nstride=2\n",
    "yolo": net(32, 24) + conv(8, 3, "leaky", "batch_normalize=1") + "[maxpool]\nsize=4\nstride=4\n"
    + conv(16, 1, "linear") + YOLO + "scale_x_y=1.2\n[route]\nlayers=-2\n[upsample]\n" + YOLO,
    "new coordinates": net(32, 32) + "[maxpool]\nsize=8\nstride=8\n" + conv(16, 1, "logistic")
    + YOLO + "new_coords=1\nscale_x_y=2\n",
    "region": net(32, 32) + "[maxpool]\nsize=8\nstride=8\n" + conv(16, 1, "linear")
    + "[region]\nclasses=3\nnum=2\nanchors=1.5,2, 0.5,0.7\nsoftmax=1\n",
    "region without softmax": net(32, 32) + "[maxpool]\nsize=8\nstride=8\n" + conv(8, 1, "linear")
    + "[region]\nclasses=3\nnum=1\nanchors=1.5,2\n",
}  # fmt: skip
CASES.update(
    {f"activation {name}": net() + conv(4, 3, name) for name in ACTIVATIONS if name != "linear"}
)


def write_weights(path, layers, seed=0, version=(0, 2, 5)):
    """A weights file of random numbers for `plan_network`'s layers; scales near those of He."""
    generator = np.random.default_rng(seed)
    wide = 10 * version[0] + version[1] >= 2
    parts = [struct.pack("<iii", *version), struct.pack("<Q" if wide else "<I", 64000)]
    for layer in layers:
        for slot in layer.slots:
            if slot.name.endswith("running_var"):
                values = generator.uniform(0.5, 1.5, slot.count)
            else:
                fan = max(1, slot.count // slot.shape[0])
                values = generator.normal(0, (2 / fan) ** 0.5 if fan > 1 else 0.3, slot.count)
                values += 1 if slot.name.endswith("norm.weight") else 0
            parts.append(values.astype("<f4").tobytes())
    path.write_bytes(b"".join(parts))


def prepare(name, folder):
    """(cfg path, weights path, picture batch as float64) of a case."""
    cfg, weights = folder / "case.cfg", folder / "case.weights"
    cfg.write_text(CASES[name])
    layers = darknet.plan_network(darknet.parse_cfg(cfg))
    write_weights(weights, layers)
    net_info = darknet.parse_cfg(cfg)[0]
    shape = (2, 3, int(net_info["height"]), int(net_info["width"]))
    return cfg, weights, np.random.default_rng(1).uniform(0, 1, shape)


def upstream(shape):
    """The factors whose sum with the outputs is differentiated."""
    return np.random.default_rng(2).normal(0, 1, shape)
