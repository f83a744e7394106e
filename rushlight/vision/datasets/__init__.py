"""Collections of labelled pictures, read from disk and fetched where asked for.

Example:
    >>> from rushlight.vision import datasets
    >>> datasets.FakeData(size=3)
    Dataset FakeData
        Number of datapoints: 3
"""

from rushlight.vision._suggest import lazy_attributes

_HOMES = {
    "cifar": "CIFAR10 CIFAR100",
    "fakedata": "FakeData",
    "folder": "DatasetFolder ImageFolder",
    "mnist": "EMNIST FashionMNIST KMNIST MNIST QMNIST",
    "sample": "",
    "utils": "",
    "vision": "VisionDataset",
}

_TABLE = {name: home for home, names in _HOMES.items() for name in names.split()}
_TABLE.update((home, home) for home in _HOMES)

_MISSING = (
    "CREStereo Caltech101 Caltech256 CarlaStereo CelebA Cityscapes CLEVRClassification "
    "CocoCaptions CocoDetection Country211 DTD ETH3DStereo EuroSAT FER2013 FGVCAircraft "
    "FallingThingsStereo Flickr30k Flickr8k Flowers102 FlyingChairs FlyingThings3D Food101 GTSRB "
    "HD1K HMDB51 INaturalist ImageNet Imagenette InStereo2k Kinetics Kitti Kitti2012Stereo "
    "Kitti2015Stereo KittiFlow LFWPairs LFWPeople LSUN LSUNClass Middlebury2014Stereo MovingMNIST "
    "Omniglot OxfordIIITPet PCAM PhotoTour Places365 RenderedSST2 SBDataset SBU SEMEION STL10 "
    "SUN397 SVHN SceneFlowStereo Sintel SintelStereo StanfordCars UCF101 USPS VOCDetection "
    "VOCSegmentation WIDERFace wrap_dataset_for_transforms_v2"
).split()

__getattr__, __dir__ = lazy_attributes(__name__, _TABLE, missing=_MISSING)
