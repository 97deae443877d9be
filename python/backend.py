"""Builds the wheel: maturin, with the `phonematch` command built and put beside the module first.

maturin makes a wheel of a module or of a command; this makes one of both (PEP 517, in-tree
backend). There is no source distribution: the module is a member of a workspace and is built in it.

`PHONEMATCH_PROFILE` names the Cargo profile, else it is `release`.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import maturin
from maturin import get_requires_for_build_wheel  # noqa: F401  (as it is)

HERE = Path(__file__).resolve().parent


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    _empty_scripts()  # maturin looks whether they are there
    return maturin.prepare_metadata_for_build_wheel(metadata_directory, config_settings)


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    profile = os.environ.get("PHONEMATCH_PROFILE", "release")
    command = _command(profile)
    shutil.copy2(command, _empty_scripts() / "phonematch")
    settings = {**(config_settings or {}), "build-args": f"--profile {profile}"}
    return maturin.build_wheel(wheel_directory, settings, metadata_directory)


def _empty_scripts():
    scripts = HERE / "wheel.data" / "scripts"
    shutil.rmtree(scripts.parent, ignore_errors=True)
    scripts.mkdir(parents=True)
    return scripts


def _command(profile):
    """Builds the command and tells where Cargo left it."""
    build = ["cargo", "build", "--locked", "--package", "phonematch", "--bin", "phonematch"]
    build += ["--profile", profile, "--message-format", "json-render-diagnostics"]
    built = subprocess.run(build, cwd=HERE.parent, stdout=subprocess.PIPE, check=True)
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    return next(message["executable"] for message in messages if message.get("executable"))
