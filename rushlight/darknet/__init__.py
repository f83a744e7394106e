"""Darknet networks: from a cfg and a weights file to boxes on a picture.

Example:
    >>> from rushlight.darknet import Darknet
    >>> model = Darknet("yolov3-tiny")
    >>> len(model.heads), model.input_size
    (2, (416, 416))
"""

from rushlight.darknet.boxes import Detections, diou_nms, select, soft_nms, suppress
from rushlight.darknet.cfg import Block, CfgError, UnsupportedInCfg, parse_cfg, parse_cfg_text
from rushlight.darknet.detect import Detector, Fit, fit_picture, letterbox
from rushlight.darknet.files import convert_weights, load_network
from rushlight.darknet.heads import RegionHead, YoloHead
from rushlight.darknet.network import Darknet, create_modules, plan_network
from rushlight.darknet.shipped import cfg_path, coco_names, shipped_cfgs
from rushlight.darknet.weights import WeightsError, WeightsHeader, load_weights, save_weights
