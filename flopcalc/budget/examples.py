"""Examples of values in the file of targets, for hints of errors."""

NAMES = {"network": "resnet50", "operator": "ghost"}
TEXT_EXAMPLES = {
    "replace": "for example replace: spconv:alpha=1/4",
    "where": "for example where: k == 3",
    "keep": "for example keep: [conv1, layer4]",
    "input": "for example input: 3x224x224",
    "baseline": "for example baseline: resnet50",
    "method": "for example method: encode_image",
    "on": "for example on: cpu",
    "mode": "for example mode: training",
    "freeze": "for example freeze: [conv1, layer1]",
    "checkpoint": "for example checkpoint: layer*",
}
MAPPINGS = {"set": "options", "arg": "keywords of the forward"}
MAPPING_EXAMPLES = {"set": "{classes: 10}", "arg": "{return_dict: false}"}
CALL_EXAMPLES = {"arg": f"for example arg: {MAPPING_EXAMPLES['arg']}", "method": TEXT_EXAMPLES["method"]}
CALL_EXAMPLES["on"] = "one of: auto, meta, cpu"
