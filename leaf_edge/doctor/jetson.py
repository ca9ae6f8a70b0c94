"""NVIDIA Jetson: L4T, JetPack, power mode, clocks. On other machines one line says so."""

from __future__ import annotations

import re

from leaf_edge.doctor.check import Check, Status, needs
from leaf_edge.doctor.host import Host

RELEASE = "/etc/nv_tegra_release"
_CLOCKS = "/sys/devices/system/cpu/cpu0/cpufreq"


def l4t_version(text: str) -> str | None:
    """`36.4.3` of the first line of /etc/nv_tegra_release, `# R36 (release), REVISION: 4.3, ...`."""
    match = re.search(r"R(\d+) \(release\), REVISION: ([\d.]+)", text)
    return f"{match[1]}.{match[2]}" if match else None


def power_mode(text: str) -> str | None:
    """`MAXN` in what `nvpmodel -q` prints."""
    match = re.search(r"NV Power Mode:\s*(\S+)", text)
    return match[1] if match else None


def jetson_checks(host: Host) -> list[Check]:
    """L4T, JetPack, power mode and clocks."""
    release = host.read(RELEASE)
    if release is None:
        found = f"this is not one: there is no {RELEASE}"
        return [Check("jetson", "Jetson", Status.NOT_APPLICABLE, found, "", needs("jetson"))]
    version = l4t_version(release)
    if version is None:
        found = f"{RELEASE} states no release: {release.splitlines()[0][:80] if release else 'it is empty'}"
        return [
            Check("jetson", "Jetson Linux", Status.WRONG, found, "flash the device again", needs("jetson"))
        ]
    model = (host.read("/proc/device-tree/model") or "").strip("\0")
    found = f"L4T {version}" + (f" on {model}" if model else "")
    checks = [Check("jetson", "Jetson Linux", Status.OK, found, "", needs("jetson"))]
    return [*checks, _jetpack(host), _power(host), _clocks(host)]


def _jetpack(host: Host) -> Check:
    install = "sudo apt update && sudo apt install nvidia-jetpack"
    dpkg = host.which("dpkg-query")
    if dpkg is None:
        return Check(
            "jetpack", "JetPack", Status.WRONG, "there is no dpkg-query to ask", "sudo apt install dpkg"
        )
    outcome = host.run([dpkg, "-W", "-f=${Status} ${Version}", "nvidia-jetpack"])
    if outcome.error is not None or not outcome.output.startswith("install ok installed "):
        found = "the package nvidia-jetpack is not installed; its parts may be"
        return Check("jetpack", "JetPack", Status.MISSING, found, install)
    return Check("jetpack", "JetPack", Status.OK, outcome.output.split()[-1])


def _power(host: Host) -> Check:
    tool = host.which("nvpmodel") or "/usr/sbin/nvpmodel"
    outcome = host.run([tool, "-q"])
    mode = power_mode(outcome.output)
    if mode is None:
        found = outcome.error or "nvpmodel states no mode"
        return Check("power", "power mode", Status.WRONG, found, "sudo nvpmodel -q")
    more = "" if mode.upper().startswith("MAXN") else "for full speed: sudo nvpmodel -m 0"
    return Check("power", "power mode", Status.OK, mode, more)


def _clocks(host: Host) -> Check:
    low, high = (host.read(f"{_CLOCKS}/scaling_{end}_freq") for end in ("min", "max"))
    if low is None or high is None:
        return Check(
            "clocks", "clocks", Status.WRONG, f"{_CLOCKS} cannot be read", "sudo jetson_clocks --show"
        )
    if low == high:
        return Check("clocks", "clocks", Status.OK, "locked at their highest")
    found = "not locked: the first frames after a pause take longer"
    return Check("clocks", "clocks", Status.OK, found, "for steady times: sudo jetson_clocks")
