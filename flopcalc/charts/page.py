"""An interactive page with one picture. Everything is in the file, so that it works without a network."""

import json
from html import escape
from typing import Any

from flopcalc.charts.picture import load_vl_convert

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ margin: 2rem auto; max-width: 60rem; padding: 0 1rem; font-family: Arial, Helvetica, sans-serif; }}
#picture {{ display: block; overflow-x: auto; }}
#picture svg {{ width: 100%; min-width: {least}; max-width: {most}; height: auto; }}
</style>
</head>
<body>
<div id="picture"></div>
<script>
{script}
</script>
</body>
</html>
"""
_SCRIPT = 'vegaEmbed("#picture", {spec}, {{renderer: "svg", actions: false}});'


def page(spec: dict[str, Any], version: str) -> str:
    """The page of a picture, as text of HTML. On a narrow screen it is moved sideways, so that its text is readable."""
    text = json.dumps(spec, ensure_ascii=True).replace("</", "<\\/")
    script = load_vl_convert().javascript_bundle(_SCRIPT.format(spec=text), vl_version=version)
    # Without a title above the picture, a tab of a browser shows what the picture is of.
    shown = spec.get("title")
    title = (shown.get("text") if isinstance(shown, dict) else shown) or spec.get("description") or "flopcalc"
    if isinstance(title, list):
        title = " ".join(map(str, title))
    width = spec.get("width")
    # Of the plot; the picture is wider by its labels. It is not enlarged much beyond the width that was asked for.
    least, most = (f"{width:g}px", f"{2 * width:g}px") if isinstance(width, int | float) else ("0", "none")
    script = script.replace("</script", "<\\/script")
    return _PAGE.format(least=least, most=most, title=escape(str(title)), script=script)
