"""Who may import whom, read from the source of every module; imports inside functions and for type checkers count."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# A module may import what stands in an earlier line, and its own package. data_prep stands apart: nobody imports it.
LAYERS: list[set[str]] = [
    {"anyany.faults", "anyany.surroundings"},
    {"anyany.seeds", "anyany.figures", "anyany.files"},
    {"anyany.ops"},
    {"anyany.media"},
    {"anyany.messages"},
    {"anyany.microworld", "anyany.data", "anyany.models"},
    {"anyany.runs", "anyany.deltas"},
    {"anyany.evaluation"},
    {"anyany.training", "anyany.chat", "data_prep"},
    {"anyany.launch"},
    {"train", "eval", "anyany.chat.__main__", "data_prep.conditioning", "data_prep.shipped"},
]
RANKS = {package: rank for rank, layer in enumerate(LAYERS) for package in layer}

# Packages that only some parts may know.
ONLY_IN = {
    "diffusers": {"anyany.models", "data_prep"},
    "transformers": {"anyany.models", "data_prep"},
    "lightning": {"anyany.training"},
    "wandb": {"anyany.training"},
    "hydra": {"anyany.launch", "train", "eval"},
    "omegaconf": {"anyany.launch", "train", "eval"},
    "pytorch_lightning": set(),  # a second namespace, whose classes are not those of lightning
    "torchvision": set(),  # its wheels break the CPU install
    "torchaudio": set(),
}


def modules() -> dict[str, Path]:
    files = [*ROOT.glob("anyany/**/*.py"), *ROOT.glob("data_prep/**/*.py"), ROOT / "train.py", ROOT / "eval.py"]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in sorted(files)}


def part_of(module: str) -> str:
    """``anyany.data`` of ``anyany.data.plan``; ``train``; ``data_prep``."""
    if module in RANKS:  # an entry point
        return module
    parts = module.removesuffix(".__init__").split(".")
    return ".".join(parts[:2]) if parts[0] == "anyany" else parts[0]


def imported(module: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, module) of all imports, relative ones and literal ``import_module("...")`` resolved."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = module.split(".")[: -node.level] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{source}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            literals = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            yield from ((node.lineno, literal) for literal in literals)


def violations(module: str, source: str) -> list[str]:
    here = part_of(module)
    found = []
    for line, name in imported(module, ast.parse(source)):
        there, package = part_of(name), name.split(".")[0]
        if package in ("anyany", "data_prep", "train", "eval") and there not in (here, "anyany"):
            if there not in RANKS:
                found.append(f"{module}:{line} imports {name}, which has no place in the layers")
            elif RANKS[there] >= RANKS[here]:
                found.append(f"{module}:{line} imports {name}: {here} may not know {there}")
        elif package in ONLY_IN and here not in ONLY_IN[package]:
            found.append(f"{module}:{line} imports {name}: only {sorted(ONLY_IN[package]) or 'nobody'} may")
    return found


def test_every_module_has_a_place(record_property):
    found = modules()
    record_property("found", f"{len(found)} modules held against the import rules")
    assert len(found) > 20
    assert {part_of(module) for module in found} - {"anyany"} <= RANKS.keys()


def test_imports_keep_to_the_layers():
    found = [fault for module, path in modules().items() for fault in violations(module, path.read_text())]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("anyany.ops.fuse", "from anyany.media.table import MEDIA"),
        ("anyany.ops.fuse", "from anyany import media"),
        ("anyany.ops.fuse", "from ..data import plan"),
        ("anyany.data.plan", "def f():\n    import anyany.models.contracts"),
        ("anyany.microworld.scenes", "from anyany.data.plan import Plan"),
        ("anyany.microworld.scenes", "from anyany.models import contracts"),
        ("anyany.training.fit", "from anyany.launch import jobs"),
        ("anyany.models.assemble", "import lightning.pytorch as pl"),
        ("anyany.data.plan", "if TYPE_CHECKING:\n    from transformers import PreTrainedTokenizerFast"),
        ("anyany.training.fit", "from omegaconf import DictConfig"),
        ("anyany.training.fit", "import importlib\nimportlib.import_module('hydra.utils')"),
        ("anyany.evaluation.report", "import wandb"),
        ("anyany.models.encoders.patches", "from torchvision.transforms import Resize"),
        ("anyany.models.assemble", "import data_prep.index"),
        ("anyany.models.assemble", "import anyany.modles"),
    ],
)
def test_a_planted_violation_is_found(module, source):
    assert len(violations(module, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("anyany.data.plan", "from .order import order\nfrom anyany.seeds import rng_of\nimport numpy"),
        ("anyany.models.llms.llama", "from transformers import LlamaConfig\nfrom anyany.models.contracts import LLM"),
        ("data_prep.index", "from anyany.data.index import scan"),
        ("train", "import hydra\nfrom anyany.training.fit import fit"),
    ],
)
def test_what_is_allowed_is_left_alone(module, source):
    assert violations(module, source) == []
