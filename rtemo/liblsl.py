"""liblsl itself: its configuration, which must be in force before anything else of it is used, and its clock."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from rtemo.errors import ConfigurationError

if TYPE_CHECKING:
    from rtemo.config import NetworkSettings

# liblsl's defaults take 0.64 s for a first clock measurement and ask the network every half second: too slow for a
# stream that comes back. A probe every 10 ms and 30 ms of patience are plenty in one building.
# Each question to the network listens on a port of LSL's own small range for as long as an answer may take. With the
# usual 3 to 5 s, twenty questions a second take the whole range: a new outlet on this machine then gets a port that
# nobody looks at, and is never found.
TUNING = {
    "ContinuousResolveInterval": "0.05",
    "MulticastMinRTT": "0.02",
    "UnicastMinRTT": "0.02",
    "MulticastMaxRTT": "0.15",
    "UnicastMaxRTT": "0.15",
    "TimeProbeInterval": "0.01",
    "TimeProbeMaxRTT": "0.03",
}
QUIET = -3
BASE_PORT = 16572
PORT_RANGE = 256
"""LSL's usual 32 ports are taken by sixteen outlets; where multicast does not reach, the next one is never found."""
PORTS = f"UDP {BASE_PORT - 1}-{BASE_PORT + PORT_RANGE - 1}, TCP {BASE_PORT}-{BASE_PORT + PORT_RANGE - 1}"
"""What a firewall must let through; multicast uses the first one."""
THIS_MACHINE = "127.0.0.1"
SEARCHED = ("lsl_api.cfg", "~/lsl_api/lsl_api.cfg", "/etc/lsl_api/lsl_api.cfg")
"""Where liblsl looks for a configuration of its own when none was set."""

_in_force: str | None = None
_lock = threading.Lock()


def configuration_text(network: NetworkSettings, *, log_level: int = QUIET) -> str:
    """The text of liblsl's configuration for these settings, in its INI format."""
    # Streams of this very machine are asked for directly: many a firewall or virtual machine swallows multicast.
    peers = [*network.known_peers, THIS_MACHINE]
    tuning = "\n".join(f"{key} = {value}" for key, value in TUNING.items())
    return (
        f"[ports]\nPortRange = {PORT_RANGE}\n"
        f"[multicast]\nResolveScope = {network.scope}\n"
        f"[lab]\nKnownPeers = {{{', '.join(peers)}}}\nSessionID = {network.session_id}\n"
        f"[tuning]\n{tuning}\n"
        f"[log]\nlevel = {log_level}\n"
    )


def configure(network: NetworkSettings) -> None:
    """Set liblsl's configuration; must be called before anything else uses liblsl in this process. See `configure_by`.

    Raises
    ------
    ConfigurationError
    """
    configure_by(configuration_text(network))


def configure_by(text: str) -> None:
    """Set liblsl's configuration by a text that `configuration_text` gave.

    Every file in `SEARCHED` is passed over from then on: rtemo's settings are those of its own configuration.

    Raises
    ------
    ConfigurationError
        Another configuration is in force already in this process; liblsl reads it once only.
    """
    global _in_force  # liblsl's own configuration is global to the process
    with _lock:
        if _in_force == text:
            return
        if _in_force is not None:
            raise ConfigurationError(
                "liblsl already runs in this process with other [network] settings, and reads them only once.",
                cure="Start a new process.",
            )
        import pylsl

        pylsl.set_config_content(text)
        _in_force = text


def local_clock() -> float:
    """LSL local-clock seconds."""
    import pylsl

    return float(pylsl.local_clock())


def versions() -> dict[str, str]:
    """Versions of liblsl, of its protocol and of pylsl; only after `configure`, which this would forestall."""
    import pylsl

    number, protocol = int(pylsl.library_version()), int(pylsl.protocol_version())
    return {
        "liblsl": f"{number // 100}.{number % 100}",
        "protocol": f"{protocol // 100}.{protocol % 100}",
        "pylsl": str(pylsl.__version__),
        "build": str(pylsl.library_info()),
    }


def stray_configurations() -> list[Path]:
    """Files that other LSL programs on this machine would take their configuration from, and rtemo does not."""
    named = os.environ.get("LSLAPICFG")
    candidates = [Path(place).expanduser() for place in ((named,) if named else ()) + SEARCHED]
    return [path.resolve() for path in candidates if path.is_file()]
