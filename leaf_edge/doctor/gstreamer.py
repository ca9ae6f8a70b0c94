"""GStreamer, and the project's plugin for it."""

from __future__ import annotations

from leaf_edge.doctor.check import Check, Status, needs
from leaf_edge.doctor.host import Host

_INSTALL = "sudo apt install gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good"


def gstreamer_checks(host: Host) -> list[Check]:
    """GStreamer's tools, and the plugin, which this version does not have."""
    plugin = Check(
        "gstreamer-plugin",
        "plugin of leaf-edge",
        Status.NOT_APPLICABLE,
        "this version of leaf-edge has no GStreamer plugin",
    )
    tool = host.which("gst-inspect-1.0")
    if tool is None:
        found = "no gst-inspect-1.0 on PATH"
        return [Check("gstreamer", "GStreamer", Status.MISSING, found, _INSTALL, needs("gstreamer")), plugin]
    outcome = host.run([tool, "--version"])
    version = next((line for line in outcome.output.splitlines() if line.startswith("GStreamer ")), "")
    if outcome.error is not None or not version:
        found = f"{tool}: {outcome.error or 'its answer states no version'}"
        return [Check("gstreamer", "GStreamer", Status.WRONG, found, _INSTALL, needs("gstreamer")), plugin]
    found = f"{version.removeprefix('GStreamer ')} ({tool})"
    return [Check("gstreamer", "GStreamer", Status.OK, found, "", needs("gstreamer")), plugin]
