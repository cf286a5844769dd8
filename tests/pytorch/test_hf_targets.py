"""Models of transformers by type, class and configuration: `hf:NAME-OR-CONFIG.json`."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from helpers import Runner, fresh

pytest.importorskip("torch")
pytest.importorskip("transformers")

TINY_BERT = {
    "vocab_size": 100,
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}


@pytest.fixture
def count(run: Runner) -> Any:
    """The record of `flopcalc model` for a line of words."""

    def call(*words: str) -> dict[str, Any]:
        done = run("model", *words, "--format", "json")
        assert done.code == 0, done.err
        return dict(json.loads(done.out))

    return call


def _settings(fields: dict[str, Any]) -> list[str]:
    return [word for name, value in fields.items() for word in ("--set", f"{name}={value}")]


def test_a_model_type_with_settings(count: Any) -> None:
    """Worked by hand, for n = 16 tokens of width d = 32 and an inner width of f = 64."""
    n, d, f = 16, 32, 64
    found = count("hf:bert", "--input", str(n), *_settings(TINY_BERT))
    norm = 2 * d
    embeddings = (100 + 64 + 2) * d + norm
    layer = 4 * (d * d + d) + norm + (d * f + f) + (f * d + d) + norm
    assert found["params"] == embeddings + layer + (d * d + d)
    # Projections, the two products of attention, the inner layers, and the pooler, which reads the first token.
    assert found["macs"] == n * 4 * d * d + 2 * n * n * d + n * 2 * d * f + d * d
    assert found["inputs"] == [f"input_ids={n}:int64"]


def test_a_file_is_the_same_model(count: Any, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"model_type": "bert", "architectures": ["BertModel"], **TINY_BERT}))
    by_type = count("hf:bert", "--input", "16", *_settings(TINY_BERT))
    for target in (f"hf:{path}", f"hf:{tmp_path}"):
        found = count(target, "--input", "16")
        assert (found["params"], found["macs"]) == (by_type["params"], by_type["macs"])
    fewer = count(f"hf:{path}", "--input", "16", "--set", "hidden_size=16")
    assert fewer["params"] < found["params"]


def test_a_class_of_70_billion_parameters(count: Any) -> None:
    """LLaMA 2 70B: 68,976,648,192 parameters, worked by hand; on n = 8 tokens."""
    n, d, f, layers, kv, vocabulary = 8, 8192, 28672, 80, 1024, 32000
    fields = {"hidden_size": d, "intermediate_size": f, "num_hidden_layers": layers}
    heads = {"num_attention_heads": 64, "num_key_value_heads": 8}
    found = count("hf:LlamaForCausalLM", "--input", f"{n}:int64", *_settings({**fields, **heads}))
    weights = 2 * d * d + 2 * d * kv + 3 * d * f
    assert found["params"] == 2 * vocabulary * d + layers * (weights + 2 * d) + d == 68_976_648_192
    # The rotation of positions is one product with the position itself for each of 64 frequencies.
    attention = layers * 2 * n * n * d
    linear = n * (layers * weights + vocabulary * d)
    assert 0 <= found["macs"] - linear - attention <= n * 64


def test_image_size_of_the_configuration(count: Any) -> None:
    found = count("hf:vit", *_settings({"num_hidden_layers": 1, "image_size": 32, "hidden_size": 48}))
    assert found["inputs"] == ["pixel_values=3x32x32"]
    assert any("configuration" in note for note in found["notes"])


def test_two_kinds_of_inputs_and_a_field_of_a_part(count: Any) -> None:
    """CLIP without one of 12 layers of its images: width 768, inner width 3072."""
    inputs = ("--input", "input_ids=77", "--input", "pixel_values=3x224x224")
    whole = count("hf:clip", *inputs)
    part = count("hf:clip", *inputs, "--set", "vision_config.num_hidden_layers=11")
    d, f = 768, 3072
    assert whole["params"] - part["params"] == 4 * (d * d + d) + 2 * d * f + f + d + 4 * d
    patches = 7 * 7 + 1
    assert whole["macs"] - part["macs"] == patches * (4 * d * d + 2 * d * f) + 2 * patches * patches * d


def test_a_part_keeps_what_differs_from_the_defaults_of_its_class() -> None:
    """LLaVA's images have a width of 1024, where the class CLIPVisionConfig has 768 by default."""
    from transformers import LlavaConfig

    from flopcalc.pytorch.loading.transformers_models import _configured, _with_settings

    given = _with_settings("hf:llava", LlavaConfig, {}, {"vision_config.num_hidden_layers": 2})
    found = _configured("hf:llava", LlavaConfig, given)
    assert (found.vision_config.hidden_size, found.vision_config.num_hidden_layers) == (1024, 2)
    # A size that follows from another one is computed again.
    given = _with_settings("hf:llava", LlavaConfig, {}, {"text_config.hidden_size": 2048})
    assert _configured("hf:llava", LlavaConfig, given).text_config.head_dim == 2048 // 32


def test_a_decoder_gets_ids_of_the_same_length(count: Any) -> None:
    fields = {"num_layers": 1, "num_decoder_layers": 1, "d_model": 32, "d_kv": 16, "num_heads": 2, "d_ff": 64}
    found = count("hf:t5", "--input", "12", *_settings(fields))
    assert found["inputs"] == ["input_ids=12:int64", "decoder_input_ids=12:int64"]
    assert any("decoder_input_ids" in note for note in found["notes"])
    given = count("hf:t5", "--input", "12", "--input", "decoder_input_ids=5", *_settings(fields))
    assert given["inputs"] == ["input_ids=12:int64", "decoder_input_ids=5:int64"]
    assert not any("decoder_input_ids" in note for note in given["notes"])


REFUSED = {
    "hf:org/name": ([], "downloads nothing", "config.json"),
    "hf:brt": ([], "no model 'brt'", "hf:bert"),
    "hf:BertConfig": ([], "not a model", "hf:LlamaForCausalLM"),
    "hf:bert": ([], "needs the shape", "--input 128:int64"),
    "hf:clip": ([], "needs the shape", "--input input_ids=128:int64 --input pixel_values=3x224x224"),
    "hf:bert ": (["--input", "8", "--set", "num_layer=2"], "no field 'num_layer'", "num_labels"),
    "hf:bert  ": (["--input", "8", "--set", "hidden_size=wide"], "not valid", "--set"),
    "hf:bert   ": (["--input", "8", "--input", "8"], "one input by position", "--input"),
    "hf:clip ": (["--input", "8", "--set", "vision_config=2"], "several fields", "vision_config."),
    "hf:bert    ": (["--input", "8", "--set", "vocab_size.x=2"], "no other fields", "vocab_size="),
    "hf:clip  ": (["--input", "8"], "failed", "pixel_values=3x224x224"),
    "hf:whisper": (["--input", "80x3000"], "decoder_input_ids", "decoder_input_ids=32:int64"),
    "hf:nougat": (["--input", "8"], "no model of the type 'nougat'", "a class"),
    "hf:nothing.json": (["--input", "8"], "nothing.json", ""),
}


@pytest.mark.parametrize("target", REFUSED)
def test_refused(target: str, run: Runner) -> None:
    """One line that says what is wrong, one that says what to do."""
    words, says, hints = REFUSED[target]
    done = run("model", target.strip(), *words)
    assert (done.code, done.out) == (2, ""), done.err
    error, hint = [line for line in done.err.splitlines() if line.startswith(("error:", "hint:"))]
    assert says in error
    assert hints in hint


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"model_type": 3}', '{"model_type": "brt"}'])
def test_files_that_are_not_configurations(text: str, tmp_path: Path, run: Runner) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    done = run("model", f"hf:{path}", "--input", "8")
    assert (done.code, done.out) == (2, "")
    assert "config.json" in done.err


def test_a_json_file_without_hf_names_it(tmp_path: Path, run: Runner) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert "hf:config.json" in run("model", str(tmp_path / "config.json")).err
    assert "hf:" in run("model", str(tmp_path)).err


def test_a_file_that_imports_timm_or_torchvision(tmp_path: Path) -> None:
    """In a fresh process, where the operators of torchvision are not declared yet."""
    # Not imported here: that takes the operators of torchvision, which another test may have declared.
    if find_spec("timm") is None:
        pytest.skip("timm is not installed")
    (tmp_path / "net.py").write_text(
        "import timm, torchvision\n"
        "def net(): return timm.create_model('resnet18')\n"
        "class Lazy(torchvision.models.ResNet): pass\n"
    )
    source = (
        "from flopcalc.cli.main import main\n"
        "raise SystemExit(main(['model', {!r} + '/net.py:net', '--input', '3x32x32', '--format', 'json']))"
    )
    done = fresh(source.format(str(tmp_path)))
    assert done.code == 0, done.err
    # torchvision's documentation: 11,689,512 parameters.
    assert json.loads(done.out)["params"] == 11_689_512
