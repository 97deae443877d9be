"""How the pages become a site: `sphinx-build -W -n -b html docs target/docs`.

The pages are plain Markdown, to be read in a checkout too. `-W` makes every warning an error: a link
to a page or heading that is not there, and a page that stands in no contents.
"""

import re
from pathlib import Path

project = "phonematch"
author = "the phonematch authors"
extensions = ["myst_parser"]
exclude_patterns = ["README.md", "requirements.txt"]
html_theme = "furo"
html_title = "phonematch"
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
# Headings get the anchors that a forge gives them, so that one link serves both.
myst_heading_anchors = 3

_LINK = re.compile(r"\]\(([^)\s#:]+\.md)\)")


def _files_beside_the_pages(app, name, source):
    """A Markdown file that is no page, such as `examples/README.md`, is handed out as a file."""
    pages = Path(app.srcdir).resolve()
    here = (pages / name).parent

    def as_file(link):
        is_page = (here / link[1]).resolve().is_relative_to(pages)
        return link[0] if is_page else f"](path:{link[1]})"

    source[0] = _LINK.sub(as_file, source[0])


def setup(app):
    app.connect("source-read", _files_beside_the_pages)
