"""The commands with options, declared with Typer; errors become one line and an exit code."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from rushlight.cli.errors import CommandError, describe_os_error
from rushlight.cli.training.configuration import (
    AUGMENTATIONS,
    DATA_NAMES,
    OPTIMIZERS,
    SCHEDULERS,
)

# What `--resume` without a value stands for: the folder given by --out, or the newest run.
RESUME_HERE = "\0here"

application = typer.Typer(
    name="rushlight",
    help="PyTorch's programming model in Python: train, predict, run PyTorch programs.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _choice(names: Any) -> str:
    return ", ".join(names)


@application.command()
def train(
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|PATH",
            help=f"{_choice(DATA_NAMES)}, or a folder of class folders. [default: sample]",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="A network of rushlight.vision.models. [default: lenet]"),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the pictures. [default: by the data, 5-12]")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="[default: 64]")] = None,
    lr: Annotated[
        float | None, typer.Option(help="Learning rate. [default: by the optimizer]")
    ] = None,
    optimizer: Annotated[
        str | None, typer.Option(help=f"{_choice(OPTIMIZERS)}. [default: sgd]")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help=f"{_choice(SCHEDULERS)}. [default: by the data]")
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(help=f"{_choice(AUGMENTATIONS)}. [default: by the data]"),
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(help="Scale a folder's pictures to this. [default: by model]")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="[default: 0]")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that prepare batches. [default: 0]")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda. [default: cpu]")] = None,
    amp: Annotated[
        bool | None, typer.Option("--amp/--no-amp", help="Mixed precision (bfloat16).")
    ] = None,
    data_dir: Annotated[
        str | None,
        typer.Option(help="Where data sets are looked for and downloaded to. [default: data]"),
    ] = None,
    out: Annotated[
        str | None, typer.Option(help="The run folder. [default: runs/DATA-MODEL-TIME]")
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(metavar="[RUN]", help="Continue this run (or --out's, or the newest)."),
    ] = None,
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="Options from a TOML or JSON file.")
    ] = None,
) -> None:
    """Train a classifier of pictures; by default LeNet on a Fashion-MNIST sample."""
    from rushlight.cli.training import folder, run

    options = {
        "data": data, "data_dir": data_dir, "model": model, "epochs": epochs,
        "batch_size": batch_size, "lr": lr, "optimizer": optimizer, "scheduler": scheduler,
        "augment": augment, "image_size": image_size, "seed": seed, "workers": workers,
        "device": device, "amp": amp,
    }  # fmt: skip
    if resume == RESUME_HERE:
        resume = out or folder.newest_run()
    run.train(options, out=out, resume=resume, config_file=config)


@application.command()
def predict(
    run: Annotated[str, typer.Argument(help="A run folder of `rushlight train`.")],
    images: Annotated[list[str], typer.Argument(metavar="IMAGE...", help="Pictures.")],
    top: Annotated[int, typer.Option(min=1, help="How many classes to print.")] = 3,
) -> None:
    """Print the most probable classes of pictures, with their probabilities."""
    from rushlight.cli.predict import predict as predict_images

    for line in predict_images(run, images, top):
        print(line)


@application.command()
def detect(
    sources: Annotated[
        list[str], typer.Argument(metavar="PICTURE|FOLDER|VIDEO...", help="What to look at.")
    ],
    cfg: Annotated[
        str, typer.Option(metavar="FILE|NAME", help="A Darknet cfg file, or yolov3, yolov4-tiny...")
    ],
    weights: Annotated[
        str, typer.Option(metavar="FILE", help="Darknet weights, .safetensors, or .pt.")
    ],
    names: Annotated[
        str | None, typer.Option(metavar="FILE", help="Class names, one a line. [default: COCO's]")
    ] = None,
    out: Annotated[str, typer.Option(help="The folder to write to.")] = "runs/detect",
    threshold: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="The least score to show.")
    ] = 0.25,
    overlap: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Overlap above which the worse box goes.")
    ] = 0.45,
    nms: Annotated[
        str | None, typer.Option(help="greedy, soft, diou or none. [default: by the cfg]")
    ] = None,
    letterbox: Annotated[
        bool | None,
        typer.Option("--letterbox/--stretch", help="Keep the picture's shape. [default: by cfg]"),
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Side of the network's input. [default: by the cfg]")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures at a time.")] = 1,
    draw: Annotated[bool, typer.Option("--draw/--no-draw", help="Write the pictures.")] = True,
) -> None:
    """Find things on pictures with a YOLO network: boxes drawn, and detections.json."""
    from rushlight.cli.detect import detect as detect_on

    detect_on(
        sources, cfg, weights, names=names, out=out, threshold=threshold, overlap=overlap,
        suppression=nms, keep_shape=letterbox, size=size, batch_size=batch_size, draw=draw,
    )  # fmt: skip


@application.command(name="detect-train")
def detect_train(
    data: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="A .data file (Darknet), or a folder in Pascal VOC's or COCO's layout. "
            "[default: generated pictures]",
        ),
    ] = None,
    cfg: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|NAME",
            help="The network; yolo-small is fitted to the data. [default: yolo-small]",
        ),
    ] = None,
    weights: Annotated[
        str | None, typer.Option(metavar="FILE", help="Darknet weights to start from.")
    ] = None,
    cutoff: Annotated[
        int | None, typer.Option(help="Take so many layers from --weights: a backbone.")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(help="Of the network's input: 256, or 256x192. [default: by the cfg]"),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the pictures. [default: by the data]")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="[default: by the cfg]")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate. [default: by the cfg]")] = None,
    jitter: Annotated[
        float | None, typer.Option(help="Shift borders by this share. [default: by the cfg]")
    ] = None,
    flip: Annotated[
        str | None, typer.Option(help="none, horizontal or both. [default: by the cfg]")
    ] = None,
    mosaic: Annotated[
        float | None, typer.Option(help="Share of inputs made of four. [default: by the cfg]")
    ] = None,
    multi_scale: Annotated[
        float | None,
        typer.Option(help="Vary the input's size by up to this factor. [default: by the cfg]"),
    ] = None,
    pictures: Annotated[
        int | None, typer.Option(help="How many to generate where there is no --data.")
    ] = None,
    evaluate_every: Annotated[
        int | None, typer.Option(help="Epochs between tests. [default: 5 tests in all]")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="[default: 0]")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that prepare batches. [default: 1]")
    ] = None,
    out: Annotated[
        str | None, typer.Option(help="The run folder. [default: runs/detect-DATA-TIME]")
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(metavar="[RUN]", help="Continue this run (or --out's, or the newest)."),
    ] = None,
) -> None:
    """Train a YOLO detector; by default a small one on generated pictures."""
    from rushlight.cli.detect_train.run import detect_train as train_detector
    from rushlight.cli.training.folder import newest_run

    options = {
        "data": data, "cfg": cfg, "weights": weights, "cutoff": cutoff, "size": size,
        "epochs": epochs, "batch_size": batch_size, "lr": lr, "jitter": jitter, "flip": flip,
        "mosaic": mosaic, "multi_scale": multi_scale, "pictures": pictures,
        "evaluate_every": evaluate_every, "seed": seed, "workers": workers,
    }  # fmt: skip
    if resume == RESUME_HERE:
        resume = out or newest_run()
    train_detector(options, out=out, resume=resume)


@application.command(add_help_option=False)
def doctor() -> None:
    """Describe this machine: Python, CPU, memory, libraries, devices."""


@application.command(add_help_option=False)
def explain() -> None:
    """Run a program and report its plans, kernels and speed: explain SCRIPT [ARGS]."""


@application.command(name="run", add_help_option=False)
def run_program() -> None:
    """Run a PyTorch program on rushlight: run SCRIPT [ARGS], run -m MODULE, run -c CODE."""


def run(arguments: list[str]) -> int:
    """Run the command and return the exit code; every failure is one line on standard error."""
    names = [each.name or each.callback.__name__ for each in application.registered_commands
             if each.callback is not None]  # fmt: skip
    command = f"rushlight {arguments[0]}" if arguments and arguments[0] in names else "rushlight"
    try:
        result = application(_with_resume_value(arguments), prog_name="rushlight",
                             standalone_mode=False)  # fmt: skip
        return result if isinstance(result, int) else 0
    except CommandError as error:
        return _fail(command, str(error), error.exit_code)
    except typer.Exit as error:
        return error.exit_code
    except typer.Abort:
        return _fail(command, "interrupted", 130)
    except KeyboardInterrupt:
        return _fail(command, "interrupted", 130)
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except NotImplementedError as error:
        return _fail(command, f"not implemented yet: {error}", 1)
    except MemoryError:
        return _fail(command, "out of memory: lower --batch-size or --image-size", 1)
    except OSError as error:
        return _fail(command, describe_os_error(error), 1)
    except Exception as error:
        # Typer's own errors (a wrong option, a missing argument) know their text and code.
        if not hasattr(error, "format_message"):
            raise
        if not str(error.format_message()):  # no command at all: the help has been printed
            return 2
        return _fail(command, error.format_message(), 2)


def _fail(command: str, message: str, exit_code: int) -> int:
    print(f"{command}: {' '.join(message.split())}", file=sys.stderr)
    return exit_code


def _with_resume_value(arguments: list[str]) -> list[str]:
    """Give a bare `--resume` its value: Typer's options have one always or never."""
    result = []
    for place, argument in enumerate(arguments):
        result.append(argument)
        following = arguments[place + 1] if place + 1 < len(arguments) else "-"
        if argument == "--resume" and following.startswith("-"):
            result.append(RESUME_HERE)
    return result
