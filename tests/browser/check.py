#!/usr/bin/env python3
"""Opens run pages in headless Chromium and fails where a person could not read them.

    tests/browser/check.py RUN_FOLDER [--screenshots FOLDER]

For each page of the run, in light and in dark, at the width of a telephone and of a desk: nothing
is wider than the window, no text is smaller than 11 pixels, dark is dark, and the browser's console
stays silent. Standard library only; the browser is Debian's package `chromium`. Pages are served
on the loopback, because a probe may look into a frame of its own origin only.
"""

import argparse
import functools
import html
import http.server
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading

WIDTHS = {"telephone": 390, "desk": 1280}
SCHEMES = {"dark": 0, "light": 1}
SMALLEST_TEXT = 11

# Measures the page in a frame of the width asked for, and leaves the result in its own text.
PROBE = """<!doctype html><link rel="icon" href="data:,"><body style="margin:0">
<iframe src="%s" style="border:0;width:%dpx;height:900px"></iframe><pre id="result"></pre><script>
onload = () => {
  const frame = document.querySelector("iframe"), page = frame.contentDocument;
  const root = page.documentElement, look = frame.contentWindow;
  const wide = [...page.querySelectorAll("body *")].filter(it =>
    !it.closest(".wide, .unseen") && it.getBoundingClientRect().right > root.clientWidth + 1);
  const sizes = [...page.querySelectorAll("svg text, p, li, td, th, dd, dt")].map(it => {
    const size = parseFloat(look.getComputedStyle(it).fontSize), svg = it.closest("svg");
    return svg ? size * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : size;
  }).filter(size => size > 0);
  document.getElementById("result").textContent = JSON.stringify({
    overflow: root.scrollWidth - root.clientWidth,
    wide: wide.slice(0, 5).map(it => it.tagName + "." + it.getAttribute("class")),
    smallest: Math.min(...sizes),
    paper: look.getComputedStyle(page.body).backgroundColor,
    title: page.title,
    drawings: page.querySelectorAll("svg").length,
  });
};
</script>"""


class Handler(http.server.SimpleHTTPRequestHandler):
    """The run folder, and a probe for each page and width."""

    def do_GET(self):
        probe = re.fullmatch(r"/probe/(\d+)/(.+)", self.path)
        if not probe:
            return super().do_GET()
        body = (PROBE % ("/" + html.escape(probe[2]), int(probe[1]))).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def chromium(*arguments):
    """Runs the browser with a profile of its own; gives its standard output and its log."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if not browser:
        sys.exit("check.py: chromium is not installed (Debian: apt-get install chromium)")
    with tempfile.TemporaryDirectory() as profile:
        command = [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
            f"--user-data-dir={profile}", "--enable-logging=stderr", *arguments,
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout, done.stderr


def faults_of(address, page, name, width, scheme):
    """What is wrong with a page at a width and in a scheme."""
    settings = f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}"
    dom, log = chromium(
        settings, f"--window-size={max(width, 500) + 20},950", "--virtual-time-budget=4000",
        "--dump-dom", f"{address}/probe/{width}/{page}",
    )
    found = re.search(r'<pre id="result">(.+?)</pre>', dom)
    if not found:
        return ["the browser measured nothing", *log.splitlines()[-3:]]
    seen = json.loads(html.unescape(found[1]))
    faults = [line for line in log.splitlines() if "CONSOLE" in line]
    if seen["overflow"] > 0 or seen["wide"]:
        faults.append(f"wider than the window by {seen['overflow']} px: {seen['wide']}")
    if seen["smallest"] < SMALLEST_TEXT:
        faults.append(f"text of {seen['smallest']:.1f} px")
    light = sum(map(int, re.findall(r"\d+", seen["paper"])[:3])) / 3
    if (light < 128) != (scheme == "dark"):
        faults.append(f"the paper is {seen['paper']}")
    if not seen["title"] or (page == "report.html" and seen["drawings"] < 3):
        faults.append("it has no title or no drawing")
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("--screenshots", type=pathlib.Path)
    flags = parser.parse_args()
    pages = sorted(path.name for path in flags.run.glob("*.html"))
    if "report.html" not in pages:
        sys.exit(f"check.py: {flags.run} holds no report.html")
    handler = functools.partial(Handler, directory=flags.run)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    faulty = 0
    for page in pages:
        for name, width in WIDTHS.items():
            for scheme, value in SCHEMES.items():
                faults = faults_of(address, page, name, width, scheme)
                faulty += bool(faults)
                print(f"{page} {name} {scheme}: {'; '.join(faults) or 'ok'}")
                if flags.screenshots:
                    picture = flags.screenshots / f"{page}-{name}-{scheme}.png"
                    chromium(
                        f"--blink-settings=preferredColorScheme={value}",
                        f"--window-size={width},{5200 if width < 500 else 2600}",
                        f"--screenshot={picture.absolute()}", f"{address}/{page}",
                    )
    server.shutdown()
    sys.exit(1 if faulty else 0)


if __name__ == "__main__":
    main()
