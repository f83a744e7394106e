"""Training detectors as Darknet does: data, targets, loss, learning rates, average precision.

Nothing here knows of the files of a run or of a terminal: `rushlight detect-train`, in the command
line's room, puts these parts together.
"""

from rushlight.darknet.training.anchors import fit_anchors
from rushlight.darknet.training.augmentation import Augmentation
from rushlight.darknet.training.average_precision import PictureResult, Scores, average_precision
from rushlight.darknet.training.batches import DetectionBatches, PictureStore, head_targets
from rushlight.darknet.training.coco_format import read_coco_folder
from rushlight.darknet.training.darknet_format import read_darknet_data
from rushlight.darknet.training.evaluation import evaluate, scores_of
from rushlight.darknet.training.generator import generated_data
from rushlight.darknet.training.labels import DataError, DetectionData, LabelledPicture
from rushlight.darknet.training.loss import LossParts, YoloLoss
from rushlight.darknet.training.overlap import overlap
from rushlight.darknet.training.policies import LearningRatePolicy
from rushlight.darknet.training.targets import make_targets
from rushlight.darknet.training.voc_format import read_voc_folder
