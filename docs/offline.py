"""A hook of mkdocs: pages that are opened as files search without the network, with a script of the site itself."""

from typing import Any

from mkdocs.utils import get_relative_url

_REMOTE, _LOCAL = "https://unpkg.com/iframe-worker/shim", "assets/iframe_worker.js"


def on_post_page(output: str, *, page: Any, **_: Any) -> str:
    """The page with the script that the theme's plugin for files would fetch from a server."""
    return output.replace(_REMOTE, get_relative_url(_LOCAL, page.url))


def on_post_template(output: str, *, template_name: str, **_: Any) -> str:
    """The same for pages without text, 404.html."""
    return output.replace(_REMOTE, get_relative_url(_LOCAL, template_name))
