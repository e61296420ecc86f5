"""Read from vLLM's source what its models expect of an adapter.

    pip download --no-deps vllm==0.33.0
    python vllm_names.py vllm-*.whl ../tests/export/vllm.json

vLLM compares the last part of each module's path in an adapter with the names of its own layers,
where a packed layer stands for its parts (`vllm/lora/lora_model.py`, `check_unexpected_modules`).
"""

from __future__ import annotations

import ast
import json
import sys
import zipfile
from pathlib import Path

MODELS = "vllm/model_executor/models/"
Class = tuple[str, str]
"""Module and name."""


def main(wheel: Path, out: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        files = [name for name in archive.namelist() if name.startswith(MODELS)]
        trees = {
            Path(name).stem: ast.parse(archive.read(name))
            for name in files
            if name.endswith(".py") and name.count("/") == 3
        }
    source = Source(trees)
    rows = {
        architecture: source.describe(place)
        for architecture, place in sorted(source.registry().items())
    }
    version = wheel.name.split("-")[1]
    text = json.dumps({"vllm": version, "architectures": rows}, indent=1)
    out.write_text(text + "\n", encoding="utf-8")


class Source:
    """The classes of vLLM's model files."""

    def __init__(self, trees: dict[str, ast.Module]) -> None:
        self.trees = trees
        self.classes: dict[Class, ast.ClassDef] = {}
        self.imports: dict[Class, Class] = {}
        for module, tree in trees.items():
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef):
                    self.classes[module, node.name] = node
                elif isinstance(node, ast.ImportFrom) and node.module:
                    for name in node.names:
                        place = node.module.rpartition(".")[-1], name.name
                        self.imports[module, name.asname or name.name] = place

    def registry(self) -> dict[str, Class]:
        """The class of each architecture that generates text."""
        found: dict[str, Class] = {}
        for node in ast.walk(self.trees["registry"]):
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict() as table):
                    pass
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.Dict() as table):
                    pass
                case _:
                    continue
            if name in ("_TEXT_GENERATION_MODELS", "_MULTIMODAL_MODELS"):
                for key, value in zip(table.keys, table.values, strict=True):
                    if isinstance(value, ast.Tuple) and len(value.elts) == 2:
                        found[ast.literal_eval(key)] = ast.literal_eval(value)  # type: ignore[arg-type]
        return found

    def describe(self, place: Class) -> dict[str, object]:
        line = self.ancestors(place)
        lora = any(name == "SupportsLoRA" for _, name in line)
        if not lora:
            return {"lora": False}
        packed = self.attribute(line, "packed_modules_mapping") or {}
        embeddings = self.attribute(line, "embedding_modules") or {}
        layers = set().union(*(self.layers(module) for module, _ in line))
        # Some models fill their packed_modules_mapping when they are made.
        packed = {"gate_up_proj": ["gate_proj", "up_proj", "gate_up_proj"], **packed}
        names = {part for layer in layers for part in packed.get(layer, [layer])}
        return {
            "lora": True,
            "unembedding": "lm_head" in embeddings,
            "fused_experts": self.attribute(line, "is_3d_moe_weight") is True,
            "names": sorted(names),
        }

    def ancestors(self, place: Class) -> list[Class]:
        """A class and all that it inherits from."""
        while place not in self.classes and place in self.imports:
            place = self.imports[place]
        if place not in self.classes:
            return [place]
        found = [place]
        for base in self.classes[place].bases:
            name = base.value if isinstance(base, ast.Subscript) else base
            if isinstance(name, ast.Name):
                found += self.ancestors((place[0], name.id))
        return found

    def attribute(self, line: list[Class], name: str) -> object:
        for place in line:
            if place not in self.classes:
                continue
            for node in self.classes[place].body:
                targets = node.targets if isinstance(node, ast.Assign) else []
                if isinstance(node, ast.AnnAssign):
                    targets = [node.target]
                if any(isinstance(each, ast.Name) and each.id == name for each in targets):
                    try:
                        return ast.literal_eval(node.value)  # type: ignore[union-attr]
                    except (ValueError, TypeError):
                        return None
        return None

    def layers(self, module: str) -> set[str]:
        """The names under which a file, and those whose classes it uses, keep linear layers."""
        others = {place[0] for (user, _), place in self.imports.items() if user == module}
        found: set[str] = set()
        for name in {module, *others} & set(self.trees):
            for node in ast.walk(self.trees[name]):
                match node:
                    case ast.Assign(
                        targets=[ast.Attribute(value=ast.Name(id="self"), attr=attribute)],
                        value=ast.Call(func=function),
                    ):
                        kind = ast.unparse(function)
                        if "Linear" in kind or "MoE" in kind:
                            found.add(attribute)
        return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
