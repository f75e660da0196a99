"""What shows that an engine runs a value of a key, where /info and the reload event do not.

One look gives a text for each key. A value is in force when the text is another one than that of
an engine with the default.
"""

from __future__ import annotations

import contextlib
import json
import socket
from typing import Any

from machine import Machine

__all__ = ["SEEN_BY_BEHAVIOUR", "look"]

# One shell call: a throwaway container and network, and what others see of the engine.
_SCRIPT = r"""
docker network rm probe-net >/dev/null 2>&1; docker rm -f probe >/dev/null 2>&1
docker network create probe-net >/dev/null 2>&1
docker network inspect bridge > /tmp/bridge 2>/dev/null
docker network inspect probe-net > /tmp/net 2>/dev/null
net=probe-net
[ "$(docker network ls -q -f name=^bridge$)" ] && net=bridge
docker run -d --name probe --network $net -p 8099:80 busybox sleep 600 >/tmp/said 2>&1
docker inspect probe > /tmp/probe 2>/dev/null
docker exec probe cat /etc/resolv.conf > /tmp/resolv 2>/dev/null
docker exec probe cat /proc/1/comm > /tmp/comm 2>/dev/null
docker exec probe grep NoNewPrivs /proc/1/status > /tmp/privileges 2>/dev/null
docker exec probe sh -c 'ulimit -n' > /tmp/limit 2>/dev/null
pid=$(docker inspect -f '{{.State.Pid}}' probe 2>/dev/null)
cat /proc/$pid/cgroup > /tmp/cgroup 2>/dev/null
pgrep -a -f 'host-port 8099' | cut -d' ' -f2 | sort -u > /tmp/proxy
iptables-save 2>/dev/null | grep -c 8099 > /tmp/rules
docker rm -f probe >/dev/null 2>&1
docker run --rm --add-host gw:host-gateway --network none busybox true >/tmp/said 2>&1
docker run --rm --add-host gw:host-gateway busybox cat /etc/hosts 2>/dev/null |
    grep -w gw > /tmp/hosts
docker network rm probe-net >/dev/null 2>&1
stat -c %G /run/other.sock > /tmp/socket 2>/dev/null || echo none > /tmp/socket
main=$(systemctl show docker -p MainPID --value)
cat /proc/$main/oom_score_adj > /tmp/oom
invocation=$(systemctl show docker -p InvocationID --value)
journalctl -q -o cat _SYSTEMD_INVOCATION_ID=$invocation | grep -v '^Docker' | head -400 > /tmp/log
busybox wget -q -O - http://127.0.0.1:9323/metrics 2>/dev/null | head -c 20 > /tmp/metrics
printf 'GET /_ping HTTP/1.0\r\n\r\n' | timeout 3 busybox nc 127.0.0.1 2376 > /tmp/tcp 2>/dev/null
ip6tables-save 2>/dev/null | grep -c -i docker > /tmp/rules6
ls -d /run/other.pid /etc/docker/other-key.json /run/other-docker/* > /tmp/files 2>/dev/null
grep -i ':270F ' /proc/net/tcp | wc -l > /tmp/diagnostic
true
"""
_NAMES = tuple(
    "bridge net probe resolv comm limit cgroup proxy hosts socket oom log metrics tcp"  # noqa: SIM905 -- a list of files reads better so
    " rules rules6 files diagnostic privileges".split()
)

# Which of the things seen below each key changes.
SEEN_BY_BEHAVIOUR = {
    "bip", "mtu", "icc", "ip", "ip-masq", "ipv6", "fixed-cidr", "fixed-cidr-v6",
    "default-gateway", "default-gateway-v6", "bip6", "bridge", "iptables", "ip6tables",
    "log-opts", "log-level", "log-format", "pidfile", "api-cors-header", "metrics-addr", "hosts",
    "group", "tls", "tlsverify", "tlscacert", "tlscert", "tlskey", "cgroup-parent", "init",
    "default-ulimits", "dns", "dns-opts", "dns-search", "default-network-opts", "host-gateway-ip",
    "host-gateway-ips", "userland-proxy", "userland-proxy-path", "oom-score-adjust",
    "deprecated-key-path", "exec-root", "no-new-privileges", "network-diagnostic-port",
}  # fmt: skip


def look(machine: Machine) -> dict[str, str]:
    """Give what is seen now, by key; keys that show nothing here are left out."""
    machine.run(_SCRIPT, timeout=90)
    text = "; ".join(f"echo @@@{name}; cat /tmp/{name} 2>/dev/null" for name in _NAMES)
    parts = machine.run(text).stdout.split("@@@")[1:]
    raw = {name: body.strip() for name, _, body in (part.partition("\n") for part in parts)}
    seen = {**_seen(raw), "api-cors-header": _cross_origin(machine)}
    return {key: value for key, value in seen.items() if key in SEEN_BY_BEHAVIOUR}


def _cross_origin(machine: Machine) -> str:
    """Give the header that lets other sites' pages talk to the engine."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(f"/proc/{machine.pid}/root/run/docker.sock")
        connection.sendall(b"GET /version HTTP/1.0\r\n\r\n")
        head = connection.recv(4096).decode().partition("\r\n\r\n")[0]
    lines = [line for line in head.splitlines() if line.startswith("Access-Control-Allow-Origin")]
    return "".join(lines)


def _seen(raw: dict[str, str]) -> dict[str, str]:
    bridge, net, probe = (_first(raw[name]) for name in ("bridge", "net", "probe"))
    options = bridge.get("Options") or {}
    pools = (bridge.get("IPAM") or {}).get("Config") or []
    four: dict[str, Any] = next((one for one in pools if ":" not in one.get("Subnet", "")), {})
    six: dict[str, Any] = next((one for one in pools if ":" in one.get("Subnet", "")), {})
    host = probe.get("HostConfig") or {}
    log = raw["log"].splitlines()
    tls = "plain" if "200 OK" in raw["tcp"] else "tls" if raw["tcp"] else "closed"
    words = dict.fromkeys(("tls", "tlsverify", "tlscacert", "tlscert", "tlskey"), tls)
    return {
        **words,
        "bip": str(four.get("Subnet")),
        "mtu": str(options.get("com.docker.network.driver.mtu")),
        "icc": str(options.get("com.docker.network.bridge.enable_icc")),
        "ip": str(options.get("com.docker.network.bridge.host_binding_ipv4")),
        "ip-masq": str(options.get("com.docker.network.bridge.enable_ip_masquerade")),
        "ipv6": str(bridge.get("EnableIPv6")),
        "fixed-cidr": str(four.get("IPRange")),
        "fixed-cidr-v6": str(six.get("IPRange") or six.get("Subnet")),
        "bip6": str(six.get("Subnet")),
        "default-gateway": str(four.get("AuxiliaryAddresses") or four.get("Gateway")),
        "default-gateway-v6": str(six.get("AuxiliaryAddresses") or six.get("Gateway")),
        "bridge": str(bool(bridge)),
        "iptables": str(raw["rules"] != "0"),
        "ip6tables": str(raw["rules6"] != "0"),
        "log-opts": str((host.get("LogConfig") or {}).get("Config")),
        "log-level": str(any("level=debug" in line or '"debug"' in line for line in log)),
        "log-format": str(any(line.startswith("{") for line in log)),
        "pidfile": str("/run/other.pid" in raw["files"]),
        "deprecated-key-path": str("other-key.json" in raw["files"]),
        "exec-root": str("/run/other-docker" in raw["files"]),
        "metrics-addr": str(bool(raw["metrics"])),
        "hosts": raw["socket"],
        "group": raw["socket"],
        "cgroup-parent": str("probe.slice" in raw["cgroup"]),
        "init": raw["comm"],
        "default-ulimits": raw["limit"],
        "dns": str("10.99.0.53" in raw["resolv"]),
        "dns-opts": str("ndots:3" in raw["resolv"]),
        "dns-search": str("example.com" in raw["resolv"]),
        "default-network-opts": str(net.get("Options") or {}),
        "host-gateway-ip": raw["hosts"],
        "host-gateway-ips": raw["hosts"],
        "userland-proxy": raw["proxy"],
        "userland-proxy-path": raw["proxy"],
        "oom-score-adjust": raw["oom"],
        "no-new-privileges": raw["privileges"],
        "network-diagnostic-port": raw["diagnostic"],
    }


def _first(text: str) -> dict[str, Any]:
    with contextlib.suppress(ValueError):
        documents = json.loads(text or "[]")
        if isinstance(documents, list) and documents:
            return dict(documents[0])
    return {}
